"""After the grant: clawback, approval, expiry, failure, payments without ground, and what the taxman asks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from syncd_rules import Program, State, Txn, reconcile
from syncd_rules.ledger import CLAWBACK, net
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, effects, held, pots, program, reached, reasons, reward

CASH = {"id": "cash", "trigger": "referral.qualified", "to": "advocate", "kind": "cash", "amount": {"USD": "100"}}
MEETING = {"id": "met", "trigger": "stage.reached", "stage": "meeting", "to": "advocate", "kind": "cash"}
SHARE = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}


def thanks(clawback: str, **keys: Any) -> Program:
    settlement = {"clawback": clawback, **keys.pop("settlement", {})}
    return program(rewards=[POINTS_FOR_A_FRIEND, *keys.pop("rewards", [])], settlement=settlement, **keys)


def paid(on: float = 3) -> Story:
    return Story().wins("bob", on=2).paid_out("ada", "thanks", "bob", on)


def turns(txns: tuple[Txn, ...]) -> list[str]:
    return ["/".join(txn.key.rsplit("/", 2)[1:]) for txn in txns]


# --- clawback ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "status", "left"),
    [
        ("none", "fulfilled", {"fulfilled": 100}),
        ("within_balance", "fulfilled", {"fulfilled": 100}),  # there is no balance to take it from
        ("negative", "clawed_back", {"fulfilled": 100, "available": -100}),
    ],
)
def test_what_was_handed_out_in_vain_is_taken_back_as_the_policy_says(
    policy: str, status: str, left: dict[str, int]
) -> None:
    result = paid().deal("bob", "lost", 4).told(thanks(policy))

    assert reward(result, "thanks").status == status
    assert pots(result, "ada") == left
    assert effects(result, "trigger.reward_reversed") == (status == "clawed_back")


def test_a_partial_clawback_and_a_grant_anew_give_back_only_what_was_taken() -> None:
    rules = thanks("within_balance", milestones=[{"id": "m", "metric": "reviews", "target": "1"}
                   | {"rewards": [{"kind": "points", "amount": "30"}]}])  # fmt: skip
    story = paid().reviews("ada", 3.5).deal("bob", "lost", 4)
    lost = story.told(rules)
    assert (reward(lost, "thanks").status, held(lost, "ada")) == ("clawed_back", 100)
    assert net(lost.ledger)[CLAWBACK, "POINTS"] == 30

    again = story.deal("bob", "won", 5).told(rules)
    assert held(again, "ada") == 130
    assert turns(tuple(t for t in again.ledger if "/thanks/" in t.key)) == [
        "1/grant",
        "1/release",
        "1/fulfil",
        "1/clawback",
        "2/grant",
        "2/release",
    ]
    assert max(posting.amount for posting in again.ledger[-1].postings) == 30

    twice = story.deal("bob", "lost", 6).deal("bob", "won", 7).told(rules)
    assert held(twice, "ada") == 130


def test_a_clawback_takes_no_more_than_the_balance_and_does_not_come_again() -> None:
    rules = thanks("within_balance", rewards=[{**POINTS_FOR_A_FRIEND, "id": "more", "amount": "40", "hold": "P2D"}])
    story = paid().deal("bob", "lost", 4).deal("bob", "lead", 5).wins("cem", on=6).disqualified("bob", "manual", 9)

    result = story.told(rules)

    # At the loss there was but the other reward for bob, which went with it; and later gains are left alone.
    assert held(result, "ada") == 100 + 140
    assert reward_of(result.rewards, "thanks", "bob") == "fulfilled"


def reward_of(rewards: Any, rule: str, subject: str) -> str:
    return next(r.status for r in rewards if (r.rule, r.subject) == (rule, subject))


def test_a_refund_of_a_share_that_was_handed_out_is_taken_out_of_the_balance() -> None:
    def story(policy: str) -> Any:
        rules = program(counting="referrals", rewards=[SHARE], settlement={"clawback": policy})
        told = Story().signs_up("bob").buys("bob", "100", 2, "o1").buys("bob", "30", 2, "o2")
        told.paid_out("ada", "share", "o1", 3).returns("bob", "o1", "50", 4)
        return told.told(rules)

    assert pots(story("none"), "ada", "USD") == {"available": 300, "fulfilled": 1000}
    within = story("within_balance")
    assert pots(within, "ada", "USD") == {"fulfilled": 1000}
    assert next(r.amount for r in within.rewards if r.subject == "o1") == "7.00"
    assert pots(story("negative"), "ada", "USD") == {"available": -200, "fulfilled": 1000}


def test_a_voucher_is_taken_back_as_one() -> None:
    rule = {
        "id": "thanks",
        "trigger": "referral.qualified",
        "to": "friend",
        "kind": "gift_card",
        "amount": {"USD": "50"},
    }
    story = Story().wins("bob").paid_out("bob", "thanks", "bob", 3).deal("bob", "lost", 4)

    result = story.told(program(rewards=[rule], settlement={"clawback": "negative"}))

    assert pots(result, "bob", "COUNT:gift_card") == {"available": -1, "fulfilled": 1}


# --- handed out without ground ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "left"), [("none", 100), ("negative", 0)])
def test_what_is_handed_out_after_it_was_taken_back_is_booked_all_the_same(policy: str, left: int) -> None:
    story = Story().wins("bob", on=2).deal("bob", "lost", 3).paid_out("ada", "thanks", "bob", 4)
    rules = thanks(policy)
    assert held(story.told(rules), "ada") == left

    again = story.deal("bob", "won", 5).told(rules)
    assert held(again, "ada") == 100
    for before, after in pairwise(again.ledger):
        assert before.effective_at <= after.effective_at


@pytest.mark.parametrize(
    ("policy", "pot"), [("none", {"fulfilled": 100}), ("negative", {"fulfilled": 100, "available": -100})]
)
def test_late_history_that_takes_the_ground_away_books_what_was_overpaid(policy: str, pot: dict[str, int]) -> None:
    """The friend turns out to have been a customer before: there never was a referral, but the money has left."""
    rules = thanks(policy)
    story = paid()
    posted = list(story.told(rules, on=5).ledger)
    assert pots(story.told(rules, on=5), "ada") == {"fulfilled": 100}

    story.happened(0.5, "customer.existing", friend="bob")
    late = story.told(rules, on=6)
    posted += reconcile(posted, late.ledger)

    assert late.referrals == {}
    assert pots(late, "ada") == pot
    assert {place: n for place, n in net(posted).items() if place[0].startswith("ada")} == {
        (f"ada:{name}", "POINTS"): n for name, n in pot.items()
    }
    assert reconcile(posted, late.ledger) == []


def test_what_arrives_late_about_a_person_changes_the_sign_ups_after_it() -> None:
    story = Story().wins("bob", on=2)
    state = State([thanks("none")])
    state.add(story.events, day(5))
    story.happened(0.5, "customer.existing", friend="bob")
    state.apply(story.events[-1], day(5))

    assert state.result(day(5)) == story.told(thanks("none"), on=5)
    assert state.result(day(5)).ledger == ()


def test_a_milestone_that_was_never_reached_but_paid_is_booked_too() -> None:
    rules = program(milestones=[{"id": "two", "target": "2", "rewards": [{"kind": "points", "amount": "500"}]}])
    story = Story().wins("bob", "cem").paid_out("ada", "two", "1", 3)
    assert pots(story.told(rules), "ada") == {"fulfilled": 500}

    story.happened(0.5, "customer.existing", friend="bob")
    assert (reached(story.told(rules)), pots(story.told(rules), "ada")) == ([], {"fulfilled": 500})


def test_what_no_rule_gives_cannot_be_handed_out() -> None:
    story = Story().wins("bob").paid_out("eve", "thanks", "bob", 3).paid_out("ada", "thanks", "nobody", 3)
    story.paid_out("ada", "two", "9", 3).paid_out("ada", "share", "o9", 3)
    rules = program(rewards=[{**POINTS_FOR_A_FRIEND, "to": "friend"}, SHARE], milestones=[
        {"id": "two", "target": "2", "rewards": [{"kind": "points", "amount": "500"}]}
    ])  # fmt: skip

    assert {reason for _, _, reason in reasons(story.told(rules))} == {"nothing_to_fulfil"}
    assert held(story.told(rules), "ada") == 0


# --- approval ---------------------------------------------------------------------------------------------------------


def approving(persons: str = "1", **above: str) -> Program:
    approval = {"required_above": above or {"USD": "99.99"}, "persons": persons}
    return program(rewards=[{**CASH, "hold": "P2D"}], settlement={"approval": approval})


def said(story: Story, what: str, on: float, **data: Any) -> Story:
    return story.happened(on, f"reward.{what}", to="ada", rule="cash", subject="bob", **data)


def test_a_large_reward_waits_for_approval_and_its_hold() -> None:
    story = Story().wins("bob", on=2)
    waiting = reward(story.told(approving()), "cash")
    assert (waiting.status, waiting.approval) == ("pending", "awaiting")

    said(story, "approved", 3)
    early = story.told(approving(), on=3.5)
    assert (reward(early, "cash").status, reward(early, "cash").approval) == ("pending", None)
    assert reward(story.told(approving()), "cash").status == "available"


def test_an_approval_after_the_hold_releases_at_once() -> None:
    result = said(Story().wins("bob", on=2), "approved", 9).told(approving())

    assert result.ledger[-1].effective_at == day(9)


def test_a_reward_that_is_not_above_the_threshold_waits_for_nobody() -> None:
    assert reward(Story().wins("bob", on=2).told(approving(USD="100")), "cash").status == "available"


def test_two_persons_are_two_and_not_one_twice() -> None:
    story = said(said(Story().wins("bob", on=2), "approved", 3, by="kim"), "approved", 4, by="kim")
    assert reward(story.told(approving("2")), "cash").approval == "awaiting"

    assert reward(said(story, "approved", 5, by="lee").told(approving("2")), "cash").status == "available"


def test_what_is_approved_or_rejected_in_vain_is_recorded() -> None:
    story = said(said(Story(), "approved", 3), "rejected", 4)

    assert reasons(story.told(approving())) == [("cash", "bob", "nothing_to_reject")]


# --- expiry and failure -----------------------------------------------------------------------------------------------


def test_points_expire_from_the_day_on_which_they_were_available() -> None:
    rules = program(rewards=[{**POINTS_FOR_A_FRIEND, "hold": "P5D"}], settlement={"expiry": {"points": "P10D"}})
    story = Story().wins("bob", on=2)

    before = story.told(rules, on=16.99)
    assert (reward(before, "thanks").status, before.next_due) == ("available", day(17))
    after = story.told(rules, on=17)
    assert (reward(after, "thanks").status, held(after, "ada"), after.next_due) == ("expired", 0, None)
    assert turns(after.ledger) == ["1/grant", "1/release", "1/expire"]
    assert held(story.deal("bob", "lost", 20).deal("bob", "won", 21).told(rules), "ada") == 0


def test_what_was_handed_out_does_not_expire_and_a_voucher_has_its_own_time() -> None:
    welcome = {"id": "w", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping", "valid_for": "P3D"}
    rules = program(rewards=[POINTS_FOR_A_FRIEND, welcome], settlement={"expiry": {"points": "P10D"}})

    result = paid().told(rules)

    assert (reward(result, "thanks").status, reward(result, "w").status) == ("fulfilled", "expired")


def test_a_payment_that_failed_can_be_made_again() -> None:
    story = paid(3).happened(4, "reward.failed", to="ada", rule="thanks", subject="bob")
    assert pots(story.told(thanks("none")), "ada") == {"available": 100}

    result = story.paid_out("ada", "thanks", "bob", 5).told(thanks("none"))
    assert pots(result, "ada") == {"fulfilled": 100}
    assert len({txn.key for txn in result.ledger}) == len(result.ledger) == 5
    assert reasons(story.happened(6, "reward.failed", to="ada", rule="x", subject="bob").told(thanks("none"))) == [
        ("x", "bob", "nothing_to_fail")
    ]


# --- tax --------------------------------------------------------------------------------------------------------------


def test_the_taxman_is_told_of_once_a_year_when_what_was_handed_out_reaches_the_threshold() -> None:
    tax = {"yearly_threshold": {"USD": "200"}, "reportable_kinds": ["cash"], "reportable_to": ["advocate"]}
    rules = program(rewards=[CASH], tax=tax, timezone="Europe/Berlin")
    story = Story()
    for number, friend in enumerate(("bob", "cem", "dan", "eva")):
        story.wins(friend, on=2).paid_out("ada", "cash", friend, 3 + number)
        assert effects(story.told(rules), "alert.tax_threshold_reached") == (number >= 1)

    next_year = Story().wins("bob", "cem", on=2).paid_out("ada", "cash", "bob", 3).paid_out("ada", "cash", "cem", 305)
    assert effects(next_year.told(rules, on=400), "alert.tax_threshold_reached") == 0


def test_what_friends_get_is_not_reported_unless_the_program_says_so() -> None:
    to_friend = {**CASH, "to": "friend"}
    story = Story().wins("bob").paid_out("bob", "cash", "bob", 3)

    for recipients, told in ((["advocate"], 0), (["friend"], 1)):
        rules = program(rewards=[to_friend], tax={"yearly_threshold": {"USD": "100"}, "reportable_to": recipients})
        assert effects(story.told(rules), "alert.tax_threshold_reached") == told
