"""A CRM on loopback that speaks HubSpot's HTTP: strict, stateful, and able to fail on demand.

with Sandbox(now=lambda: datetime.now(UTC)) as crm:
    connect(base_url=crm.url("hubspot"), token=crm.token("hubspot"))
    crm.model("hubspot").move(deal, "closedwon")
"""

from __future__ import annotations

from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.limits import NO_LIMITS, Limits
from syncd.sandbox.crm.model import CrmModel, Happening
from syncd.sandbox.crm.record import lag_between, no_lag
from syncd.sandbox.crm.refusal import Refusal
from syncd.sandbox.crm.schema import Pipeline, Property, Required, Stage
from syncd.sandbox.crm.server import AccountSetup, Sandbox
from syncd.sandbox.crm.tokens import OAuthApp

__all__ = [
    "NO_LIMITS",
    "AccountSetup",
    "CrmModel",
    "Fault",
    "Happening",
    "Limits",
    "OAuthApp",
    "Pipeline",
    "Property",
    "Refusal",
    "Required",
    "Sandbox",
    "Stage",
    "lag_between",
    "no_lag",
]
