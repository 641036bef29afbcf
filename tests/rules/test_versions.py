"""A change of rules: from its day on, and never backwards."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import InvalidProgram, Program
from tests.rules.story import CAMPAIGN, POINTS_FOR_A_FRIEND, Story, day, effects, held, program


def version(number: int, since: float | None, **keys: Any) -> Program:
    start = {} if since is None else {"effective_from": day(since).isoformat()}
    return program(version=str(number), **start, **keys)


def milestone(target: int, points: int = 500) -> dict[str, Any]:
    prize = {"kind": "points", "amount": str(points)}
    return {"milestones": [{"id": "goal", "target": str(target), "rewards": [prize]}]}


def test_a_milestone_reached_under_old_rules_stands_under_new_ones() -> None:
    story = Story().wins("bob", "cem")
    versions = version(1, None, **milestone(2)), version(2, 10, **milestone(5, 900))

    assert held(story.told(*versions, on=50), "ada") == 500
    assert held(story.deal("cem", "lost", 20).told(*versions, on=50), "ada") == 0
    assert held(story.deal("cem", "won", 30).told(*versions, on=50), "ada") == 0


def test_a_lower_target_is_reached_on_the_day_it_comes_into_force_without_any_event() -> None:
    versions = version(1, None, **milestone(5)), version(2, 10, **milestone(2, 900))
    story = Story().wins("bob", "cem")

    before = story.told(*versions, on=9.9)
    assert (held(before, "ada"), before.next_due) == (0, day(10))
    after = story.told(*versions, on=10)
    assert [(m.number, m.reached_at) for m in after.milestones] == [(1, day(10))]
    assert (held(after, "ada"), after.next_due) == (900, None)
    assert {txn.program_version for txn in after.ledger} == {2}


def test_the_ledger_is_in_the_order_of_time_when_a_hold_ends_before_a_version_begins() -> None:
    versions = version(1, None, rewards=[{**POINTS_FOR_A_FRIEND, "hold": "P3D"}]), version(2, 10, **milestone(1))
    ledger = Story().wins("bob").told(*versions).ledger

    assert [txn.effective_at for txn in ledger] == [day(2), day(5), day(10), day(10)]


def test_what_one_version_granted_stands_on_by_what_the_next_counts() -> None:
    versions = (
        version(1, None),
        version(2, 10, on_activation="since_version", **milestone(1)),
        version(3, 20, on_activation="lifetime", **milestone(2, 900)),
    )
    story = Story().wins("bob", "dan", on=2).wins("cem", on=12).deal("cem", "lost", 21)

    result = story.told(*versions)
    assert (held(result, "ada"), result.milestones[0].reached_at) == (500, day(12))
    assert effects(result, "trigger.reward_reversed") == 0

    story.deal("cem", "won", 22).deal("bob", "lost", 23).deal("dan", "lost", 23)  # what granted it bears it again
    assert held(story.told(*versions), "ada") == 500
    assert held(story.deal("cem", "lost", 24).told(*versions), "ada") == 0


def test_a_new_version_does_not_grant_a_standing_occurrence_again() -> None:
    versions = version(1, None, **milestone(2)), version(2, 10, **milestone(2, 900))

    assert held(Story().wins("bob", "cem").told(*versions, on=50), "ada") == 500


def test_a_referral_keeps_the_terms_under_which_it_was_captured() -> None:
    better = {**POINTS_FOR_A_FRIEND, "amount": "300"}
    versions = version(1, None, rewards=[POINTS_FOR_A_FRIEND]), version(2, 10, rewards=[better])
    story = Story().signs_up("bob", 1).signs_up("cem", 11).deal("bob", "won", 20)

    assert held(story.told(*versions), "ada") == 100
    assert held(story.deal("cem", "won", 21).told(*versions), "ada") == 400


def test_before_the_first_version_is_in_force_the_campaign_does_not_run() -> None:
    result = Story().signs_up("bob", 1).told(version(1, 2))

    assert [r.reason for r in result.rejected] == ["campaign_not_running"]


def test_a_draft_of_the_next_version_changes_nothing() -> None:
    versions = version(1, None, **milestone(2)), version(2, 0, state="draft", **milestone(1, 900))

    assert held(Story().wins("bob", "cem").told(*versions), "ada") == 500


@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ((version(1, None), version(1, 5)), "two of version 1"),
        ((version(1, 5), version(2, 5)), "begins no later"),
        ((version(1, 5), version(2, None)), "begins no later"),
        ((version(1, None), program(campaign="autumn")), "several campaigns"),
    ],
)
def test_versions_must_follow_one_another(programs: tuple[Program, ...], why: str) -> None:
    with pytest.raises(InvalidProgram, match=why):
        Story().told(*programs)


def test_campaign_is_part_of_every_key() -> None:
    result = Story().wins("bob", "cem").told(version(1, None, **milestone(2)))

    assert all(txn.key.startswith(f"{CAMPAIGN}/") for txn in result.ledger)
