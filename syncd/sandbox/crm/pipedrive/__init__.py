"""Pipedrive's dialect of the sandbox CRM."""

from __future__ import annotations

from syncd.sandbox.crm.pipedrive.company import Company
from syncd.sandbox.crm.pipedrive.dialect import Pipedrive, PipedriveSetup
from syncd.sandbox.crm.pipedrive.limits import NO_LIMITS, Limits
from syncd.sandbox.crm.pipedrive.refusal import Refusal
from syncd.sandbox.crm.pipedrive.schema import REFERRAL_ID, CustomField
from syncd.sandbox.crm.pipedrive.tokens import OAuthApp

__all__ = [
    "NO_LIMITS",
    "REFERRAL_ID",
    "Company",
    "CustomField",
    "Limits",
    "OAuthApp",
    "Pipedrive",
    "PipedriveSetup",
    "Refusal",
]
