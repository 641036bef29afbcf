"""A reward's life: pending, available, fulfilled; taken back, and granted again."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program, balances
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, effects, held, program, reasons, reward, statuses

STAGES = [
    {**POINTS_FOR_A_FRIEND, "id": f"at-{stage}", "trigger": "stage.reached", "stage": stage}
    for stage in ("lead", "meeting", "won")
]


def thanks(**keys: Any) -> Program:
    return program(rewards=[{**POINTS_FOR_A_FRIEND, **keys}])


@pytest.mark.parametrize(
    ("prize", "amount", "unit", "quantity"),
    [
        ({"kind": "points", "amount": "500"}, "500", "POINTS", 500),
        ({"kind": "store_credit", "amount": {"EUR": "10"}}, "10.00", "EUR", 1000),
        ({"kind": "cash", "amount": {"JPY": "1000"}}, "1000", "JPY", 1000),
        ({"kind": "discount_amount", "amount": {"EUR": "5.5"}}, "5.50", "COUNT:discount_amount", 1),
        ({"kind": "discount_percentage", "percent": "12.5"}, "12.5", "COUNT:discount_percentage", 1),
        ({"kind": "free_shipping"}, "1", "COUNT:free_shipping", 1),
        ({"kind": "free_gift", "product": "mug"}, "1", "COUNT:free_gift", 1),
        ({"kind": "gift_card", "amount": {"EUR": "50.00"}}, "50.00", "COUNT:gift_card", 1),
    ],
)
def test_each_kind_is_booked_in_its_unit(prize: dict[str, Any], amount: str, unit: str, quantity: int) -> None:
    rule = {"id": "gift", "trigger": "referral.qualified", "to": "friend", **prize}
    result = Story().wins("bob").told(program(base_currency="EUR", rewards=[rule]))

    assert (reward(result, "gift").to, reward(result, "gift").amount) == ("bob", amount)
    assert balances(result.ledger) == {"bob": {unit: {"pending": 0, "available": quantity, "fulfilled": 0}}}


def test_both_sides_are_rewarded() -> None:
    welcome = {**POINTS_FOR_A_FRIEND, "id": "welcome", "to": "friend", "amount": "50"}
    result = Story().wins("bob").told(program(rewards=[POINTS_FOR_A_FRIEND, welcome]))

    assert (held(result, "ada"), held(result, "bob")) == (100, 50)


def test_a_reward_is_pending_until_its_hold_ends() -> None:
    rules = program(settlement={"hold": "P30D"}, rewards=[POINTS_FOR_A_FRIEND])
    story = Story().wins("bob", on=2)

    waiting = story.told(rules, on=31.99)
    assert (reward(waiting, "thanks").status, waiting.next_due) == ("pending", day(32))
    assert effects(waiting, "trigger.reward_released") == 0
    over = story.told(rules, on=32)
    assert (reward(over, "thanks").status, over.next_due) == ("available", None)
    assert effects(over, "trigger.reward_released") == 1
    assert over.ledger[-1].effective_at == day(32)


def test_a_reward_may_have_a_hold_of_its_own() -> None:
    rules = program(settlement={"hold": "P30D"}, rewards=[{**POINTS_FOR_A_FRIEND, "hold": "PT12H"}])

    assert Story().wins("bob", on=2).told(rules, on=2).next_due == day(2.5)


def test_a_deal_reopened_within_the_hold_voids_the_reward_and_its_timer() -> None:
    result = Story().wins("bob", on=2).deal("bob", "meeting", 3).told(thanks(hold="P30D"), on=10)

    assert (reward(result, "thanks").status, held(result, "ada"), result.next_due) == ("void", 0, None)
    assert effects(result, "trigger.reward_reversed") == 1


def test_a_deal_lost_after_the_hold_reverses_the_reward() -> None:
    result = Story().wins("bob", on=2).deal("bob", "lost", 40).told(thanks(hold="P30D"), on=50)

    assert (reward(result, "thanks").status, held(result, "ada")) == ("reversed", 0)


def test_a_deal_won_again_grants_the_reward_again_once_with_a_hold_from_then() -> None:
    story = Story().wins("bob", on=2)
    for turn in range(3):
        story.deal("bob", "meeting", 3 + turn).deal("bob", "won", 3.5 + turn)

    result = story.told(thanks(hold="P30D"), on=10)

    assert (reward(result, "thanks").generation, held(result, "ada")) == (4, 100)
    assert result.next_due == day(35.5)
    assert [txn.key.rsplit("/", 1)[1] for txn in result.ledger] == ["grant", *["void", "grant"] * 3]
    assert len({txn.key for txn in result.ledger}) == 7


def test_the_hold_of_an_earlier_grant_does_not_release_a_later_one() -> None:
    story = Story().wins("cem", on=1.5).wins("bob", on=2).deal("bob", "meeting", 3).deal("bob", "won", 4)

    assert statuses(story.told(thanks(hold="P30D"), on=33)) == {
        ("ada", "thanks", "cem"): "available",
        ("ada", "thanks", "bob"): "pending",
    }


def test_what_was_handed_out_is_neither_taken_back_nor_given_twice() -> None:
    story = Story().wins("bob", on=2).happened(3, "reward.fulfilled", to="ada", rule="thanks", subject="bob")
    for turn in (4, 6):
        story.deal("bob", "lost", turn).deal("bob", "won", turn + 1)

    result = story.told(thanks())

    assert reward(result, "thanks").status == "fulfilled"
    assert balances(result.ledger)["ada"]["POINTS"] == {"pending": 0, "available": 0, "fulfilled": 100}
    assert len(result.ledger) == 3


def test_a_second_or_unfounded_fulfilment_is_recorded_and_changes_nothing() -> None:
    story = Story().wins("bob", on=2)
    for name in ("thanks", "thanks", "other"):
        story.happened(3, "reward.fulfilled", to="ada", rule=name, subject="bob")

    result = story.told(thanks())

    assert held(result, "ada") == 100
    assert reasons(result) == [("thanks", "bob", "nothing_to_fulfil"), ("other", "bob", "nothing_to_fulfil")]


def test_a_fulfilment_names_the_reward_where_a_milestone_has_several() -> None:
    prizes = [{"kind": "points", "amount": "5"}, {"kind": "free_shipping"}]
    rules = program(milestones=[{"id": "goal", "target": "1", "rewards": prizes}])
    paid = {"to": "ada", "rule": "goal", "subject": "1"}

    unclear = Story().wins("bob").happened(3, "reward.fulfilled", **paid).told(rules)
    assert reasons(unclear) == [("goal", "1", "nothing_to_fulfil")]
    clear = Story().wins("bob").happened(3, "reward.fulfilled", **paid, reward="points").told(rules)
    assert [(r.reward, r.status) for r in clear.rewards] == [("points", "fulfilled"), ("free_shipping", "available")]


def test_the_first_stage_is_reached_at_sign_up() -> None:
    assert statuses(Story().signs_up("bob").told(program(rewards=STAGES))) == {("ada", "at-lead", "bob"): "available"}


@pytest.mark.parametrize(("skipped", "points"), [("grant", 300), ("skip", 200)])
def test_a_skipped_stage_pays_as_the_program_says(skipped: str, points: int) -> None:
    result = Story().wins("bob").told(program(rewards=STAGES, stages={"skipped": skipped}))

    assert held(result, "ada") == points


@pytest.mark.parametrize(("on_lost", "points"), [("keep_reached", 200), ("reverse_all", 0)])
def test_a_lost_deal_keeps_what_happened_or_reverses_all(on_lost: str, points: int) -> None:
    rules = program(rewards=STAGES, stages={"on_lost": on_lost})
    story = Story().wins("bob").deal("bob", "lost", 3)

    assert held(story.told(rules), "ada") == points
    assert held(story.deal("bob", "won", 4).told(rules), "ada") == 300


def test_a_disqualified_friend_leaves_nothing_behind() -> None:
    result = Story().wins("bob").disqualified("bob", "manual", 3).told(program(rewards=[*STAGES, POINTS_FOR_A_FRIEND]))

    assert balances(result.ledger) == {}
    assert set(statuses(result).values()) == {"reversed"}


def test_ids_with_slashes_do_not_share_a_key() -> None:
    story = (
        Story()
        .happened(0, "code.created", code="X", advocate="a/b")
        .happened(0, "code.created", code="Y", advocate="a")
    )
    story.signs_up("c", code="X").deal("c", "won", 2).signs_up("b/c", code="Y").deal("b/c", "won", 2)

    result = story.told(thanks())

    assert len({r.key for r in result.rewards}) == 2
    assert (held(result, "a/b"), held(result, "a")) == (100, 100)
