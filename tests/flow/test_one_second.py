"""Changes too fast for the CRM's clock, and a clock that is set: the last stage of a deal is where it stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.flow.audit import audit
from syncd.flow.decide import decide
from syncd.flow.keep import keep
from tests.flow.world import CrmDeal, World


def pushed(world: World) -> tuple[str, CrmDeal]:
    """Have a friend referred, whose deal has been in the CRM for a while."""
    referral = world.refer("bo", world.advocate()).referral.id
    world.deliver()
    world.clock.move(minutes=5)
    return referral, world.crm.deal_of(referral)


def test_a_second_change_within_a_second_of_the_first_is_not_missed(world: World) -> None:
    referral, deal = pushed(world)
    world.crm.move(deal, "talk")
    world.poll()
    # The CRM shows it late, and its record under the same time and version as before.
    deal.trail.append(("won", deal.changed + timedelta(milliseconds=1)))

    world.poll()

    assert world.standing(referral) == "qualified"


def test_stages_of_one_second_count_in_the_order_of_the_history_whatever_their_names(world: World) -> None:
    referral, deal = pushed(world)
    world.crm.move(deal, "won")
    world.crm.move(deal, "talk")

    world.poll()

    assert world.standing(referral) == "in_pipeline"


@pytest.mark.parametrize("history", [True, False], ids=["history", "no history"])
@pytest.mark.parametrize("at_once", [True, False], ids=["decided at once", "decided one by one"])
@pytest.mark.parametrize("way", ["won lost", "won lost won", "lost won lost", "talk won talk"])
def test_whatever_a_deal_went_through_in_a_second_it_stands_where_the_crm_has_it(
    engine: Engine, tmp_path: Path, history: bool, at_once: bool, way: str
) -> None:
    world = World(engine, tmp_path, keeps_history=history)
    referral, deal = pushed(world)
    second = world.clock()
    stages = way.split()
    for stage in stages:
        world.clock.move(milliseconds=200)
        deal.trail.append((stage, second))
        deal.changed = second
        keep(world.app, world.app.connections["crm"], [world.crm.fact(deal)], cause="test", still_ours=lambda _: True)
        if not at_once:
            decide(world.app)
    if at_once:
        decide(world.app)
        world.poll()  # what had the key of a fact that was not decided yet is read again
    stands = {"won": "qualified", "lost": "lost", "talk": "in_pipeline"}[stages[-1]]
    assert world.standing(referral) == stands
    assert bool(world.points()) == (stands == "qualified")
    assert audit(world.app) == 0


def test_a_loss_after_the_crms_clock_was_set_ahead_is_later_than_the_win_before(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, keeps_history=False)
    referral, deal = pushed(world)
    world.crm.move(deal, "won")
    world.poll()
    assert world.standing(referral) == "qualified"
    world.clock.move(seconds=20)
    world.crm.move(deal, "lost")
    world.skew(minutes=4)  # from now on: the loss's time is of the old clock

    world.poll()
    world.sweep()

    assert (world.standing(referral), world.points()) == ("lost", {})


def test_a_win_after_a_deal_was_restored_is_later_than_that_whichever_clock_was_set(world: World) -> None:
    referral, deal = pushed(world)
    world.crm.move(deal, "talk")
    world.poll()
    deal.archived = True
    world.sweep()
    assert world.standing(referral) == "lost"
    deal.archived = False
    world.clock.move(days=1)  # who is lost is looked at once a day
    world.sweep()
    assert world.standing(referral) == "in_pipeline"
    world.clock.move(seconds=20)
    world.crm.move(deal, "won")
    world.skew(minutes=4)

    world.poll()
    world.sweep()

    assert world.standing(referral) == "qualified"


def test_a_win_after_the_crms_clock_was_set_ahead_is_later_than_what_came_before(world: World) -> None:
    referral, deal = pushed(world)
    world.crm.move(deal, "talk")
    world.poll()
    world.clock.move(seconds=20)
    world.crm.move(deal, "won")
    world.skew(minutes=4)  # from now on: the win's time is of the old clock

    world.poll()
    world.sweep()

    assert world.standing(referral) == "qualified"


def test_a_reward_that_was_never_due_is_taken_back_in_the_history(world: World) -> None:
    """A deal was reopened before another was won, and that is learnt after both milestone and reward were booked."""
    code = world.advocate()
    first, second = (world.refer(name, code).referral.id for name in ("bo", "cy"))
    world.deliver()
    one, two = world.crm.deal_of(first), world.crm.deal_of(second)
    world.clock.move(minutes=5)
    world.crm.move(one, "won")
    world.poll()
    world.clock.move(minutes=1)
    world.crm.move(one, "lost")
    world.crm.hidden.add(one.id)
    world.clock.move(minutes=1)
    world.crm.move(two, "won")
    world.poll()
    assert [line.detail["status"] for line in world.history("reward") if line.detail["rule"] == "two"] == ["available"]
    world.crm.hidden.clear()

    world.poll()
    world.sweep()

    assert world.standing(first) == "lost"
    assert [line.detail["status"] for line in world.history("reward") if line.detail["rule"] == "two"] == [
        "available",
        "void",
    ]
