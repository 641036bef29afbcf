"""The same history under other rules: who would gain or lose what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from syncd_rules.ledger import Txn, balances
from syncd_rules.model import POINTS
from syncd_rules.money import decimal_text
from syncd_rules.result import Result, Reward


@dataclass(frozen=True, kw_only=True, slots=True)
class BalanceChange:
    """What somebody would have of a unit, all pots together; points, vouchers or minor units."""

    participant: str
    unit: str
    before: int
    after: int

    def told(self) -> tuple[str, str]:
        """Write both amounts as people read them."""
        return _amount(self.before, self.unit), _amount(self.after, self.unit)


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardChange:
    """A reward that would be there or not, or would be another; None where there is none."""

    to: str
    rule: str
    reward: str
    subject: str
    before: str | None  # "100 points, pending"
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralChange:
    """A referral that would stand otherwise."""

    friend: str
    before: str | None  # "qualified, counted"
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All that would be different, each part in the order of the names."""

    balances: tuple[BalanceChange, ...]
    rewards: tuple[RewardChange, ...]
    referrals: tuple[ReferralChange, ...]

    def __bool__(self) -> bool:
        return bool(self.balances or self.rewards or self.referrals)


def compare(before: Result, after: Result) -> Comparison:
    """Hold two results of one history against each other."""
    was, will = {r.key: r for r in before.rewards}, {r.key: r for r in after.rewards}
    return Comparison(
        balances=tuple(_balances(_held(before.ledger), _held(after.ledger))),
        rewards=tuple(_rewards(was, will)),
        referrals=tuple(_referrals(before, after)),
    )


def _held(ledger: Iterable[Txn]) -> dict[tuple[str, str], int]:
    return {(who, unit): sum(pots.values()) for who, units in balances(ledger).items() for unit, pots in units.items()}


def _balances(was: Mapping[tuple[str, str], int], will: Mapping[tuple[str, str], int]) -> Iterator[BalanceChange]:
    for who, unit in sorted(was.keys() | will.keys()):
        old, new = was.get((who, unit), 0), will.get((who, unit), 0)
        if old != new:
            yield BalanceChange(participant=who, unit=unit, before=old, after=new)


def _rewards(was: Mapping[str, Reward], will: Mapping[str, Reward]) -> Iterator[RewardChange]:
    for key in sorted(was.keys() | will.keys()):
        old, new = was.get(key), will.get(key)
        some = new or old
        if some is None or (told := _told(old)) == (tells := _told(new)):
            continue
        yield RewardChange(
            to=some.to, rule=some.rule, reward=some.reward, subject=some.subject, before=told, after=tells
        )


def _told(reward: Reward | None) -> str | None:
    if reward is None:
        return None
    what = " ".join(filter(None, [reward.amount, reward.currency, reward.kind, reward.product]))
    return f"{what}, {reward.status.replace('_', ' ')}"


def _referrals(before: Result, after: Result) -> Iterator[ReferralChange]:
    for friend in sorted(before.referrals.keys() | after.referrals.keys()):
        old, new = _standing(before, friend), _standing(after, friend)
        if old != new:
            yield ReferralChange(friend=friend, before=old, after=new)


def _standing(result: Result, friend: str) -> str | None:
    state = result.referrals.get(friend)
    return (
        None if state is None else f"{state.status.replace('_', ' ')}, {'counted' if state.counted else 'not counted'}"
    )


def _amount(amount: int, unit: str) -> str:
    return str(amount) if unit == POINTS or unit.startswith("COUNT:") else decimal_text(amount, unit)
