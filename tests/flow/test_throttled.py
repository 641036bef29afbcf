"""Too many calls: nobody is to blame, nothing is counted, and all goes on by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, select

from syncd.contract import ConnectorError, Lead, Misconfigured, Parked, Pushed, Quota, Throttled, Told, Transient
from syncd.flow.health import FIRST_HOLD, ail
from syncd.store import quotas, work
from syncd.store.engine import read
from syncd.store.tables import outbox
from syncd.web.report import Tally, report
from tests.flow.world import World, connector_for


def captured(world: World, count: int) -> list[str]:
    code = world.advocate()
    return [world.refer(f"friend{n}", code).referral.id for n in range(count)]


def tries(world: World) -> set[tuple[int, int]]:
    """Give attempt and failures of all pushes that are still open."""
    with read(world.app.database) as tx:
        rows = tx.execute(select(outbox.c.attempt, outbox.c.failures).where(outbox.c.due_at.is_not(None)))
        return {(attempt, failures) for attempt, failures in rows}


def test_a_throttled_push_counts_as_no_attempt_and_no_failure(world: World) -> None:
    captured(world, 2)
    world.crm.troubles = [("before", Throttled("too many calls", retry_after=7))]

    world.deliver()

    assert tries(world) == {(0, 0)}
    source = world.source()
    assert (source.state, source.failures, source.ill_since) == ("healthy", 0, None)
    assert (source.held_until, source.error) == (world.clock() + timedelta(seconds=7), "too many calls")


def test_a_throttled_connector_goes_on_when_its_moment_is_over_and_forgets_it(world: World) -> None:
    captured(world, 2)
    world.crm.troubles = [("before", Throttled("too many calls", retry_after=7))]
    world.deliver()

    world.clock.move(seconds=6)
    assert world.deliver() == 0
    world.clock.move(seconds=1)
    assert world.deliver() == 3

    assert (world.source().error, world.source().held_until) == (None, None)


def test_a_row_whose_verdict_is_throttled_waits_and_never_dies_of_it(world: World) -> None:
    good, busy = captured(world, 2)
    world.crm.bad[busy] = Throttled("too many calls", retry_after=3600)

    for _ in range(200):
        world.deliver()
        world.clock.move(hours=1, seconds=1)

    assert (world.standing(good), world.standing(busy)) == ("pushed", "captured")
    assert tries(world) == {(0, 0)}
    with read(world.app.database) as tx:
        assert work.waiting(tx, outbox, "crm") == (1, 0)
    del world.crm.bad[busy]
    world.deliver()
    assert world.standing(busy) == "pushed"


@pytest.mark.parametrize("gravest", [Misconfigured("no such field", yaml_path="push"), None])
def test_of_several_troubles_in_one_batch_the_gravest_holds_the_connector(
    world: World, gravest: ConnectorError | None
) -> None:
    one, other, third = captured(world, 3)
    until = world.clock() + timedelta(hours=5)
    world.crm.bad = {one: Throttled("busy", retry_after=1), other: Parked("spent", until=until)}
    if gravest:
        world.crm.bad[third] = gravest

    world.deliver()

    assert world.source().state == ("misconfigured" if gravest else "parked")
    assert {attempt for attempt, _ in tries(world)} == ({0, 1} if gravest else {0})


def test_a_moment_does_not_end_a_days_rest(world: World) -> None:
    until = world.clock() + timedelta(hours=5)
    ail(world.app, "crm", Parked("the day is spent", until=until), world.clock())

    ail(world.app, "crm", Throttled("busy", retry_after=1), world.clock())

    assert (world.source().state, world.source().held_until, world.source().error) == (
        "parked",
        until,
        "the day is spent",
    )


def test_a_day_that_is_spent_is_no_failure_and_lengthens_no_rest(world: World) -> None:
    captured(world, 1)
    world.crm.troubles = [("before", Parked("spent", until=world.clock() + timedelta(hours=1)))]
    world.deliver()
    assert (world.source().state, world.source().failures) == ("parked", 0)
    world.clock.move(hours=1)
    world.crm.troubles = [("before", Transient("it is down"))]

    world.deliver()

    assert world.source().held_until == world.clock() + FIRST_HOLD


def test_a_reading_that_is_throttled_makes_nobody_ill(world: World) -> None:
    world.crm.broken = Throttled("too many calls")

    world.poll()

    assert (world.source().state, world.source().failures) == ("new", 0)
    assert world.source().held_until == world.clock() + timedelta(seconds=5)


class Metered:
    """A meter of one quota a day; every push pays one unit for each lead."""

    def quotas(self) -> Sequence[Quota]:
        return [Quota(name="daily calls", limit=10, window=timedelta(days=1))]

    def price(self, method: str, path: str) -> Mapping[str, int]:
        return {"daily calls": 1}

    def told(self, answer: requests.Response) -> Sequence[Told]:
        return []


def metered(engine: Engine, folder: Path) -> World:
    """A world whose connector is a meter, and asks the gate of its session before each lead."""
    world = World(engine, folder)
    plain: Any = connector_for(world.crm)
    connection = world.app.connections["crm"]

    class Counting(Metered, plain):  # type: ignore[misc]
        def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
            verdicts: list[Pushed | ConnectorError] = []
            for lead in leads:
                try:
                    assert connection.session.gate
                    connection.session.gate.enter("POST", "https://crm.example.com/leads", 30.0)
                    verdicts.append(world.crm.upsert(lead))
                except ConnectorError as error:
                    verdicts.append(error)
            return verdicts

    connection.opening = lambda settings, http: Counting()
    return world


def test_a_day_that_is_spent_parks_says_so_and_goes_on_the_next_day(engine: Engine, tmp_path: Path) -> None:
    world = metered(engine, tmp_path)
    captured(world, 11)

    assert world.deliver() == 8
    source = world.source()
    assert (source.state, source.held_until) == ("parked", world.clock() + timedelta(days=1))
    assert source.error == "our 80 % of 10 daily calls is used up; until 2026-03-03 09:00 UTC nothing is sent"
    assert tries(world) == {(0, 0)}

    world.clock.move(days=1)
    assert world.deliver() == 4


def test_killed_and_started_again_it_goes_on_counting(engine: Engine, tmp_path: Path) -> None:
    world = metered(engine, tmp_path)
    code = world.advocate()
    for number in range(12):
        world.refer(f"friend{number}", code)
        world.deliver()
        connection = world.app.connections["crm"]
        connection._plug_in = connection.session.gate = None  # as after a start: it is opened anew

    with read(engine) as tx:
        (daily,) = quotas.of(tx, "crm")
    assert daily.used == 8
    assert world.source().state == "parked"


def test_the_report_tells_pace_and_what_is_left(engine: Engine, tmp_path: Path) -> None:
    world = metered(engine, tmp_path)
    captured(world, 3)
    world.deliver()

    (connector,) = report(world.app, Tally()).connectors

    (daily,) = connector.quotas
    assert (daily.name, daily.limit, daily.ours, daily.used, daily.left) == ("daily calls", 10, 8.0, 4, 6)
    assert daily.text == "6 of 10 daily calls left, more from 2026-03-03 09:00 UTC"


def test_the_report_on_a_day_that_is_over_tells_of_a_new_one(engine: Engine, tmp_path: Path) -> None:
    world = metered(engine, tmp_path)
    captured(world, 3)
    world.deliver()
    world.clock.move(days=2)

    ((daily,),) = (connector.quotas for connector in report(world.app, Tally()).connectors)

    assert (daily.used, daily.left, daily.resets_at) == (0, 10, None)


def test_a_plug_in_that_is_no_meter_waits_for_nobody(world: World) -> None:
    captured(world, 1)

    world.deliver()

    assert world.app.connections["crm"].session.gate is None
