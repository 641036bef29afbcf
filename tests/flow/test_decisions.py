"""Decisions from outside: by our id, by code and e-mail, by the CRM's record; early, doubled, ambiguous."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.refusal import Refusal
from syncd.flow.tidy import tidy
from syncd.store import work
from syncd.store.engine import read, write
from syncd.store.tables import inbox
from tests.flow.world import World


def deliver_webhook(world: World, id: str = "msg_1", **payload: Any) -> None:
    with write(world.app.database) as tx:
        payload = {"verdict": "qualified", "via": "webhook", **payload}
        work.told(tx, key=f"shop:{id}", kind="delivery", source="shop", payload=payload, now=world.clock())
    decide(world.app)


def test_a_delivery_qualifies_by_our_id(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id

    deliver_webhook(world, referral=id)

    referral = world.referral(id)
    assert (referral.standing, referral.qualified_via) == ("qualified", "webhook")
    assert world.history("qualified")[0].cause == "webhook:shop"


def test_a_delivery_qualifies_by_code_and_e_mail(world: World) -> None:
    code = world.advocate()
    id = world.refer("ben", code).referral.id

    deliver_webhook(world, code=code, email="Ben@example.com")

    assert world.standing(id) == "qualified"


@pytest.mark.parametrize("part", ["person", "deal"])
def test_a_delivery_qualifies_by_the_record_of_a_crm(world: World, part: str) -> None:
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    record = world.crm.persons[id] if part == "person" else world.crm.deal_of(id).id

    deliver_webhook(world, connector="crm", record=record)

    assert world.standing(id) == "qualified"


def test_a_code_alone_names_no_friend_and_is_refused_for_good(world: World) -> None:
    code = world.advocate()
    id = world.refer("ben", code).referral.id

    deliver_webhook(world, code=code)

    assert world.standing(id) == "captured"
    with read(world.app.database) as tx:
        row = tx.execute(select(inbox).where(inbox.c.key == "shop:msg_1")).one()
    assert row.dead
    assert "name the referral" in row.error


def test_a_delivery_that_comes_before_its_referral_is_kept_and_applied(world: World) -> None:
    code = world.advocate()
    deliver_webhook(world, email="ben@example.com", code=code)

    id = world.refer("ben", code).referral.id
    world.clock.move(minutes=1)
    decide(world.app)

    assert world.standing(id) == "qualified"


def test_a_delivery_for_nobody_is_a_dead_letter_after_three_days(world: World) -> None:
    deliver_webhook(world, email="nobody@example.com")

    for _ in range(90):
        world.clock.move(hours=1)
        decide(world.app)

    with read(world.app.database) as tx:
        row = tx.execute(select(inbox).where(inbox.c.key == "shop:msg_1")).one()
    assert (row.dead, row.error) == (True, "no referral matches")


def test_what_was_worked_through_is_forgotten_after_a_month_and_dead_letters_are_not(world: World) -> None:
    code = world.advocate()
    world.refer("ben", code)
    deliver_webhook(world, id="good", email="ben@example.com")
    deliver_webhook(world, id="dead", code=code)

    world.clock.move(days=34)
    assert tidy(world.app) == 0
    world.clock.move(days=2)
    tidy(world.app)

    with read(world.app.database) as tx:
        assert set(tx.scalars(select(inbox.c.key).where(inbox.c.kind == "delivery"))) == {"shop:dead"}


def test_the_same_delivery_twice_counts_once(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id

    deliver_webhook(world, referral=id)
    deliver_webhook(world, referral=id)
    deliver_webhook(world, id="msg_2", referral=id)

    assert world.points() == {world.referral(id).friend: 50}


def test_a_human_decision_stands_until_the_next_one(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    no = Decision(verdict="disqualified", via="manual", referral=id, reason="fraud")

    assert decide_now(world.app, no, id="m1", cause="cli:eve").standing == "rejected"
    (line,) = world.history("decided")
    assert line.cause == "cli:eve"
    assert line.detail == {"verdict": "disqualified", "via": "manual", "event": "m1", "reason": "fraud"}
    world.clock.move(minutes=1)
    world.crm.move(world.crm.deal_of(id), "won")
    world.poll()
    assert world.standing(id) == "rejected"

    yes = Decision(verdict="qualified", via="manual", referral=id)
    assert decide_now(world.app, yes, id="m2", cause="cli:eve").standing == "qualified"


def test_a_refused_referral_cannot_be_qualified(world: World) -> None:
    id = world.refer("ann", world.advocate("ann")).referral.id

    with pytest.raises(Refusal) as refusal:
        decide_now(world.app, Decision(verdict="qualified", via="manual", referral=id), id="m1", cause="cli:eve")

    assert refusal.value.reason == "rejected"


def test_a_hold_ends_by_the_clock_alone(engine: Engine, tmp_path: Path) -> None:
    held = World(engine, tmp_path, program=PROGRAM_WITH_HOLD)
    id = held.refer("ben", held.advocate()).referral.id
    deliver_webhook(held, referral=id)
    friend = held.referral(id).friend
    assert (held.points("pending"), held.points()) == ({friend: 50}, {})

    held.clock.move(days=29)
    decide(held.app)
    assert held.points() == {}
    held.clock.move(days=1, seconds=1)
    decide(held.app)

    assert (held.points("pending"), held.points()) == ({}, {friend: 50})


PROGRAM_WITH_HOLD = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [webhook]}]}
settlement: {hold: P30D}
rewards:
  - {id: friend, trigger: referral.qualified, to: friend, kind: points, amount: 50}
"""
