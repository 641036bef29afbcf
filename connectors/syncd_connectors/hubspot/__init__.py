"""HubSpot: leads become contacts, or contacts with a deal; deal stages come back.

`connector` composes the parts: `writer` brings leads in, `reader` brings stages back, `schema` and `stages` know the
account's properties and stages. Every call goes through `client`, by the SDK as `sdk` tames it; `answers` judges what
comes back. `leads` and `records` are what goes out and comes back as values, `settings` is the part of syncd.yaml,
`webhook` reads what HubSpot tells by itself, `limits` says what it allows.
"""

from __future__ import annotations

from syncd_connectors.hubspot.connector import HubSpot
from syncd_connectors.hubspot.settings import VERSION, HubSpotSettings

__all__ = ["VERSION", "HubSpot", "HubSpotSettings", "connector"]

connector = HubSpot
