"""Somebody who wants to be forgotten: what is left of them, and of others who are called alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from syncd.contract import Person
from syncd.flow.audit import audit
from syncd.flow.capture import enrol
from syncd.flow.decide import decide
from syncd.flow.persons import erase
from syncd.flow.refusal import Refusal
from syncd.store import work
from syncd.store.engine import read, write
from syncd.store.tables import inbox, metadata, participant
from tests.flow.booking import beside, qualify, rewards, who
from tests.flow.world import World


def deliver(world: World, key: str, dead: str | None = None, **payload: Any) -> None:
    with write(world.app.database) as tx:
        now = world.clock()
        work.told(tx, key=key, kind="delivery", source="shop", payload=payload, now=now, dead=dead)


def carried(world: World) -> dict[str, Any]:
    with read(world.app.database) as tx:
        return {row.key: row.payload for row in tx.execute(select(inbox).where(inbox.c.kind == "delivery"))}


def test_what_names_them_in_any_spelling_is_emptied_and_what_names_others_is_not(world: World) -> None:
    ann = world.refer("ann", world.advocate("eva")).referral.friend
    deliver(world, "same", email="ann@example.com")
    deliver(world, "spelt", email="Ann+Shop@Example.com")
    deliver(world, "dead", dead="unusable", raw='{"to": "\\"Ann\\" <ann@example.com>"}')
    deliver(world, "joann", email="joann@example.com")
    deliver(world, "ann.example", email="ann@example.com.example.org")
    erase(world.app, ann, cause="cli:eva")
    assert {key for key, payload in carried(world).items() if payload} == {"joann", "ann.example"}
    with read(world.app.database) as tx:
        due = tx.scalars(select(inbox.c.key).where(inbox.c.kind == "delivery", inbox.c.due_at.is_not(None))).all()
    assert set(due) == {"joann", "ann.example"}


def test_no_table_holds_their_name_their_address_or_its_hash_afterwards(world: World) -> None:
    code = world.advocate("eva")
    referral = world.refer("zaphod", code, key="ext:spring:zaphod@example.com").referral
    qualify(world, referral.id)
    hashed = world.app.identity("zaphod@example.com") or ""
    erase(world.app, referral.friend, cause="cli:eva")
    world.app = beside(world.app)
    assert audit(world.app) == 0
    with read(world.app.database) as tx:
        held = {table.name: str(tx.execute(select(table)).all()).lower() for table in metadata.sorted_tables}
    left = [name for name, text in held.items() if "zaphod" in text or hashed in text]
    assert left == []


def test_one_who_is_remembered_as_forgotten_joins_no_more_and_is_not_written_down(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, yaml="privacy: {remember_erased: true}\n")
    ben = world.refer("ben", world.advocate()).referral.friend
    erase(world.app, ben, cause="cli:eva")
    with pytest.raises(Refusal) as refused:
        enrol(world.app, "spring", Person(email="ben@example.com", first_name="Ben"), cause="test")
    assert refused.value.reason == "erased"
    with read(engine) as tx:
        assert tx.scalar(select(participant.c.first_name).where(participant.c.id == ben)) is None


def test_a_campaign_that_rests_gives_a_forgotten_person_nothing_when_it_is_back(engine: Engine, tmp_path: Path) -> None:
    program = """
campaign: spring
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {hold: P3D}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""
    world = World(engine, tmp_path, program=program)
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    resting = replace(beside(world.app), config=replace(world.app.config, campaigns={}))
    erase(resting, who(world, "ann"), cause="cli:eva")
    world.clock.move(days=4)
    decide(beside(world.app))
    assert [it.status for it in rewards(world)] == ["void"]
