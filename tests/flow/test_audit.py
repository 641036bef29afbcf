"""The audit: whatever the books say that the facts do not is seen, and told; nobody waits for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.event import listen, remove

from syncd.flow.audit import EVERY, audit, last, make_due
from syncd.flow.decide import decide
from syncd.flow.persons import merge
from syncd.store import books, work
from syncd.store.engine import read, write
from syncd.store.tables import event, ledger_txn, referral, reward
from syncd_rules import Posting, Txn
from tests.flow.booking import BUDGET, qualify, rewards, who
from tests.flow.world import PROGRAM, World


def test_books_that_say_what_the_facts_say_are_left_alone(world: World) -> None:
    code = world.advocate()
    for name in ("ben", "cid"):
        qualify(world, world.refer(name, code).referral.id)
    with read(world.app.database) as tx:
        before = tx.scalar(select(func.count()).select_from(ledger_txn))
    assert audit(world.app) == 0
    with read(world.app.database) as tx:
        assert tx.scalar(select(func.count()).select_from(ledger_txn)) == before
        found = last(tx)
    assert found is not None
    assert (found.books, found.differing) == (1, 0)


def test_a_difference_is_told_and_not_mended(world: World) -> None:
    code = world.advocate()
    for name in ("ben", "cid"):
        qualify(world, world.refer(name, code).referral.id)
    with write(world.app.database) as tx:
        tx.execute(reward.update().where(reward.c.rule == "two").values(status="fulfilled"))
    assert audit(world.app) == 1
    (line,) = world.history("books_differ")
    assert line.detail["rewards"] == 2
    assert [it.status for it in rewards(world) if it.rule == "two"] == ["fulfilled"]


def test_it_is_held_once_a_day(world: World) -> None:
    world.advocate()
    audit(world.app)
    world.clock.move(hours=23)
    audit(world.app)
    with read(world.app.database) as tx:
        first = last(tx)
    assert first is not None
    world.clock.move(seconds=(EVERY - timedelta(hours=23)).total_seconds())
    audit(world.app)
    with read(world.app.database) as tx:
        assert last(tx) != first


def forge(world: World, book: str) -> None:
    """Give ann, in somebody's ledger, points of which no fact tells."""
    txn = Txn(
        key="forged/1/grant",
        entitlement="forged",
        program_version=1,
        cause_event="x",
        effective_at=world.clock(),
        postings=(
            Posting(account=f"{who(world, 'ann')}:available", unit="POINTS", amount=900),
            Posting(account="program:issued", unit="POINTS", amount=-900),
        ),
    )
    with write(world.app.database) as tx:
        books.post(tx, "spring", [(book, txn)], world.clock())


@pytest.mark.parametrize("whose", ["ann", "ben"], ids=["an advocate", "somebody without books"])
def test_what_somebodys_ledger_holds_and_no_fact_tells_is_seen(world: World, whose: str) -> None:
    world.refer("ben", world.advocate())
    forge(world, who(world, whose))
    assert audit(world.app) == 1
    (line,) = world.history("books_differ")
    assert (line.participant, line.detail["ledger"]) == (who(world, whose), 1)


def test_who_became_another_name_is_nobody_without_books(world: World) -> None:
    world.advocate("ann")
    qualify(world, world.refer("ben", world.advocate("ada")).referral.id)
    merge(world.app, who(world, "ada"), who(world, "ann"), cause="test")
    assert audit(world.app) == 0
    with read(world.app.database) as tx:
        found = last(tx)
    assert found is not None
    assert found.books == 1


@pytest.mark.parametrize(
    "wrong",
    [{"standing": "captured"}, {"counted": False}, {"qualified_at": None}, {"standing": "rejected", "reason": "x"}],
    ids=["where it stands", "whether it counts", "since when", "why it was refused"],
)
@pytest.mark.parametrize("program", [PROGRAM, BUDGET], ids=["each books alone", "all books together"])
def test_a_referral_that_is_written_otherwise_than_the_facts_say_is_seen(
    engine: Engine, tmp_path: Path, program: str, wrong: dict[str, Any]
) -> None:
    world = World(engine, tmp_path, program=program)
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    with write(engine) as tx:
        tx.execute(update(referral).values(**wrong))
    assert audit(world.app) == 1
    (line,) = world.history("books_differ")
    assert line.detail["referrals"] == 1


@pytest.mark.parametrize("of_all", [False, True], ids=["their own timer", "the timer of all books"])
def test_books_whose_timer_keeps_failing_are_looked_at(world: World, of_all: bool) -> None:
    world.advocate()
    forge(world, who(world, "ann"))
    with write(world.app.database) as tx:
        key = f"timer:spring:{'' if of_all else who(world, 'ann')}"
        work.set_timer(tx, key=key, source="spring", payload={}, at=world.clock(), now=world.clock())
    for failures in range(work.FRESH):
        assert audit(world.app) == 0, failures  # it may be seen to yet
        with write(world.app.database) as tx:
            make_due(tx)
        decide(world.app)  # which fails, as the timer names nobody
        world.clock.move(minutes=1)
    assert audit(world.app) == 1


def test_books_that_cannot_be_weighed_are_told_and_hide_no_others(world: World) -> None:
    world.advocate("ann")
    forge(world, who(world, "ann"))
    world.advocate("zoe")
    with write(world.app.database) as tx:
        tx.execute(update(event).where(event.c.about == who(world, "zoe")).values(type="no.such.thing"))
    assert audit(world.app) == 2
    assert {line.detail.get("error") for line in world.history("books_differ")} == {None, "ValueError"}


def test_whoever_books_while_the_audit_weighs_is_not_kept_waiting(world: World) -> None:
    code = world.advocate()
    names = iter(["ben"])

    def meanwhile(_: object, __: object, statement: str, *___: object) -> None:
        if "FROM event" in statement and (name := next(names, None)):
            qualify(world, world.refer(name, code).referral.id)

    listen(world.app.database, "after_cursor_execute", meanwhile)
    try:
        assert audit(world.app) == 0  # as of the moment before
    finally:
        remove(world.app.database, "after_cursor_execute", meanwhile)
    assert len(rewards(world)) == 1
