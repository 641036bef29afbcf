"""The result as JSON. Other programs rely on the form: `schemas.py` describes it, README.md explains it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from syncd_rules.dashboard import dashboard
from syncd_rules.kinds import KINDS
from syncd_rules.ledger import Pots, Txn, balances
from syncd_rules.model import POINTS
from syncd_rules.money import decimal_text
from syncd_rules.result import ReferralState, Result, Reward

Json = dict[str, Any]


def result_json(result: Result) -> Json:
    """Give a result as values that JSON has."""
    board = dashboard(result)
    return {
        "referrals": {friend: _referral(state) for friend, state in result.referrals.items()},
        "milestones": [[m.participant, m.milestone, m.number, time_text(m.reached_at)] for m in result.milestones],
        "rewards": [_reward(reward) for reward in result.rewards],
        "balances": balances_json(balances(result.ledger)),
        "effects": dict(sorted(Counter(effect.name for effect in result.effects).items())),
        "rejected": [[r.friend, r.reason] for r in result.rejected],
        "suppressed": [
            {"to": s.to, "rule": s.rule, "subject": s.subject, "reason": s.reason} for s in result.suppressed
        ],
        "conflicts": list(result.conflicts),
        "dashboard": {
            "total_referrals": board.total_referrals,
            "this_month": board.this_month,
            "conversion_rate_percent": int(10 * board.conversion_rate_percent) / 10,
            "revenue_attributed": decimal_text(board.revenue.get(result.base_currency, 0), result.base_currency),
            "top_referrers": [[advocate, number] for advocate, number in board.top_referrers],
            "source_breakdown": dict(board.source_breakdown),
        },
        "ledger": [_txn(txn) for txn in result.ledger],
        "next_due": time_text(result.next_due) if result.next_due else None,
    }


def time_text(at: datetime) -> str:
    """Write a time as RFC 3339 has it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _referral(state: ReferralState) -> Json:
    shown: Json = {"status": state.status, "referred_by": state.referred_by, "counted": state.counted}
    if state.qualified_at is not None:
        shown |= {"qualified_at": time_text(state.qualified_at), "via": state.via}
    return shown | ({"review": state.review} if state.review else {})


def _reward(reward: Reward) -> Json:
    shown: Json = {
        "to": reward.to,
        "rule": reward.rule,
        "reward": reward.reward,
        "subject": reward.subject,
        "kind": reward.kind,
        "amount": reward.amount if reward.currency or KINDS[reward.kind].needs == "percent" else int(reward.amount),
        "status": reward.status,
    }
    for name in ("currency", "product", "approval"):
        if (value := getattr(reward, name)) is not None:
            shown[name] = value
    return shown


def balances_json(held: Pots) -> Json:
    """Write down what everybody has: whole numbers of points and vouchers, decimal text of money."""
    return {
        who: {
            unit: {
                pot: amount if unit == POINTS or unit.startswith("COUNT:") else decimal_text(amount, unit)
                for pot, amount in pots.items()
            }
            for unit, pots in units.items()
        }
        for who, units in held.items()
    }


def _txn(txn: Txn) -> Json:
    return {
        "key": txn.key,
        "program_version": txn.program_version,
        "cause_event": txn.cause_event,
        "effective_at": time_text(txn.effective_at),
        "postings": [{"account": p.account, "unit": p.unit, "amount": p.amount} for p in txn.postings],
    }
