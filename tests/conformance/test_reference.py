"""The reference connector does what every connector does; what breaks it is in planted.py."""

from __future__ import annotations

from syncd.conformance import Conformance, CrmDouble
from tests.conformance.account import ReferenceDouble
from tests.conformance.reference import Reference


class TestReference(Conformance):
    def double(self) -> CrmDouble:
        return ReferenceDouble(Reference)
