"""The tests notice mistakes: each of those planted here makes one of them fail."""

from __future__ import annotations

import pytest

from tests.rules.planted import FAULTS, Fault, cases, noticed, planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: Fault) -> None:
    with planted(fault):
        assert noticed(fault)


def test_without_a_fault_those_tests_pass() -> None:
    for seen_by in sorted({fault.seen_by.partition(":")[0] for fault in FAULTS}):
        for test, case in cases(seen_by):
            test(**case)


def test_there_are_faults_of_every_sort() -> None:
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
