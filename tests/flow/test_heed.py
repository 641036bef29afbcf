"""Pokes: a CRM's hint makes a change known at once; what is wrong with a hint costs nothing else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from syncd.contract import (
    ConnectorError,
    Misconfigured,
    Parked,
    Poke,
    Rejected,
    RemoteId,
    RemoteRef,
    Throttled,
    Transient,
)
from syncd.flow import operate, pokes
from syncd.flow.decide import decide
from syncd.flow.heed import LOOKS, TRIES, heed
from syncd.flow.tidy import POKES_KEPT, tidy
from syncd.store import sources
from syncd.store.engine import read, write
from syncd.store.tables import inbox, outbox
from tests.flow.telling import deal, open_pokes, poke, tells
from tests.flow.world import START, World


@pytest.fixture
def pushed(world: World) -> str:
    """A referral whose deal is in the CRM and has been read once."""
    tells(world)
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    world.poll()
    world.crm.calls.clear()
    return id


def heeded(world: World) -> int:
    """Heed what is due, and decide on what came of it."""
    found = heed(world.app, "crm")
    decide(world.app)
    return found


class Choking:
    """The CRM's look_up, which raises for some refs."""

    def __init__(self, world: World, error: Exception, *ids: str) -> None:
        self._plug_in = world.app.connections["crm"].plug_in()
        self._look_up = self._plug_in.look_up
        self._error, self._ids = error, ids
        self._plug_in.look_up = self.look_up  # type: ignore[method-assign]

    def look_up(self, refs: Sequence[RemoteRef]) -> Any:
        if not self._ids or any(ref.deal and ref.deal.id in self._ids for ref in refs):
            raise self._error
        return self._look_up(refs)

    def mend(self) -> None:
        self._plug_in.look_up = self._look_up  # type: ignore[method-assign]


def test_a_win_is_booked_at_the_poke_without_any_poll(world: World, pushed: str) -> None:
    won = world.crm.deal_of(pushed)
    world.crm.move(won, "won")
    poke(world, deal(won.id))

    assert heeded(world) == 1

    assert world.standing(pushed) == "qualified"
    assert {line.cause for line in world.history("qualified")} == {"webhook:crm"}
    assert "changes" not in world.crm.calls
    assert open_pokes(world) == []


def test_decide_leaves_pokes_alone(world: World, pushed: str) -> None:
    poke(world, deal(world.crm.deal_of(pushed).id))

    assert decide(world.app) == 0
    assert len(open_pokes(world)) == 1


def test_what_a_poke_and_then_a_poll_tell_is_one_fact(world: World, pushed: str) -> None:
    won = world.crm.deal_of(pushed)
    world.crm.move(won, "won")
    poke(world, deal(won.id))
    heeded(world)

    world.poll()
    world.sweep()

    assert len(world.history("qualified")) == 1
    assert sum(world.points().values()) == 50


def test_a_poke_of_a_known_id_is_not_taken_again(world: World, pushed: str) -> None:
    first, again = (poke(world, deal("1"), id="m1") for _ in range(2))

    assert (first.new, again.new) == (1, 0)
    assert len(open_pokes(world)) == 1


def test_many_pokes_on_one_deal_are_one_question(world: World, pushed: str) -> None:
    its = deal(world.crm.deal_of(pushed).id)
    for number in range(30):
        poke(world, its, id=f"m{number}")

    heeded(world)

    assert world.crm.calls == ["look_up 1"]
    assert open_pokes(world) == []


def test_pokes_in_any_order_end_where_the_crm_stands(world: World, pushed: str) -> None:
    its = world.crm.deal_of(pushed)
    world.crm.move(its, "won")
    world.clock.move(seconds=5)
    world.crm.move(its, "lost")
    for id in ("lost", "won", "lost-again"):
        poke(world, deal(its.id), id=id)
        heeded(world)

    assert [line.detail["after"] for line in world.history("stage")][-1] == "lost"


def test_a_poke_that_comes_before_our_push_has_committed_is_not_lost(world: World) -> None:
    """The deal carries our id, so that it is known whose it is."""
    tells(world)
    id = world.refer("ben", world.advocate()).referral.id
    made = world.crm.open_deal(lead=id)
    world.clock.move(seconds=1)
    world.crm.move(made, "won")
    with write(world.app.database) as tx:  # the push has begun
        tx.execute(update(outbox).where(outbox.c.lead == id).values(attempt=1))
    poke(world, deal(made.id))

    heeded(world)

    assert world.standing(id) == "qualified"


def test_a_record_that_a_push_may_just_have_made_is_looked_at_again(world: World) -> None:
    tells(world)
    id = world.refer("ben", world.advocate()).referral.id
    made = world.crm.open_deal(lead=None, person="77")
    world.crm.move(made, "won")
    with write(world.app.database) as tx:
        tx.execute(update(outbox).where(outbox.c.lead == id).values(attempt=1))
    poke(world, deal(made.id))

    assert heeded(world) == 0
    assert [wait for _, wait in open_pokes(world)] == [timedelta(seconds=5)]
    made.lead = id
    world.clock.move(seconds=5)

    assert heeded(world) == 1


def test_a_record_that_is_nobodys_is_looked_at_once(world: World, pushed: str) -> None:
    others = world.crm.open_deal(lead=None, person="99")
    poke(world, deal(others.id))

    assert heeded(world) == 0
    assert open_pokes(world) == []


def test_a_record_that_the_crm_does_not_show_yet_is_looked_at_again_a_few_times(world: World, pushed: str) -> None:
    poke(world, deal("31337"))
    waits = []
    for _ in range(LOOKS + 1):
        heeded(world)
        waits += [wait.total_seconds() for _, wait in open_pokes(world)]
        world.clock.move(minutes=1)

    assert waits == [5, 10, 20]
    assert world.crm.calls == ["look_up 1"] * LOOKS
    assert world.source().state == "healthy"


def test_a_deletion_is_told_at_the_poke(world: World, pushed: str) -> None:
    gone = world.crm.deal_of(pushed)
    gone.archived = True
    poke(world, deal(gone.id))

    assert heeded(world) == 1
    assert [line.what for line in world.history("deleted")] == ["deleted"]
    assert open_pokes(world) == []


@pytest.mark.parametrize("how", ["paused", "held"])
def test_pokes_wait_while_the_crm_is_not_to_be_called(world: World, pushed: str, how: str) -> None:
    if how == "paused":
        operate.pause(world.app, "crm", by="test")
    else:
        with write(world.app.database) as tx:
            sources.mark(tx, "crm", held_until=world.clock() + timedelta(minutes=1))
    poke(world, deal(world.crm.deal_of(pushed).id))

    heeded(world)
    assert (world.crm.calls, len(open_pokes(world))) == ([], 1)
    operate.resume(world.app, "crm", by="test")
    heeded(world)

    assert (world.crm.calls, open_pokes(world)) == (["look_up 1"], [])


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Transient("no answer", retry_after=2), 1),
        (Throttled("too many calls", retry_after=2), 0),
        (Parked("the day is spent", until=datetime(2026, 3, 3, tzinfo=UTC)), 0),
        (Misconfigured("no permission", yaml_path="token"), 1),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else None,
)
def test_an_error_of_the_whole_connector_rests_it_and_keeps_the_poke(
    world: World, pushed: str, error: Exception, attempts: int
) -> None:
    choking = Choking(world, error)
    won = world.crm.deal_of(pushed)
    world.crm.move(won, "won")
    poke(world, deal(won.id))

    heeded(world)
    with read(world.app.database) as tx:
        row = tx.execute(select(inbox.c.attempt, inbox.c.failures).where(inbox.c.kind == "poke")).one()
    held_until = world.source().held_until
    assert held_until is not None
    assert held_until > world.clock()
    assert tuple(row) == (attempts, 0)

    choking.mend()
    world.clock.move(days=1)
    heeded(world)
    assert world.standing(pushed) == "qualified"


def test_a_poke_that_the_crm_never_answers_does_not_rest_the_connector_for_ever(
    world: World, pushed: str, caplog: pytest.LogCaptureFixture
) -> None:
    choking = Choking(world, Transient("the CRM answered with status 500"), "666")
    poke(world, deal("666"))

    for _ in range(TRIES):
        heeded(world)
        assert world.source().held_until
        world.clock.move(hours=1)
    assert open_pokes(world) == []
    assert len([line for line in caplog.messages if "1 pokes are given up" in line]) == 1

    choking.mend()
    poke(world, deal(world.crm.deal_of(pushed).id), id="another")
    heeded(world)
    assert world.source().state == "healthy"


@pytest.mark.parametrize("error", [Throttled("too many"), Parked("spent", until=START + timedelta(minutes=5))], ids=str)
def test_a_poke_outlasts_any_number_of_calls_that_were_not_made(
    world: World, pushed: str, error: ConnectorError
) -> None:
    Choking(world, error)
    poke(world, deal("1"))

    for _ in range(TRIES + 1):
        heeded(world)
        world.clock.move(hours=1)

    assert len(open_pokes(world)) == 1


@pytest.mark.parametrize("error", [Rejected("that id is none"), KeyError("deal")], ids=["refused", "broken"])
def test_a_poke_that_the_connector_chokes_on_is_given_up_and_takes_no_other_with_it(
    world: World, pushed: str, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    Choking(world, error, "666")
    won = world.crm.deal_of(pushed)
    world.crm.move(won, "won")
    for number, id in enumerate(["1", "2", "666", won.id, "3"]):
        poke(world, deal(id), id=f"m{number}")

    for _ in range(LOOKS):
        heeded(world)
        world.clock.move(seconds=60)

    assert world.standing(pushed) == "qualified"
    assert (open_pokes(world), world.source().state) == ([], "healthy")
    assert len([line for line in caplog.messages if "given up" in line]) == 1


def test_nothing_is_stored_of_a_poke_that_another_worker_has_taken_over(world: World, pushed: str) -> None:
    won = world.crm.deal_of(pushed)
    world.crm.move(won, "won")
    poke(world, deal(won.id))
    plug_in = world.app.connections["crm"].plug_in()
    look_up = plug_in.look_up

    def slowly(refs: Sequence[RemoteRef]) -> Any:
        with write(world.app.database) as tx:
            tx.execute(update(inbox).where(inbox.c.kind == "poke").values(lease=inbox.c.lease + 1))
        return look_up(refs)

    plug_in.look_up = slowly  # type: ignore[method-assign]

    assert heeded(world) == 0
    with read(world.app.database) as tx:
        assert list(tx.execute(select(inbox).where(inbox.c.kind == "fact", inbox.c.due_at.is_not(None)))) == []
    assert len(open_pokes(world)) == 1


def test_of_a_flood_no_more_than_ten_thousand_are_kept(world: World) -> None:
    tells(world)
    told = [Poke(id=str(number), refs=(deal(str(number)),)) for number in range(pokes.MOST_OPEN + 2)]

    with write(world.app.database) as tx:
        taken = pokes.take(tx, "crm", told, world.clock())

    assert (taken.new, taken.dropped) == (10_000, 2)


def test_only_ids_are_kept_and_of_these_only_what_can_be_one(world: World) -> None:
    tells(world)
    person = RemoteId(type="contact", id="\0 and\ud800")
    poke(world, RemoteRef(person=person, deal=RemoteId(type="deal", id="7"), url="https://example.com/ann"))
    poke(world, RemoteRef(person=person), id="\0" * 500)

    with read(world.app.database) as tx:
        one, other = tx.execute(select(inbox).where(inbox.c.kind == "poke").order_by(inbox.c.id))
    assert one.payload == {"refs": [{"person": None, "deal": ["deal", "7"]}]}
    assert pokes.refs(other.payload) == []
    assert (other.key.isprintable(), len(other.key)) == (True, len("poke/crm:") + 64)
    assert heeded(world) == 0


def test_a_poke_that_was_heeded_is_forgotten_after_a_few_days_and_one_that_waits_is_not(
    world: World, pushed: str
) -> None:
    poke(world, deal(world.crm.deal_of(pushed).id), id="heeded")
    heeded(world)
    poke(world, deal("1"), id="waits")

    world.clock.move(days=POKES_KEPT.days, seconds=1)
    tidy(world.app)

    with read(world.app.database) as tx:
        keys = set(tx.scalars(select(inbox.c.key).where(inbox.c.kind == "poke")))
    assert keys == {"poke/crm:waits"}


def test_a_renamed_connector_heeds_its_old_pokes(world: World, pushed: str) -> None:
    poke(world, deal("1"))

    with write(world.app.database) as tx:
        sources.rename(tx, "crm", "crm-eu")
        row = tx.execute(select(inbox.c.key, inbox.c.source).where(inbox.c.kind == "poke")).one()

    assert tuple(row) == ("poke/crm-eu:m1", "crm-eu")


def test_quiet_pokes_are_quiet(world: World, pushed: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    poke(world, deal(world.crm.deal_of(pushed).id))

    heeded(world)

    assert caplog.messages == []
    assert world.clock() > START
