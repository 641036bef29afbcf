"""Programs in effect: what was promised is neither changed nor taken away, and what is new is looked at everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.flow.app import App
from syncd.flow.audit import ChangedProgram, audit, hold_programs
from syncd.flow.decide import decide
from syncd.store import people
from syncd.store.engine import retrying, write
from tests.flow.booking import beside, money, pay, qualify
from tests.flow.world import World

FIRST = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""
SECOND = """---
campaign: spring
version: 2
effective_from: 2026-03-05T00:00:00Z
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
milestones:
  - {id: one-order, metric: orders, target: 1, rewards: [{kind: points, amount: 7}]}
"""


def hold(world: World, app: App | None = None) -> None:
    retrying(world.app.database, lambda tx: hold_programs(tx, app or world.app))


def rewritten(world: World, folder: Path, program: str) -> App:
    """Give the process that starts with this program instead."""
    return replace(beside(world.app), config=World(world.app.database, folder, program=program).app.config)


@pytest.mark.parametrize(
    "program",
    [
        FIRST.replace("spring\n", "spring\nstate: draft\n"),
        FIRST.replace("spring\n", "spring\neffective_from: 2027-01-01T00:00:00Z\n"),
        FIRST.replace("spring\n", "spring\nversion: 2\neffective_from: 2027-01-01T00:00:00Z\n"),
        FIRST.replace("100", "900"),
    ],
    ids=["made a draft", "put off", "withdrawn", "changed"],
)
def test_a_version_in_effect_by_which_something_happened_is_not_taken_back(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    world.advocate()
    with pytest.raises(ChangedProgram, match="version 1 of campaign spring"):
        hold(world, rewritten(world, tmp_path, program))
    hold(world)


def test_a_file_that_is_only_written_otherwise_says_the_same(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    world.advocate()
    lines = (
        "\nrewards:\n- kind: points\n  amount: 100  # each\n"
        "  to: advocate\n  trigger: referral.qualified\n  id: thanks\n"
    )
    hold(world, rewritten(world, tmp_path, FIRST.partition("\nrewards")[0] + lines))


@pytest.mark.parametrize("running", [True, False], ids=["runs when it takes effect", "is started afterwards"])
def test_a_new_version_is_looked_at_in_books_of_which_nobody_speaks(
    engine: Engine, tmp_path: Path, running: bool
) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    pay(world, "o1", "ann", "20.00")

    if running:
        world.app = rewritten(world, tmp_path, FIRST + SECOND)
        hold(world)
    world.clock.move(days=4)
    if not running:
        world.app = rewritten(world, tmp_path, FIRST + SECOND)
        hold(world)
    assert audit(world.app) == 0  # for what is about to be weighed says nothing wrong
    decide(world.app)
    assert money(world) == {"POINTS": 107}
    world.clock.move(days=1)
    assert audit(world.app) == 0


def test_old_timers_of_a_campaign_without_a_budget_weigh_each_books_alone(engine: Engine, tmp_path: Path) -> None:
    held = FIRST.replace("rewards:", "settlement: {hold: P3D}\nrewards:")
    tied = held.replace("rewards:", "limits: {campaign: {budget: {points: 1000}}}\nrewards:")
    world = World(engine, tmp_path, program=tied)
    qualify(world, world.refer("ben", world.advocate("ann")).referral.id)
    qualify(world, world.refer("cid", world.advocate("ada")).referral.id)
    world.app = rewritten(world, tmp_path, held)
    dan = world.refer("dan", world.advocate("ann")).referral
    with write(engine) as tx:
        version = people.lock_campaign(tx, "spring")
    world.clock.move(days=3)
    decide(world.app)
    with write(engine) as tx:
        assert people.lock_campaign(tx, "spring") == version  # or it would be two at work on the same books
    assert [money(world, name) for name in ("ann", "ada")] == [{"POINTS": 100}] * 2
    qualify(world, dan.id)
    world.clock.move(days=3)
    decide(world.app)
    assert money(world) == {"POINTS": 200}
    assert audit(world.app) == 0
