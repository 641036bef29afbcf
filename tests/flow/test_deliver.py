"""Deliver: every lead once, whatever happens to the call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Engine, select, true
from sqlalchemy.exc import OperationalError

from syncd.contract import Connector, Lead, Misconfigured, Parked, Pushed, Rejected, Transient
from syncd.flow.deliver import deliver, held
from syncd.store import work
from syncd.store.engine import read, write
from syncd.store.tables import outbox
from tests.flow.world import START, World


def captured(world: World, count: int) -> list[str]:
    code = world.advocate()
    return [world.refer(f"friend{n}", code).referral.id for n in range(count)]


def open_duties(world: World) -> int:
    with read(world.app.database) as tx:
        return len(tx.execute(select(outbox.c.id).where(outbox.c.due_at.is_not(None))).all())


def test_leads_go_out_in_the_batch_size_of_the_crm(world: World) -> None:
    captured(world, 24)

    assert world.deliver() == 25
    assert [call for call in world.crm.calls if call.startswith("push")] == ["push 10", "push 10", "push 5"]
    assert open_duties(world) == 0


def test_a_lost_answer_makes_no_second_record(world: World) -> None:
    ids = captured(world, 3)
    world.crm.troubles = [("after", Transient("connection lost"))]

    world.deliver()
    world.clock.move(minutes=11)
    world.deliver()

    assert set(world.crm.persons) >= set(ids)
    assert len(world.crm.deals) == 3
    assert all(world.standing(id) == "pushed" for id in ids)


def test_one_bad_lead_fails_alone_and_is_kept_with_its_reason(world: World) -> None:
    good, bad, other = captured(world, 3)
    world.crm.bad[bad] = Rejected("the CRM says: phone is no number")

    world.deliver()

    assert [world.standing(id) for id in (good, bad, other)] == ["pushed", "captured", "pushed"]
    (line,) = world.history("push_failed")
    assert (line.referral, line.detail["error"]) == (bad, "the CRM says: phone is no number")
    with read(world.app.database) as tx:
        assert work.waiting(tx, outbox, "crm") == (0, 1)


def test_a_lead_on_which_the_connector_breaks_down_does_not_hold_up_the_others(world: World) -> None:
    good, bad, other = captured(world, 3)
    upsert = world.crm.upsert

    def break_down(lead: Lead) -> Pushed:
        return upsert(lead) if lead.id != bad else {}["phone"]  # type: ignore[index]

    world.crm.upsert = break_down  # type: ignore[method-assign]
    world.deliver()

    assert [world.standing(id) for id in (good, bad, other)] == ["pushed", "captured", "pushed"]
    assert len(world.crm.deals) == 2


def test_a_connector_that_cannot_be_opened_is_misconfigured_and_its_leads_wait(world: World) -> None:
    (id,) = captured(world, 1)

    def refuse(settings: object, http: object) -> Connector:
        raise ValueError("a plug-in may raise anything")

    world.app.connections["crm"].opening = refuse

    assert world.deliver() == 0
    assert (world.source().state, world.source().error) == (
        "misconfigured",
        "the connector cannot be opened: ValueError",
    )
    assert world.standing(id) == "captured"


def test_one_lead_in_trouble_is_tried_for_three_days_and_then_dies(world: World) -> None:
    (bad,) = captured(world, 1)
    world.crm.bad[bad] = Transient("locked")

    while not world.history("push_failed"):
        world.clock.move(hours=1)
        world.deliver()

    assert timedelta(days=3) <= world.clock() - START < timedelta(days=4)


def test_an_outage_of_any_length_kills_no_lead(world: World) -> None:
    ids = captured(world, 2)
    world.crm.troubles += [("before", Transient("503"))] * 24 * 5

    while world.crm.troubles:
        world.clock.move(hours=1)
        world.deliver()
    world.clock.move(hours=1)
    world.deliver()

    assert [world.standing(id) for id in ids] == ["pushed", "pushed"]
    assert world.source().state == "healthy"


def test_a_failing_crm_is_left_alone_for_a_while(world: World) -> None:
    captured(world, 1)
    world.crm.troubles = [("before", Transient("503"))]
    world.deliver()
    calls = len(world.crm.calls)

    world.deliver()

    assert len(world.crm.calls) == calls
    assert world.source().state == "failing"


def test_a_spent_quota_parks_the_connector_and_counts_as_no_attempt(world: World) -> None:
    captured(world, 1)
    until = world.clock() + timedelta(hours=5)
    world.crm.troubles = [("before", Parked("daily limit reached", until=until))]
    world.deliver()

    assert (world.source().state, world.source().held_until) == ("parked", until)
    with read(world.app.database) as tx:
        assert set(tx.scalars(select(outbox.c.attempt))) == {0}
    world.clock.move(hours=5, seconds=1)
    assert world.deliver() == 2


def test_a_misconfigured_connector_stops_keeps_its_leads_and_heals_when_mended(world: World) -> None:
    ids = captured(world, 1)
    world.crm.broken = Misconfigured("no property referral_id", yaml_path="push.referral_id")
    world.deliver()

    assert world.source().state == "misconfigured"
    assert world.source().error == "no property referral_id"
    assert world.crm.persons == {}
    world.crm.broken = None
    world.clock.move(minutes=5, seconds=1)
    world.deliver()
    assert world.standing(ids[0]) == "pushed"


def test_a_worker_that_lost_its_lease_changes_nothing(world: World) -> None:
    captured(world, 1)
    with write(world.app.database) as tx:
        late = work.claim(tx, outbox, true(), limit=10, now=world.clock())
    world.clock.move(minutes=2)
    with write(world.app.database) as tx:
        taken = work.claim(tx, outbox, true(), limit=10, now=world.clock())

    with write(world.app.database) as tx:
        assert [work.settle(tx, outbox, duty) for duty in late] == [False] * len(late)
        assert [work.settle(tx, outbox, duty) for duty in taken] == [True] * len(taken)


def due_after(world: World, claimed_until: datetime) -> set[datetime | None]:
    """Wait until pushes fall due at another time than the one up to which they were claimed; give it."""
    for _ in range(2000):
        with read(world.app.database) as tx:
            due = set(tx.scalars(select(outbox.c.due_at).where(outbox.c.kind == "push")))
        if due != {claimed_until}:
            break
    return due


def test_a_worker_that_died_after_its_claim_delays_its_leads_by_a_lease(world: World) -> None:
    (id,) = captured(world, 1)
    with write(world.app.database) as tx:
        work.claim(tx, outbox, true(), limit=10, now=world.clock())

    assert world.deliver() == 0
    world.clock.move(seconds=61)
    assert world.deliver() == 2
    assert world.standing(id) == "pushed"


def test_a_push_that_takes_longer_than_a_lease_keeps_its_leads(world: World) -> None:
    captured(world, 1)
    with write(world.app.database) as tx:
        duties = work.claim(tx, outbox, true(), limit=10, now=world.clock())
    claimed_until = world.clock() + work.LEASE
    world.clock.move(seconds=50)

    with held(world.app, duties, every=0.01):
        due = due_after(world, claimed_until)

    assert due == {world.clock() + work.LEASE}
    world.clock.move(seconds=20)
    assert world.deliver() == 0


def test_a_database_that_is_busy_once_ends_no_keeping_of_leases(world: World) -> None:
    captured(world, 1)
    with write(world.app.database) as tx:
        duties = work.claim(tx, outbox, true(), limit=10, now=world.clock())
    claimed_until, asked = world.clock() + work.LEASE, [0]
    world.clock.move(seconds=50)

    class Busy:
        """A database that is locked the first time."""

        def begin(self) -> Any:
            asked[0] += 1
            if asked[0] == 1:
                raise OperationalError("BEGIN", {}, Exception("database is locked"))
            return world.app.database.begin()

        def __getattr__(self, name: str) -> Any:
            return getattr(world.app.database, name)

    with held(replace(world.app, database=cast(Engine, Busy())), duties, every=0.01):
        due = due_after(world, claimed_until)

    assert due == {world.clock() + work.LEASE}


def test_nothing_is_taken_up_once_the_daemon_is_stopping(world: World) -> None:
    captured(world, 1)
    world.app.stopping.set()

    assert deliver(world.app, "crm") == 0
    assert world.crm.calls == []
