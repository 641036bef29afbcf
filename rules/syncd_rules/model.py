"""What a program says, as values. `load` makes them; every default of the language stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from syncd_rules.time import Duration, Period

Counting = Literal["referrals", "conversions"]
Verdict = Literal["reject", "review", "allow"]
Recipient = Literal["advocate", "friend"]
Trigger = Literal["referral.qualified", "stage.reached"]
Kind = Literal[
    "points",
    "store_credit",
    "discount_amount",
    "discount_percentage",
    "free_shipping",
    "free_gift",
    "cash",
    "gift_card",
]

UTC_ZONE = ZoneInfo("UTC")


class InvalidProgram(Exception):
    """A program cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a program, and where it stands in it."""

    path: tuple[str | int, ...]  # keys and positions from the top of the document
    message: str
    hint: str = ""  # what to do

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.path)
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A half-open stretch of time; an end that is None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __contains__(self, instant: datetime) -> bool:
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Codes:
    """How referral codes look and how long they work."""

    prefix: str = ""
    pattern: str = "########"  # each # is a random character
    case_sensitive: bool = False
    default_redemption_limit: int = 0  # 0 = unlimited
    default_valid_for: Duration | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Eligibility:
    """Who may be a friend; `review` lets them in with a flag."""

    self_referral: Verdict = "reject"
    existing_customer: Verdict = "reject"
    existing_participant: Verdict = "allow"
    same_company_domain: Verdict = "allow"
    strip_plus_tag: bool = True  # for whoever normalises addresses, see identity.py
    gmail_dots: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Qualification:
    """What makes a referral qualified; any one is enough, and a manual decision always is."""

    signup: bool = False
    stages: frozenset[str] = frozenset()
    via: frozenset[str] = frozenset()  # which explicit events are believed


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """The campaign's own deal stages; the first is reached at sign-up, the last is the goal and can be lost again."""

    order: tuple[str, ...] = ("lead", "meeting", "won")
    lost: frozenset[str] = frozenset({"lost"})
    skipped: Literal["grant", "skip"] = "grant"
    on_lost: Literal["keep_reached", "reverse_all"] = "keep_reached"
    multiple_deals: Literal["any", "first"] = "any"

    @property
    def final(self) -> str:
        """The goal."""
        return self.order[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many referrals count for one advocate."""

    max_referrals: int | None = None
    per_period: Mapping[Period, int] = field(default_factory=dict)
    cooldown: Duration | None = None
    friend_reward_when_capped: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Prize:
    """What is given, and how long it is held back."""

    id: str
    kind: Kind
    amount: str  # points: digits; money: decimal text; discount_percentage: the percentage; else "1"
    currency: str | None = None
    product: str | None = None
    hold: Duration = field(default_factory=Duration)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralReward:
    """A prize for each referral that qualifies or reaches a stage."""

    id: str
    trigger: Trigger
    stage: str | None = None  # for stage.reached
    to: Recipient
    prize: Prize


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """Prizes for each time that an advocate's number of counted referrals passes a multiple of the target."""

    id: str
    name: str = ""
    target: int
    strict: bool = False  # comparison: gt
    times: int | None = 1  # None = without end
    reversible: bool = True
    messages: tuple[str, ...] = ()
    prizes: tuple[Prize, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One version of a campaign's rules."""

    campaign: str
    name: str = ""
    version: int = 1
    effective_from: datetime | None = None  # None = always
    draft: bool = False
    timezone: ZoneInfo = UTC_ZONE
    base_currency: str = "USD"
    runs: Window = field(default_factory=Window)
    counting: Counting = "referrals"
    codes: Codes = field(default_factory=Codes)
    eligibility: Eligibility = field(default_factory=Eligibility)
    qualification: Qualification = field(default_factory=Qualification)
    stages: Stages = field(default_factory=Stages)
    limits: Limits = field(default_factory=Limits)
    hold: Duration = field(default_factory=Duration)
    rewards: tuple[ReferralReward, ...] = ()
    milestones: tuple[Milestone, ...] = ()


class Versions:
    """The versions of one campaign, drafts left out: which one is in force when."""

    def __init__(self, programs: Sequence[Program]) -> None:
        """Take the versions in any order; InvalidProgram where they are not versions of one campaign."""
        if len({program.campaign for program in programs}) > 1:
            raise InvalidProgram([Problem(path=("campaign",), message="these are programs of several campaigns")])
        self.known = sorted((program for program in programs if not program.draft), key=lambda p: p.version)
        for before, after in pairwise(self.known):
            _follows(before, after)

    def at(self, instant: datetime) -> Program | None:
        """Give the newest version that is in force at an instant."""
        for program in reversed(self.known):
            if program.effective_from is None or program.effective_from <= instant:
                return program
        return None


def _follows(before: Program, after: Program) -> None:
    """Refuse a version that would change what another one already governs."""
    name = f"version {after.version} of {after.campaign}"
    if before.version == after.version:
        raise InvalidProgram(
            [Problem(path=("version",), message=f"there are two of {name}", hint="give each its own number")]
        )
    start = after.effective_from
    if start is None or (before.effective_from is not None and start <= before.effective_from):
        hint = f"set effective_from later than that of version {before.version}"
        raise InvalidProgram(
            [Problem(path=("effective_from",), message=f"{name} begins no later than the one before", hint=hint)]
        )
