"""What becomes of a reward: pending, available, fulfilled; or void, reversed, clawed back, expired; granted again.

Each move gives one transaction. Between a grant and its void, reversal or clawback there is never a second grant of the
same key: a generation ends before the next one begins. What one key holds, over all its generations, is never more
than one reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from syncd_rules.ledger import CLAWBACK, ISSUED, Posting, Txn, entitlement_key
from syncd_rules.model import POINTS, Program
from syncd_rules.money import decimal_text
from syncd_rules.prize import Prize, Recipient

Status = Literal["pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired"]
STANDING = frozenset({"pending", "available", "fulfilled"})
OPEN = frozenset({"pending", "available"})
NOBODY = frozenset[str]()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """One entitlement in its latest state."""

    key: str
    book: str  # the participant in whose books it is; `to` may be their friend
    to: str
    rule: str
    reward: str
    subject: str  # the friend, the order, or the number of the milestone's occurrence or step
    kind: str
    amount: str  # points: digits; money: decimal text; discount_percentage: the percentage; else "1"
    currency: str | None
    product: str | None
    program_version: int
    generation: int  # 1, and one more for each time it was granted again
    status: Status
    approval: Literal["awaiting"] | None = None
    unit: str  # what its postings count: POINTS, a currency, or COUNT:<kind>
    quantity: int  # how much of its unit it is: points, minor units, or one voucher
    pots: tuple[tuple[str, int], ...]  # what it now holds in the participant's accounts: pending, available, fulfilled

    @property
    def stands(self) -> bool:
        """Whether the participant has it, held back or not."""
        return self.status in STANDING


Name = tuple[str, str, str, str]
"""What an entitlement is known by within a campaign: rule, prize, recipient, subject. The program's version is no part
of it, or each version would grant it again."""


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
    handed: int = 0  # fulfilled, over all generations
    taken: int = 0  # clawed back, over all generations
    deserved: bool = False  # its ground stands
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
        """Whether it takes up what its rule may give: the participant has it, or waits for it."""
        return self.status in STANDING or self.ticket > 0

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
        self.handed += quantity
        self.status, self.held = "fulfilled", 0
        return self._move(step, source, "fulfilled", quantity, at, cause)

    def fail(self, at: datetime, cause: str) -> Move:
        """Note that what was said to be handed out was not; it is available again."""
        quantity = self.handed
        self.handed, self.failed = 0, True
        self.status, self.held = "available", quantity
        return self._move(f"amend:{_plain(cause)}", "fulfilled", "available", quantity, at, cause)

    def withdraw(self, at: datetime, cause: str) -> Move:
        """Take back what is pending (void) or available (reverse)."""
        step = "void" if self.status == "pending" else "reverse"
        return self._leave(step, "void" if step == "void" else "reversed", at, cause)

    def expire(self, at: datetime, cause: str) -> Move:
        """End it: nobody claimed it in time."""
        return self._leave("expire", "expired", at, cause)

    def _leave(self, step: str, status: Status, at: datetime, cause: str) -> Move:
        source, quantity = str(self.status), self.held
        self.held = 0
        self.status = status
        if self.handed:
            self.status = "clawed_back" if self.taken else "fulfilled"
        return self._move(step, source, ISSUED, quantity, at, cause)

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
            self.held -= quantity
            return self._move(step, str(self.status), ISSUED, quantity, at, cause)
        self.taken += quantity
        return self._move(step, "available", CLAWBACK, quantity, at, cause)

    def _move(self, step: str, source: str, target: str, quantity: int, at: datetime, cause: str) -> Move:
        return Move(
            self, self.generation, step, source, target, quantity, self.unit, self.program.version, cause, at,
            self.prize, self.amount, self.currency,
        )  # fmt: skip

    # --- as others see it ---------------------------------------------------------------------------------------------

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
            approval="awaiting" if self.status == "pending" and self.awaits else None,
            unit=self.unit,
            quantity=self.quantity(self.amount),
            pots=tuple((pot, amount) for pot, amount in pots.items() if amount),
        )


def amount_text(prize: Prize, amount: int, currency: str | None) -> str:
    """Write an amount."""
    if prize.form.needs == "percent":
        return prize.percent
    return decimal_text(amount, currency) if currency else str(amount)


def _plain(cause: str) -> str:
    return entitlement_key(cause)
