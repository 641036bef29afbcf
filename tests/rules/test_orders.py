"""Whose order is it? A number is that of one order; a second one under it is told of, and never lost in silence."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from syncd_rules import State, explain
from tests.rules.story import Story, day, held, pots, program, reached, reasons

SHARE = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}
GIFT = {"id": "gift", "trigger": "order.paid", "to": "friend", "kind": "points", "amount": "5"}
RULES = program(counting="referrals", rewards=[SHARE, GIFT])


def two_friends(code: str = "ADA") -> Story:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    return story.signs_up("bob").signs_up("cem", code=code)


def test_of_two_friends_with_one_order_number_the_first_keeps_it_and_the_second_is_reported() -> None:
    story = two_friends().buys("bob", "100", 3, "1001").buys("cem", "70", 4, "1001")
    result = story.told(RULES)

    assert pots(result, "ada", "USD") == {"available": 1000}
    assert (held(result, "bob"), held(result, "cem")) == (5, 0)
    assert [(s.to, s.rule, s.subject, s.reason) for s in result.suppressed] == [
        ("cem", "order", "1001", "order_number_taken")
    ]
    assert result.referrals["cem"].revenue == {}


def test_whoever_asks_why_is_told_that_the_number_was_taken() -> None:
    story = two_friends().buys("bob", "100", 3, "1001").buys("cem", "70", 4, "1001")
    told = "Order 1001: another order had that number before, which alone counts (order_number_taken)."

    assert told in explain([RULES], story.events, day(9), "cem")
    assert told not in explain([RULES], story.events, day(9), "bob")


def test_friends_of_two_advocates_with_one_order_number_both_earn_and_the_second_is_reported() -> None:
    """The books of two advocates know nothing of each other, so that each can be kept by itself."""
    story = two_friends("EVE").buys("bob", "100", 3, "1001").buys("cem", "70", 4, "1001")
    result = story.told(RULES)

    assert (held(result, "ada", "USD"), held(result, "eve", "USD")) == (1000, 700)
    assert [(s.to, s.subject, s.reason) for s in result.suppressed] == [("cem", "1001", "order_number_shared")]
    assert any("order_number_shared" in line for line in explain([RULES], story.events, day(9), "cem"))


@pytest.mark.parametrize("code", ["ADA", "EVE"])
def test_who_was_first_does_not_depend_on_the_order_of_arrival(code: str) -> None:
    story = two_friends(code).buys("cem", "70", 3, "1001").buys("bob", "100", 4, "1001").buys("bob", "9", 5, "1001")
    for arrivals in permutations(story.events[-3:]):
        state = State([RULES])
        for event in [*story.events[:-3], *arrivals]:
            state.apply(event, day(9))
        assert state.result(day(9)) == story.told(RULES, on=9)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({}, {}),
        ({"product": "pro"}, {}),  # one teller knows more than the other
        ({"country": "DE", "product": "pro"}, {"country": "DE", "product": "pro"}),
    ],
)
def test_an_order_that_is_told_again_is_the_same_order(first: dict[str, Any], again: dict[str, Any]) -> None:
    story = two_friends().buys("bob", "100", 3, "1001", **first).buys("bob", "100.00", 4, "1001", **again)
    result = story.told(RULES)

    assert (pots(result, "ada", "USD"), reasons(result)) == ({"available": 1000}, [])


@pytest.mark.parametrize(
    ("amount", "more"),
    [("70", {}), ("100", {"currency": "EUR"}), ("100", {"product": "team"}), ("100", {"country": "FR"})],
)
def test_one_friend_with_two_orders_of_one_number_is_reported(amount: str, more: dict[str, str]) -> None:
    """Two shops number their orders alike."""
    story = two_friends().buys("bob", "100", 3, "1001", product="pro", country="DE")
    result = story.buys("bob", amount, 4, "1001", **more).told(RULES)

    assert pots(result, "ada", "USD") == {"available": 1000}
    assert [(s.to, s.subject, s.reason) for s in result.suppressed] == [("bob", "1001", "order_number_taken")]


@pytest.mark.parametrize("who", ["ada", "bob"])
def test_two_orders_of_ones_own_under_one_number_are_reported(who: str) -> None:
    """Once, also where they are in two books: a friend's are in the advocate's, and in their own."""
    bought = {"id": "bought", "metric": "orders", "target": "1", "repeat": {}}
    rules = program(counting="referrals", rewards=[SHARE], milestones=[bought])
    result = two_friends().buys(who, "100", 3, "1001").buys(who, "70", 4, "1001").told(rules)

    assert reached(result, who) == [("bought", 1)]
    assert [(s.to, s.subject, s.reason) for s in result.suppressed] == [(who, "1001", "order_number_taken")]
