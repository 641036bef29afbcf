"""Programs in effect: what was promised is neither changed nor taken away, and what is new is looked at everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from syncd.flow.app import App
from syncd.flow.audit import audit, last
from syncd.flow.decide import decide
from syncd.flow.payout import say
from syncd.flow.persons import merge
from syncd.flow.programs import out_of_date
from syncd.flow.promises import ChangedProgram, hold_programs
from syncd.flow.refusal import Refusal
from syncd.store import access, people
from syncd.store.engine import read, retrying, write
from syncd.store.referrals import Referral
from tests.flow.booking import beside, money, pay, qualify, rewards, who
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
THANKS_250 = FIRST.replace("spring\n", "spring\nversion: 2\neffective_from: 2026-03-05T00:00:00Z\n").replace(
    "100", "250"
)
THANKS_250 = f"---{THANKS_250}"


def hold(world: World, app: App | None = None) -> None:
    retrying(world.app.database, lambda tx: hold_programs(tx, app or world.app))


def test_a_version_that_would_have_begun_before_what_was_booked_is_refused(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    ben = world.refer("ben", world.advocate()).referral
    qualify(world, ben.id)  # on 2 March or later
    began = THANKS_250.replace("2026-03-05T00:00:00Z", world.clock().isoformat())
    with pytest.raises(ChangedProgram, match="version 2 of campaign spring would have been in effect since"):
        hold(world, rewritten(world, tmp_path, FIRST + began))
    assert money(world) == {"POINTS": 100}

    world.clock.move(seconds=1)
    later = THANKS_250.replace("2026-03-05T00:00:00Z", world.clock().isoformat())
    hold(world, rewritten(world, tmp_path, FIRST + later))  # nothing was booked since: nobody was promised otherwise


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


def test_a_clock_that_is_set_back_keeps_nobody_from_starting(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST + SECOND)
    world.clock.move(days=4)
    world.advocate()
    world.clock.move(days=-3)
    hold(world)
    with read(engine) as tx:
        assert out_of_date(tx, world.app, world.app.config.campaigns["spring"]) == []


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


def test_the_next_audit_is_due_once_the_rules_have_changed(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    audit(world.app)
    world.clock.move(days=4)
    hold(world, rewritten(world, tmp_path, FIRST + SECOND))
    with read(engine) as tx:
        assert last(tx) is None


def test_a_program_may_be_written_anew_until_something_has_happened_by_it(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    dearer = rewritten(world, tmp_path, FIRST.replace("100", "900"))
    hold(world, dearer)
    world.advocate()
    with pytest.raises(ChangedProgram, match="write it as version 2"):
        hold(world)
    hold(world, dearer)


def test_a_version_that_took_effect_while_a_process_ran_is_not_changed_either(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=FIRST + THANKS_250)
    hold(world)
    code = world.advocate()
    world.clock.move(days=4)
    qualify(world, world.refer("ben", code).referral.id)
    assert money(world) == {"POINTS": 250}
    with pytest.raises(ChangedProgram, match="version 2 of campaign spring"):
        hold(world, rewritten(world, tmp_path, FIRST + THANKS_250.replace("250", "1")))


def test_every_version_that_is_ahead_is_looked_at_when_it_takes_effect(engine: Engine, tmp_path: Path) -> None:
    third = SECOND.replace("version: 2", "version: 3").replace("03-05", "03-08").replace("amount: 7", "amount: 9")
    world = World(engine, tmp_path, program=FIRST)
    world.advocate()
    pay(world, "o1", "ann", "20.00")
    world.app = rewritten(
        world, tmp_path, FIRST + SECOND.replace("one-order", "none").replace("orders", "reviews") + third
    )
    hold(world)
    for _ in range(2):
        world.clock.move(days=4)
        decide(world.app)
    assert money(world) == {"POINTS": 9}


@pytest.fixture
def overtaken(engine: Engine, tmp_path: Path) -> Overtaken:
    """A process that was started before the version that is in effect by now, and one that was started since."""
    world = World(engine, tmp_path, program=FIRST)
    hold(world)
    code = world.advocate()
    new = rewritten(world, tmp_path, FIRST + THANKS_250)
    world.clock.move(days=4)
    hold(world, new)
    decide(new)  # whoever has books is looked at
    return Overtaken(world=world, code=code, old=world.app, new=new)


@dataclass(frozen=True, kw_only=True)
class Overtaken:
    world: World
    code: str
    old: App
    new: App

    def refer(self, by: App, name: str) -> Referral:
        self.world.app = by
        return self.world.refer(name, self.code).referral


def test_a_process_with_older_rules_takes_nothing_back(overtaken: Overtaken) -> None:
    world = overtaken.world
    qualify(world, overtaken.refer(overtaken.new, "ben").id)
    assert money(world) == {"POINTS": 250}
    assert audit(overtaken.old) == 0  # nor does it say that the other is wrong
    overtaken.refer(overtaken.old, "cid")
    assert money(world) == {"POINTS": 250}


def test_what_a_process_with_older_rules_was_told_is_weighed_by_the_other(overtaken: Overtaken) -> None:
    world = overtaken.world
    qualify(world, overtaken.refer(overtaken.old, "ben").id)
    assert audit(overtaken.new) == 0  # for it is about to be weighed
    world.clock.move(minutes=1)
    assert decide(overtaken.old) > 0
    assert decide(overtaken.old) == 0  # it rests before it looks again
    assert money(world) == {}
    world.clock.move(minutes=1)
    decide(overtaken.new)
    assert money(world) == {"POINTS": 250}
    world.clock.move(days=1)
    assert audit(overtaken.new) == 0


def test_people_who_prove_one_to_a_process_with_older_rules_are_one_to_the_other(overtaken: Overtaken) -> None:
    world = overtaken.world
    qualify(world, overtaken.refer(overtaken.new, "ben").id)
    world.advocate("ada")
    merge(overtaken.old, who(world, "ann"), who(world, "ada"), cause="test")
    world.clock.move(minutes=1)
    decide(overtaken.new)
    assert money(world, "ada") == {"POINTS": 250}
    assert {it.advocate for it in rewards(world)} == {who(world, "ada")}
    world.clock.move(days=1)
    assert audit(overtaken.new) == 0


def test_a_process_with_older_rules_says_so_once(overtaken: Overtaken, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("ben", "cid"):
        overtaken.refer(overtaken.old, name)
    (line,) = [it.getMessage() for it in caplog.records if it.levelname == "ERROR"]
    assert line.startswith("campaign spring: another process has newer rules, restart this one")


def test_of_a_reward_nothing_is_said_to_a_process_with_older_rules(overtaken: Overtaken) -> None:
    qualify(overtaken.world, overtaken.refer(overtaken.new, "ben").id)
    (reward,) = rewards(overtaken.world)
    with pytest.raises(Refusal, match="campaign spring: another process has newer rules") as refused:
        say(overtaken.old, "fulfilled", reward.key, by="eva", cause="cli:eva")
    assert refused.value.reason == "out_of_date"
    assert say(overtaken.new, "fulfilled", reward.key, by="eva", cause="cli:eva").status == "fulfilled"


def test_of_two_who_take_a_new_version_to_say_different_things_the_first_to_book_is_right(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, program=FIRST + THANKS_250)
    hold(world)
    code = world.advocate()
    first, second = world.app, rewritten(world, tmp_path, FIRST + THANKS_250.replace("250", "1"))
    hold(world, second)
    world.clock.move(days=4)
    for world.app, name in ((first, "ben"), (second, "cid")):
        qualify(world, world.refer(name, code).referral.id)
    assert money(world) == {"POINTS": 250}
    world.clock.move(minutes=1)
    decide(first)
    assert money(world) == {"POINTS": 500}


def test_of_two_who_book_at_the_same_moment_one_was_first(engine: Engine, tmp_path: Path) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one process write at a time")
    world = World(engine, tmp_path, program=FIRST + THANKS_250)
    hold(world)
    ben = world.refer("ben", world.advocate()).referral
    world.clock.move(days=4)
    others = iter(["as another process has it"])

    def meanwhile(_: object, __: object, statement: str, *___: object) -> None:
        if "FROM program" in statement and (said := next(others, None)):
            with write(engine) as tx:
                access.add_program(tx, "spring", 2, said, world.clock())

    listen(engine, "after_cursor_execute", meanwhile)
    try:
        qualify(world, ben.id)
    finally:
        remove(engine, "after_cursor_execute", meanwhile)
    assert money(world) == {}


def test_old_timers_of_a_campaign_without_a_budget_weigh_each_books_alone(engine: Engine, tmp_path: Path) -> None:
    held = FIRST.replace("rewards:", "settlement: {hold: P3D}\nrewards:")
    tied = held.replace("rewards:", "limits: {campaign: {budget: {points: 1000}}}\nrewards:")
    ahead = tied.replace("spring\n", "spring\nversion: 2\neffective_from: 2027-01-01T00:00:00Z\n")
    world = World(engine, tmp_path, program=f"{held}---{ahead}")
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
