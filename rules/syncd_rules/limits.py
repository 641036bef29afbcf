"""Does a referral count for its advocate? At most so many, at most so many a period, and not too close together."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from syncd_rules.model import Program
from syncd_rules.time import add, period_of


def refusal(counted: Collection[datetime], now: datetime, program: Program) -> str | None:
    """Say which limit keeps a referral from counting now, or None.

    `counted` are the instants at which the advocate's other referrals began to count, of those that still do.
    """
    limits, zone = program.limits, program.timezone
    if limits.max_referrals is not None and len(counted) >= limits.max_referrals:
        return "max_referrals"
    for period, most in limits.per_period.items():
        this = period_of(now, period, zone)
        if sum(period_of(at, period, zone) == this for at in counted) >= most:
            return "per_period"
    if limits.cooldown and counted and now < add(max(counted), limits.cooldown, zone):
        return "cooldown"
    return None
