"""Which occurrences of a milestone stand, given how many referrals count."""

from __future__ import annotations

from collections.abc import Iterator

from syncd_rules.model import Milestone


def stands(milestone: Milestone, number: int, value: int) -> bool:
    """Tell whether `value` is enough for occurrence `number` (1, 2, ...)."""
    threshold = number * milestone.target
    return value > threshold if milestone.strict else value >= threshold


def occurrences(milestone: Milestone, value: int) -> Iterator[int]:
    """Give the numbers of the occurrences for which `value` is enough."""
    number = 1
    while (milestone.times is None or number <= milestone.times) and stands(milestone, number, value):
        yield number
        number += 1
