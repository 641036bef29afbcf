"""One account with all that belongs to it: records, credentials, credits, open lists, channels."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncd.sandbox.crm.zoho.channels import Channels
from syncd.sandbox.crm.zoho.limits import Credits
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.pages import Pages
from syncd.sandbox.crm.zoho.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class ZohoAccount:
    """What the routes of one account work with."""

    name: str
    token: str = field(repr=False)
    api_domain: str  # empty: the sandbox itself
    org: ZohoOrg
    tokens: Tokens
    credits: Credits
    pages: Pages
    channels: Channels
    mixed_code: int  # of an answer in which some records failed
    failed_code: int  # of one in which all did
