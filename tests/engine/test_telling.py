"""Receivers under the engine: told without anybody asking, over real connections, and each by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook

from syncd.engine.embedded import Embedded
from syncd.notify import Messenger
from syncd.store.engine import connect
from syncd.store.migrate import upgrade
from tests.engine.test_embedded import PATIENCE, wait_for, wait_until_pushed
from tests.flow.booking import qualify
from tests.flow.receiving import effects, fares, owed
from tests.flow.world import World
from tests.notify.listener import SECRET, Listener, listening


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path / 'syncd.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def world_with(engine: Engine, folder: Path, **listeners: Listener) -> World:
    """Make a world whose receivers are these."""
    section = [
        {"name": name, "url": f"{it.url}/in?key=k-4711", "private": "true", "secrets": [SECRET]}
        for name, it in listeners.items()
    ]
    world = World(engine, folder, yaml=f"notify: {{webhooks: {json.dumps(section)}}}\n")
    world.app.messengers = {it.name: Messenger(it, now=world.clock, deadline=2.0) for it in world.app.config.receivers}
    return world


def test_what_happens_is_told_at_once_and_can_be_verified(sqlite: Engine, tmp_path: Path) -> None:
    with listening() as shop:
        world = world_with(sqlite, tmp_path, shop=shop)
        engine = Embedded(world.app)
        engine.start()
        try:
            qualify(world, world.refer("ben", world.advocate()).referral.id)
            wait_for(lambda: not owed(world))
        finally:
            assert engine.stop(PATIENCE)

        assert len(set(shop.ids())) == len(shop.got) == len(effects(world))
        for got in shop.got:
            webhook = Webhook(SECRET.encode())
            assert got.headers["webhook-timestamp"] == str(int(world.clock().timestamp()))
            headers = dict(got.headers)
            headers |= {"webhook-signature": webhook.sign(got.id, world.clock(), got.body.decode())}
            assert headers == dict(got.headers)
            assert set(json.loads(got.body)) == {"type", "timestamp", "data"}
            assert len(got.body) < 20_000


def test_a_receiver_that_hangs_delays_no_other_and_no_lead(sqlite: Engine, tmp_path: Path) -> None:
    entered, hanging = threading.Event(), threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        entered.set()
        hanging.wait(PATIENCE)

    with listening() as sick, listening() as well:
        sick.rudely = hang
        world = world_with(sqlite, tmp_path, sick=sick, well=well)
        engine = Embedded(world.app)
        engine.start()
        try:
            code = world.advocate()
            assert entered.wait(PATIENCE)
            id = world.refer("ben", code).referral.id
            wait_until_pushed(world, id)
            wait_for(lambda: not owed(world, "well"))
            assert owed(world, "sick")
        finally:
            hanging.set()
            assert engine.stop(PATIENCE)

        assert fares(world, "well").state == "healthy"
        assert len(well.got) == len(effects(world))
        assert len(sick.got) == 1
        assert fares(world, "sick").failures == 1
