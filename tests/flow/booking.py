"""What tests say of books: what is told, what is decided, and what somebody has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncd.flow.app import App
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.shelf import Shelf
from syncd.store import books, people
from syncd.store.books import Booked
from syncd.store.engine import read
from tests.flow.world import World

SHOP = """
campaign: spring
base_currency: EUR
counting: conversions
qualification: {any_of: [{type: purchase, basis: cumulative, min: {EUR: "100.00"}}, {type: explicit, via: [api]}]}
settlement: {hold: PT0S}
rewards:
  - {id: share, trigger: order.paid, to: advocate, kind: revenue_share, rate: "0.10"}
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
milestones:
  - {id: two-orders, metric: orders, target: 2, rewards: [{kind: points, amount: 7}]}
"""
GIVEN = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
rewards:
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""
TIED = GIVEN.replace("rewards:", "limits: {campaign: {budget: {points: 100000}}}\nrewards:")
AGREED = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {approval: {required_above: {points: 50}, persons: 2}}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""
BUDGET = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}]}
limits: {campaign: {budget: {points: 250}, when_exhausted: queue}}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""


def pay(world: World, order: str, who: str, amount: str, **more: Any) -> list[str]:
    data = {"order": order, "amount": amount, "currency": "EUR"}
    happening = Happening(id=f"order-{order}", type="order.paid", email=f"{who}@example.com", data=data, **more)
    return tell(world.app, happening, teller="shop", cause="api:shop")


def refund(world: World, number: str, order: str, who: str, amount: str) -> None:
    data = {"refund": number, "order": order, "amount": amount, "currency": "EUR"}
    happening = Happening(id=f"refund-{number}", type="order.refunded", email=f"{who}@example.com", data=data)
    tell(world.app, happening, teller="shop", cause="api:shop")


def qualify(world: World, id: str) -> None:
    decide_now(world.app, Decision(verdict="qualified", via="api", referral=id), id=f"api:{id}", cause="test")


def disqualify(world: World, id: str) -> None:
    decide_now(world.app, Decision(verdict="disqualified", via="api", referral=id), id=f"no:{id}", cause="test")


def rewards(world: World) -> Sequence[Booked]:
    with read(world.app.database) as tx:
        return books.rewards(tx)


def the_reward(world: World) -> Booked:
    (found,) = rewards(world)
    return found


def money(world: World, name: str = "ann") -> dict[str, int]:
    """Tell what somebody has: unit -> minor units that are available."""
    account = f"{who(world, name)}:available"
    with read(world.app.database) as tx:
        return {unit: n for (place, unit), n in books.balances(tx, [account]).items() if place == account and n}


def who(world: World, name: str) -> str:
    identity = world.app.identity(f"{name}@example.com")
    with read(world.app.database) as tx:
        found = people.participant_by_identity(tx, identity or "")
    assert found is not None
    return found.id


def at_rest(app: App) -> App:
    """Give another process, in whose configuration there is no campaign."""
    return replace(beside(app), config=replace(app.config, campaigns={}))


def beside(app: App) -> App:
    """Give another process's view of the same database."""
    return replace(app, shelf=Shelf())
