"""When a referral is qualified, since when, and what takes that back."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import ReferralState, Result
from tests.rules.story import WON, Story, day, effects, program, reasons


def explicit(*via: str) -> dict[str, Any]:
    return {"any_of": [{"type": "stage", "stage": "won"}, {"type": "explicit", "via": list(via)}]}


def bob(result: Result) -> ReferralState:
    return result.referrals["bob"]


def test_a_won_deal_qualifies_on_its_day() -> None:
    state = bob(Story().signs_up("bob").deal("bob", "meeting", 2).deal("bob", "won", 5).told())

    assert (state.status, state.via, state.qualified_at, state.counted) == ("qualified", "crm", day(5), True)
    assert state.stage == "won"


def test_a_deal_before_the_sign_up_does_not_count() -> None:
    assert bob(Story().deal("bob", "won", 0.5).signs_up("bob", 1).told()).status == "signed_up"
    assert bob(Story().signs_up("bob", 1).deal("bob", "won", 1).told()).status == "qualified"


@pytest.mark.parametrize("stage", ["meeting", "lost", "lead"])
def test_a_reopened_or_lost_deal_is_no_longer_won(stage: str) -> None:
    state = bob(Story().signs_up("bob").deal("bob", "won", 2).deal("bob", stage, 3).told())

    assert (state.status, state.qualified_at, state.via, state.counted) == ("signed_up", None, None, False)
    assert state.stage == stage


def test_the_date_is_that_of_the_present_unbroken_qualification() -> None:
    story = Story().signs_up("bob").deal("bob", "won", 2)

    assert bob(story.deal("bob", "won", 3).told()).qualified_at == day(2)
    assert bob(story.deal("bob", "lost", 4).deal("bob", "won", 5).told()).qualified_at == day(5)


def test_any_deal_may_be_the_one_that_is_won() -> None:
    story = Story().signs_up("bob").deal("bob", "won", 2, "d1").deal("bob", "lost", 3, "d2")

    assert (bob(story.told()).status, bob(story.told()).stage) == ("qualified", "won")
    assert bob(story.deal("bob", "lost", 4, "d1").told()).status == "signed_up"


def test_only_the_first_deal_counts_where_the_program_says_so() -> None:
    rules = program(stages={"multiple_deals": "first"})
    story = Story().signs_up("bob").deal("bob", "meeting", 2, "d1").deal("bob", "won", 3, "d2")

    result = story.told(rules)

    assert bob(result).status == "signed_up"
    assert reasons(result) == [("qualification", "bob", "not_the_first_deal")]
    assert bob(story.deal("bob", "won", 4, "d1").told(rules)).status == "qualified"


def test_a_stage_that_the_campaign_does_not_know_is_recorded_and_changes_nothing() -> None:
    result = Story().signs_up("bob").deal("bob", "won", 2).deal("bob", "signed", 3).told()

    assert bob(result).status == "qualified"
    assert reasons(result) == [("qualification", "bob", "unknown_stage")]


def test_an_earlier_stage_may_qualify_and_a_later_one_does_all_the_more() -> None:
    rules = {"any_of": [{"type": "stage", "stage": "meeting"}]}

    for skipped in ("grant", "skip"):
        told = program(qualification=rules, stages={"skipped": skipped})
        assert bob(Story().signs_up("bob").deal("bob", "lead", 2).told(told)).status == "signed_up"
        assert bob(Story().signs_up("bob").deal("bob", "meeting", 2).told(told)).status == "qualified"
        assert bob(Story().signs_up("bob").deal("bob", "won", 2).told(told)).status == "qualified"


def test_a_meeting_that_happened_stays_unless_a_loss_reverses_all() -> None:
    rules = {"any_of": [{"type": "stage", "stage": "meeting"}]}
    story = Story().signs_up("bob").deal("bob", "meeting", 2).deal("bob", "lost", 3)

    assert bob(story.told(program(qualification=rules))).status == "qualified"
    assert bob(story.told(program(qualification=rules, stages={"on_lost": "reverse_all"}))).status == "signed_up"


def test_a_sign_up_may_be_enough() -> None:
    state = bob(Story().signs_up("bob", 1).told(program(qualification={"any_of": [{"type": "signup"}]})))

    assert (state.status, state.via, state.qualified_at) == ("qualified", "signup", day(1))


@pytest.mark.parametrize("via", ["api", "javascript", "webhook", "zapier", "coupon", "crm"])
def test_an_explicit_event_qualifies_where_its_way_is_listed(via: str) -> None:
    story = Story().signs_up("bob").qualified("bob", via, 3)

    listed = bob(story.told(program(qualification=explicit(via))))
    assert (listed.status, listed.via, listed.qualified_at) == ("qualified", via, day(3))
    unlisted = story.told(program())
    assert bob(unlisted).status == "signed_up"
    assert reasons(unlisted) == [("qualification", "bob", "via_not_listed")]


def test_a_manual_decision_counts_whether_listed_or_not_and_stands_until_the_next() -> None:
    story = Story().signs_up("bob").qualified("bob", "manual", 2)
    assert (bob(story.told()).status, bob(story.told()).via) == ("qualified", "manual")

    story.deal("bob", "lost", 3)
    assert bob(story.told()).status == "qualified"

    story.disqualified("bob", "manual", 4).deal("bob", "won", 5)
    assert (bob(story.told()).status, bob(story.told()).counted) == ("disqualified", False)

    assert bob(story.qualified("bob", "manual", 6).told()).qualified_at == day(6)


def test_an_explicit_disqualification_stands_until_something_qualifies_anew() -> None:
    rules = program(qualification=explicit("api"))
    story = Story().signs_up("bob").deal("bob", "won", 2).disqualified("bob", "api", 3)
    assert bob(story.told(rules)).status == "disqualified"

    story.deal("bob", "won", 4).deal("bob", "meeting", 5)
    assert bob(story.told(rules)).status == "disqualified"

    assert bob(story.deal("bob", "won", 6).told(rules)).qualified_at == day(6)


@pytest.mark.parametrize(
    ("basis", "amount", "currency", "ends"),
    [
        ("single_order", "100", "USD", True),
        ("single_order", "99.99", "USD", False),
        ("single_order", "500", "GBP", False),
        ("first_order", "500", "USD", False),  # it is the second
        ("cumulative", "0.01", "USD", True),
        ("cumulative", "0", "USD", False),
        ("cumulative", "0.01", "EUR", False),
    ],
)
def test_an_order_ends_a_disqualification_where_it_is_enough_itself(
    basis: str, amount: str, currency: str, ends: bool
) -> None:
    bought = {"type": "purchase", "basis": basis, "min": {"USD": "100", "EUR": "90"}}
    rules = program(qualification={"any_of": [bought, {"type": "explicit", "via": ["api"]}]})
    story = Story().signs_up("bob").buys("bob", "150", 2).disqualified("bob", "api", 3)

    state = bob(story.buys("bob", amount, 4, currency=currency).told(rules))

    assert (state.status, state.qualified_at) == (("qualified", day(4)) if ends else ("disqualified", None))


@pytest.mark.parametrize(("on", "status"), [(9, "qualified"), (11, "disqualified")])
def test_what_comes_too_late_ends_no_disqualification(on: float, status: str) -> None:
    rules = program(
        counting="referrals",
        attribution={"conversion_window": "P9D"},
        qualification={"any_of": [*explicit("api")["any_of"], {"type": "purchase"}]},
    )
    told = bob(Story().signs_up("bob", 1).disqualified("bob", "api", 2).buys("bob", "5", on).told(rules))
    assert (told.status, told.counted) == (status, status == "qualified")

    told = bob(Story().signs_up("bob", 1).disqualified("bob", "api", 2).deal("bob", "won", on).told(rules))
    assert (told.status, told.counted) == (status, status == "qualified")


def test_what_comes_by_a_code_that_is_worth_nothing_ends_no_disqualification() -> None:
    rules = program(codes={"checked_at": "qualification", "default_valid_for": "P9D"}, qualification=explicit("api"))
    story = Story().signs_up("bob", 1).disqualified("bob", "api", 2)

    assert bob(story.deal("bob", "won", 10).told(rules)).status == "disqualified"


def test_one_deal_of_two_ends_no_disqualification_where_all_must_be_won() -> None:
    rules = program(counting="referrals", stages={"multiple_deals": "all"}, qualification=explicit("api"))
    story = Story().signs_up("bob").disqualified("bob", "api", 2).deal("bob", "meeting", 3, "d1")
    assert bob(story.deal("bob", "won", 4, "d2").told(rules)).status == "disqualified"

    assert bob(story.deal("bob", "won", 5, "d1").told(rules)).qualified_at == day(5)


def test_an_unlisted_disqualification_changes_nothing() -> None:
    assert bob(Story().wins("bob").disqualified("bob", "api", 3).told()).status == "qualified"


def test_at_one_instant_the_disqualification_has_the_last_word() -> None:
    story = Story().signs_up("bob").disqualified("bob", "manual", 2).qualified("bob", "manual", 2)

    assert bob(story.told()).status == "disqualified"


@pytest.mark.parametrize(("counting", "at_sign_up"), [("referrals", True), ("conversions", False)])
def test_the_setting_says_whether_a_sign_up_counts_or_a_conversion(counting: str, at_sign_up: bool) -> None:
    rules = program(counting=counting)
    story = Story().signs_up("bob", 1)

    result = story.told(rules)
    assert bob(result).counted is at_sign_up
    assert effects(result, "email.referral_success") == at_sign_up
    assert effects(result, "trigger.new_referral_count") == 1
    assert effects(result, "trigger.referral_converted") == 0

    result = story.deal("bob", "won", 2).deal("bob", "lost", 3).deal("bob", "won", 4).told(rules)
    assert bob(result).counted
    for name in ("email.referral_success", "trigger.new_referral_count", "trigger.referral_converted"):
        assert effects(result, name) == 1


def test_with_referrals_a_lost_deal_still_counts_and_a_disqualified_friend_does_not() -> None:
    rules = program(counting="referrals", qualification=WON)

    assert bob(Story().signs_up("bob").deal("bob", "lost", 2).told(rules)).counted
    assert not bob(Story().signs_up("bob").disqualified("bob", "manual", 2).told(rules)).counted
