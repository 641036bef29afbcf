"""Milestones: reached, reversed when they no longer stand, granted again, and never cheered twice."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program
from tests.rules.story import Story, day, effects, held, program, reached, statuses


def milestone(**keys: Any) -> dict[str, Any]:
    return {"id": "goal", "target": "2", "rewards": [{"kind": "points", "amount": "500"}], **keys}


def rules(**keys: Any) -> Program:
    return program(milestones=[milestone(**keys)])


FRIENDS = ("bob", "cem", "dan", "eve", "fay", "gil", "hal")


@pytest.mark.parametrize(
    ("keys", "friends", "numbers"),
    [
        ({}, 1, []),
        ({}, 2, [1]),
        ({}, 7, [1]),
        ({"comparison": "gt"}, 2, []),
        ({"comparison": "gt"}, 3, [1]),
        ({"repeat": {"max": "2"}}, 3, [1]),
        ({"repeat": {"max": "2"}}, 7, [1, 2]),
        ({"repeat": {}}, 7, [1, 2, 3]),
        ({"repeat": {}, "comparison": "gt"}, 6, [1, 2]),
    ],
)
def test_an_occurrence_stands_for_each_multiple_of_the_target(
    keys: dict[str, Any], friends: int, numbers: list[int]
) -> None:
    result = Story().wins(*FRIENDS[:friends]).told(rules(**keys))

    assert reached(result) == [("goal", number) for number in numbers]
    assert held(result, "ada") == 500 * len(numbers)


def test_sign_ups_or_conversions_count_as_the_campaign_says() -> None:
    story = Story().signs_up("bob").signs_up("cem")

    assert reached(story.told(rules())) == []
    assert reached(story.told(program(counting="referrals", milestones=[milestone()]))) == [("goal", 1)]


def test_a_milestone_lost_is_reversed_and_reached_again_is_granted_again_without_a_second_message() -> None:
    story = Story().wins("bob", "cem").deal("cem", "meeting", 3)
    lost = story.told(rules(messages=["well_done"]))
    assert (reached(lost), held(lost, "ada")) == ([], 0)
    assert statuses(lost) == {("ada", "goal", "1"): "reversed"}

    again = story.deal("cem", "won", 4).told(rules(messages=["well_done"]))
    assert [(m.number, m.reached_at) for m in again.milestones] == [(1, day(4))]
    assert held(again, "ada") == 500
    assert [txn.key.rsplit("/", 2)[1:] for txn in again.ledger] == [
        ["1", "grant"],
        ["1", "release"],
        ["1", "reverse"],
        ["2", "grant"],
        ["2", "release"],
    ]
    assert (effects(again, "email.milestone"), effects(again, "email.well_done")) == (1, 1)


def test_a_milestone_that_is_not_reversible_stays() -> None:
    result = Story().wins("bob", "cem").deal("cem", "lost", 3).told(rules(reversible="false"))

    assert (reached(result), held(result, "ada")) == ([("goal", 1)], 500)


def test_several_rewards_of_one_milestone_are_each_their_own() -> None:
    several = [{"kind": "points", "amount": "5"}, {"kind": "points", "amount": "7", "id": "extra"}]
    result = Story().wins("bob", "cem").told(rules(rewards=several))

    assert [(r.reward, r.amount) for r in result.rewards] == [("points", "5"), ("extra", "7")]
    assert held(result, "ada") == 12


def test_advocates_climb_each_on_their_own() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.wins("bob", "cem").signs_up("dan", code="EVE").deal("dan", "won", 3)

    result = story.told(rules())

    assert [(m.participant, m.number) for m in result.milestones] == [("ada", 1)]
    assert held(result, "eve") == 0
