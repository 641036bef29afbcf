"""Collect and decide: what the CRM says of a deal reaches the books, once, whatever the order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from syncd.contract import Page, Transient
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.store import records
from syncd.store.engine import read, write
from syncd.store.tables import event, inbox
from tests.flow.world import World


@pytest.fixture
def pushed(world: World) -> str:
    """A referral whose deal is in the CRM, seen by a first poll."""
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    world.poll()
    return id


def test_a_won_deal_qualifies_its_referral(world: World, pushed: str) -> None:
    world.crm.move(world.crm.deal_of(pushed), "won")

    world.poll()

    referral = world.referral(pushed)
    assert (referral.standing, referral.counted, referral.qualified_via) == ("qualified", True, "crm")
    assert world.points() == {referral.friend: 50}
    (line,) = world.history("qualified")
    assert line.cause == "poll:crm"


def test_reading_the_same_again_changes_nothing(world: World, pushed: str) -> None:
    world.crm.move(world.crm.deal_of(pushed), "won")
    world.poll()
    before = world.history(), world.points()
    world.crm.calls.clear()

    for _ in range(4):
        world.poll()

    assert (world.history(), world.points()) == before
    assert world.crm.calls == ["changes"] * 4


def test_a_milestone_stands_while_the_count_does_and_is_rewarded_once(world: World) -> None:
    code = world.advocate()
    ids = [world.refer(name, code).referral.id for name in ("ben", "cid")]
    world.deliver()
    for id in ids:
        world.crm.move(world.crm.deal_of(id), "won")
    world.poll()
    advocate = world.referral(ids[0]).advocate
    assert world.points()[advocate] == 500

    world.crm.move(world.crm.deal_of(ids[0]), "talk")
    world.poll()
    assert advocate not in world.points()
    assert world.standing(ids[0]) == "in_pipeline"

    world.crm.move(world.crm.deal_of(ids[0]), "won")
    world.poll()
    assert world.points()[advocate] == 500


def test_a_lost_deal_loses_and_a_reopened_one_is_in_the_pipeline_again(world: World, pushed: str) -> None:
    deal = world.crm.deal_of(pushed)
    world.crm.move(deal, "lost")
    world.poll()
    assert world.standing(pushed) == "lost"

    world.crm.move(deal, "talk")
    world.poll()
    assert world.standing(pushed) == "in_pipeline"


def test_a_stage_passed_between_two_polls_is_not_lost(world: World, pushed: str) -> None:
    deal = world.crm.deal_of(pushed)
    world.crm.move(deal, "talk")
    world.clock.move(seconds=20)
    world.crm.move(deal, "won")

    world.poll()

    with read(world.app.database) as tx:
        stages = tx.scalars(select(event.c.data).where(event.c.type == "deal.stage_changed").order_by(event.c.at))
        assert [data["stage"] for data in stages][-2:] == ["meeting", "won"]


def test_a_crm_that_keeps_no_history_qualifies_as_well(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, keeps_history=False)
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    for stage in ("talk", "won", "talk", "won"):
        world.crm.move(world.crm.deal_of(id), stage)
        world.poll()

    assert world.standing(id) == "qualified"
    assert world.points() == {world.referral(id).friend: 50}


def test_a_deal_that_the_crm_reports_before_our_push_has_committed_is_known(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id
    world.crm.troubles = [("after", Transient("answer lost"))]
    world.deliver()
    world.crm.move(world.crm.deal_of(id), "won")
    world.poll()

    assert world.standing(id) == "qualified"
    world.clock.move(minutes=11)
    world.deliver()
    assert len(world.crm.deals) == 1
    assert world.standing(id) == "qualified"


def test_a_deal_that_sales_opened_for_a_pushed_person_counts(world: World, pushed: str) -> None:
    other = world.crm.open_deal(person=world.crm.persons[pushed])
    world.crm.move(other, "won")

    world.poll()

    assert world.standing(pushed) == "qualified"


def test_a_deal_of_nobody_is_passed_over(world: World, pushed: str) -> None:
    deal = world.crm.open_deal(person="77")
    world.crm.move(deal, "won")

    world.poll()

    with read(world.app.database) as tx:
        assert records.versions(tx, "crm", [deal.id]) == {}
        assert tx.scalars(select(inbox.c.key).where(inbox.c.key.contains(f"deal:{deal.id}"))).all() == []


def test_a_deal_that_was_won_before_the_friend_was_referred_does_not_count(world: World) -> None:
    deal = world.crm.open_deal(person="1000")
    world.crm.move(deal, "won")
    world.clock.move(minutes=3)
    id = world.refer("ben", world.advocate()).referral.id
    world.crm.persons[id] = "1000"
    world.deliver()

    world.sweep()

    assert world.standing(id) != "qualified"


def test_the_sweep_finds_a_win_that_the_index_never_showed(world: World, pushed: str) -> None:
    deal = world.crm.deal_of(pushed)
    world.crm.hidden.add(deal.id)
    world.crm.move(deal, "won")
    world.poll()
    assert world.standing(pushed) == "in_pipeline"

    world.sweep()

    assert world.standing(pushed) == "qualified"
    assert world.history("qualified")[0].cause == "sweep:crm"


def test_a_deleted_deal_is_lost_and_a_restored_one_is_what_it_was(world: World, pushed: str) -> None:
    deal = world.crm.deal_of(pushed)
    world.crm.move(deal, "won")
    world.poll()
    deal.archived = True
    world.poll(days=1, hours=2)
    assert world.standing(pushed) == "lost"
    assert world.points() == {}
    assert [line.referral for line in world.history("deleted")] == [pushed]

    deal.archived = False
    world.poll(days=1, hours=2)

    assert world.standing(pushed) == "qualified"
    assert world.points() == {world.referral(pushed).friend: 50}


def test_a_merged_deal_is_followed_and_rewards_nobody_twice(world: World, pushed: str) -> None:
    deal = world.crm.deal_of(pushed)
    world.crm.move(deal, "won")
    world.poll()
    survivor = world.crm.merge(deal, world.crm.open_deal(person=deal.person))
    world.poll(days=1, hours=2)
    assert world.standing(pushed) == "qualified"
    assert world.points() == {world.referral(pushed).friend: 50}

    world.crm.move(survivor, "lost")
    world.poll()

    assert world.standing(pushed) == "lost"
    assert world.points() == {}


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_a_crm_whose_clock_is_wrong_by_hours_qualifies_all_the_same(engine: Engine, tmp_path: Path, hours: int) -> None:
    world = World(engine, tmp_path)
    world.skew(hours=hours)
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    world.poll()
    other = world.crm.open_deal(person=world.crm.persons[id])
    world.clock.move(minutes=1)
    world.crm.move(other, "won")

    world.poll()

    referral = world.referral(id)
    assert referral.standing == "qualified"
    assert referral.qualified_at is not None
    assert abs(referral.qualified_at - world.clock()) < timedelta(minutes=3)


def test_a_reading_ends_between_two_pages_once_the_daemon_is_stopping(world: World, pushed: str) -> None:
    before = world.source()
    plug_in: Any = world.app.connections["crm"].plug_in()
    changes, look_ups = plug_in.changes, len([call for call in world.crm.calls if call.startswith("look_up")])
    world.crm.move(world.crm.deal_of(pushed), "won")
    world.clock.move(hours=2)

    def stopped_meanwhile(since: str, until: datetime) -> Iterator[Page]:
        world.app.stopping.set()
        yield from changes(since, until)

    plug_in.changes = stopped_meanwhile
    assert collect(world.app, "crm") == 0

    assert (world.source().cursor, world.source().sweep_at) == (before.cursor, before.sweep_at)
    assert len([call for call in world.crm.calls if call.startswith("look_up")]) == look_ups


def test_a_failed_poll_keeps_the_cursor_and_reads_the_same_stretch_again(world: World, pushed: str) -> None:
    before = world.source().cursor
    connection = world.app.connections["crm"]
    plug_in = connection.plug_in()
    world.crm.move(world.crm.deal_of(pushed), "won")

    def fail(since: str, until: object) -> object:
        raise Transient("the answer is HTML")

    real = plug_in.changes
    plug_in.changes = fail  # type: ignore[method-assign, assignment]
    world.poll()
    assert (world.source().cursor, world.source().state) == (before, "failing")

    plug_in.changes = real  # type: ignore[method-assign]
    world.poll(minutes=5)
    assert world.standing(pushed) == "qualified"


def test_a_fact_that_cannot_be_decided_does_not_stop_those_behind_it(world: World, pushed: str) -> None:
    world.crm.move(world.crm.deal_of(pushed), "won")
    world.clock.move(minutes=3)
    with write(world.app.database) as tx:
        tx.execute(
            inbox.insert().values(
                key="broken",
                kind="fact",
                source="crm",
                payload={},
                due_at=world.clock() - timedelta(hours=1),
                created_at=world.clock(),
            )
        )
    collect(world.app, "crm")
    decide(world.app)

    assert world.standing(pushed) == "qualified"
    with read(world.app.database) as tx:
        assert tx.scalar(select(inbox.c.error).where(inbox.c.key == "broken")) == "KeyError"


def test_what_was_won_while_its_campaign_rested_counts_when_it_is_back(world: World) -> None:
    ben = world.refer("ben", world.advocate()).referral
    world.deliver()
    config = world.app.config
    world.app.config = replace(config, campaigns={})
    world.clock.move(minutes=1)
    world.crm.move(world.crm.deal_of(ben.id), "won")
    world.poll()
    world.app.config = config
    world.sweep()
    assert world.standing(ben.id) == "qualified"
