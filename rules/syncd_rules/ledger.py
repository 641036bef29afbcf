"""The books: double entry, append-only, each transaction once under its key.

History is never rewritten. Where what should be in the books differs from what is, `reconcile` gives the transactions
that bring them there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, takewhile
from typing import NamedTuple

ISSUED = "program:issued"
CLAWBACK = "program:clawback"
POTS = ("pending", "available", "fulfilled")
"""Each participant has an account for each, `<participant>:<pot>`."""

Net = Mapping[tuple[str, str], int]
"""(account, unit) -> amount, without zeros."""


class Posting(NamedTuple):
    """So much of a unit into an account; a negative amount is out of it."""

    account: str  # program:issued, program:clawback, or <participant>:pending | available | fulfilled
    unit: str  # POINTS, a currency (minor units), or COUNT:<kind>
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Txn:
    """A transaction: its postings sum to 0 per unit, or it cannot be made (ValueError)."""

    key: str  # the entitlement's key, generation and step; unique for ever
    entitlement: str
    program_version: int
    cause_event: str
    effective_at: datetime
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        units: dict[str, int] = {}
        for posting in self.postings:
            units[posting.unit] = units.get(posting.unit, 0) + posting.amount
        if any(units.values()):
            raise ValueError(f"transaction {self.key} does not balance")


def entitlement_key(*parts: str) -> str:
    """Join the parts of an entitlement to one text, so that different parts never give the same text."""
    return "/".join([part if part.isalnum() else part.replace("%", "%25").replace("/", "%2F") for part in parts])


def net(txns: Iterable[Txn]) -> Net:
    """Sum transactions up, by account and unit."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for txn in txns:
        for posting in txn.postings:
            sums[posting.account, posting.unit] += posting.amount
    return {place: amount for place, amount in sums.items() if amount}


Pots = dict[str, dict[str, dict[str, int]]]
"""What every participant has: participant -> unit -> {pending, available, fulfilled}; what is zero is left out."""


def balances(txns: Iterable[Txn]) -> Pots:
    """Tell what every participant has by these transactions."""
    return pots_of(net(txns))


def pots_of(sums: Net) -> Pots:
    """Tell what every participant has by the sums of a ledger."""
    held: Pots = {}
    for (account, unit), amount in sorted(sums.items()):
        if account not in {ISSUED, CLAWBACK}:
            participant, _, pot = account.rpartition(":")
            pots = held.setdefault(participant, {}).setdefault(unit, dict.fromkeys(POTS, 0))
            pots[pot] = amount
    return held


def reconcile(posted: Iterable[Txn], wanted: Iterable[Txn]) -> list[Txn]:
    """Give what to append so that the books say what is wanted; asked again after that, it gives nothing.

    Afterwards the net of every entitlement is that of `wanted`, and at no point on the way does an entitlement hold
    more than the wanted history allowed. Corrections come first, then what simply follows, in the order of `wanted`.
    """
    wanted = list(wanted)
    posted_of, wanted_of = _by_entitlement(posted), _by_entitlement(wanted)
    corrections: list[Txn] = []
    following: set[str] = set()
    for entitlement in sorted(posted_of.keys() | wanted_of.keys()):
        correction, tail = _catch_up(entitlement, posted_of[entitlement], wanted_of[entitlement])
        corrections += correction
        following |= {txn.key for txn in tail}
    return corrections + [txn for txn in wanted if txn.key in following]


def _catch_up(entitlement: str, posted: Sequence[Txn], wanted: Sequence[Txn]) -> tuple[list[Txn], Sequence[Txn]]:
    keys = {txn.key for txn in posted}
    known = list(takewhile(lambda txn: txn.key in keys, wanted))
    tail = wanted[len(known) :]
    if any(txn.key in keys for txn in tail):
        # History changed in the middle. To fill the gap would show, for a moment, two rewards; one difference does not.
        known, tail = list(wanted), []
    difference = _minus(net(known), net(posted))
    if not difference:
        return [], tail
    return [_correction(entitlement, difference, posted, wanted)], tail


def _correction(entitlement: str, difference: Net, posted: Sequence[Txn], wanted: Sequence[Txn]) -> Txn:
    """Make the transaction that posts a difference, dated where the books first go wrong."""
    said, meant = {txn.key: net([txn]) for txn in posted}, {txn.key: net([txn]) for txn in wanted}
    astray = [txn for txn in posted if meant.get(txn.key) != said[txn.key]]
    astray += [txn for txn in wanted if txn.key not in said]
    first = min(astray, key=lambda txn: (txn.effective_at, txn.key))
    return Txn(
        key=next(key for n in count(1) if (key := f"{entitlement}/history/{n}") not in said),
        entitlement=entitlement,
        program_version=first.program_version,
        cause_event=first.cause_event,
        effective_at=first.effective_at,
        postings=tuple(
            Posting(account=account, unit=unit, amount=amount) for (account, unit), amount in sorted(difference.items())
        ),
    )


def _minus(left: Net, right: Net) -> Net:
    places = left.keys() | right.keys()
    return {place: d for place in places if (d := left.get(place, 0) - right.get(place, 0))}


def _by_entitlement(txns: Iterable[Txn]) -> defaultdict[str, list[Txn]]:
    groups: defaultdict[str, list[Txn]] = defaultdict(list)
    for txn in txns:
        groups[txn.entitlement].append(txn)
    return groups
