"""Salesforce: leads become Leads, or a Contact with an Opportunity; statuses and stages come back.

`connector` composes the parts: `writer` brings leads in, `reader` brings stages back, `stages` and `checks` know the
org's stages and hold the settings against its objects. Every call goes through `client`, by the SDK as `sdk` tames it;
`answers` judges what comes back. `leads` and `records` are what goes out and comes back as values, `soql` writes
queries, `settings` is the part of syncd.yaml, `outbound` reads the Outbound Messages that Salesforce sends by itself,
`limits` says what it allows.
"""

from __future__ import annotations

from syncd_connectors.salesforce.connector import Salesforce
from syncd_connectors.salesforce.settings import SalesforceSettings

__all__ = ["Salesforce", "SalesforceSettings", "connector"]

connector = Salesforce
