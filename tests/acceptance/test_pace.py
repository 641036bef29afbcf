"""A backlog uses our share of each vendor's limits to the full, and no call is refused: bench/, with bounds."""

from __future__ import annotations

import pytest

from bench import governor
from syncd.registry import built_in


@pytest.mark.parametrize(
    ("vendor", "leads", "quota"),
    [
        ("hubspot", 300, "calls"),
        ("salesforce", 600, "daily calls"),
        ("pipedrive", 60, "calls"),
        ("zoho", 600, "daily credits"),
    ],
)
def test_a_backlog_goes_out_at_95_percent_of_our_share_and_meets_no_refusal(
    vendor: str, leads: int, quota: str
) -> None:
    row = governor.measure(vendor, leads)

    assert (row.arrived, row.refused) == (leads, 0)
    assert row.quota == quota
    assert 0.95 <= row.reached <= 1.0
    assert row.seconds > 0


def test_no_vendor_is_left_out() -> None:
    assert sorted(governor.VENDORS) == built_in()
