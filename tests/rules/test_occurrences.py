"""A milestone without end: one event may reach it any number of times, and so the number has a bound."""

from __future__ import annotations

from typing import Any

from syncd_rules import Program
from syncd_rules.milestone import MOST_OCCURRENCES
from tests.rules.story import Story, held, program, reached, reasons

EXCESS = [("often", "10001", "too_many_occurrences")]


def often(**keys: Any) -> Program:
    return program(milestones=[{"id": "often", "repeat": {}, **keys}])


def spending(**keys: Any) -> Program:
    return often(metric="amount_spent", target={"USD": "0.01"}, **keys)


def test_a_large_order_reaches_a_milestone_ten_thousand_times_at_the_most_and_says_so() -> None:
    rules = spending(repeat={"max": "1000000000"}, rewards=[{"kind": "points", "amount": "1"}])
    story = Story().buys("ada", "9999999999999.00", 2, "o1").buys("ada", "1", 3)
    result = story.told(rules)

    assert len(reached(result)) == held(result, "ada") == MOST_OCCURRENCES == 10_000
    assert reasons(result) == EXCESS
    back = story.returns("ada", "o1", "9999999999999.00", 4).told(rules)
    assert (held(back, "ada"), reasons(back)) == (100, [])


def test_what_is_reached_as_often_as_it_may_be_is_no_excess() -> None:
    assert reasons(Story().buys("ada", "100", 2).told(spending())) == []
    assert reasons(Story().buys("ada", "100.01", 2).told(spending())) == EXCESS
    assert reasons(Story().buys("ada", "1000000", 2).told(spending(repeat={"max": "2"}))) == []


def test_a_silence_is_granted_ten_thousand_times_at_the_most() -> None:
    result = Story().reviews("ada", 1).told(often(metric="inactivity", after="PT1S"), on=365)

    assert (len(reached(result)), result.next_due) == (MOST_OCCURRENCES, None)
    assert reasons(result) == EXCESS


def test_a_streak_is_granted_ten_thousand_times_at_the_most() -> None:
    story = Story()
    for cycle in range(MOST_OCCURRENCES + 2):
        story.happened(1, "subscription.cycle_paid", participant="ada", contract="k", cycle=cycle)
    result = story.told(often(metric="subscription_cycles", mode="consecutive", target="1"))

    assert len(reached(result)) == MOST_OCCURRENCES
    assert reasons(result) == EXCESS
