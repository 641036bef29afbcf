"""The figures of a campaign at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from syncd_rules.money import EXACT
from syncd_rules.result import Result
from syncd_rules.time import period_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """Referrals counted in several ways."""

    total_referrals: int
    this_month: int  # signed up in the campaign's local month
    conversion_rate_percent: Decimal  # qualified of all, half up to one decimal
    revenue: Mapping[str, int]  # currency -> net of what all friends bought, in minor units; never summed
    top_referrers: tuple[tuple[str, int], ...]  # by counted referrals, then by name
    source_breakdown: Mapping[str, int]  # by channel; who came by no channel that is known came by a link


def dashboard(result: Result) -> Dashboard:
    """Count up a result."""
    states = list(result.referrals.values())
    total, qualified = len(states), sum(state.status == "qualified" for state in states)
    rate = EXACT.divide(Decimal(100 * qualified), Decimal(total)) if total else Decimal(0)
    counted = Counter(state.referred_by for state in states if state.counted)
    revenue: Counter[str] = Counter()
    for state in states:
        revenue.update(state.revenue)
    month = period_of(result.as_of, "month", result.timezone) if result.as_of else ()
    return Dashboard(
        total_referrals=total,
        this_month=sum(
            state.signed_up_at is not None and period_of(state.signed_up_at, "month", result.timezone) == month
            for state in states
        ),
        conversion_rate_percent=rate.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP, context=EXACT),
        revenue=dict(revenue),
        top_referrers=tuple(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))),
        source_breakdown=dict(sorted(Counter(state.channel or "link" for state in states).items())),
    )
