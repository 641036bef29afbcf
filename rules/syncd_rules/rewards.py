"""What becomes of a reward: pending, available, fulfilled; or void, or reversed, and granted again.

Each move posts one transaction. Between a grant and its void or reversal there is never a second grant of the same
key: a generation ends before the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from syncd_rules.ledger import ISSUED, Posting, Txn, entitlement_key
from syncd_rules.model import Kind, Prize, Program
from syncd_rules.money import minor_units

Status = Literal["pending", "available", "fulfilled", "void", "reversed"]
Step = Literal["grant", "release", "fulfil", "void", "reverse"]

POTS = frozenset({"cash", "store_credit"})  # money that adds up; other kinds are counted as vouchers

# (where it is, the step) -> where it then is. A pot of the participant is named like the status; None is the program's.
_MOVES: Mapping[tuple[Status | None, Step], Status] = {
    (None, "grant"): "pending",
    ("void", "grant"): "pending",
    ("reversed", "grant"): "pending",
    ("pending", "release"): "available",
    ("pending", "fulfil"): "fulfilled",
    ("available", "fulfil"): "fulfilled",
    ("pending", "void"): "void",
    ("available", "reverse"): "reversed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """One entitlement in its latest state."""

    key: str
    to: str
    rule: str
    reward: str
    subject: str  # the friend, or the number of the milestone's occurrence
    kind: Kind
    amount: str  # points: digits; money: decimal text; discount_percentage: the percentage; else "1"
    currency: str | None
    product: str | None
    program_version: int
    generation: int  # 1, and one more for each time it was granted again
    status: Status

    @property
    def unit(self) -> str:
        """What its postings count: POINTS, a currency, or COUNT:<kind>."""
        if self.kind == "points":
            return "POINTS"
        return self.currency if self.kind in POTS and self.currency else f"COUNT:{self.kind}"

    @property
    def quantity(self) -> int:
        """How much of its unit it is: points, minor units, or one voucher."""
        if self.kind == "points":
            return int(self.amount)
        return minor_units(self.amount, self.currency) if self.kind in POTS and self.currency else 1

    @property
    def stands(self) -> bool:
        """Whether the participant has it, held back or not."""
        return self.status in {"pending", "available", "fulfilled"}


def key_of(campaign: str, rule: str, prize: Prize, to: str, subject: str) -> str:
    """Name the entitlement; the program's version is no part of it, or each version would grant it again."""
    return entitlement_key(campaign, rule, prize.id, to, subject)


def granted(
    before: Reward | None, *, program: Program, rule: str, prize: Prize, to: str, subject: str, at: datetime, cause: str
) -> tuple[Reward, Txn]:
    """Grant a reward for the first time, or anew after it was void or reversed."""
    reward = Reward(
        key=key_of(program.campaign, rule, prize, to, subject),
        to=to,
        rule=rule,
        reward=prize.id,
        subject=subject,
        kind=prize.kind,
        amount=prize.amount,
        currency=prize.currency,
        product=prize.product,
        program_version=program.version,
        generation=before.generation + 1 if before else 1,
        status=_MOVES[before.status if before else None, "grant"],
    )
    return reward, _txn(reward, "grant", ISSUED, f"{to}:{reward.status}", at, cause)


def released(reward: Reward, at: datetime, cause: str) -> tuple[Reward, Txn]:
    """End the hold."""
    return _moved(reward, "release", at, cause)


def fulfilled(reward: Reward, at: datetime, cause: str) -> tuple[Reward, Txn]:
    """Note that the participant has received it; from here on it is not taken back."""
    return _moved(reward, "fulfil", at, cause)


def revoked(reward: Reward, at: datetime, cause: str) -> tuple[Reward, Txn]:
    """Take back what is pending or available."""
    return _moved(reward, "void" if reward.status == "pending" else "reverse", at, cause)


def _moved(reward: Reward, step: Step, at: datetime, cause: str) -> tuple[Reward, Txn]:
    after = replace(reward, status=_MOVES[reward.status, step])
    target = f"{reward.to}:{after.status}" if after.stands else ISSUED
    return after, _txn(reward, step, f"{reward.to}:{reward.status}", target, at, cause)


def _txn(reward: Reward, step: Step, source: str, target: str, at: datetime, cause: str) -> Txn:
    postings = (
        Posting(account=source, unit=reward.unit, amount=-reward.quantity),
        Posting(account=target, unit=reward.unit, amount=reward.quantity),
    )
    return Txn(
        key=f"{reward.key}/{reward.generation}/{step}",
        entitlement=reward.key,
        program_version=reward.program_version,
        cause_event=cause,
        effective_at=at,
        postings=tuple(sorted(postings)),
    )
