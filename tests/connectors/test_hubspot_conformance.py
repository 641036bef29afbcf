"""HubSpot does what every connector does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from syncd.conformance import Conformance, CrmDouble
from syncd_connectors.hubspot import HubSpot
from tests.conformance.hubspot import HubSpotDouble


class TestHubSpot(Conformance):
    exempt: ClassVar[Mapping[str, str]] = {
        "ManagesWebhooks": "an app's subscriptions are a part of its project, which its developer uploads",
    }

    def double(self) -> CrmDouble:
        return HubSpotDouble(HubSpot, page_size=200)
