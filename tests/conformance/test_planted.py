"""A suite that nothing fails proves nothing: each planted fault is caught, and by the behaviour that is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from syncd.conformance import Conformance, CrmDouble
from tests.conformance.account import ReferenceDouble
from tests.conformance.conftest import CAUGHT
from tests.conformance.planted import (
    FAULTS,
    Fault,
    authorizing,
    hearing,
    looking_up,
    opening,
    paging,
    pushing,
    reading,
    repeating,
    subscribing,
    troubles,
)
from tests.conformance.reference import Reference
from tests.conformance.running import behaviours, failure

THEMES = (opening, pushing, repeating, reading, paging, looking_up, troubles, hearing, subscribing, authorizing)


class Broken(Conformance):
    """The suite on a connector with a planted fault."""

    def __init__(self, connector: type[Reference]) -> None:
        self._connector = connector

    def double(self) -> CrmDouble:
        return ReferenceDouble(self._connector)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.connector.__name__)
def test_a_planted_fault_is_caught(fault: Fault, record_property: Callable[[str, object], None]) -> None:
    suite = Broken(fault.connector)

    found = {behaviour: failure(suite, behaviour) for behaviour in fault.caught_by}

    missed = [behaviour for behaviour, how in found.items() if how is None]
    record_property(CAUGHT, f"{fault.name}: {', '.join(sorted(found.keys() - set(missed))) or 'NOBODY'}")
    assert missed == [], f"a connector that {fault.name[0].lower()}{fault.name[1:]} passes"


def test_every_behaviour_catches_a_planted_fault() -> None:
    """A behaviour that no fault breaks may be one that cannot fail."""
    proved = {behaviour for fault in FAULTS for behaviour in fault.caught_by}

    assert proved == set(behaviours())


def test_every_planted_fault_is_told_apart() -> None:
    names = Counter(fault.name for fault in FAULTS)

    assert [name for name, number in names.items() if number > 1 or not name] == []
    assert {fault.connector.__module__ for fault in FAULTS} == {theme.__name__ for theme in THEMES}
