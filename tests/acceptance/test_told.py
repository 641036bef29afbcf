"""The daemon is killed while it tells a receiver, again and again, and every effect arrives under one id."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from sqlalchemy import select, update

from syncd import registry
from syncd.config import load
from syncd.contract import Person
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.opening import open_app
from syncd.sandbox import daemon, place
from syncd.sandbox.place import CAMPAIGN
from syncd.store.engine import read, write
from syncd.store.tables import outbox, receiver
from syncd.store.work import LEASE
from tests.acceptance.installation import NOWHERE
from tests.notify.listener import SECRET, listening

FRIENDS = 60
KILLS = 4


def test_each_effect_is_told_under_one_id_though_the_daemon_is_killed_again_and_again(tmp_path: Path) -> None:
    """Answers are lost to the plug and to the receiver's own faults; what is owed is what the database holds."""
    rng = Random("told")
    with listening() as shop:
        shop.answer(*[rng.choice([204, 204, 204, 422, 204]) for _ in range(60)])
        there = place.make(tmp_path / "told", base_url=NOWHERE, crm_token="sandbox-hubspot", port=0)
        section = {"name": "told", "url": f"{shop.url}/in", "private": "true", "secrets": [SECRET]}
        with there.config.open("a") as file:
            file.write(f"notify: {{webhooks: [{json.dumps(section)}]}}\n")
        app = open_app(load(there.config, env=there.environment(), connector_types=registry.find))
        _, (code, *_) = enrol(app, CAMPAIGN, Person(email="ann@example.com"), cause="test")
        for n in range(FRIENDS):
            capture(app, Invitation(friend=Person(email=f"friend{n}@example.com"), code=code), cause="test")

        def owed() -> int:
            with read(app.database) as tx:
                return len(
                    tx.scalars(select(outbox.c.id).where(outbox.c.kind == "tell", outbox.c.due_at.is_not(None))).all()
                )

        for _ in range(KILLS):
            enough = len(shop.got) + rng.randint(1, 8)
            running = daemon.start(there)
            assert running.wait_until_ready(60, lambda: False), running.tail()
            while len(shop.got) < enough and owed():
                time.sleep(0.005)
            running.kill()
            with write(app.database) as tx:  # a lease goes by, and so do the waits between tries
                past = LEASE + timedelta(minutes=10)
                for row in tx.execute(select(outbox).where(outbox.c.due_at.is_not(None))).mappings().all():
                    tx.execute(update(outbox).where(outbox.c.id == row["id"]).values(due_at=row["due_at"] - past))
                tx.execute(update(receiver).values(held_until=None))
        shop.answers.clear()
        running = daemon.start(there)
        try:
            assert running.wait_until_ready(60, lambda: False), running.tail()
            until = time.monotonic() + 60
            while owed():
                running.check()
                assert time.monotonic() < until, running.tail()
                time.sleep(0.05)
        finally:
            running.kill()

        with read(app.database) as tx:
            effects = tx.scalars(select(outbox.c.key).where(outbox.c.kind == "effect")).all()
        app.database.dispose()
        bodies: dict[str, set[bytes]] = {}
        for got in shop.got:
            bodies.setdefault(got.id, set()).add(got.body)
        assert len(bodies) == len(effects) > FRIENDS
        assert all(len(some) == 1 for some in bodies.values())
        log = there.log.read_text()
        assert SECRET not in log
