"""The same history under other rules, and what is known of a referral."""

from __future__ import annotations

from syncd_rules import compare, facts_of
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, program


def test_whoever_would_gain_or_lose_is_named() -> None:
    story = Story().wins("bob").signs_up("cem").deal("cem", "meeting", 3)
    now = story.told(program(rewards=[POINTS_FOR_A_FRIEND]))
    then = story.told(
        program(
            rewards=[{**POINTS_FOR_A_FRIEND, "amount": "70"}],
            qualification={"any_of": [{"type": "stage", "stage": "meeting"}]},
        )
    )
    compared = compare(now, then)

    [change] = compared.balances
    assert (change.participant, change.unit, change.told()) == ("ada", "POINTS", ("100", "140"))
    assert [(r.subject, r.before, r.after) for r in compared.rewards] == [
        ("bob", "100 points, available", "70 points, available"),
        ("cem", None, "70 points, available"),
    ]
    assert [(r.friend, r.before, r.after) for r in compared.referrals] == [
        ("cem", "signed up, not counted", "qualified, counted")
    ]


def test_the_same_rules_change_nothing() -> None:
    story = Story().wins("bob")

    assert not compare(story.told(), story.told())


def test_money_is_compared_as_people_write_it() -> None:
    cash = {**POINTS_FOR_A_FRIEND, "kind": "cash", "amount": {"USD": "5"}}
    compared = compare(Story().wins("bob").told(), Story().wins("bob").told(program(rewards=[cash])))

    assert [change.told() for change in compared.balances] == [("0.00", "5.00")]


def test_the_facts_of_a_referral_are_those_about_it_in_order() -> None:
    story = Story().signs_up("bob", 2).signs_up("cem", 2).deal("bob", "won", 4).buys("bob", "10", 5, "o1")
    story.happened(1, "referral.captured", friend="bob", code="ada", channel="mail")
    story.paid_out("ada", "share", "o1", 6).disqualified("bob", "manual", 7)

    assert [told for _, told in facts_of(story.events, "bob")] == [
        "ada got the code ADA",
        "bob came by the code ada over mail",
        "bob signed up with the code ADA",
        "deal deal-bob moved to won",
        "bob paid 10 USD for order o1",
        "reward share for o1 to ada was fulfilled",
        "somebody said by manual that bob is not qualified",
    ]
