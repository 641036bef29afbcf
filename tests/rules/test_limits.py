"""How many referrals count for an advocate, and what a referral over the limit still is."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program, Result
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, held, program, reasons

WELCOME = {"id": "welcome", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping"}


def limited(**limits: Any) -> Program:
    return program(limits={"per_advocate": limits}, rewards=[POINTS_FOR_A_FRIEND, WELCOME])


def counted(result: Result) -> list[str]:
    return [friend for friend, state in result.referrals.items() if state.counted]


def test_a_referral_over_the_limit_is_qualified_but_not_counted_and_the_friend_is_rewarded() -> None:
    result = Story().wins("bob", "cem").told(limited(max_referrals="1"))

    assert counted(result) == ["bob"]
    assert result.referrals["cem"].status == "qualified"
    assert (held(result, "ada"), held(result, "cem", "COUNT:free_shipping")) == (100, 1)
    assert reasons(result) == [("thanks", "cem", "max_referrals")]


def test_the_friends_reward_may_fall_under_the_limit_too() -> None:
    result = Story().wins("bob", "cem").told(limited(max_referrals="1", friend_reward_when_capped="false"))

    assert held(result, "cem", "COUNT:free_shipping") == 0
    assert reasons(result) == [("thanks", "cem", "max_referrals"), ("welcome", "cem", "max_referrals")]


def test_a_freed_slot_serves_a_later_referral_and_not_the_one_refused() -> None:
    story = Story().wins("bob", "cem").deal("bob", "lost", 3).signs_up("dan", 3).deal("dan", "won", 4)

    assert counted(story.told(limited(max_referrals="1"))) == ["dan"]


@pytest.mark.parametrize("counting", ["conversions", "referrals"])
def test_a_refused_referral_stays_refused_however_often_it_qualifies_anew(counting: str) -> None:
    rules = program(
        counting=counting, limits={"per_advocate": {"max_referrals": "1"}}, rewards=[POINTS_FOR_A_FRIEND, WELCOME]
    )
    story = Story().wins("bob", "cem").disqualified("bob", "manual", 3)
    story.deal("cem", "lost", 3).disqualified("cem", "manual", 4)
    assert reasons(story.told(rules)) == []
    assert counted(story.told(rules)) == []

    result = story.deal("cem", "won", 5).qualified("cem", "manual", 6).told(rules)
    assert counted(result) == []
    assert (held(result, "ada"), held(result, "cem", "COUNT:free_shipping")) == (0, 1)
    assert reasons(result) == [("thanks", "cem", "max_referrals")]


def test_the_orders_of_a_refused_referral_give_the_friend_something_only_while_it_is_qualified() -> None:
    gift = {"id": "gift", "trigger": "order.paid", "to": "friend", "kind": "points", "amount": "5"}
    share = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}
    rules = program(limits={"per_advocate": {"max_referrals": "1"}}, rewards=[gift, share])
    story = Story().wins("bob", "cem").buys("cem", "10", 3, "o1").deal("cem", "lost", 4).buys("cem", "10", 5, "o2")
    assert held(story.told(rules), "cem") == 0

    result = story.deal("cem", "won", 6).told(rules)
    assert (held(result, "cem"), held(result, "ada", "USD")) == (10, 0)
    assert reasons(result) == [("share", "o1", "max_referrals"), ("share", "o2", "max_referrals")]


def test_so_many_count_in_a_local_month() -> None:
    # The story begins on 2 March at noon UTC; day 29.43 is late on 31 March in UTC and already April in Berlin.
    story = Story().wins("bob", on=2).wins("cem", on=29).wins("dan", on=29.43).wins("eve", on=29.48)
    rules = {"limits": {"per_advocate": {"per_period": {"month": "1"}}}}

    assert counted(story.told(program(**rules))) == ["bob"]
    assert counted(story.told(program(**rules, timezone="Europe/Berlin"))) == ["bob", "dan"]


def test_a_cooldown_runs_from_the_last_that_counted() -> None:
    story = Story().wins("bob", on=2).wins("cem", on=3).wins("dan", on=3.9).wins("eve", on=4).wins("fay", on=5)

    assert counted(story.told(limited(cooldown="P2D"))) == ["bob", "eve"]


def test_a_cooldown_does_not_run_from_a_referral_that_counts_no_more() -> None:
    story = Story().wins("bob", on=2).deal("bob", "lost", 2.5).wins("cem", on=3)

    assert counted(story.told(limited(cooldown="P2D"))) == ["cem"]


def test_a_stage_reward_granted_before_the_limit_was_met_stays() -> None:
    meeting = {**POINTS_FOR_A_FRIEND, "id": "meeting", "trigger": "stage.reached", "stage": "meeting"}
    rules = program(limits={"per_advocate": {"max_referrals": "0"}}, rewards=[meeting, POINTS_FOR_A_FRIEND])

    result = Story().signs_up("bob").deal("bob", "meeting", 2).deal("bob", "won", 3).told(rules)

    assert held(result, "ada") == 100
    assert reasons(result) == [("thanks", "bob", "max_referrals")]
