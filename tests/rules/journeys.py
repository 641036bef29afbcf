"""Drawn stories: friends sign up and then walk; orders, refunds, reviews, cycles and payments happen on the way.

Events drawn at random reach nothing: what makes a story is that each step follows from one before.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from syncd_rules import Event, Program, Result, evaluate
from tests.rules.story import CAMPAIGN, POINTS_FOR_A_FRIEND, day, program

settings.register_profile("rules", max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
RULES = settings.get_profile("rules")

T = TypeVar("T")

ADVOCATES = {"ada": "ADA", "eve": "EVE"}
FRIENDS = ["bob", "cem", "dan", "fay", "gil"]
END = day(60)

REWARDS: list[dict[str, Any]] = [
    {**POINTS_FOR_A_FRIEND, "hold": "PT36H"},
    {"id": "welcome", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping"},
    {**POINTS_FOR_A_FRIEND, "id": "met", "trigger": "stage.reached", "stage": "meeting", "amount": "20"},
    {"id": "cash", "trigger": "stage.reached", "stage": "won", "to": "advocate", "kind": "cash"}
    | {"amount": {"USD": "9.99"}},
    {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "hold": "PT20H"}
    | {"tiers": [{"from": "0", "rate": "0.1"}, {"from": "2", "rate": "0.155"}], "duration": "P20D"},
]
MILESTONES: list[dict[str, Any]] = [
    {"id": "two", "target": "2", "repeat": {}, "rewards": [{"kind": "points", "amount": "500", "hold": "PT12H"}]},
    {"id": "more", "target": "1", "comparison": "gt", "rewards": [{"kind": "gift_card", "amount": {"USD": "5"}}]},
    {"id": "spent", "metric": "amount_spent", "target": {"USD": "50"}, "repeat": {"max": "3"}}
    | {"rewards": [{"kind": "store_credit", "amount": {"USD": "1.50"}}]},
    {"id": "journey", "metric": "mixed", "steps": [
        {"metric": "orders", "target": "1", "rewards": [{"kind": "points", "amount": "7"}]},
        {"metric": "reviews", "target": "2", "rewards": [{"kind": "free_gift", "product": "mug"}]},
        {"metric": "referrals", "target": "1", "rewards": [{"kind": "points", "amount": "9"}]},
    ]},
]  # fmt: skip
ACTIVITY: list[dict[str, Any]] = [
    {"id": "third", "metric": "orders", "target": "2", "reversible": "false"}
    | {"rewards": [{"kind": "points", "amount": "30"}]},
    {"id": "collector", "metric": "points_earned", "target": "100", "count_program_points": "true", "repeat": {}}
    | {"rewards": [{"kind": "free_shipping"}]},
    {"id": "streak", "metric": "subscription_cycles", "mode": "consecutive", "target": "2", "repeat": {"max": "2"}}
    | {"rewards": [{"kind": "discount_amount", "amount": {"USD": "2"}}]},
    {"id": "quiet", "metric": "inactivity", "after": "P9D", "repeat": {"max": "2"}}
    | {"rewards": [{"kind": "points", "amount": "10"}]},
    {"id": "path", "metric": "mixed", "progress": "lifetime", "steps": [
        {"metric": "subscription_cycles", "target": "1", "rewards": [{"kind": "points", "amount": "3"}]},
        {"metric": "amount_spent", "target": {"USD": "40"}, "rewards": [{"kind": "points", "amount": "4"}]},
    ]},
]  # fmt: skip
QUALIFICATION = {
    "any_of": [
        {"type": "stage", "stage": "won"},
        {"type": "explicit", "via": ["api"]},
        {"type": "purchase", "basis": "cumulative", "min": {"USD": "60"}},
    ]
}


def variant(**keys: Any) -> Program:
    return program(**{"qualification": QUALIFICATION, "rewards": REWARDS, "milestones": MILESTONES, **keys})


UNLIMITED = {
    "plain": variant(),
    "referrals": variant(counting="referrals", settlement={"clawback": "negative", "partial_refund": "ignore"}),
    "reverse": variant(stages={"on_lost": "reverse_all", "skipped": "skip"}, settlement={"clawback": "within_balance"}),
    "activity": variant(stages={"multiple_deals": "first"}, milestones=[*MILESTONES, *ACTIVITY]),
    "expiry": variant(
        stages={"multiple_deals": "all"},
        settlement={"clawback": "within_balance", "expiry": {"points": "P10D"}},
        milestones=ACTIVITY,
    ),
    "windows": variant(
        attribution={"model": "last_touch", "conversion_window": "P3D", "click_window": "P2D"},
        settlement={"clawback": "negative", "approval": {"required_above": {"USD": "5", "points": "90"}}},
    ),
}
APPROVED = {
    "approval": variant(
        settlement={"clawback": "within_balance", "approval": {"required_above": {"USD": "2", "points": "90"}}}
    ),
}
LIMITED = {
    "capped": variant(limits={"per_advocate": {"max_referrals": "2", "friend_reward_when_capped": "false"}}),
    "cooldown": variant(limits={"per_advocate": {"cooldown": "PT30H"}}, settlement={"clawback": "negative"}),
    "weekly": variant(limits={"per_advocate": {"per_period": {"week": "1"}}}, timezone="Asia/Tokyo"),
    "codes": variant(codes={"default_redemption_limit": "2"}),
    "late codes": variant(
        codes={"default_redemption_limit": "1", "checked_at": "qualification", "default_valid_for": "P9D"}
    ),
}
BUDGETS = {
    mode: variant(
        limits={"campaign": {"budget": {"points": "700", "USD": "25"}, "when_exhausted": mode}},
        settlement={"clawback": "within_balance"},
    )
    for mode in ("suppress", "clamp", "queue")
}
PROGRAMS = {**UNLIMITED, **APPROVED, **LIMITED, **BUDGETS}
unlimited = st.sampled_from(sorted(UNLIMITED))
limited = st.sampled_from(sorted(LIMITED))
programs = st.sampled_from([*UNLIMITED, *LIMITED])  # by name, or a failure would print them whole
any_programs = st.sampled_from(sorted(PROGRAMS))

FORWARD = ["lead", "meeting", "won", "won", "manual+", "api+", "order", "order"]
BACK = ["lost", "meeting", "manual-", "api-", "refund", "refund"]
OWN = ["order", "review", "points", "cycle", "failed", "refund"]
PAYMENTS = [("thanks", True), ("cash", True), ("cash", True), ("welcome", False), ("share", True)]
WORDS = ["fulfilled", "fulfilled", "failed", "rejected", "approved"]  # what is said of one reward,
GROUNDS = ["manual+", "manual-", "won", "lost", "refund"]  # and what becomes of its ground in between


class _Teller:
    """Writes events down as they are drawn."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.events: list[Event] = []
        self.orders: list[tuple[str, str]] = []  # (participant, order)

    def happens(self, hour: int, sort: str, **data: Any) -> None:
        name = f"e{len(self.events):03}"
        self.events.append(Event(id=name, type=sort, at=day(hour / 24), campaign=CAMPAIGN, data=data))

    def orders_or_returns(self, who: str, step: str, hour: int) -> None:
        amount = {"amount": self.draw(st.sampled_from(["10", "19.99", "33.33", "70"])), "currency": "USD"}
        if step == "order":
            self.orders.append((who, f"o{len(self.events)}"))
            self.happens(hour, "order.paid", order=self.orders[-1][1], participant=who, **amount)
        elif mine := [order for owner, order in self.orders if owner == who]:
            order = self.draw(st.sampled_from(mine))
            self.happens(hour, "order.refunded", refund=f"r{len(self.events)}", order=order, participant=who, **amount)

    def walks(self, friend: str, step: str, hour: int) -> None:
        if step in {"order", "refund"}:
            self.orders_or_returns(friend, step, hour)
        elif step[-1] in "+-":
            sort = "referral.qualified" if step[-1] == "+" else "referral.disqualified"
            self.happens(hour, sort, friend=friend, via=step[:-1])
        else:
            deal = f"{self.draw(st.sampled_from(['d1', 'd1', 'd2']))}-{friend}"
            self.happens(hour, "deal.stage_changed", friend=friend, deal=deal, stage=step)

    def prize(self, advocate: str, friend: str) -> dict[str, str] | None:
        """Draw a reward of which something may be said."""
        rule, to_advocate = self.draw(st.sampled_from(PAYMENTS))
        orders = [order for owner, order in self.orders if owner == friend]
        if rule == "share" and not orders:
            return None
        subject = self.draw(st.sampled_from(orders)) if rule == "share" else friend
        return {"to": advocate if to_advocate else friend, "rule": rule, "subject": subject}

    def pays(self, advocate: str, friend: str, hour: int) -> None:
        if prize := self.prize(advocate, friend):
            sort = self.draw(st.sampled_from(["fulfilled", *WORDS]))
            self.happens(hour, f"reward.{sort}", **prize)

    def wavers(self, advocate: str, friend: str, hour: int) -> None:
        """Let people and payment systems change their minds about one reward, while its ground comes and goes."""
        prize = self.prize(advocate, friend)
        for step in self.draw(st.lists(st.sampled_from(WORDS + GROUNDS), min_size=2, max_size=7)) if prize else ():
            hour += self.draw(st.integers(1, 40))
            if prize and step in WORDS:
                self.happens(hour, f"reward.{step}", **prize)
            else:
                self.walks(friend, step, hour)

    def lives(self, who: str, step: str, hour: int) -> None:
        number = len(self.events)
        match step:
            case "review":
                self.happens(hour, "review.posted", participant=who, review=f"v{number % 7}")
            case "points":
                self.happens(hour, "points.earned", participant=who, points=self.draw(st.sampled_from([10, 45])))
            case "cycle" | "failed":
                sort = "subscription.cycle_paid" if step == "cycle" else "subscription.cycle_failed"
                self.happens(hour, sort, participant=who, contract="k", cycle=number)
            case _:
                self.orders_or_returns(who, step, hour)


@st.composite
def journeys(draw: st.DrawFn, *, back: bool = True, payments: bool = True, own: bool = True) -> list[Event]:
    """Friends who sign up and then walk; some rewards are handed out, and advocates have a life of their own."""
    teller = _Teller(draw)
    for advocate, code in ADVOCATES.items():
        teller.happens(0, "code.created", code=code, advocate=advocate)
    for friend in draw(st.lists(st.sampled_from(FRIENDS), min_size=2, unique=True)):
        hour = draw(st.integers(0, 48))
        advocate = draw(st.sampled_from(["ada", "ada", "eve"]))
        if draw(st.integers(0, 3)) == 0:
            teller.happens(hour, "referral.captured", friend=friend, code=draw(st.sampled_from(["ADA", "EVE"])))
            hour += draw(st.integers(0, 60))
        teller.happens(hour, "friend.signed_up", friend=friend, code=ADVOCATES[advocate])
        for step in draw(st.lists(st.sampled_from(FORWARD + BACK if back else FORWARD), min_size=1, max_size=7)):
            hour += draw(st.integers(0, 50))
            teller.walks(friend, step, hour)
            if payments and draw(st.integers(0, 2)) == 0:
                teller.pays(advocate, friend, hour + draw(st.integers(0, 40)))
        if payments and back and draw(st.integers(0, 2)) == 0:
            teller.wavers(advocate, friend, hour)
    if own:
        hour = 0
        for step in draw(st.lists(st.sampled_from(OWN if back else OWN[:4]), max_size=8)):
            hour += draw(st.integers(0, 90))
            teller.lives("ada", step, hour)
    return teller.events


def told(name: str, events: Iterable[Event]) -> Result:
    return evaluate([PROGRAMS[name]], events, END)


def shuffled(things: list[T], seed: int) -> list[T]:
    return random.Random(seed).sample(things, len(things))
