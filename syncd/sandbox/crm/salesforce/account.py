"""One org with all that belongs to it: records, sessions, allowance, open queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from syncd.sandbox.crm.salesforce.limits import Usage
from syncd.sandbox.crm.salesforce.locators import Locators
from syncd.sandbox.crm.salesforce.org import Org
from syncd.sandbox.crm.salesforce.outbound import Outbound
from syncd.sandbox.crm.salesforce.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class SalesforceAccount:
    """What the routes of one org work with."""

    name: str
    token: str = field(repr=False)
    org: Org
    sessions: Sessions
    usage: Usage
    locators: Locators
    outbound: Outbound
    page: int  # rows that a page of a query has at the most
    rng: Random  # the order of rows for which a query asks none
