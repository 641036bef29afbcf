"""Whose friend it is, and the sign-ups that are nobody's."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import evaluate
from tests.rules.story import Story, day, effects, program, rejections


def test_a_code_belongs_to_its_advocate_however_it_is_typed() -> None:
    result = Story().signs_up("bob", code="aDa").told()

    assert result.referrals["bob"].referred_by == "ada"
    assert rejections(Story().signs_up("bob", code="aDa").told(program(codes={"case_sensitive": "true"}))) == [
        ("bob", "code_not_found")
    ]


def test_a_code_must_exist_before_the_sign_up() -> None:
    assert rejections(Story().signs_up("bob", code="EVE").told()) == [("bob", "code_not_found")]
    assert rejections(
        Story().signs_up("bob", 1, code="EVE").happened(2, "code.created", code="EVE", advocate="eve").told()
    ) == [("bob", "code_not_found")]


def test_the_first_owner_keeps_a_code() -> None:
    result = Story().happened(0.5, "code.created", code="ADA", advocate="eve").signs_up("bob").told()

    assert result.referrals["bob"].referred_by == "ada"


def test_the_first_sign_up_is_the_one_that_counts() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    result = story.signs_up("bob", 1).signs_up("bob", 2, code="EVE").told()

    assert result.referrals["bob"].referred_by == "ada"
    assert rejections(result) == [("bob", "already_referred")]
    assert effects(result, "trigger.new_referral_count") == 1


@pytest.mark.parametrize(
    ("codes", "code"),
    [({}, "NONE"), ({"default_redemption_limit": "1"}, "ADA"), ({"default_valid_for": "P2D"}, "ADA")],
)
def test_whoever_is_referred_is_refused_as_such_whatever_their_next_code_is_worth(
    codes: dict[str, str], code: str
) -> None:
    story = Story().signs_up("bob", 1).signs_up("bob", 9, code=code)

    assert rejections(story.told(program(codes=codes))) == [("bob", "already_referred")]
    assert rejections(story.told(program(codes=codes, runs={"until": day(3).isoformat()}))) == [
        ("bob", "already_referred")
    ]


def test_the_first_touch_outranks_the_code_at_sign_up() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.happened(1, "referral.captured", friend="bob", code="nonsense")
    story.happened(2, "referral.captured", friend="bob", code="EVE")
    story.happened(3, "referral.captured", friend="bob", code="ADA")

    assert story.signs_up("bob", 4).told().referrals["bob"].referred_by == "eve"


def test_a_refusal_by_a_touch_is_told_in_the_books_of_both_whose_codes_it_was() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve", valid_until=day(2))
    story.happened(1, "referral.captured", friend="bob", code="EVE").signs_up("bob", 3)

    for who, told in (("ada", 1), ("eve", 1), ("cem", 0), (None, 1)):
        assert rejections(evaluate([program()], story.events, day(9), who)) == [("bob", "code_expired")] * told


def test_a_refused_friend_may_try_again() -> None:
    result = Story().signs_up("bob", 1, code="EVE").signs_up("bob", 2).told()

    assert rejections(result) == [("bob", "code_not_found")]
    assert result.referrals["bob"].status == "signed_up"


@pytest.mark.parametrize(
    ("code", "on", "reason"),
    [
        ({"valid_from": day(2).isoformat()}, 1, "code_not_started"),
        ({"valid_from": day(2).isoformat()}, 2, None),
        ({"valid_until": day(2).isoformat()}, 1, None),
        ({"valid_until": day(2).isoformat()}, 2, "code_expired"),
        ({"redemption_limit": 1}, 1, "redemption_limit_reached"),
        ({"redemption_limit": 2}, 1, None),
        ({"redemption_limit": 0}, 1, None),
        ({}, 9, None),
        ({}, 10, "code_expired"),
        ({"valid_from": day(2).isoformat()}, 11, None),
        ({"valid_from": day(2).isoformat()}, 12, "code_expired"),
    ],
)
def test_a_code_works_in_its_time_and_so_many_times(code: dict[str, Any], on: float, reason: str | None) -> None:
    rules = program(codes={"default_valid_for": "P10D"})
    story = Story().happened(0, "code.created", code="EVE", advocate="eve", **code)
    if "redemption_limit" in code:
        story.signs_up("first", 0.5, code="EVE")

    assert rejections(story.signs_up("bob", on, code="EVE").told(rules)) == ([("bob", reason)] if reason else [])


def test_the_program_may_limit_every_code() -> None:
    rules = program(codes={"default_redemption_limit": "1"})

    assert rejections(Story().signs_up("bob", 1).signs_up("cem", 2).told(rules)) == [
        ("cem", "redemption_limit_reached")
    ]


def doubtful() -> dict[str, tuple[Story, str]]:
    """Each doubt of eligibility, and a story that raises it about the friend it names."""
    identified = Story()
    identified.happened(0, "code.created", code="EVE", advocate="eve", identity="h1", company="c1")
    customer = Story().happened(0, "customer.existing", friend="bob", since=day(-30).isoformat())
    return {
        "self_referral": (Story().signs_up("ada"), "ada"),
        "existing_customer": (customer.signs_up("bob"), "bob"),
        "existing_participant": (Story().happened(0, "participant.joined", participant="bob").signs_up("bob"), "bob"),
        "same_company_domain": (identified.signs_up("bob", code="EVE", identity="h2", company="c1"), "bob"),
    }


@pytest.mark.parametrize("doubt", doubtful())
def test_a_doubt_rejects_flags_or_passes_as_the_program_says(doubt: str) -> None:
    story, friend = doubtful()[doubt]

    rejected = story.told(program(eligibility={doubt: "reject"}))
    assert rejections(rejected) == [(friend, doubt)]
    assert rejected.referrals == {}
    flagged = story.told(program(eligibility={doubt: "review"}))
    assert flagged.referrals[friend].review == doubt
    assert effects(flagged, "alert.review_required") == 1
    passed = story.told(program(eligibility={doubt: "allow"}))
    assert passed.referrals[friend].review is None


def test_one_person_under_two_ids_is_a_self_referral() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve", identity="h1")

    assert rejections(story.signs_up("bob", code="EVE", identity="h1").told()) == [("bob", "self_referral")]


def test_who_became_a_customer_after_the_sign_up_is_a_friend() -> None:
    story = Story().happened(0, "customer.existing", friend="bob", since=day(2).isoformat())

    assert rejections(story.signs_up("bob", 1).told()) == []


def test_the_earliest_that_is_known_of_a_customer_holds() -> None:
    story = Story().happened(0, "customer.existing", friend="bob", since=day(-9).isoformat())
    story.happened(0.5, "customer.existing", friend="bob", since=day(2).isoformat())

    assert rejections(story.signs_up("bob", 1).told()) == [("bob", "existing_customer")]


@pytest.mark.parametrize(("on", "running"), [(0.5, False), (1, True), (2, True), (3, False)])
def test_sign_ups_are_taken_while_the_campaign_runs(on: float, running: bool) -> None:
    rules = program(runs={"from": day(1).isoformat(), "until": day(3).isoformat()})

    assert rejections(Story().signs_up("bob", on).told(rules)) == ([] if running else [("bob", "campaign_not_running")])


def test_a_draft_evaluates_to_nothing() -> None:
    result = Story().wins("bob").told(program(state="draft"))

    assert (result.referrals, result.ledger, result.effects) == ({}, (), ())
