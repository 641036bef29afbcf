"""What a program says, as values. `load` makes them; every default of the language stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from syncd_rules.milestone import Milestone, Window
from syncd_rules.prize import Recipient, ReferralReward, Rounding
from syncd_rules.time import Duration, Period

Counting = Literal["referrals", "conversions"]
Verdict = Literal["reject", "review", "allow"]
Basis = Literal["first_order", "single_order", "cumulative"]
Clawback = Literal["none", "within_balance", "negative"]
Exhausted = Literal["suppress", "clamp", "queue"]

Path = tuple[str | int, ...]
"""Keys and positions, from the top of a document down."""

UTC_ZONE = ZoneInfo("UTC")
POINTS = "POINTS"


class InvalidProgram(Exception):
    """A program cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class InvalidData(ValueError):
    """Events, or cases, cannot be used; `problems` says everything that is wrong with them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        told = (f"{problem.pointer}: {problem.told}" if problem.path else problem.told for problem in problems)
        super().__init__("\n".join(told))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a program or with events, and where it stands in them."""

    path: Path
    message: str
    hint: str = ""  # what to do
    at_key: bool = False  # it is the last key of the path that is wrong, not what it holds

    @property
    def told(self) -> str:
        """What is wrong, and what to do."""
        return self.message + (f" ({self.hint})" if self.hint else "")

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.path)

    def __str__(self) -> str:
        return f"{'.'.join(str(step) for step in self.path)}: {self.told}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Codes:
    """How referral codes look and how long they work."""

    prefix: str = ""
    pattern: str = "########"  # each # is a random character
    case_sensitive: bool = False
    checked_at: Literal["signup", "qualification"] = "signup"
    default_redemption_limit: int = 0  # 0 = unlimited
    default_valid_for: Duration | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribution:
    """Which touch counts, and how far apart capture, sign-up and qualification may be."""

    model: Literal["first_touch", "last_touch"] = "first_touch"
    click_window: Duration | None = None  # captured -> signed up
    conversion_window: Duration | None = None  # signed up -> qualified
    terms_at: Literal["capture", "qualification"] = "capture"


@dataclass(frozen=True, kw_only=True, slots=True)
class Eligibility:
    """Who may be a friend; `review` lets them in with a flag."""

    self_referral: Verdict = "reject"
    existing_customer: Verdict = "reject"
    existing_participant: Verdict = "allow"
    same_company_domain: Verdict = "allow"
    disposable_email: Verdict = "allow"
    strip_plus_tag: bool = True  # for whoever normalises addresses, see identity.py
    gmail_dots: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """The friend has bought for so much, net of refunds."""

    basis: Basis
    least: Mapping[str, int] = field(default_factory=dict)  # currency -> minor units; empty = anything above 0

    def enough(self, net: int, currency: str) -> bool:
        """Tell whether an amount is enough; one in a currency that is not listed never is."""
        return net > 0 and (not self.least or net >= self.least.get(currency, net + 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Qualification:
    """What makes a referral qualified; any one is enough, and a manual decision always is."""

    signup: bool = False
    stages: frozenset[str] = frozenset()
    purchases: tuple[Purchase, ...] = ()
    via: frozenset[str] = frozenset()  # which explicit events are believed


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """The campaign's own deal stages; the first is reached at sign-up, the last is the goal and can be lost again."""

    order: tuple[str, ...] = ("lead", "meeting", "won")
    lost: frozenset[str] = frozenset({"lost"})
    skipped: Literal["grant", "skip"] = "grant"
    on_lost: Literal["keep_reached", "reverse_all"] = "keep_reached"
    multiple_deals: Literal["any", "first", "all"] = "any"

    @property
    def final(self) -> str:
        """The goal."""
        return self.order[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many referrals count for one advocate, and what the whole campaign may give."""

    max_referrals: int | None = None
    per_period: Mapping[Period, int] = field(default_factory=dict)
    cooldown: Duration | None = None
    friend_reward_when_capped: bool = True
    budget: Mapping[str, int] = field(default_factory=dict)  # POINTS or a currency -> at most so much is given
    when_exhausted: Exhausted = "suppress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """Which rewards wait until people have approved them."""

    above: Mapping[str, int]  # POINTS or a currency -> rewards of more than this
    kinds: frozenset[str]
    persons: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """How rewards are held, taken back, rounded, approved, and when they expire."""

    hold: Duration = field(default_factory=Duration)
    clawback: Clawback = "none"  # for what is fulfilled
    partial_refund: Literal["recompute", "ignore"] = "recompute"
    rounding: Rounding = "half_up"
    approval: Approval | None = None
    expiry: Mapping[str, Duration] = field(default_factory=dict)  # kind -> how long it is available


@dataclass(frozen=True, kw_only=True, slots=True)
class Tax:
    """When somebody has been given so much in a year that it has to be reported."""

    country: str = ""
    kinds: frozenset[str] = frozenset()
    to: frozenset[Recipient] = frozenset({"advocate"})
    threshold: Mapping[str, int] = field(default_factory=dict)  # currency -> minor units


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One version of a campaign's rules."""

    campaign: str
    name: str = ""
    version: int = 1
    effective_from: datetime | None = None  # None = always
    on_activation: Literal["lifetime", "since_version"] = "lifetime"
    draft: bool = False
    timezone: ZoneInfo = UTC_ZONE
    base_currency: str = "USD"
    runs: Window = field(default_factory=Window)
    counting: Counting = "referrals"
    codes: Codes = field(default_factory=Codes)
    attribution: Attribution = field(default_factory=Attribution)
    eligibility: Eligibility = field(default_factory=Eligibility)
    qualification: Qualification = field(default_factory=Qualification)
    stages: Stages = field(default_factory=Stages)
    limits: Limits = field(default_factory=Limits)
    settlement: Settlement = field(default_factory=Settlement)
    tax: Tax | None = None
    rewards: tuple[ReferralReward, ...] = ()
    milestones: tuple[Milestone, ...] = ()
