"""CRMs on loopback that speak their vendors' HTTP: strict, stateful, and able to fail on demand.

with Sandbox(now=lambda: datetime.now(UTC)) as crm:
    connect(base_url=crm.url("hubspot"), token=crm.token("hubspot"))
    crm.model("hubspot").move(deal, "closedwon")
"""

from __future__ import annotations

from syncd.sandbox.crm.dialect import Setup
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.hubspot import (
    NO_LIMITS,
    CrmModel,
    Happening,
    HubSpotSetup,
    Limits,
    OAuthApp,
    Pipeline,
    Property,
    Refusal,
    Required,
    Stage,
)
from syncd.sandbox.crm.humans import DealStage, Found, Humans
from syncd.sandbox.crm.lag import lag_between, no_lag
from syncd.sandbox.crm.pipedrive import Company, PipedriveSetup
from syncd.sandbox.crm.salesforce import Org, SalesforceSetup
from syncd.sandbox.crm.server import Sandbox
from syncd.sandbox.crm.zoho import ZohoOrg, ZohoSetup

__all__ = [
    "NO_LIMITS",
    "Company",
    "CrmModel",
    "DealStage",
    "Fault",
    "Found",
    "Happening",
    "HubSpotSetup",
    "Humans",
    "Limits",
    "OAuthApp",
    "Org",
    "PipedriveSetup",
    "Pipeline",
    "Property",
    "Refusal",
    "Required",
    "SalesforceSetup",
    "Sandbox",
    "Setup",
    "Stage",
    "ZohoOrg",
    "ZohoSetup",
    "lag_between",
    "no_lag",
]
