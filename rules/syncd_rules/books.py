"""The rewards in the books of one participant while time passes: each move, booked and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syncd_rules.budget import EXHAUSTED, Budget, Serve, unit_of
from syncd_rules.ledger import Txn, entitlement_key
from syncd_rules.model import Program
from syncd_rules.prize import Prize, Recipient
from syncd_rules.result import Effect
from syncd_rules.rewards import OPEN, Entitlement, Move, Name, amount_text
from syncd_rules.time import add, period_of
from syncd_rules.timers import EXPIRY, RELEASE, Timers

Place = tuple[datetime, int, int, str, int]
"""When, timer (0) or event (1), its class, its id, and 1 for who waited and is served by what came free."""
_TOLD = {"grant": "granted", "release": "released", "void": "reversed", "reverse": "reversed", "clawback": "reversed"}


class Clock:
    """Where in the canonical order the fold is."""

    __slots__ = ("place",)

    def __init__(self) -> None:
        self.place: Place = (datetime.min.replace(tzinfo=UTC), 0, 0, "", 0)


class Told(NamedTuple):
    """An effect that is not about the move of a reward."""

    name: str
    about: tuple[str, ...]
    at: datetime
    data: Mapping[str, Any]


class Books:
    """Entitlements by key, the ledger that they left, and the effects to be had."""

    def __init__(self, campaign: str, clock: Clock, budget: Budget, timers: Timers) -> None:
        self.campaign = campaign
        self.entitlements: dict[Name, Entitlement] = {}
        self._log: list[tuple[Place, Move | Told]] = []  # as it came about
        self._told: set[tuple[str, ...]] = set()  # effects by name and matter: each is told once
        self.suppressed: dict[tuple[str, str, str], str] = {}  # (to, rule, subject) -> why, as it is now
        self.touched: list[Entitlement] = []  # those that may not be as they were told, each perhaps many times
        self.told = 0  # how much of the log has been told as news
        self.granted: Counter[str] = Counter()  # by the budget's units
        self.serve: Serve = self.grant  # grants what waited for the budget
        self.on_available: Callable[[Entitlement, int, datetime], None] | None = None
        self._clock, self._budget, self._timers = clock, budget, timers
        self._overpaid: list[Entitlement] = []  # what was handed out, and has just lost its ground
        self._available: Counter[tuple[str, str]] = Counter()  # (to, unit) -> the balance
        self._reported: Counter[tuple[str, int, str]] = Counter()  # (to, year, currency) -> reportable so far

    # --- grounds ------------------------------------------------------------------------------------------------------

    def find(
        self, program: Program, rule: str, prize: Prize, to: str, subject: str, role: Recipient = "advocate"
    ) -> Entitlement:
        """Find an entitlement, or make it; it holds nothing until it is earned."""
        name = (rule, prize.id, to, subject)
        known = self.entitlements.get(name)
        if known is None:
            known = self.entitlements[name] = Entitlement(
                to=to, role=role, rule=rule, subject=subject, prize=prize, program=program
            )
        return known

    def earn(
        self, it: Entitlement, program: Program, prize: Prize, worth: tuple[int, str | None], at: datetime, cause: str
    ) -> None:
        """Note that there is ground for a reward, and grant what is missing to it."""
        again = not it.deserved
        it.deserved = True
        if it.status == "expired" and again:
            self._count_points(it, it.quantity(it.amount), at)
        if it.status in OPEN or it.status in {"fulfilled", "expired"}:
            return
        self.touched.append(it)
        it.program, it.prize = program, prize
        if not it.bound or it.currency == worth[1]:  # else one key would hold two currencies
            it.amount, it.currency = worth
        if not it.missing:
            it.status = "fulfilled"
        elif self._admits(it, at):
            self.grant(it, at, cause)

    def lose(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Note that the ground is gone: take back what is there, and of what was handed out what the policy says."""
        if not it.deserved:
            return
        it.deserved, it.ticket = False, 0
        self.suppressed.pop((it.to, it.rule, it.subject), None)
        if it.status in OPEN:
            self._withdraw(it, at, cause)
        elif it.status == "expired":
            self._count_points(it, -it.quantity(it.amount), at)
        if it.handed:
            self._overpaid.append(it)

    def shrink(self, it: Entitlement, amount: int, at: datetime, cause: str, why: str) -> None:
        """Lower the amount of a share, as far as it still can be; `why` names the correction in the ledger."""
        if it.ticket:
            self.touched.append(it)
            it.amount = amount
            return
        fell = it.amount - amount
        if it.status == "fulfilled":
            fell = self._collectable(it, fell)
        elif it.status in OPEN:
            fell = min(fell, it.held)
        else:
            fell = 0
        if fell <= 0:
            return
        if it.status != "pending":
            self._available[it.to, it.unit] -= fell
        was_open, now = it.status in OPEN, it.amount - fell
        self._post(it, it.shrink(now, fell, at, cause, why))
        if was_open:
            self._came_back(it, fell, at, cause)

    # --- what people and time do --------------------------------------------------------------------------------------

    def fulfil(self, it: Entitlement, at: datetime, cause: str) -> bool:
        """Note that a reward was handed out; False where it had been already.

        What is handed out without ground, since it was taken back in the meantime, is booked as it happened, and then
        clawed back as the policy says.
        """
        if it.status in {"fulfilled", "clawed_back"}:
            return False
        if it.status not in OPEN:
            self.grant(it, at, cause)
        elif it.status == "available":
            self._available[it.to, it.unit] -= it.held
        handed = it.held
        self._post(it, it.fulfil(at, cause))
        self._report(it, handed, at)
        if not it.deserved:
            self._overpaid.append(it)
        return True

    def fail(self, it: Entitlement, at: datetime, cause: str) -> bool:
        """Note that handing out a reward failed: it is available again."""
        if it.status != "fulfilled" or not it.handed:
            return False
        self._post(it, it.fail(at, cause))
        self._report(it, -it.held, at)
        self._available[it.to, it.unit] += it.held
        self._set_expiry(it, at)
        return True

    def approve(self, it: Entitlement, by: str, at: datetime, cause: str) -> bool:
        """Note that somebody approves of a reward; the last who has to lets it go, once its hold is over."""
        if it.status != "pending" or not it.awaits:
            return False
        self.touched.append(it)
        it.approvals |= {by}
        if it.ripe and not it.awaits:
            self._release(it, at, cause)
        return True

    def reject(self, it: Entitlement, at: datetime, cause: str) -> bool:
        """Note that somebody refuses a reward that is not handed out yet."""
        if it.status not in OPEN:
            return False
        self._withdraw(it, at, cause)
        return True

    def hold_ends(self, name: Name, at: datetime) -> None:
        """Release what was held back, or let it wait for approval."""
        it = self.entitlements[name]
        it.ripe = True
        if not it.awaits:
            self._release(it, at, "timer:hold")

    def expires(self, name: Name, at: datetime) -> None:
        """End what nobody claimed."""
        it = self.entitlements[name]
        quantity = it.held
        self._available[it.to, it.unit] -= quantity
        self._post(it, it.expire(at, "timer:expiry"))
        self._came_back(it, quantity, at, "timer:expiry")

    def void_pending(self, who: str, at: datetime, cause: str) -> None:
        """Void all that is pending for somebody, and let nothing wait for the budget any more."""
        for it in list(self.entitlements.values()):
            if it.to == who and it.status == "pending":
                self._withdraw(it, at, cause)
            elif it.to == who and it.ticket:
                it.ticket = 0
                self.suppress(it.to, it.rule, it.subject, "erased")

    def of(self, rule: str, prizes: tuple[str, ...], to: str, subject: str) -> Iterator[Entitlement]:
        """Give the entitlements of somebody under a rule."""
        for prize in prizes:
            if it := self.entitlements.get((rule, prize, to, subject)):
                yield it

    # --- the moves ----------------------------------------------------------------------------------------------------

    def _admits(self, it: Entitlement, at: datetime) -> bool:
        """Ask the budget, and note what it keeps back."""
        unit = unit_of(it) if self._budget.strict else None
        if unit is None or self._budget.has_room_for(it.cost, unit, at):
            return True
        if unit not in self._budget.told:
            self._budget.told.add(unit)
            self.tell(EXHAUSTED, at, unit, unit=unit)
        mode, room = self._budget.when_exhausted(at), self._budget.room(unit, at)
        if mode == "clamp" and room and it.handed == 0:
            it.amount = room
            return True
        self.suppressed[it.to, it.rule, it.subject] = "budget_queue" if mode == "queue" else "budget_exhausted"
        if mode == "queue":
            self._budget.queue(unit, it, self.serve)
        return False

    def grant(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Grant what is missing to a reward."""
        it.ticket = 0
        self.suppressed.pop((it.to, it.rule, it.subject), None)
        unit = unit_of(it)
        self._post(it, it.grant(at, cause))
        cost = it.cost_of(it.held)
        self._timers.add(add(at, it.prize.hold, it.program.timezone), RELEASE, it.name, it.generation)
        if unit:
            self.granted[unit] += cost
            self._budget.give(unit, cost)

    def _release(self, it: Entitlement, at: datetime, cause: str) -> None:
        self._available[it.to, it.unit] += it.held
        self._post(it, it.release(at, cause))
        self._set_expiry(it, at)
        self._count_points(it, it.held, at)

    def _count_points(self, it: Entitlement, quantity: int, at: datetime) -> None:
        if self.on_available:
            self.on_available(it, quantity, at)

    def _set_expiry(self, it: Entitlement, at: datetime) -> None:
        length = it.prize.valid_for or it.program.settlement.expiry.get(it.prize.kind)
        if length:
            it.expires_at = add(at, length, it.program.timezone)
            self._timers.add(it.expires_at, EXPIRY, it.name, it.generation)

    def _withdraw(self, it: Entitlement, at: datetime, cause: str) -> None:
        quantity, available = it.held, it.status == "available"
        if available:
            self._available[it.to, it.unit] -= quantity
        self._post(it, it.withdraw(at, cause))
        if available:
            self._count_points(it, -quantity, at)
        self._came_back(it, quantity, at, cause)

    def _came_back(self, it: Entitlement, quantity: int, at: datetime, cause: str) -> None:
        if unit := unit_of(it):
            self._budget.take_back(unit, it.cost_of(quantity), at, cause)

    def collect(self, at: datetime, cause: str) -> None:
        """Claw back what an event showed to be overpaid, once it has taken back all else: a balance that is about to
        go is no balance to take it from."""
        overpaid, self._overpaid = self._overpaid, []
        for it in overpaid:
            if not it.deserved and (quantity := self._collectable(it, it.handed - it.taken)):
                self._available[it.to, it.unit] -= quantity
                self._post(it, it.claw_back(quantity, at, cause))

    def _collectable(self, it: Entitlement, quantity: int) -> int:
        """Say how much of what was handed out in vain the policy takes back."""
        match it.program.settlement.clawback:
            case "negative":
                return quantity
            case "within_balance":
                return max(min(quantity, self._available[it.to, it.unit]), 0)
        return 0

    def _report(self, it: Entitlement, quantity: int, at: datetime) -> None:
        """Add up what has to be reported, and say when it is as much as the law asks about."""
        tax = it.program.tax
        if tax is None or it.prize.kind not in tax.kinds or it.role not in tax.to:
            return
        [year], currency = period_of(at, "year", it.program.timezone), it.currency or ""
        threshold, place = tax.threshold.get(currency), (it.to, year, currency)
        self._reported[place] += it.cost_of(quantity)
        if threshold is not None and self._reported[place] >= threshold:
            about = {"participant": it.to, "year": year, "currency": currency}
            self.tell("alert.tax_threshold_reached", at, it.to, str(year), currency, **about)

    def _post(self, it: Entitlement, move: Move) -> None:
        self.touched.append(move.it)
        self._log.append((self._clock.place, move))

    def tell(self, name: str, at: datetime, *about: str, **data: Any) -> None:
        """Emit an effect, once for what it is about."""
        matter = (name, *about)
        if matter not in self._told:
            self._told.add(matter)
            self._log.append((self._clock.place, Told(name, about, at, data)))

    @property
    def length(self) -> int:
        """How long the log is."""
        return len(self._log)

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
            elif entry.step in _TOLD:
                yield place, _effect_of(entry)

    def suppress(self, to: str, rule: str, subject: str, reason: str) -> None:
        """Note what was kept back, or heard in vain, and why."""
        self.suppressed[to, rule, subject] = reason


def _effect_of(move: Move) -> Effect:
    it, name = move.it, f"trigger.reward_{_TOLD[move.step]}"
    data = {"to": it.to, "rule": it.rule, "reward": move.prize.id, "subject": it.subject, "kind": move.prize.kind}
    data["key"] = it.key  # by which the reward is approved and handed out
    data["amount"] = amount_text(move.prize, move.amount, move.currency)
    data |= {n: value for n, value in (("currency", move.currency), ("product", move.prize.product)) if value}
    return Effect(key=f"{name}/{it.key}/{move.generation}/{move.step}", name=name, at=move.at, data=data)
