"""What a milestone asks for: a number to be reached once or again and again, a silence, or a journey of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncd_rules.prize import Prize
from syncd_rules.time import Duration

Metric = Literal["referrals", "orders", "amount_spent", "points_earned", "reviews", "subscription_cycles"]
DEFAULT_ACTIVITY = ("order.paid", "review.posted", "subscription.cycle_paid")
MOST_OCCURRENCES = 10_000
"""So many times a milestone is granted to one participant at the most, whatever its `repeat` says: one event may reach
any number at once, and each has rewards, a message and entries in the ledger."""
ACTIVITIES = (*DEFAULT_ACTIVITY, "points.earned", "link.shared")


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A half-open stretch of time; an end that is None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __contains__(self, instant: datetime) -> bool:
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """So much of something."""

    metric: Metric
    target: int = 0
    targets: Mapping[str, int] = field(default_factory=dict)  # for amount_spent: currency -> minor units
    strict: bool = False  # comparison: gt
    consecutive: bool = False  # subscription_cycles without a failure between them
    program_points: bool = False  # points_earned counts those that the program itself gave

    def times(self, value: Mapping[str, int]) -> int:
        """Say how many times over a value reaches the target. Its key is a currency, or "" for what has none."""
        if not self.targets:
            return max(value.get("", 0) - self.strict, 0) // self.target
        return max(max(value.get(c, 0) - self.strict, 0) // target for c, target in self.targets.items())

    def currency(self, value: Mapping[str, int]) -> str | None:
        """Name the currency in which the target is reached best."""
        reached = [(value.get(c, 0) // target, c) for c, target in self.targets.items()]
        return min(reached, key=lambda pair: (-pair[0], pair[1]))[1] if reached else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Nothing heard of somebody for so long."""

    after: Duration
    activity: frozenset[str] = frozenset(DEFAULT_ACTIVITY)  # types of events that end it


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a journey."""

    goal: Goal
    description: str = ""
    prizes: tuple[Prize, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """Prizes for what a participant achieves; exactly one of `goal`, `silence` and `steps` says what that is."""

    id: str
    name: str = ""
    goal: Goal | None = None
    silence: Silence | None = None
    steps: tuple[Step, ...] = ()
    lifetime: bool = False  # a step counts what was before it opened
    window: Window = field(default_factory=Window)
    limit: int | None = 1  # how many times; None = as often as there may be
    reversible: bool = True
    messages: tuple[str, ...] = ()
    prizes: tuple[Prize, ...] = ()

    @property
    def most(self) -> int:
        """How many times one participant can reach it."""
        return MOST_OCCURRENCES if self.limit is None else min(self.limit, MOST_OCCURRENCES)
