"""What is written in somebody's books, as it comes about: the moves of rewards, and what else was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from syncd_rules.ledger import CLAWBACK, ISSUED, Posting, Txn, entitlement_key
from syncd_rules.money import decimal_text
from syncd_rules.prize import Prize
from syncd_rules.result import Effect

if TYPE_CHECKING:
    from syncd_rules.rewards import Entitlement

Place = tuple[datetime, int, int, str, int]
"""When, timer (0) or event (1), its class, its id, and 1 for who waited and is served by what came free."""
_TOLD = {"grant": "granted", "release": "released", "void": "reversed", "reverse": "reversed", "clawback": "reversed"}


class Clock:
    """Where in the canonical order the fold is."""

    __slots__ = ("place",)

    def __init__(self) -> None:
        self.place: Place = (datetime.min.replace(tzinfo=UTC), 0, 0, "", 0)


class Move(NamedTuple):
    """What a reward did. There are many, and most are never looked at: the transaction is made when somebody asks."""

    it: Entitlement
    generation: int
    step: str
    source: str  # a pot of the participant's, or an account of the program's
    target: str
    quantity: int
    unit: str
    version: int
    cause: str
    at: datetime
    prize: Prize
    amount: int
    currency: str | None

    def txn(self) -> Txn:
        """Give the transaction that books it."""
        source, target = (
            account if account in {ISSUED, CLAWBACK} else f"{self.it.to}:{account}"
            for account in (self.source, self.target)
        )
        out = Posting(account=source, unit=self.unit, amount=-self.quantity)
        into = Posting(account=target, unit=self.unit, amount=self.quantity)
        return Txn(
            key=f"{self.it.key}/{self.generation}/{self.step}",
            entitlement=self.it.key,
            program_version=self.version,
            cause_event=self.cause,
            effective_at=self.at,
            postings=(out, into) if source < target else (into, out),
        )

    def effect(self) -> Effect | None:
        """Give what is told of it, if it is one that others want to know of."""
        told = _TOLD.get(self.step.partition(":")[0])
        if told is None:
            return None
        it, name = self.it, f"trigger.reward_{told}"
        data = {"to": it.to, "rule": it.rule, "reward": self.prize.id, "subject": it.subject, "kind": self.prize.kind}
        data["key"] = it.key  # by which the reward is approved and handed out
        data["amount"] = amount_text(self.prize, self.amount, self.currency)
        data |= {n: value for n, value in (("currency", self.currency), ("product", self.prize.product)) if value}
        return Effect(key=f"{name}/{it.key}/{self.generation}/{self.step}", name=name, at=self.at, data=data)


class Told(NamedTuple):
    """An effect that is not about the move of a reward."""

    name: str
    about: tuple[str, ...]
    at: datetime
    data: Mapping[str, Any]


class Journal:
    """A log to which entries are added, and from which transactions and effects are read."""

    def __init__(self, campaign: str, clock: Clock) -> None:
        self.campaign = campaign
        self.told = 0  # how much of the log has been told as news
        self._clock = clock
        self._log: list[tuple[Place, Move | Told]] = []  # as it came about
        self._matters: set[tuple[str, ...]] = set()  # effects by name and matter: each is told once

    @property
    def length(self) -> int:
        """How long the log is."""
        return len(self._log)

    def write(self, move: Move) -> None:
        """Write down what a reward did."""
        self._log.append((self._clock.place, move))

    def tell(self, name: str, at: datetime, *about: str, **data: Any) -> None:
        """Emit an effect, once for what it is about."""
        matter = (name, *about)
        if matter not in self._matters:
            self._matters.add(matter)
            self._log.append((self._clock.place, Told(name, about, at, data)))

    def ledger(self, since: int) -> Iterator[tuple[Place, Txn]]:
        """Give the transactions in the log from `since` on, each with the place at which it was written."""
        for place, entry in self._log[since:]:
            if isinstance(entry, Move):
                yield place, entry.txn()

    def effects(self, since: int) -> Iterator[tuple[Place, Effect]]:
        """Give the effects in the log from `since` on, those of moves too, each with the place of its writing."""
        for place, entry in self._log[since:]:
            if isinstance(entry, Told):
                key = entitlement_key(entry.name, self.campaign, *entry.about)
                yield place, Effect(key=key, name=entry.name, at=entry.at, data=entry.data)
            elif effect := entry.effect():
                yield place, effect


def amount_text(prize: Prize, amount: int, currency: str | None) -> str:
    """Write an amount."""
    if prize.form.needs == "percent":
        return prize.percent
    return decimal_text(amount, currency) if currency else str(amount)
