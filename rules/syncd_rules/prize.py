"""What is given: prizes, and the rules that give one for each referral, stage or order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Literal

from syncd_rules.kinds import KINDS, Form
from syncd_rules.money import EXACT
from syncd_rules.time import Duration
from syncd_rules.where import Where

Recipient = Literal["advocate", "friend"]
Trigger = Literal["referral.qualified", "stage.reached", "order.paid"]
Rounding = Literal["half_up", "half_even", "down"]

ROUNDINGS: Mapping[Rounding, str] = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """A share of revenue, from so many counted referrals on."""

    start: int
    rate: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Prize:
    """What is given, and how long it is held back. Which of the fields count depends on what the kind needs."""

    id: str
    kind: str
    points: int = 0
    amounts: Mapping[str, int] = field(default_factory=dict)  # currency -> minor units
    currency: str = ""  # the one of `amounts` that is given where nothing speaks for another
    percent: str = ""
    ceiling: Mapping[str, int] = field(default_factory=dict)  # `max`: what a percentage may come to
    product: str | None = None
    tiers: tuple[Tier, ...] = ()  # of a revenue share, rising; the first begins at 0
    hold: Duration = field(default_factory=Duration)
    valid_for: Duration | None = None  # available for so long; None = as settlement.expiry says

    @property
    def form(self) -> Form:
        """What its kind needs, and how it is booked."""
        return KINDS[self.kind]

    def worth(self, preferred: str | None = None) -> tuple[int, str | None]:
        """Give its amount (points, minor units, or one voucher) and currency; `preferred` where it has an amount so."""
        match self.form.needs:
            case "points":
                return self.points, None
            case "money":
                currency = preferred if preferred and preferred in self.amounts else self.currency
                return self.amounts[currency], currency
        return 1, None

    def share(self, net: int, counted: int, rounding: Rounding) -> int:
        """Give the share of an order's net amount (minor units) for an advocate of so many counted referrals."""
        rate = next(tier.rate for tier in reversed(self.tiers) if tier.start <= counted)
        share = EXACT.multiply(Decimal(net), rate)
        return int(share.quantize(Decimal(1), rounding=ROUNDINGS[rounding], context=EXACT))


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralReward:
    """A prize for each referral that qualifies or reaches a stage, or for each order of a friend."""

    id: str
    trigger: Trigger
    stage: str | None = None  # for stage.reached
    to: Recipient
    prize: Prize
    where: Where = field(default_factory=Where)
    duration: Duration | None = None  # for order.paid: so long from the first order that it is for
    cap: Mapping[str, int] = field(default_factory=dict)  # cap_per_referral
