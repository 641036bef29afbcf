"""HubSpot's dialect of the sandbox CRM."""

from __future__ import annotations

from syncd.sandbox.crm.hubspot.dialect import HubSpot, HubSpotSetup
from syncd.sandbox.crm.hubspot.limits import NO_LIMITS, Limits
from syncd.sandbox.crm.hubspot.model import CrmModel
from syncd.sandbox.crm.hubspot.refusal import Refusal
from syncd.sandbox.crm.hubspot.schema import Pipeline, Property, Required, Stage
from syncd.sandbox.crm.hubspot.store import Happening
from syncd.sandbox.crm.hubspot.tokens import OAuthApp
from syncd.sandbox.crm.hubspot.webhooks import WebhookApp

__all__ = [
    "NO_LIMITS",
    "CrmModel",
    "Happening",
    "HubSpot",
    "HubSpotSetup",
    "Limits",
    "OAuthApp",
    "Pipeline",
    "Property",
    "Refusal",
    "Required",
    "Stage",
    "WebhookApp",
]
