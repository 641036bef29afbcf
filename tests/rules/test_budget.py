"""What the whole campaign may give: one sum over all advocates, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program, Result
from syncd_rules.ledger import ISSUED
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, effects, held, program, reasons, rejections, statuses


def within(mode: str, points: str = "250", **keys: Any) -> Program:
    campaign = {"budget": {"points": points}, "when_exhausted": mode}
    return program(limits={"campaign": campaign}, rewards=[POINTS_FOR_A_FRIEND], **keys)


def three() -> Story:
    """Three advocates win a friend each, eve first and bea last."""
    story = (
        Story()
        .happened(0, "code.created", code="EVE", advocate="eve")
        .happened(0, "code.created", code="BEA", advocate="bea")
    )
    for friend, code, on in (("dan", "EVE", 2), ("bob", "ADA", 3), ("cem", "BEA", 4)):
        story.signs_up(friend, 1, code=code).deal(friend, "won", on)
    return story


def given(result: Result) -> dict[str, int]:
    return {who: n for who in ("eve", "ada", "bea") if (n := held(result, who))}


@pytest.mark.parametrize(
    ("mode", "last", "reason"),
    [("suppress", 0, "budget_exhausted"), ("clamp", 50, None), ("queue", 0, "budget_queue")],
)
def test_an_exhausted_budget_refuses_gives_the_rest_or_lets_wait(mode: str, last: int, reason: str | None) -> None:
    result = three().told(within(mode))

    assert given(result) == {"eve": 100, "ada": 100} | ({"bea": last} if last else {})
    assert reasons(result) == ([("thanks", "cem", reason)] if reason else [])
    assert effects(result, "alert.budget_exhausted") == 1
    assert result.referrals["cem"].counted


def test_the_order_of_time_decides_and_not_that_of_names_or_arrival() -> None:
    story = three()
    story.events.reverse()

    assert given(story.told(within("suppress", "100"))) == {"eve": 100}


@pytest.mark.parametrize(("mode", "bea"), [("suppress", 0), ("clamp", 50), ("queue", 100)])
def test_what_comes_back_serves_those_who_wait_at_once(mode: str, bea: int) -> None:
    result = three().deal("dan", "lost", 6).told(within(mode))

    assert given(result) == {"ada": 100} | ({"bea": bea} if bea else {})
    if mode == "queue":
        assert [t.effective_at for t in result.ledger if "/bea/" in t.key] == [day(6), day(6)]
        assert reasons(result) == []


def test_whoever_waits_is_not_overtaken_by_less() -> None:
    small = {**POINTS_FOR_A_FRIEND, "id": "small", "trigger": "stage.reached", "stage": "meeting", "amount": "10"}
    rules = program(
        limits={"campaign": {"budget": {"points": "150"}, "when_exhausted": "queue"}},
        rewards=[POINTS_FOR_A_FRIEND, small],
    )
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.signs_up("bob", 1).qualified("bob", "manual", 2).signs_up("cem", 1, code="EVE").qualified("cem", "manual", 3)
    story.signs_up("dan", 1).deal("dan", "meeting", 4)

    assert given(story.told(rules)) == {"ada": 100}
    assert sorted(reasons(story.told(rules))) == [("small", "dan", "budget_queue"), ("thanks", "cem", "budget_queue")]


def test_whoever_lost_their_ground_waits_no_longer() -> None:
    story = three().deal("cem", "lost", 5).deal("dan", "lost", 6)

    assert given(story.told(within("queue"))) == {"ada": 100}


def test_a_new_version_with_a_larger_budget_serves_those_who_wait() -> None:
    more = within("queue", "300", version="2", effective_from=day(20).isoformat())
    result = three().told(within("queue"), more)

    assert given(result) == {"eve": 100, "ada": 100, "bea": 100}
    assert max(t.effective_at for t in result.ledger if "/bea/" in t.key) == day(20)


def test_a_voucher_is_as_dear_as_what_it_is_worth() -> None:
    card = {
        "id": "card",
        "trigger": "referral.qualified",
        "to": "advocate",
        "kind": "gift_card",
        "amount": {"USD": "50"},
    }
    rules = program(limits={"campaign": {"budget": {"USD": "120"}}}, rewards=[card])

    assert [key[0] for key in statuses(three().told(rules))] == ["ada", "eve"]


def test_a_budget_that_is_never_reached_changes_nothing() -> None:
    free = program(rewards=[POINTS_FOR_A_FRIEND])

    assert three().told(within("suppress", "300")).ledger == three().told(free).ledger


def test_what_was_handed_out_keeps_its_place_though_the_budget_was_used_up_by_what_came_late() -> None:
    """When bea was paid nothing was known of bob; then the CRM told that bob had been won first."""
    story = three().paid_out("bea", "thanks", "cem", 5)

    result = story.told(within("suppress", "200"))

    assert given(result)["bea"] == 100
    assert statuses(result)["bea", "thanks", "cem"] == "fulfilled"
    assert rejections(result) == []


def test_who_is_served_stands_in_the_ledger_behind_what_made_room_for_it() -> None:
    """One loss makes room twice; read in its order, the ledger never shows more than the budget."""
    campaign = {"budget": {"points": "200"}, "when_exhausted": "queue"}
    twice = [POINTS_FOR_A_FRIEND, {**POINTS_FOR_A_FRIEND, "id": "more"}]
    rules = program(limits={"campaign": campaign}, rewards=twice)
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.signs_up("dan", 1, code="EVE").deal("dan", "won", 2).signs_up("bob", 1).deal("bob", "won", 3)

    issued, seen = 0, []
    for txn in story.deal("dan", "lost", 6).told(rules).ledger:
        issued -= sum(posting.amount for posting in txn.postings if posting.account == ISSUED)
        seen.append(issued)

    assert (max(seen), seen[-1]) == (200, 200)


def test_who_stood_behind_one_who_leaves_is_served() -> None:
    """Nothing comes back: bob's meeting stays, and what waited for his deal was never given."""
    meeting = {**POINTS_FOR_A_FRIEND, "id": "met", "trigger": "stage.reached", "stage": "meeting", "amount": "30"}
    rules = program(
        limits={"campaign": {"budget": {"points": "100"}, "when_exhausted": "queue"}},
        rewards=[{**POINTS_FOR_A_FRIEND, "amount": "80"}, meeting],
    )
    story = Story().signs_up("bob", 1).signs_up("dan", 1).deal("bob", "meeting", 2).deal("bob", "won", 3)
    story.deal("dan", "meeting", 4)
    assert reasons(story.told(rules)) == [("thanks", "bob", "budget_queue"), ("met", "dan", "budget_queue")]

    assert given(story.deal("bob", "lost", 5).told(rules)) == {"ada": 60}
    assert reasons(story.told(rules)) == []


def test_what_waits_is_not_served_by_its_own_end() -> None:
    both = [POINTS_FOR_A_FRIEND, {**POINTS_FOR_A_FRIEND, "id": "welcome", "to": "friend", "amount": "30"}]
    rules = program(limits={"campaign": {"budget": {"points": "100"}, "when_exhausted": "queue"}}, rewards=both)
    result = Story().signs_up("bob", 1).deal("bob", "won", 2).deal("bob", "lost", 3).told(rules)

    assert [it.rule for it in result.rewards] == ["thanks"]
    assert effects(result, "trigger.reward_granted") == 1
