"""Telling stories to the rules: programs in a line, events in the order in which they happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from syncd_rules import Event, Program, Result, Reward, State, balances, evaluate, load

DAY_0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
CAMPAIGN = "spring"

WON = {"any_of": [{"type": "stage", "stage": "won"}]}
POINTS_FOR_A_FRIEND = {
    "id": "thanks",
    "trigger": "referral.qualified",
    "to": "advocate",
    "kind": "points",
    "amount": "100",
}


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def program(**keys: Any) -> Program:
    """A program that counts conversions, which are deals won, unless told otherwise."""
    return load({"campaign": CAMPAIGN, "counting": "conversions", "qualification": WON, **keys})


class Story:
    """Events as they happen; the advocate is ada with the code ADA, unless told otherwise."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.happened(0, "code.created", code="ADA", advocate="ada")

    def happened(self, on: float, sort: str, name: str | None = None, **data: Any) -> Self:
        identity = name or f"e{len(self.events):03}"
        self.events.append(Event(id=identity, type=sort, at=day(on), campaign=CAMPAIGN, data=data))
        return self

    def signs_up(self, friend: str, on: float = 1, code: str = "ADA", **data: Any) -> Self:
        return self.happened(on, "friend.signed_up", friend=friend, code=code, **data)

    def deal(self, friend: str, stage: str, on: float, deal: str | None = None) -> Self:
        return self.happened(on, "deal.stage_changed", friend=friend, stage=stage, deal=deal or f"deal-{friend}")

    def qualified(self, friend: str, via: str, on: float) -> Self:
        return self.happened(on, "referral.qualified", friend=friend, via=via)

    def disqualified(self, friend: str, via: str, on: float) -> Self:
        return self.happened(on, "referral.disqualified", friend=friend, via=via)

    def buys(self, who: str, amount: str, on: float, order: str = "", currency: str = "USD", **data: Any) -> Self:
        paid = {
            "order": order or f"order-{len(self.events)}",
            "participant": who,
            "amount": amount,
            "currency": currency,
        }
        return self.happened(on, "order.paid", **paid, **data)

    def returns(self, who: str, order: str, amount: str, on: float, refund: str = "", currency: str = "USD") -> Self:
        back = {"refund": refund or f"r{len(self.events)}", "order": order, "participant": who}
        return self.happened(on, "order.refunded", **back, amount=amount, currency=currency)

    def reviews(self, who: str, on: float, review: str = "") -> Self:
        return self.happened(on, "review.posted", participant=who, review=review or f"v{len(self.events)}")

    def gathers(self, who: str, points: int, on: float) -> Self:
        return self.happened(on, "points.earned", participant=who, points=points)

    def paid_out(self, to: str, rule: str, subject: str, on: float, **data: Any) -> Self:
        return self.happened(on, "reward.fulfilled", to=to, rule=rule, subject=subject, **data)

    def wins(self, *friends: str, on: float = 2) -> Self:
        """Each signs up on day 1 and is won on day `on`."""
        for friend in friends:
            self.signs_up(friend).deal(friend, "won", on)
        return self

    def told(self, *programs: Program, on: float = 100) -> Result:
        return evaluate(programs or (program(),), self.events, day(on))


def check(state: State) -> None:
    """Fail where a reward is in a state that cannot be."""
    for cluster in state._clusters.values():
        for it in cluster.books.entitlements.values():
            it.check()


def statuses(result: Result) -> dict[tuple[str, str, str], str]:
    """Give (to, rule, subject) -> the reward's status."""
    return {(r.to, r.rule, r.subject): r.status for r in result.rewards}


def reward(result: Result, rule: str) -> Reward:
    """Give the only reward of a rule."""
    [found] = [r for r in result.rewards if r.rule == rule]
    return found


def held(result: Result, who: str, unit: str = "POINTS") -> int:
    """Give what somebody has of a unit, held back or not."""
    return sum(balances(result.ledger).get(who, {}).get(unit, {}).values())


def pots(result: Result, who: str, unit: str = "POINTS") -> dict[str, int]:
    """Give what somebody has of a unit in each pot, without the empty ones."""
    return {pot: n for pot, n in balances(result.ledger).get(who, {}).get(unit, {}).items() if n}


def reached(result: Result, who: str = "ada") -> list[tuple[str, int]]:
    """Give the milestones and steps that stand for somebody."""
    return [(m.milestone, m.number) for m in result.milestones if m.participant == who]


def effects(result: Result, name: str) -> int:
    return sum(effect.name == name for effect in result.effects)


def rejections(result: Result) -> list[tuple[str, str]]:
    return [(r.friend, r.reason) for r in result.rejected]


def reasons(result: Result) -> list[tuple[str, str, str]]:
    return [(s.rule, s.subject, s.reason) for s in result.suppressed]
