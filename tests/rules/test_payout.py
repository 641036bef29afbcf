"""When people and payment systems change their minds: a payment that fails, a reward that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program, Result, explain
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, effects, held, pots, program, reached, reasons, reward

CASH = {"id": "cash", "trigger": "referral.qualified", "to": "advocate", "kind": "cash", "amount": {"USD": "10"}}
SHARE = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}
API = {"any_of": [{"type": "explicit", "via": ["api"]}]}


def paying(clawback: str = "within_balance", *rewards: dict[str, Any], **keys: Any) -> Program:
    settlement = {"clawback": clawback, **keys.pop("settlement", {})}
    return program(qualification=API, rewards=list(rewards) or [CASH], settlement=settlement, **keys)


def qualified(*friends: str) -> Story:
    story = Story()
    for friend in friends:
        story.signs_up(friend).qualified(friend, "api", 2)
    return story


def said(story: Story, what: str, on: float, rule: str = "cash", subject: str = "bob", **data: Any) -> Story:
    return story.happened(on, f"reward.{what}", to="ada", rule=rule, subject=subject, **data)


def about(result: Result, subject: str, rule: str = "cash") -> tuple[str, str | None]:
    return next((r.status, r.approval) for r in result.rewards if (r.rule, r.subject) == (rule, subject))


# --- a payment that fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clawback", ["none", "within_balance", "negative"])
def test_what_could_not_be_paid_is_taken_back_where_its_ground_is_gone(clawback: str) -> None:
    story = said(qualified("bob"), "fulfilled", 3).disqualified("bob", "api", 4)
    result = said(story, "failed", 5).told(paying(clawback))

    assert reward(result, "cash").status == "reversed"
    assert pots(result, "ada", "USD") == {}
    assert effects(result, "trigger.reward_reversed") == 1


def test_what_was_taken_back_after_a_failed_payment_is_given_again_with_its_ground() -> None:
    story = said(said(qualified("bob"), "fulfilled", 3).disqualified("bob", "api", 4), "failed", 5)
    result = story.qualified("bob", "api", 6).told(paying("none"))

    assert pots(result, "ada", "USD") == {"available": 1000}
    assert [t.key.rpartition("/")[2] for t in result.ledger] == [
        *("grant", "release", "fulfil", "reverse:e005", "grant", "release")
    ]


def test_a_payment_that_failed_returns_what_was_clawed_back_for_it() -> None:
    """Bob's 10 dollars were taken out of what there was for Cem, and then came back from the bank."""
    story = said(qualified("bob", "cem"), "fulfilled", 3).disqualified("bob", "api", 4)
    clawed = story.told(paying())
    assert (about(clawed, "bob")[0], pots(clawed, "ada", "USD")) == ("clawed_back", {"fulfilled": 1000})

    result = said(story, "failed", 5).told(paying())
    assert (about(result, "bob")[0], pots(result, "ada", "USD")) == ("reversed", {"available": 1000})


def test_a_share_that_was_corrected_before_its_payment_failed_takes_no_more_than_itself() -> None:
    rules = paying("within_balance", SHARE, CASH)
    story = said(qualified("bob", "cem").buys("bob", "100", 3, "o1"), "fulfilled", 4, "share", "o1")
    story.returns("bob", "o1", "30", 5)
    assert pots(story.told(rules), "ada", "USD") == {"available": 1700, "fulfilled": 1000}

    said(story, "failed", 6, "share", "o1")
    assert pots(story.told(rules), "ada", "USD") == {"available": 2700}
    assert pots(story.returns("bob", "o1", "70", 7).told(rules), "ada", "USD") == {"available": 2000}


def test_a_share_that_was_corrected_before_its_payment_failed_expires_alone() -> None:
    rules = paying("within_balance", SHARE, CASH, settlement={"expiry": {"revenue_share": "P5D"}})
    story = said(qualified("bob", "cem").buys("bob", "100", 3, "o1"), "fulfilled", 4, "share", "o1")
    said(story.returns("bob", "o1", "30", 5), "failed", 6, "share", "o1")

    assert pots(story.told(rules), "ada", "USD") == {"available": 2000}


def clawed_in_part(hold: str = "PT0S") -> tuple[Program, Story]:
    """Of 10 dollars that were paid for bob 3 could be clawed back, and bob has come back since."""
    tip = {"id": "tip", "metric": "reviews", "target": "1", "rewards": [{"kind": "cash", "amount": {"USD": "3"}}]}
    story = said(qualified("bob").reviews("ada", 2), "fulfilled", 3)
    story.disqualified("bob", "api", 4).qualified("bob", "api", 5)
    return paying("within_balance", {**CASH, "hold": hold}, milestones=[tip]), story


def test_only_the_payment_that_was_made_last_has_failed() -> None:
    rules, story = clawed_in_part()
    said(said(story, "fulfilled", 6), "failed", 7)

    assert pots(story.told(rules), "ada", "USD") == {"available": 300, "fulfilled": 1000}


@pytest.mark.parametrize(
    ("hold", "left"), [("PT0S", {"available": 1300}), ("P2D", {"pending": 1000, "available": 300})]
)
def test_a_payment_fails_also_after_something_was_given_anew(hold: str, left: dict[str, int]) -> None:
    rules, story = clawed_in_part(hold)
    story = said(said(qualified("bob").reviews("ada", 2), "fulfilled", 5), "failed", 9)
    story.disqualified("bob", "api", 6).qualified("bob", "api", 8)

    assert pots(story.told(rules, on=9.5), "ada", "USD") == left
    assert pots(story.told(rules), "ada", "USD") == {"available": 1300}


def test_points_that_could_not_be_handed_out_were_not_earned() -> None:
    collector = {"id": "collector", "metric": "points_earned", "target": "100", "count_program_points": "true"}
    rules = paying("none", {**POINTS_FOR_A_FRIEND, "hold": "P5D"}, milestones=[collector])
    story = said(qualified("bob"), "fulfilled", 3, "thanks")  # though its hold is not over
    assert reached(story.told(rules, on=4)) == [("collector", 1)]

    said(story.disqualified("bob", "api", 5), "failed", 6, "thanks")
    assert reached(story.told(rules)) == []
    assert reached(story.gathers("ada", 99, 7).told(rules)) == []
    assert reached(story.gathers("ada", 1, 8).told(rules)) == [("collector", 1)]


def test_one_key_is_clawed_back_twice_in_two_generations() -> None:
    """A share of 10 was paid, and clawed back in part; half of the order returns, and so does the referral, twice."""
    rules = paying("within_balance", SHARE, milestones=[
        {"id": "tip", "metric": "reviews", "target": "1", "repeat": {}}
        | {"rewards": [{"kind": "cash", "amount": {"USD": "3"}}]}
    ])  # fmt: skip
    story = said(qualified("bob").buys("bob", "100", 2, "o1").reviews("ada", 2), "fulfilled", 3, "share", "o1")
    story.disqualified("bob", "api", 4).returns("bob", "o1", "50", 5).qualified("bob", "api", 6)
    result = story.reviews("ada", 7).disqualified("bob", "api", 8).told(rules)

    assert len({txn.key for txn in result.ledger}) == len(result.ledger)
    assert pots(result, "ada", "USD") == {"fulfilled": 1000}


# --- approval that is not needed any more -----------------------------------------------------------------------------


@pytest.mark.parametrize("hold", ["PT0S", "P9D"])
def test_a_share_that_falls_to_the_threshold_awaits_approval_no_more(hold: str) -> None:
    approval = {"required_above": {"USD": "50"}}
    rules = paying("none", {**SHARE, "hold": hold}, settlement={"approval": approval})
    story = qualified("bob").buys("bob", "1000", 3, "o1")
    assert about(story.told(rules), "o1", "share") == ("pending", "awaiting")

    story.returns("bob", "o1", "900", 4)
    assert about(story.told(rules), "o1", "share") == ("available", None)
    assert story.told(rules).ledger[-1].effective_at == day(4 if hold == "PT0S" else 12)


# --- a reward that is refused -----------------------------------------------------------------------------------------


def wavering(story: Story, on: float) -> Story:
    return story.disqualified("bob", "api", on).qualified("bob", "api", on + 1)


def test_what_a_person_refused_is_not_given_again_by_a_deal_that_wavers() -> None:
    story = wavering(said(qualified("bob"), "rejected", 3), 4)
    result = story.told(paying())

    assert about(result, "bob") == ("reversed", "rejected")
    assert reasons(result) == [("cash", "bob", "rejected")]
    assert "Reward cash: a person refused it (rejected)." in explain([paying()], story.events, day(9), "bob")


def test_what_a_person_refused_while_its_ground_was_gone_stays_refused() -> None:
    """The news of the loss came after the refusal, so that the reward is not open any more when it is refused."""
    story = said(qualified("bob").disqualified("bob", "api", 3), "rejected", 4).qualified("bob", "api", 5)

    assert about(story.told(paying()), "bob") == ("reversed", "rejected")


def test_whoever_approves_of_what_was_refused_has_it_given_after_all() -> None:
    rules = paying(settlement={"approval": {"required_above": {"USD": "5"}, "persons": "2"}})
    story = said(wavering(said(qualified("bob"), "rejected", 3), 4), "approved", 6, by="kim")
    assert about(story.told(rules), "bob") == ("pending", "awaiting")
    assert reasons(story.told(rules)) == []

    assert about(said(story, "approved", 7, by="lee").told(rules), "bob") == ("available", None)


def test_whoever_approves_of_what_was_refused_gives_nothing_that_is_not_earned() -> None:
    story = said(said(qualified("bob"), "rejected", 3).disqualified("bob", "api", 4), "approved", 5)
    assert about(story.told(paying()), "bob") == ("reversed", None)

    assert held(story.qualified("bob", "api", 6).told(paying()), "ada", "USD") == 1000


def test_what_is_handed_out_though_a_person_refused_it_is_booked_and_clawed_back() -> None:
    story = said(said(qualified("bob"), "rejected", 3), "fulfilled", 4)
    assert pots(story.told(paying("negative")), "ada", "USD") == {"fulfilled": 1000, "available": -1000}

    assert pots(said(story, "failed", 5).told(paying("negative")), "ada", "USD") == {}


def test_a_refused_share_is_given_after_all_at_what_its_order_is_worth_by_then() -> None:
    rules = paying("none", {**SHARE, "cap_per_referral": {"USD": "12"}})
    story = said(qualified("bob").buys("bob", "100", 3, "o1"), "rejected", 4, "share", "o1")
    story.returns("bob", "o1", "50", 5).buys("bob", "100", 6, "o2")
    assert pots(story.told(rules), "ada", "USD") == {"available": 700}  # the cap has room for both

    assert pots(said(story, "approved", 7, "share", "o1").told(rules), "ada", "USD") == {"available": 1200}


def test_a_refused_share_of_an_order_that_was_returned_whole_leaves_its_place_under_the_cap() -> None:
    rules = paying("none", {**SHARE, "cap_per_referral": {"USD": "12"}})
    story = said(qualified("bob").buys("bob", "100", 3, "o1"), "rejected", 4, "share", "o1")
    story.returns("bob", "o1", "100", 5).buys("bob", "100", 6, "o2")

    assert pots(story.told(rules), "ada", "USD") == {"available": 1000}


def test_whoever_waits_for_the_budget_and_is_refused_waits_no_longer() -> None:
    limits = {"campaign": {"budget": {"USD": "10"}, "when_exhausted": "queue"}}
    story = qualified("bob").disqualified("bob", "api", 3).signs_up("cem").qualified("cem", "api", 4)
    said(story.qualified("bob", "api", 5), "rejected", 6).disqualified("cem", "api", 7)
    result = story.told(paying(limits=limits))

    assert (about(result, "bob"), held(result, "ada", "USD")) == (("reversed", "rejected"), 0)
