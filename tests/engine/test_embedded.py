"""The embedded engine: it looks when it is told to, never twice at once, and one sick connector is its own affair."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.engine.embedded import Embedded, Loop
from syncd.flow.app import Connection
from syncd.store import sources, work
from syncd.store.engine import connect, write
from syncd.store.migrate import upgrade
from tests.flow.receiving import telling_world
from tests.flow.telling import deal, poke, tells
from tests.flow.world import Crm, World, connector_for

PATIENCE = 20.0  # seconds until a test that waits for another thread gives up


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path / 'syncd.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def world(sqlite: Engine, tmp_path: Path) -> World:
    return World(sqlite, tmp_path)


class Gate:
    """A step that waits inside until it is let go, and counts its runs."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.runs = 0

    def __call__(self) -> int:
        self.runs += 1
        self.entered.release()
        assert self.let_go.acquire(timeout=PATIENCE)
        return 0


def wait_for(it: Callable[[], bool]) -> None:
    """Wait for something that other threads bring about."""
    never = threading.Event()
    for _ in range(int(PATIENCE * 20)):
        if it() or never.wait(0.05):
            break
    assert it()


def wait_until(world: World, what: str, id: str) -> None:
    """Wait for the line of the history; where a referral stands may be further by then, as its deal is polled too."""
    wait_for(lambda: id in {line.referral for line in world.history(what)})


def wait_until_pushed(world: World, id: str) -> None:
    """Wait for a lead to arrive."""
    wait_until(world, "pushed", id)


def test_a_step_that_is_wanted_while_it_runs_runs_once_more_and_never_twice_at_once() -> None:
    step = Gate()
    loop = Loop("step", step)
    runner = threading.Thread(target=loop.run)
    runner.start()
    assert step.entered.acquire(timeout=PATIENCE)

    for _ in range(5):
        loop.run()
    assert step.runs == 1
    step.let_go.release()
    assert step.entered.acquire(timeout=PATIENCE)
    step.let_go.release()
    runner.join(PATIENCE)

    assert step.runs == 2


def test_a_step_that_fails_runs_again_when_it_is_next_wanted(caplog: pytest.LogCaptureFixture) -> None:
    runs = []

    def fail() -> int:
        runs.append(1)
        raise RuntimeError("a fault of ours")

    loop = Loop("step", fail)
    loop.run()
    loop.run()

    assert len(runs) == 2
    assert "step failed" in caplog.text


def test_a_captured_lead_is_pushed_without_anybody_asking(world: World) -> None:
    engine = Embedded(world.app)
    engine.start()
    try:
        id = world.refer("ben", world.advocate()).referral.id
        wait_until_pushed(world, id)
    finally:
        assert engine.stop(PATIENCE)


def test_a_poke_is_heeded_and_webhooks_are_ordered_without_anybody_asking(world: World) -> None:
    telling = tells(world)
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    world.poll()
    won = world.crm.deal_of(id)
    world.crm.move(won, "won")
    poke(world, deal(won.id))
    engine = Embedded(world.app)
    engine.start()
    try:
        wait_until(world, "qualified", id)
        wait_for(lambda: bool(telling.ordered))
    finally:
        assert engine.stop(PATIENCE)

    assert {line.cause for line in world.history("qualified")} == {"webhook:crm"}


def test_a_receiver_may_be_called_as_the_engine_calls_its_own(sqlite: Engine, tmp_path: Path) -> None:
    world, inboxes = telling_world(sqlite, tmp_path, {"name": "decide"}, {"name": "tidy"})
    engine = Embedded(world.app)
    engine.start()
    try:
        id = world.refer("ben", world.advocate()).referral.id
        said = {"verdict": "qualified", "via": "api", "referral": id}
        with write(world.app.database) as tx:
            work.told(tx, key="1", kind="delivery", source="shop", payload=said, now=world.clock())
        wait_until(world, "qualified", id)
        wait_for(lambda: all("trigger.referral_converted" in inbox.types() for inbox in inboxes.values()))
    finally:
        assert engine.stop(PATIENCE)


@pytest.mark.parametrize(("state", "pushed"), [("misconfigured", True), ("parked", False)])
def test_a_start_ends_the_rest_of_a_connector_that_was_misconfigured_and_of_no_other(
    world: World, state: str, pushed: bool
) -> None:
    until = world.clock() + timedelta(minutes=5)
    with write(world.app.database) as tx:
        sources.mark(tx, "crm", state=state, held_until=until)
    id = world.refer("ben", world.advocate()).referral.id
    engine = Embedded(world.app)
    engine.start()
    try:
        if pushed:
            wait_until_pushed(world, id)
        else:
            assert world.source().held_until == until
    finally:
        assert engine.stop(PATIENCE)


def test_a_clock_that_was_set_back_by_a_day_stops_nothing(world: World) -> None:
    engine = Embedded(world.app)
    engine.start()
    try:
        world.app.nudge = lambda _: None
        for job in engine._scheduler.get_jobs():
            job.modify(next_run_time=job.next_run_time + timedelta(days=1))
        id = world.refer("ben", world.advocate()).referral.id
        wait_until_pushed(world, id)
    finally:
        assert engine.stop(PATIENCE)


def test_a_connector_that_hangs_keeps_nobody_else_waiting_and_the_end_is_bounded(world: World) -> None:
    hanging, crm = threading.Event(), Crm(world.clock)
    entered = threading.Event()

    class Hangs(connector_for(crm)):  # type: ignore[misc]
        def check(self) -> object:
            entered.set()
            hanging.wait(PATIENCE)
            return super().check()

    settings = world.app.connections["crm"].settings.model_copy(update={"name": "sick"})
    sick = Connection(settings=settings, session=world.app.connections["crm"].session, opening=Hangs.open)
    world.app.connections = {**world.app.connections, "sick": sick}
    with write(world.app.database) as tx:
        sources.add(tx, "sick", world.clock())
    engine = Embedded(world.app)
    engine.start()
    try:
        assert entered.wait(PATIENCE)
        id = world.refer("ben", world.advocate()).referral.id
        wait_until_pushed(world, id)
        assert not engine.stop(0.2)
    finally:
        hanging.set()
        engine.stop(PATIENCE)
