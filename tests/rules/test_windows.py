"""Touches and windows: which click counts, how long it counts, and under which terms."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, effects, held, program, reasons, rejections, statuses


def attribution(**keys: str) -> Program:
    return program(attribution=keys, rewards=[POINTS_FOR_A_FRIEND])


def clicks(*touches: tuple[float, str], code: str, on: float = 20) -> Story:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    for at, touched in touches:
        story.happened(at, "referral.captured", friend="bob", code=touched, channel="mail")
    return story.signs_up("bob", on, code=code)


@pytest.mark.parametrize(
    ("model", "touches", "code", "advocate"),
    [
        ("first_touch", [(1, "ADA"), (2, "EVE")], "EVE", "ada"),
        ("last_touch", [(1, "ADA"), (2, "EVE")], "EVE", "eve"),
        ("last_touch", [(1, "EVE"), (2, "ADA"), (3, "EVE")], "ADA", "eve"),
        ("last_touch", [(1, "ADA")], "EVE", "eve"),  # a code that was typed and never clicked is the last touch
        ("first_touch", [], "EVE", "eve"),
    ],
)
def test_the_first_or_the_last_touch_counts(
    model: str, touches: list[tuple[float, str]], code: str, advocate: str
) -> None:
    assert clicks(*touches, code=code).told(attribution(model=model)).referrals["bob"].referred_by == advocate


@pytest.mark.parametrize(("on", "refused"), [(10.99, False), (11, True)])
def test_a_click_is_good_for_its_window(on: float, refused: bool) -> None:
    result = clicks((1, "ADA"), code="ADA", on=on).told(attribution(click_window="P10D"))

    assert rejections(result) == ([("bob", "click_window_passed")] if refused else [])


def test_a_click_that_is_too_old_gives_way_to_a_newer_one() -> None:
    result = clicks((1, "ADA"), (15, "EVE"), code="EVE").told(attribution(click_window="P10D"))

    assert result.referrals["bob"].referred_by == "eve"


def test_the_channel_is_that_of_the_touch_that_counts() -> None:
    story = Story().happened(1, "referral.captured", friend="bob", code="ADA", channel="whatsapp")
    story.signs_up("bob", 2, channel="form").signs_up("cem", 2, channel="form").signs_up("dan", 2)

    states = story.told().referrals
    assert [states[friend].channel for friend in ("bob", "cem", "dan")] == ["whatsapp", "form", None]


@pytest.mark.parametrize(("on", "status"), [(10.99, "qualified"), (11, "expired")])
def test_a_friend_must_qualify_within_the_window(on: float, status: str) -> None:
    rules = attribution(conversion_window="P10D")
    story = Story().signs_up("bob", 1).deal("bob", "won", on)

    assert story.told(rules).referrals["bob"].status == status
    assert held(story.told(rules), "ada") == (100 if status == "qualified" else 0)


def test_a_window_ends_by_the_clock_alone() -> None:
    rules, story = attribution(conversion_window="P10D"), Story().signs_up("bob", 1)

    before, after = story.told(rules, on=10.99), story.told(rules, on=11)
    assert (before.referrals["bob"].status, before.next_due) == ("signed_up", day(11))
    assert (after.referrals["bob"].status, after.next_due) == ("expired", None)


def test_a_person_may_qualify_whom_the_window_shut_out() -> None:
    story = Story().signs_up("bob", 1).deal("bob", "won", 12).qualified("bob", "manual", 13)

    state = story.told(attribution(conversion_window="P10D")).referrals["bob"]
    assert (state.status, state.qualified_at) == ("qualified", day(13))


def test_a_qualification_that_breaks_after_the_window_does_not_begin_again() -> None:
    story = Story().signs_up("bob", 1).deal("bob", "won", 5).deal("bob", "lost", 12).deal("bob", "won", 13)

    assert story.told(attribution(conversion_window="P10D")).referrals["bob"].status == "expired"


def test_a_stage_after_the_window_earns_nothing_and_one_before_it_keeps_its_reward() -> None:
    stages = [{**POINTS_FOR_A_FRIEND, "id": s, "trigger": "stage.reached", "stage": s} for s in ("meeting", "won")]
    rules = program(attribution={"conversion_window": "P10D"}, rewards=stages)
    early = Story().signs_up("bob", 1).deal("bob", "meeting", 5).deal("bob", "won", 12)
    late = Story().signs_up("bob", 1).deal("bob", "meeting", 12)

    assert statuses(early.told(rules)) == {("ada", "meeting", "bob"): "available"}
    assert statuses(late.told(rules)) == {}


@pytest.mark.parametrize(("terms", "points"), [("capture", 100), ("qualification", 300)])
def test_the_terms_are_those_at_capture_or_at_qualification(terms: str, points: int) -> None:
    def version(number: int, amount: str, **start: str) -> Program:
        gift = {**POINTS_FOR_A_FRIEND, "amount": amount}
        return program(version=str(number), attribution={"terms_at": terms}, rewards=[gift], **start)

    versions = version(1, "100"), version(2, "300", effective_from=day(10).isoformat())
    story = (
        Story().happened(1, "referral.captured", friend="bob", code="ADA").signs_up("bob", 12).deal("bob", "won", 20)
    )
    assert held(story.told(*versions), "ada") == points

    assert held(story.deal("bob", "lost", 21).told(*versions), "ada") == 0


def test_what_was_earned_under_one_version_earns_nothing_more_under_the_next() -> None:
    def version(number: int, *more: dict[str, Any], **start: str) -> Program:
        rewards = [POINTS_FOR_A_FRIEND, *more]
        return program(version=str(number), attribution={"terms_at": "qualification"}, rewards=rewards, **start)

    bonus = {**POINTS_FOR_A_FRIEND, "id": "bonus"}
    early = {**bonus, "id": "early", "trigger": "stage.reached", "stage": "meeting"}
    versions = version(1), version(2, bonus, early, effective_from=day(10).isoformat())
    story = Story().signs_up("bob").deal("bob", "won", 2).deal("bob", "lead", 11, "another")
    assert statuses(story.told(*versions)) == {("ada", "thanks", "bob"): "available"}

    story.deal("bob", "lost", 12).deal("bob", "won", 13)  # what begins anew is earned under the version in force
    assert held(story.told(*versions), "ada") == 200


def late_codes(**code: Any) -> Story:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve", **code)
    for number, friend in enumerate(("bob", "cem")):
        story.signs_up(friend, 1, code="EVE").deal(friend, "won", 5 + number)
    return story


def test_a_code_may_be_checked_when_the_friend_qualifies() -> None:
    at_signup = program(rewards=[POINTS_FOR_A_FRIEND])
    later = program(codes={"checked_at": "qualification"}, rewards=[POINTS_FOR_A_FRIEND])
    expiring = late_codes(valid_until=day(5.5).isoformat())
    assert held(expiring.told(at_signup), "eve") == 200

    result = expiring.told(later)
    assert (held(result, "eve"), rejections(result)) == (100, [("cem", "code_expired")])
    assert result.referrals["cem"].status == "signed_up"
    assert late_codes(valid_from=day(2).isoformat()).told(later).rejected == ()


def test_a_redemption_that_is_undone_makes_room() -> None:
    rules = program(codes={"checked_at": "qualification"}, rewards=[POINTS_FOR_A_FRIEND])
    story = late_codes(redemption_limit=1)
    assert rejections(story.told(rules)) == [("cem", "redemption_limit_reached")]

    story.deal("bob", "lost", 7).deal("cem", "meeting", 8).deal("cem", "won", 9)
    assert (rejections(story.told(rules)), held(story.told(rules), "eve")) == ([], 100)


def test_a_disposable_address_is_a_flag_of_the_event() -> None:
    story = Story().signs_up("bob", 1, disposable=True).signs_up("cem", 1, disposable=False)

    assert rejections(story.told(program(eligibility={"disposable_email": "reject"}))) == [("bob", "disposable_email")]
    reviewed = story.told(program(eligibility={"disposable_email": "review"}))
    assert (reviewed.referrals["bob"].review, reviewed.referrals["cem"].review) == ("disposable_email", None)
    assert effects(reviewed, "alert.review_required") == 1


@pytest.mark.parametrize(("policy", "stands"), [("any", True), ("first", False), ("all", False)])
def test_one_of_two_deals_is_won(policy: str, stands: bool) -> None:
    story = Story().signs_up("bob").deal("bob", "lead", 2, "d1").deal("bob", "won", 3, "d2")
    rules = program(stages={"multiple_deals": policy})

    assert (story.told(rules).referrals["bob"].status == "qualified") is stands


def test_all_deals_must_be_won_and_a_meeting_is_held_once_all_had_one() -> None:
    met = {**POINTS_FOR_A_FRIEND, "id": "met", "trigger": "stage.reached", "stage": "meeting"}
    rules = program(stages={"multiple_deals": "all"}, rewards=[met, POINTS_FOR_A_FRIEND])
    story = Story().signs_up("bob").deal("bob", "lead", 2, "d1").deal("bob", "meeting", 3, "d2")
    assert statuses(story.told(rules)) == {}

    story.deal("bob", "won", 4, "d1").deal("bob", "won", 5, "d2")
    assert held(story.told(rules), "ada") == 200
    assert held(story.deal("bob", "lead", 6, "d3").told(rules), "ada") == 100  # the meeting took place; not all is won
    assert reasons(story.told(rules)) == []
