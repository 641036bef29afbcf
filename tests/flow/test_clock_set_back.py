"""Clocks that differ or go back: what was earned at a time stays earned, and what is said now comes after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.contract import Person
from syncd.flow.audit import audit
from syncd.flow.capture import Invitation, capture
from syncd.flow.decide import decide
from syncd.flow.happenings import Happening, tell
from syncd.flow.payout import say
from syncd.flow.refusal import Refusal
from syncd.store import work
from syncd.store.engine import write
from syncd.store.tables import inbox
from tests.flow.booking import at_rest, beside, qualify, rewards, the_reward
from tests.flow.world import World

HELD = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {hold: P3D}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""


@pytest.fixture
def held(engine: Engine, tmp_path: Path) -> World:
    world = World(engine, tmp_path, program=HELD)
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    return world


def test_a_process_whose_clock_is_behind_takes_back_no_release(held: World) -> None:
    held.clock.move(days=3)
    decide(held.app)
    assert the_reward(held).status == "available"

    behind = replace(beside(held.app), clock=lambda: held.clock() - timedelta(minutes=5))
    tell(behind, Happening(id="1", type="link.shared", email="ann@example.com"), teller="site", cause="api:site")
    assert the_reward(held).status == "available"
    assert len([line for line in held.history("reward") if line.detail["status"] == "available"]) == 1
    assert audit(behind) == 0


def test_what_is_said_of_a_reward_after_the_clock_was_set_back_counts(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=HELD.replace("P3D", "PT0S"))
    ben = world.refer("ben", world.advocate()).referral
    world.clock.move(hours=-1)
    qualify(world, ben.id)
    assert say(world.app, "rejected", the_reward(world).key, by="eva", cause="cli:eva").status == "reversed"


def test_a_crm_is_polled_on_although_the_next_poll_seems_far_ahead(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id
    world.deliver()
    world.poll()
    world.clock.move(hours=-3)
    world.skew(hours=3)  # the CRM's clock is right
    world.crm.move(world.crm.deal_of(id), "won")
    world.poll(minutes=1)
    # What the CRM says lies ahead of what this clock says, so it counts from the moment at which it was heard.
    assert world.standing(id) == "qualified"


def test_what_is_said_looks_at_the_clock_first(held: World) -> None:
    held.clock.move(days=3)  # and no timer was seen to yet
    assert say(held.app, "fulfilled", the_reward(held).key, by="eva", cause="cli:eva").status == "fulfilled"


def test_a_reward_that_has_expired_meanwhile_is_not_handed_out(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=HELD.replace("{hold: P3D}", "{hold: PT0S, expiry: {points: P10D}}"))
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    world.clock.move(days=11)
    with pytest.raises(Refusal, match="it is expired"):
        say(world.app, "fulfilled", the_reward(world).key, by="eva", cause="cli:eva")
    assert len(world.history("reward_fulfilled")) == 0


def test_of_a_reward_whose_campaign_rests_nothing_is_said_that_would_not_count(held: World) -> None:
    resting = at_rest(held.app)
    with pytest.raises(Refusal) as refused:
        say(resting, "rejected", the_reward(held).key, by="eva", cause="cli:eva")
    assert refused.value.reason == "campaign_not_found"


def test_an_audit_leaves_books_alone_that_a_worker_is_about_to_weigh(held: World) -> None:
    held.clock.move(days=3)
    with write(held.app.database) as tx:
        assert work.claim(tx, inbox, inbox.c.kind == "timer", limit=10, now=held.clock())
    assert audit(held.app) == 0
    assert [it.status for it in rewards(held)] == ["pending"]


def test_a_friend_comes_by_a_code_that_is_younger_than_the_call(world: World) -> None:
    code = world.advocate()  # by another process, after this one has looked at the clock
    world.clock.move(minutes=-1)
    assert world.refer("ben", code).referral.standing == "captured"
    world.clock.move(minutes=1)
    assert world.refer("eve", code).referral.standing == "captured"


def test_a_friend_comes_by_name_of_an_advocate_who_joins_meanwhile(world: World) -> None:
    world.advocate()
    world.clock.move(minutes=-1)
    ann, friend = Person(email="ann@example.com"), Person(email="ben@example.com")
    captured = capture(world.app, Invitation(friend=friend, campaign="spring", advocate=ann), cause="test")
    assert captured.referral.standing == "captured"
    assert audit(world.app) == 0
