"""What becomes of a reward: pending, available, fulfilled; or void, reversed, clawed back, expired; granted again.

Each move gives one transaction. Between a grant and its void, reversal or clawback there is never a second grant of the
same key: a generation ends before the next one begins. What one key holds, over all its generations, is never more
than one reward.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from syncd_rules.journal import Move, amount_text
from syncd_rules.ledger import CLAWBACK, ISSUED, entitlement_key
from syncd_rules.model import POINTS, Program
from syncd_rules.prize import Prize, Recipient
from syncd_rules.result import STANDING, Reward, Status

OPEN = frozenset({"pending", "available"})
NOBODY = frozenset[str]()

Name = tuple[str, str, str, str]
"""What an entitlement is known by within a campaign: rule, prize, recipient, subject. The program's version is no part
of it, or each version would grant it again."""


@dataclass(kw_only=True, slots=True)
class Entitlement:
    """A reward on its way. The methods move it and give what to post; who may call which when is for `Books` to say."""

    to: str
    role: Recipient
    rule: str
    subject: str
    prize: Prize
    program: Program  # the version whose terms it has
    amount: int = 0  # points, minor units, or one voucher
    currency: str | None = None
    status: Status | None = None  # None = not granted yet
    generation: int = 0
    held: int = 0  # in the pot that the status names, while it is pending or available
    payments: tuple[int, ...] = ()  # fulfilled, each time that it was handed out, over all generations
    taken: int = 0  # clawed back, over all generations
    deserved: bool = False  # its ground stands
    rejected: bool = False  # a person refused it, and none has approved of it since
    ticket: int = 0  # its place among those who wait for the budget; 0 = it does not wait
    ripe: bool = False  # the hold is over
    failed: bool = False  # handing it out failed once
    available_at: datetime | None = None
    expires_at: datetime | None = None
    approvals: frozenset[str] = NOBODY
    number: int = 0  # the place in the books at which it became available
    _key: str = ""

    @property
    def name(self) -> Name:
        """What it is known by within the campaign."""
        return (self.rule, self.prize.id, self.to, self.subject)

    @property
    def key(self) -> str:
        """What the ledger knows it by."""
        if not self._key:
            self._key = entitlement_key(self.program.campaign, *self.name)
        return self._key

    @property
    def unit(self) -> str:
        """What its postings count."""
        if self.prize.kind == "points":
            return POINTS
        return self.currency if self.prize.form.pot and self.currency else f"COUNT:{self.prize.kind}"

    @property
    def stands(self) -> bool:
        """Whether the participant has it, held back or not."""
        return self.status in STANDING

    @property
    def engaged(self) -> bool:
        """Whether it takes up what its rule may give: the participant has it, waits for it, or needs but a word."""
        return self.status in STANDING or self.ticket > 0 or (self.rejected and self.deserved)

    @property
    def due(self) -> bool:
        """Whether the participant should have it."""
        return self.deserved and not self.rejected

    @property
    def handed(self) -> int:
        """How much was fulfilled, over all generations."""
        return sum(self.payments)

    @property
    def bound(self) -> bool:
        """Whether the participant keeps a part of it from before, so that only the rest can be given again."""
        return self.handed > self.taken

    def quantity(self, amount: int) -> int:
        """Turn an amount into so much of its unit."""
        return amount if self.prize.form.pot else min(amount, 1)

    @property
    def net(self) -> int:
        """What the participant has of it, all in all."""
        return self.held + self.handed - self.taken

    @property
    def missing(self) -> int:
        """How much a grant would have to give."""
        return max(self.quantity(self.amount) - self.net, 0)

    @property
    def cost(self) -> int:
        """How much of a budget a grant would take: a voucher is as dear as what it is worth."""
        return self.missing if self.prize.form.pot else self.amount * self.missing

    def cost_of(self, quantity: int) -> int:
        """How much of a budget comes back with so much of its unit."""
        return quantity if self.prize.form.pot else self.amount * quantity

    @property
    def awaits(self) -> bool:
        """Whether it waits for approval."""
        rules = self.program.settlement.approval
        if rules is None or self.prize.kind not in rules.kinds:
            return False
        most = rules.above.get(POINTS if self.prize.kind == "points" else self.currency or "")
        return most is not None and self.amount > most and len(self.approvals) < rules.persons

    # --- moves --------------------------------------------------------------------------------------------------------

    def grant(self, at: datetime, cause: str) -> Move:
        """Begin a generation, with what is missing to one reward."""
        quantity = self.missing
        self.generation += 1
        self.status, self.held, self.ripe, self.failed, self.approvals = "pending", quantity, False, False, NOBODY
        return self._move("grant", ISSUED, "pending", quantity, at, cause)

    def release(self, at: datetime, cause: str) -> Move:
        """End the hold."""
        self.status = "available"
        return self._move("release", "pending", "available", self.held, at, cause)

    def fulfil(self, at: datetime, cause: str) -> Move:
        """Note that the participant has received it."""
        step = f"fulfil:{_plain(cause)}" if self.failed else "fulfil"
        source, quantity = str(self.status), self.held
        self.payments += (quantity,)
        self.status, self.held = "fulfilled", 0
        return self._move(step, source, "fulfilled", quantity, at, cause)

    def fail(self, at: datetime, cause: str) -> Iterator[Move]:
        """Note that what was handed out last was not: what was clawed back for it returns to the balance, and the rest
        is open again, or goes where it is not due any more."""
        *before, quantity = self.payments
        self.payments, self.failed = tuple(before), True
        back = max(self.taken - self.handed, 0)
        self.taken -= back
        step, target = "reverse", ISSUED
        if self.due and self.status in STANDING:
            self.status = "available" if self.status == "fulfilled" else self.status
            self.held += quantity - back
            step, target = "amend", str(self.status)
        else:
            self._end("reversed")
        for name, pot, part in (("restore", "available", back), (step, target, quantity - back)):
            if part:
                yield self._move(f"{name}:{_plain(cause)}", "fulfilled", pot, part, at, cause)

    def withdraw(self, at: datetime, cause: str) -> Move:
        """Take back what is pending (void) or available (reverse)."""
        step = "void" if self.status == "pending" else "reverse"
        return self._leave(step, "void" if step == "void" else "reversed", at, cause)

    def expire(self, at: datetime, cause: str) -> Move:
        """End it: nobody claimed it in time."""
        return self._leave("expire", "expired", at, cause)

    def _leave(self, step: str, status: Status, at: datetime, cause: str) -> Move:
        source, quantity = str(self.status), self.held
        self._end(status)
        return self._move(step, source, ISSUED, quantity, at, cause)

    def _end(self, status: Status) -> None:
        self.held = 0
        self.status = status
        if self.payments:
            self.status = "clawed_back" if self.taken else "fulfilled"

    def claw_back(self, quantity: int, at: datetime, cause: str) -> Move:
        """Take so much out of the participant's balance, for what was fulfilled in vain."""
        self.taken += quantity
        self.status = "clawed_back"
        return self._move("clawback", "available", CLAWBACK, quantity, at, cause)

    def shrink(self, amount: int, quantity: int, at: datetime, cause: str, why: str) -> Move:
        """Lower what is pending or available, or take a part of what is fulfilled out of the balance."""
        self.amount = amount
        step = f"amend:{_plain(why)}"
        if self.status in OPEN:
            source = str(self.status)
            self.held -= quantity
            if not self.held:  # what was handed out before is all that is left of it
                self.status = "fulfilled"
            return self._move(step, source, ISSUED, quantity, at, cause)
        self.taken += quantity
        return self._move(step, "available", CLAWBACK, quantity, at, cause)

    def _move(self, step: str, source: str, target: str, quantity: int, at: datetime, cause: str) -> Move:
        return Move(
            self, self.generation, step, source, target, quantity, self.unit, self.program.version, cause, at,
            self.prize, self.amount, self.currency,
        )  # fmt: skip

    # --- as others see it ---------------------------------------------------------------------------------------------

    @property
    def _approval(self) -> Literal["awaiting", "rejected"] | None:
        if self.rejected:
            return "rejected"
        return "awaiting" if self.status == "pending" and self.awaits else None

    def check(self) -> None:
        """Raise AssertionError where it is in a state that cannot be: for tests, which ask after every step."""
        is_open = self.status in OPEN
        sound = {
            "holds something as long as it is open": is_open == (self.held > 0),
            "is open only while it is due": self.due or not is_open,
            "is pending only in its hold, or while it awaits approval": self.status != "pending"
            or not self.ripe
            or self.awaits,
            "loses no more than was handed out": 0 <= self.taken <= self.handed,
            "is fulfilled or clawed back once something was handed out": is_open
            or (self.status in {"fulfilled", "clawed_back"}) == bool(self.payments),
            "is clawed back only in part of what was handed out": self.status != "clawed_back" or self.taken > 0,
            "waits for the budget only while it is due, and not open": not self.ticket or (self.due and not is_open),
        }
        assert all(sound.values()), f"{self.name} {self.status}: " + ", ".join(t for t, so in sound.items() if not so)

    def snapshot(self, book: str) -> Reward:
        """Give its present state in somebody's books."""
        assert self.status is not None
        pots = {"pending": 0, "available": -self.taken, "fulfilled": self.handed}
        if self.status in OPEN:
            pots[self.status] += self.held
        return Reward(
            key=self.key,
            book=book,
            to=self.to,
            rule=self.rule,
            reward=self.prize.id,
            subject=self.subject,
            kind=self.prize.kind,
            amount=amount_text(self.prize, self.amount, self.currency),
            currency=self.currency,
            product=self.prize.product,
            program_version=self.program.version,
            generation=self.generation,
            status=self.status,
            approval=self._approval,
            unit=self.unit,
            quantity=self.quantity(self.amount),
            pots=tuple((pot, amount) for pot, amount in pots.items() if amount),
        )


def _plain(cause: str) -> str:
    return entitlement_key(cause)
