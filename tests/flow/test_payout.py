"""What was handed out and was not after all: what is said of it, and what is left to be handed out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.flow.payout import Word, say
from syncd.flow.refusal import Refusal
from syncd.store.books import Booked
from tests.flow.booking import disqualify, money, qualify, rewards
from tests.flow.world import World

CLAWED = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {clawback: within_balance}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""


def won(world: World, name: str) -> str:
    """Refer somebody who qualifies; give the referral's id."""
    referral = world.refer(name, world.advocate()).referral
    qualify(world, referral.id)
    return referral.id


def of(world: World, id: str) -> Booked:
    """Give the only reward for a referral."""
    (found,) = (it for it in rewards(world) if it.subject == world.referral(id).friend)
    return found


def said(world: World, word: Word, id: str) -> str:
    return say(world.app, word, of(world, id).key, by="eva", cause="cli:eva").status


@pytest.fixture
def clawed(engine: Engine, tmp_path: Path) -> World:
    return World(engine, tmp_path, program=CLAWED)


def test_a_payment_that_failed_after_the_loss_leaves_nothing_to_be_paid_out(clawed: World) -> None:
    ben = won(clawed, "ben")
    assert said(clawed, "fulfilled", ben) == "fulfilled"
    disqualify(clawed, ben)

    assert said(clawed, "failed", ben) == "reversed"
    assert money(clawed) == {}


def test_a_payment_that_failed_after_it_was_clawed_back_returns_the_balance(clawed: World) -> None:
    ben, bob = won(clawed, "ben"), won(clawed, "bob")
    said(clawed, "fulfilled", ben)
    disqualify(clawed, ben)
    assert (of(clawed, ben).status, money(clawed)) == ("clawed_back", {})

    assert said(clawed, "failed", ben) == "reversed"
    assert (of(clawed, bob).status, money(clawed)) == ("available", {"POINTS": 100})


def test_what_is_not_given_is_approved_only_where_a_person_rejected_it(clawed: World) -> None:
    ben, bob = won(clawed, "ben"), won(clawed, "bob")
    disqualify(clawed, ben)
    said(clawed, "rejected", bob)

    with pytest.raises(Refusal, match="is not waiting for approval: it is reversed"):
        said(clawed, "approved", ben)
    assert said(clawed, "approved", bob) == "available"
