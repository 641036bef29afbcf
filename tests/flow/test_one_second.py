"""Changes too fast for the CRM's clock, and a clock that is set: the last stage of a deal is where it stands."""

from __future__ import annotations

from datetime import timedelta

from tests.flow.world import World


def test_a_second_change_within_a_second_of_the_first_is_not_missed(world: World) -> None:
    referral = world.refer("bo", world.advocate()).referral.id
    world.deliver()
    deal = world.crm.deal_of(referral)
    world.clock.move(minutes=5)
    world.crm.move(deal, "talk")
    world.poll()
    # The CRM shows it late, and its record under the same time and version as before.
    deal.trail.append(("won", deal.changed + timedelta(milliseconds=1)))

    world.poll()

    assert world.standing(referral) == "qualified"


def test_stages_of_one_second_count_in_the_order_of_the_history_whatever_their_names(world: World) -> None:
    referral = world.refer("bo", world.advocate()).referral.id
    world.deliver()
    deal = world.crm.deal_of(referral)
    world.clock.move(minutes=5)
    world.crm.move(deal, "won")
    world.crm.move(deal, "talk")

    world.poll()

    assert world.standing(referral) == "in_pipeline"


def test_a_win_after_the_crms_clock_was_set_ahead_is_later_than_what_came_before(world: World) -> None:
    referral = world.refer("bo", world.advocate()).referral.id
    world.deliver()
    deal = world.crm.deal_of(referral)
    world.clock.move(minutes=5)
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
