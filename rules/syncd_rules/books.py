"""The rewards in the books of one participant while time passes: each move, booked and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from syncd_rules.budget import EXHAUSTED, Budget, Serve, unit_of
from syncd_rules.journal import Clock, Journal, Move
from syncd_rules.ledger import ISSUED
from syncd_rules.model import Program
from syncd_rules.prize import Prize, Recipient
from syncd_rules.rewards import OPEN, Entitlement, Name
from syncd_rules.time import add, period_of
from syncd_rules.timers import EXPIRY, RELEASE, Timers


class Books(Journal):
    """Entitlements by key, beside the ledger that they left and the effects to be had."""

    def __init__(self, campaign: str, clock: Clock, budget: Budget, timers: Timers) -> None:
        super().__init__(campaign, clock)
        self.entitlements: dict[Name, Entitlement] = {}
        self.suppressed: dict[tuple[str, str, str], str] = {}  # (to, rule, subject) -> why, as it is now
        self.touched: list[Entitlement] = []  # those that may not be as they were told, each perhaps many times
        self.granted: Counter[str] = Counter()  # by the budget's units
        self.serve: Serve = self.grant  # grants what waited for the budget
        self.on_available: Callable[[Entitlement, int, datetime], None] | None = None
        self._budget, self._timers = budget, timers
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
        if it.rejected:
            self.suppress(it.to, it.rule, it.subject, "rejected")
        else:
            self._give(it, at, cause)

    def _give(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Grant what is missing to a reward that is due; where nothing is, since it is lower now, it stands again."""
        if not it.missing:
            it.status, it.generation = "fulfilled", it.generation + 1
        elif self._admits(it, at):
            self.grant(it, at, cause)

    def lose(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Note that the ground is gone: take back what is there, and of what was handed out what the policy says."""
        if not it.deserved:
            return
        it.deserved = False
        self._leave(it, cause)
        self.suppressed.pop((it.to, it.rule, it.subject), None)
        if it.status in OPEN:
            self._withdraw(it, at, cause)
        elif it.status == "expired":
            self._count_points(it, -it.quantity(it.amount), at)
        if it.handed:
            self._overpaid.append(it)

    def shrink(self, it: Entitlement, amount: int, at: datetime, cause: str, why: str) -> None:
        """Lower the amount of a share, as far as it still can be; `why` names the correction in the ledger."""
        if it.ticket or it.rejected:
            self.touched.append(it)
            it.amount = amount
            if unit := unit_of(it):
                self._budget.look_again(unit, cause)
            return
        was_open, fell = it.status in OPEN, it.amount - amount
        fell = min(fell, it.held) if was_open else self._collectable(it, fell)
        if not it.stands or fell <= 0:
            return
        self._post(it.shrink(it.amount - fell, fell, at, cause, why))
        if was_open:
            self._came_back(it, fell, cause)
            self._let_go(it, at, cause)

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
        handed, held_back = it.held, it.status == "pending"
        self._post(it.fulfil(at, cause))
        if held_back:
            self._count_points(it, handed, at)
        self._report(it, handed, at)
        if not it.due:
            self._overpaid.append(it)
        return True

    def fail(self, it: Entitlement, at: datetime, cause: str) -> bool:
        """Note that handing out a reward failed: it is available again, or taken back where it is not due any more."""
        if not it.payments:
            return False
        failed, before = it.payments[-1], it.held
        moves = list(it.fail(at, cause))
        for move in moves:
            self._post(move)
        self._report(it, -failed, at)
        available = it.held - before if it.status == "available" else 0
        if available:
            self._set_expiry(it, at)
        if failed > available:  # of what was ever available, the rest is so no more
            self._count_points(it, available - failed, at)
        for move in moves:
            if move.target == ISSUED:
                self._came_back(it, move.quantity, cause)
        return True

    def approve(self, it: Entitlement, by: str, at: datetime, cause: str) -> bool:
        """Note that somebody approves of a reward; the last who has to lets it go, once its hold is over.

        One that was rejected is given after all, if its ground stands.
        """
        if it.rejected:
            it.rejected = False
            self.touched.append(it)
            self.suppressed.pop((it.to, it.rule, it.subject), None)
            if it.deserved and it.status != "fulfilled":
                self._give(it, at, cause)
            it.approvals = frozenset({by})
            return True
        if it.status != "pending" or not it.awaits:
            return False
        self.touched.append(it)
        it.approvals |= {by}
        self._let_go(it, at, cause)
        return True

    def reject(self, it: Entitlement, at: datetime, cause: str) -> bool:
        """Note that somebody refuses a reward that is not handed out yet: until somebody approves of it, for good."""
        if it.status not in OPEN | {"void", "reversed"}:
            return False
        self.touched.append(it)
        it.rejected = True
        self._leave(it, cause)
        if it.deserved:
            self.suppress(it.to, it.rule, it.subject, "rejected")
        if it.status in OPEN:
            self._withdraw(it, at, cause)
        return True

    def hold_ends(self, name: Name, at: datetime) -> None:
        """Release what was held back, or let it wait for approval."""
        it = self.entitlements[name]
        it.ripe = True
        self._let_go(it, at, "timer:hold")

    def expires(self, name: Name, at: datetime) -> None:
        """End what nobody claimed."""
        it = self.entitlements[name]
        ended = it.expire(at, "timer:expiry")
        self._post(ended)
        self._came_back(it, ended.quantity, "timer:expiry")

    def void_pending(self, who: str, at: datetime, cause: str) -> None:
        """Void all that is pending for somebody, and let nothing wait for the budget any more."""
        for it in list(self.entitlements.values()):
            if it.to == who and it.status == "pending":
                self._withdraw(it, at, cause)
            elif it.to == who and it.ticket:
                self._leave(it, cause)
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
        self._post(it.grant(at, cause))
        cost = it.cost_of(it.held)
        self._timers.add(add(at, it.prize.hold, it.program.timezone), RELEASE, it.name, it.generation)
        if unit:
            self.granted[unit] += cost
            self._budget.give(unit, cost)

    def _let_go(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Release what nothing holds back any more."""
        if it.status != "pending" or not it.ripe or it.awaits:
            return
        self._post(it.release(at, cause))
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
        self._post(it.withdraw(at, cause))
        if available:
            self._count_points(it, -quantity, at)
        self._came_back(it, quantity, cause)

    def _came_back(self, it: Entitlement, quantity: int, cause: str) -> None:
        if unit := unit_of(it):
            self._budget.take_back(unit, it.cost_of(quantity), cause)

    def _leave(self, it: Entitlement, cause: str) -> None:
        """Let a reward wait for the budget no more."""
        if it.ticket and (unit := unit_of(it)):
            it.ticket = 0
            self._budget.look_again(unit, cause)

    def collect(self, at: datetime, cause: str) -> None:
        """Claw back what an event showed to be overpaid, once it has taken back all else: a balance that is about to
        go is no balance to take it from. Then those are served who wait for what came back."""
        overpaid, self._overpaid = self._overpaid, []
        for it in overpaid:
            if not it.due and (quantity := self._collectable(it, it.handed - it.taken)):
                self._post(it.claw_back(quantity, at, cause))
        self._budget.move_on(at)

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

    def _post(self, move: Move) -> None:
        self.touched.append(move.it)
        if move.source == "available":
            self._available[move.it.to, move.unit] -= move.quantity
        elif move.target == "available":
            self._available[move.it.to, move.unit] += move.quantity
        self.write(move)

    def suppress(self, to: str, rule: str, subject: str, reason: str) -> None:
        """Note what was kept back, or heard in vain, and why."""
        self.suppressed[to, rule, subject] = reason
