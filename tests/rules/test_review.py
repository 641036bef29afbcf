"""What a review found, each held by the story that showed it."""

from __future__ import annotations

from decimal import Context, localcontext
from typing import Any

import pytest

from syncd_rules import InvalidProgram, Program, State, evaluate, reconcile, result_json
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, held, pots, program, reached, reward, statuses

SHARE: dict[str, Any] = {
    "id": "share",
    "trigger": "order.paid",
    "to": "advocate",
    "kind": "revenue_share",
    "rate": "0.1",
}


def queueing(dollars: str, *rewards: dict[str, Any], **keys: Any) -> Program:
    limits = {"campaign": {"budget": {"USD": dollars}, "when_exhausted": "queue"}}
    return program(counting="referrals", limits=limits, rewards=list(rewards) or [SHARE], **keys)


def two_orders() -> Story:
    """The first order takes the whole budget of 10 dollars, and the second one waits."""
    return Story().signs_up("bob").buys("bob", "100", 2, "o1").buys("bob", "80", 3, "o2")


# --- those who wait for the budget ------------------------------------------------------------------------------------


def test_a_refund_lowers_a_share_that_waits() -> None:
    story = two_orders().returns("bob", "o2", "30", 4).returns("bob", "o1", "100", 5)

    assert pots(story.told(queueing("10")), "ada", "USD") == {"available": 500}


def test_a_share_of_an_order_that_was_returned_whole_waits_no_longer() -> None:
    story = two_orders().returns("bob", "o2", "80", 4).returns("bob", "o1", "100", 5)

    assert pots(story.told(queueing("10")), "ada", "USD") == {}


def test_what_waits_is_part_of_what_the_orders_of_one_friend_may_earn() -> None:
    rules = queueing("10", {**SHARE, "cap_per_referral": {"USD": "15"}})
    story = two_orders().buys("bob", "80", 3.5, "o3").returns("bob", "o1", "50", 4).returns("bob", "o1", "50", 5)
    result = story.told(rules, on=9)

    # o1 took 10 of the cap while o2 came: 5 were left for o2, which waits with them, and nothing for o3.
    assert pots(result, "ada", "USD") == {"available": 500}
    assert [(r.subject, r.status) for r in result.rewards] == [("o1", "reversed"), ("o2", "available")]


def friends_of_three(budget: str, **keys: Any) -> tuple[Program, Story]:
    limits = {"campaign": {"budget": {"points": budget}, "when_exhausted": "queue"}}
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.happened(0, "code.created", code="BEA", advocate="bea")
    for friend, code, on in (("dan", "EVE", 2), ("bob", "ADA", 3), ("cem", "BEA", 4)):
        story.signs_up(friend, 1, code=code).deal(friend, "won", on)
    return program(limits=limits, rewards=[POINTS_FOR_A_FRIEND], **keys), story


def test_whoever_loses_the_ground_and_finds_it_again_waits_at_the_end() -> None:
    rules, story = friends_of_three("100")
    story.deal("bob", "lost", 5).deal("bob", "won", 6).deal("dan", "lost", 7)

    assert [who for who in ("eve", "ada", "bea") if held(story.told(rules), who)] == ["bea"]


def test_whoever_waited_twice_is_served_once() -> None:
    rules, story = friends_of_three("100", settlement={"expiry": {"points": "P20D"}})
    story.deal("bob", "lost", 5).deal("bob", "won", 6).deal("cem", "lost", 6.5).deal("dan", "lost", 7)
    result = story.told(rules, on=50)

    assert [t.key.rpartition("/")[2] for t in result.ledger if "/ada/" in t.key] == ["grant", "release", "expire"]


def test_whoever_is_erased_waits_no_longer() -> None:
    rules, story = friends_of_three("100")
    story.happened(5, "participant.erased", participant="ada").deal("dan", "lost", 7)

    assert [who for who in ("eve", "ada", "bea") if held(story.told(rules), who)] == ["bea"]


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_silence_goes_on_under_the_next_version() -> None:
    quiet = {"id": "quiet", "metric": "inactivity", "after": "P10D", "repeat": {"max": "3"}}
    quiet["rewards"] = [{"kind": "points", "amount": "5"}]
    first = program(milestones=[quiet])
    second = program(milestones=[quiet], version="2", effective_from=day(15).isoformat())
    result = Story().buys("ada", "10", 1).told(first, second, on=60)

    assert reached(result) == [("quiet", 1), ("quiet", 2), ("quiet", 3)]
    assert [m.reached_at for m in result.milestones] == [day(11), day(21), day(31)]


def test_a_reward_keeps_its_kind_over_all_versions_since_its_key_does() -> None:
    cash = {**POINTS_FOR_A_FRIEND, "kind": "cash", "amount": {"USD": "5"}}
    first = program(rewards=[POINTS_FOR_A_FRIEND])
    second = program(rewards=[cash], version="2", effective_from=day(15).isoformat())

    with pytest.raises(InvalidProgram, match="thanks"):
        Story().told(first, second)


def test_the_number_of_the_version_is_in_no_key() -> None:
    story = Story().wins("bob")
    first, later = (story.told(program(rewards=[POINTS_FOR_A_FRIEND], version=number)) for number in ("1", "7"))

    assert [t.key for t in first.ledger] == [t.key for t in later.ledger]
    assert {t.program_version for t in later.ledger} == {7}


# --- money ------------------------------------------------------------------------------------------------------------


def test_what_was_clawed_back_in_part_is_given_again_in_its_own_currency() -> None:
    big = {"id": "big", "metric": "amount_spent", "target": {"USD": "50", "EUR": "50"}}
    big["rewards"] = [{"kind": "store_credit", "amount": {"USD": "10", "EUR": "9"}}]
    tip = {"id": "tip", "metric": "reviews", "target": "1"}
    tip["rewards"] = [{"kind": "store_credit", "amount": {"USD": "4"}}]
    rules = program(milestones=[big, tip], settlement={"clawback": "within_balance"})
    story = Story().reviews("ada", 1).buys("ada", "60", 1, "o1").paid_out("ada", "big", "1", 2)
    story.returns("ada", "o1", "60", 3).buys("ada", "60", 4, "o2", "EUR")
    result = story.told(rules)

    assert pots(result, "ada", "EUR") == {}
    assert pots(result, "ada", "USD") == {"available": 400, "fulfilled": 1000}


def test_a_correction_is_known_by_the_refund_and_not_by_who_told_of_it_first() -> None:
    rules = program(counting="referrals", rewards=[SHARE])
    story = Story().signs_up("bob").buys("bob", "100", 2, "o1").returns("bob", "o1", "10", 4, "r7")
    posted = list(story.told(rules).ledger)
    story.returns("bob", "o1", "10", 3.9, "r7")  # the same refund, by another way

    assert reconcile(posted, story.told(rules).ledger) == []
    assert posted[-1].key.endswith("/amend:r7")


def test_the_callers_decimal_context_changes_nothing() -> None:
    rules = program(counting="referrals", rewards=[{**SHARE, "rate": "0.123456789"}])
    story = Story().signs_up("bob").buys("bob", "98765432.10", 2)
    with localcontext(Context(prec=3)):
        coarse = result_json(story.told(rules))

    assert coarse == result_json(story.told(rules))
    assert reward(story.told(rules), "share").amount == "12193263.11"


@pytest.mark.parametrize("rate", ["1_0e-2", "1E-1", "٠.١", "+0.1", " 0.1", "0.1234567891"])
def test_a_rate_is_written_in_digits_with_a_point(rate: str) -> None:
    with pytest.raises(InvalidProgram, match="rate"):
        program(rewards=[{**SHARE, "rate": rate}])


def test_the_amount_of_a_voucher_is_the_number_one() -> None:
    rules = program(
        rewards=[
            {"id": "mug", "trigger": "referral.qualified", "to": "friend", "kind": "free_gift", "product": "mug"},
            {"id": "ship", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping"},
            {"id": "off", "trigger": "referral.qualified", "to": "friend", "kind": "discount_percentage"}
            | {"percent": "15"},
        ]
    )
    told = result_json(Story().wins("bob").told(rules))

    assert [r["amount"] for r in told["rewards"]] == [1, 1, "15"]


# --- one fold ---------------------------------------------------------------------------------------------------------


def test_an_order_that_qualifies_is_found_without_going_through_all() -> None:
    basis = {"any_of": [{"type": "purchase", "basis": "single_order", "min": {"USD": "50"}}]}
    rules = program(qualification=basis)
    story = Story().signs_up("bob").buys("bob", "60", 2, "o1").buys("bob", "70", 3, "o2").returns("bob", "o1", "20", 4)

    assert story.told(rules).referrals["bob"].qualified_at == day(2)
    story.returns("bob", "o2", "30", 5)
    assert story.told(rules).referrals["bob"].status == "signed_up"
    state = State([rules])
    for event in story.events:
        state.apply(event, day(100))
    assert state.result(day(100)) == evaluate([rules], story.events, day(100))
    assert statuses(state.result(day(100))) == {}
