"""What an evaluation says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from syncd_rules.ledger import Txn
from syncd_rules.model import UTC_ZONE

Status = Literal["pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired"]
STANDING = frozenset({"pending", "available", "fulfilled"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """One entitlement in its latest state."""

    key: str
    book: str  # the participant in whose books it is; `to` may be their friend
    to: str
    rule: str
    reward: str
    subject: str  # the friend, the order, or the number of the milestone's occurrence or step
    kind: str
    amount: str  # points: digits; money: decimal text; discount_percentage: the percentage; else "1"
    currency: str | None
    product: str | None
    program_version: int
    generation: int  # 1, and one more for each time it was granted again
    status: Status
    approval: Literal["awaiting", "rejected"] | None = None  # a person has to agree, or has refused it
    unit: str  # what its postings count: POINTS, a currency, or COUNT:<kind>
    quantity: int  # how much of its unit it is: points, minor units, or one voucher
    pots: tuple[tuple[str, int], ...]  # what it now holds in the participant's accounts: pending, available, fulfilled

    @property
    def stands(self) -> bool:
        """Whether the participant has it, held back or not."""
        return self.status in STANDING


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralState:
    """Where a referral stands."""

    status: Literal["signed_up", "qualified", "disqualified", "expired"]
    referred_by: str
    stage: str  # the campaign's stage in which its furthest deal is now; a lost one only where all are lost
    counted: bool  # it counts for the advocate
    qualified_at: datetime | None = None  # since when, without a break
    via: str | None = None  # what made it qualified: crm (a stage), purchase, signup, or the explicit event's own
    review: str | None = None  # why a human should have a look
    barred: str | None = None  # why its code keeps it from qualifying; it is among the `rejected`, too
    signed_up_at: datetime | None = None
    channel: str | None = None  # how the friend came
    revenue: Mapping[str, int] = field(default_factory=dict)  # currency -> net of all orders since, in minor units


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """An occurrence of a milestone, or a step of a journey, that stands."""

    participant: str
    milestone: str
    number: int
    reached_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """Something for the daemon to do once; `key` is what makes it once."""

    key: str
    name: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A sign-up that is no referral."""

    friend: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppressed:
    """A reward that a limit kept back, or a word about a referral that was recorded and changes nothing."""

    to: str
    rule: str
    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Everything that the events up to `as_of` amount to."""

    as_of: datetime | None = None
    timezone: ZoneInfo = UTC_ZONE  # whose months reports go by
    base_currency: str = "USD"

    referrals: Mapping[str, ReferralState] = field(default_factory=dict)  # by friend
    milestones: tuple[Reached, ...] = ()
    rewards: tuple[Reward, ...] = ()  # each in its latest state
    ledger: tuple[Txn, ...] = ()  # in the order in which it came about
    effects: tuple[Effect, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    conflicts: tuple[str, ...] = ()  # event ids that came with two contents; the earlier was used
    next_due: datetime | None = None  # when time alone will change something


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What has changed in books since they were last asked for news.

    `result` holds what may not be as it was, as it is now: referrals and refused sign-ups of `friends`, `milestones`
    (participant, milestone, number) and rewards; what it does not have of these is no more. Its ledger and its effects
    are those that have come since. It has nothing of what was suppressed, nor of conflicts.
    """

    result: Result
    whole: bool = False  # `result` has everything: for who asks first, and where the past has changed
    friends: frozenset[str] = frozenset()
    milestones: frozenset[tuple[str, str, int]] = frozenset()
