"""The reference connector does what every connector does; what breaks it is in planted.py."""

from __future__ import annotations

from syncd.conformance import Conformance, CrmDouble
from tests.conformance.hubspot import HubSpotDouble
from tests.conformance.reference import Reference


class TestReference(Conformance):
    def double(self) -> CrmDouble:
        return HubSpotDouble(Reference, page_size=Reference.page_size)
