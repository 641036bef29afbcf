"""Zoho CRM's dialect of the sandbox CRM."""

from __future__ import annotations

from syncd.sandbox.crm.zoho.dialect import Zoho, ZohoSetup
from syncd.sandbox.crm.zoho.modules import STANDARD, ReferralField
from syncd.sandbox.crm.zoho.org import Converted, ZohoOrg
from syncd.sandbox.crm.zoho.refusal import Refusal
from syncd.sandbox.crm.zoho.schema import Pipeline
from syncd.sandbox.crm.zoho.store import Change
from syncd.sandbox.crm.zoho.tokens import ZohoApp

__all__ = [
    "STANDARD",
    "Change",
    "Converted",
    "Pipeline",
    "ReferralField",
    "Refusal",
    "Zoho",
    "ZohoApp",
    "ZohoOrg",
    "ZohoSetup",
]
