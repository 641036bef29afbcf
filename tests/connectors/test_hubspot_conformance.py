"""HubSpot does what every connector does."""

from __future__ import annotations

from syncd.conformance import Conformance, CrmDouble
from syncd_connectors.hubspot import HubSpot
from tests.conformance.hubspot import HubSpotDouble


class TestHubSpot(Conformance):
    def double(self) -> CrmDouble:
        return HubSpotDouble(HubSpot, page_size=200)
