"""Salesforce's dialect of the sandbox CRM."""

from __future__ import annotations

from syncd.sandbox.crm.salesforce.dialect import Salesforce, SalesforceSetup
from syncd.sandbox.crm.salesforce.duplicates import NO_RULE, DuplicateRule
from syncd.sandbox.crm.salesforce.limits import OrgLimits
from syncd.sandbox.crm.salesforce.objects import ReferralField
from syncd.sandbox.crm.salesforce.org import Converted, Org
from syncd.sandbox.crm.salesforce.outbound import OutboundMessages
from syncd.sandbox.crm.salesforce.refusal import Refusal
from syncd.sandbox.crm.salesforce.sessions import ClientApp

__all__ = [
    "NO_RULE",
    "ClientApp",
    "Converted",
    "DuplicateRule",
    "Org",
    "OrgLimits",
    "OutboundMessages",
    "ReferralField",
    "Refusal",
    "Salesforce",
    "SalesforceSetup",
]
