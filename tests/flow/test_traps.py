"""Traps that a first version of the flow fell into, one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from syncd.contract import Page, Parked, Person, Transient
from syncd.flow.backlog import catch_up
from syncd.flow.capture import enrol
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.deliver import deliver
from syncd.flow.health import ail
from syncd.flow.operate import pause, resume
from syncd.flow.refusal import Refusal
from syncd.store import sources, work
from syncd.store.engine import read, write
from syncd.store.tables import inbox, outbox
from tests.flow.world import START, World

HOLD = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {hold: P30D}
rewards:
  - {id: friend, trigger: referral.qualified, to: friend, kind: points, amount: 50}
"""
SUMMER = """
campaign: summer
counting: conversions
qualification: {any_of: [{type: stage, stage: won}]}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 70}
"""


def qualify(world: World, id: str, key: str = "api:1") -> None:
    decide_now(world.app, Decision(verdict="qualified", via="api", referral=id), id=key, cause="test")


class TestConfiguration:
    def test_the_books_of_a_campaign_that_is_not_configured_rest(self, engine: Engine, tmp_path: Path) -> None:
        world = World(engine, tmp_path, program=HOLD)
        code = world.advocate()
        ben, cid = (world.refer(name, code).referral for name in ("ben", "cid"))
        qualify(world, ben.id)
        config = world.app.config
        world.app.config = replace(config, campaigns={})

        world.clock.move(days=31)
        decide(world.app)
        with pytest.raises(Refusal) as refusal:
            qualify(world, cid.id, "api:2")
        assert refusal.value.reason == "campaign_not_found"
        assert world.points("pending") == {ben.friend: 50}

        world.app.config = config
        world.clock.move(days=1)
        decide(world.app)
        assert world.points() == {ben.friend: 50}

    def test_leads_captured_before_their_campaign_had_a_connector_are_pushed_once_it_has(self, world: World) -> None:
        config = world.app.config
        spring = config.campaigns["spring"]
        world.app.config = replace(config, campaigns={"spring": replace(spring, connectors=())})
        id = world.refer("ben", world.advocate()).referral.id
        rejected = world.refer("ann", world.advocate("ann")).referral.id
        world.app.config = config

        assert catch_up(world.app) == 1
        assert catch_up(world.app) == 0
        world.deliver()

        assert world.standing(id) == "pushed"
        assert rejected not in world.crm.persons

    @pytest.mark.parametrize("names", [("crm2",), ("us", "usa")])
    def test_a_renamed_connector_keeps_its_duties_and_its_deals(self, world: World, names: tuple[str, ...]) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        world.deliver()
        world.crm.move(world.crm.deal_of(id), "won")
        world.poll()
        world.refer("cid", world.advocate())
        connection, name = world.app.connections["crm"], "crm"
        for new in names:
            with write(world.app.database) as tx:
                assert sources.rename(tx, name, new)
            name = new
        connection.settings = connection.settings.model_copy(update={"name": name})
        world.app.connections = {name: connection}

        world.crm.move(world.crm.deal_of(id), "lost")
        world.clock.move(minutes=5)
        collect(world.app, name)
        decide(world.app)

        assert (world.standing(id), world.points()) == ("lost", {})
        with read(world.app.database) as tx:
            keys = set(tx.scalars(select(outbox.c.key).where(outbox.c.kind == "push")))
        assert all(key.startswith(f"push:{name}:") for key in keys)

    def test_a_connector_that_takes_the_old_name_of_another_does_not_get_its_events(self, world: World) -> None:
        with write(world.app.database) as tx:
            sources.rename(tx, "crm", "new")
            assert sources.add(tx, "crm", START)
            assert not sources.add(tx, "crm", START)
            origins = {source.name: source.origin for source in sources.everyone(tx)}
        assert origins == {"new": "crm", "crm": "crm~2"}


class TestClocks:
    def test_a_clock_that_steps_back_takes_nothing_back(self, world: World) -> None:
        code = world.advocate()
        world.clock.move(minutes=30)
        id = world.refer("ben", code).referral.id
        qualify(world, id)
        before = world.points()
        assert before

        world.clock.move(seconds=-2)
        world.refer("cid", code)

        assert (world.points(), world.standing(id)) == (before, "qualified")

    def test_a_decision_by_a_clock_that_stepped_back_counts_all_the_same(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        world.clock.move(seconds=-2)

        qualify(world, id)

        assert world.standing(id) == "qualified"

    def test_a_win_that_the_crm_dates_a_little_ahead_of_our_clock_counts_at_once(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        world.deliver()
        world.poll()
        world.skew(seconds=4)  # less than what counts as a difference
        world.clock.move(hours=1)
        deal = world.crm.deal_of(id)
        world.crm.move(deal, "won")
        world.crm.hidden.add(deal.id)
        collect(world.app, "crm")
        decide(world.app)

        assert world.standing(id) == "qualified"
        assert world.referral(id).qualified_at < world.clock()


class TestPatience:
    def test_the_time_that_a_connector_was_paused_is_not_held_against_its_leads(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        pause(world.app, "crm", by="test")
        world.clock.move(days=4)
        resume(world.app, "crm", by="test")
        world.crm.bad[id] = Transient("row locked")

        world.deliver()

        with read(world.app.database) as tx:
            assert work.waiting(tx, outbox, "crm") == (1, 0)

    def test_what_befalls_every_lead_may_come_as_a_verdict_and_holds_the_connector(self, world: World) -> None:
        code = world.advocate()
        ids = [world.refer(f"friend{n}", code).referral.id for n in range(30)]
        until = world.clock() + timedelta(hours=6)
        world.crm.bad |= {id: Parked("the daily quota is spent", until=until) for id in ids[3:]}

        world.deliver()

        assert [call for call in world.crm.calls if call.startswith("push")] == ["push 10"]
        assert (world.source().state, world.source().held_until) == ("parked", until)
        assert [world.standing(id) for id in ids[:4]] == ["pushed"] * 3 + ["captured"]
        with read(world.app.database) as tx:
            assert set(tx.scalars(select(outbox.c.attempt).where(outbox.c.lead.in_(ids[3:])))) == {0}

    def test_a_hold_that_another_step_set_meanwhile_is_not_lifted(self, world: World) -> None:
        world.advocate()
        world.deliver()
        world.poll()
        plug_in: Any = world.app.connections["crm"].plug_in()
        changes, until = plug_in.changes, world.clock() + timedelta(hours=3)

        def parked_meanwhile(since: str, to: datetime) -> Iterator[Page]:
            yield from changes(since, to)
            ail(world.app, "crm", Parked("quota", until=until), world.clock())

        plug_in.changes = parked_meanwhile
        world.poll()

        assert (world.source().state, world.source().held_until) == ("parked", until)

    def test_a_connector_that_breaks_down_in_check_is_left_alone_for_a_while(self, world: World) -> None:
        world.advocate()
        calls = []

        def check(self: object) -> None:
            calls.append(1)
            raise KeyError("portalId")

        type(world.app.connections["crm"].plug_in()).check = check  # type: ignore[assignment]
        for _ in range(10):
            deliver(world.app, "crm")
            world.clock.move(seconds=1)

        assert len(calls) < 5
        assert world.source().state == "failing"

    def test_a_connector_that_forgets_verdicts_is_found_out(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        plug_in: Any = world.app.connections["crm"].plug_in()
        plug_in.push = lambda leads: []

        world.deliver()

        assert world.standing(id) == "captured"
        with read(world.app.database) as tx:
            assert set(tx.scalars(select(outbox.c.failures).where(outbox.c.kind == "push"))) == {1}


class TestDeals:
    def test_the_deal_of_one_referral_qualifies_no_other_of_the_same_friend(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        (tmp_path / "summer.yaml").write_text(SUMMER)
        world = World(engine, tmp_path, yaml="  - {files: [summer.yaml], connectors: [crm]}\n")
        spring = world.refer("ben", world.advocate()).referral.id
        _, codes = enrol(world.app, "summer", Person(email="zoe@example.com"), cause="test")
        summer = world.refer("ben", codes[0]).referral.id
        world.crm.persons[spring] = world.crm.persons[summer] = "77"  # one friend is one person in the CRM
        world.deliver()
        world.poll()

        world.crm.move(world.crm.deal_of(spring), "won")
        world.poll()

        assert (world.standing(spring), world.standing(summer)) == ("qualified", "in_pipeline")

    def test_a_deal_that_is_deleted_before_it_was_ever_read_is_lost_and_told_once(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        world.deliver()
        del world.crm.deals[world.crm.deal_of(id).id]

        for _ in range(3):
            world.poll(days=1, hours=1)

        assert world.standing(id) == "lost"
        assert len(world.history("deleted")) == 1
        with read(world.app.database) as tx:
            assert tx.scalar(select(func.count()).select_from(inbox).where(inbox.c.kind == "fact")) == 1

    def test_a_repeated_decision_is_one_line_of_the_history(self, world: World) -> None:
        id = world.refer("ben", world.advocate()).referral.id
        for _ in range(3):
            qualify(world, id)
        assert len(world.history("decided")) == 1


def test_a_timer_that_is_set_anew_is_not_tidied_away(engine: Engine) -> None:
    """On PostgreSQL the deletion waits for the row, and must look again at what it finds then."""
    late, name = START + timedelta(days=60), "timer:spring:ann"
    with write(engine) as tx:
        work.set_timer(tx, key=name, source="spring", payload={}, at=START, now=START)
        work.set_timer(tx, key=name, source="spring", payload={}, at=None, now=START)
    begun = threading.Event()

    def tidy() -> None:
        begun.set()
        with write(engine) as tx:
            work.forget(tx, before=late - timedelta(days=35), limit=1000)

    thread = threading.Thread(target=tidy)
    with write(engine) as tx:
        work.set_timer(tx, key=name, source="spring", payload={}, at=late + timedelta(days=30), now=late)
        thread.start()
        begun.wait(10)
        thread.join(0.3)  # it is waiting for us by now
    thread.join(20)

    with read(engine) as tx:
        assert list(tx.scalars(select(inbox.c.due_at))) == [late + timedelta(days=30)]
