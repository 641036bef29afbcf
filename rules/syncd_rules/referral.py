"""One referral on its way, and the rewards that it is ground for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from syncd_rules import qualification
from syncd_rules.attribution import Code
from syncd_rules.model import Program
from syncd_rules.orders import Order, Orders
from syncd_rules.prize import ReferralReward
from syncd_rules.qualification import Case
from syncd_rules.result import ReferralState
from syncd_rules.time import add
from syncd_rules.where import Fields

Terms = tuple[ReferralReward, Program]


class Grounds(NamedTuple):
    """What the rewards of a referral go by, as it was at some moment."""

    stages: frozenset[str] = frozenset()
    closed: bool = False
    out: bool = True
    qualified_at: datetime | None = None
    counted: bool = False

    def hold(self, rule: ReferralReward, earned: bool) -> bool:
        """Tell whether there was ground for a reward; a stage after the window closed is none, but was `earned`."""
        if self.out:
            return False
        if rule.trigger == "stage.reached":
            return rule.stage in self.stages and (earned or not self.closed)
        return self.qualified_at is not None


NO_GROUNDS = Grounds()


@dataclass(kw_only=True, slots=True)
class Referral:
    """A referral; all that concerns it follows `terms`, the version under which it was captured."""

    friend: str
    advocate: str
    terms: Program
    case: Case
    code: Code
    signed_up_at: datetime
    fields: Fields
    channel: str | None
    review: str | None
    closes_at: datetime | None  # when it can no longer begin to qualify
    orders: Orders = field(default_factory=Orders)
    qualified_at: datetime | None = None
    via: str | None = None
    weighed: bool = False  # it would count, and whether it does has been decided
    uncounted: str | None = None  # the limit that keeps it from counting, for good
    frozen: bool = False  # the friend was erased: what was earned can be lost, and nothing is earned any more
    earned: dict[str, Terms] = field(default_factory=dict)  # by rule: what there is ground for
    kept: set[str] = field(default_factory=set)  # rules that a limit keeps back
    shares: bool = False  # orders give the advocate something
    gifts: bool = False  # orders give the friend something
    firsts: dict[str, datetime] = field(default_factory=dict)  # order rule -> the first order that it was for
    shared: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))  # (order rule, currency)
    _reached: tuple[Case, frozenset[str]] | None = None  # for the case that it was worked out for
    grounds: Grounds = NO_GROUNDS  # when the rewards were last looked at

    @property
    def out(self) -> bool:
        """Whether somebody took it out of the campaign."""
        return qualification.disqualified(self.case)

    def stages(self) -> frozenset[str]:
        """Give the stages that stand as reached."""
        if self._reached is None or self._reached[0] is not self.case:
            self._reached = (self.case, qualification.reached(self.case, self.terms.stages))
        return self._reached[1]

    def recipient(self, rule: ReferralReward) -> str:
        """Name who gets what a rule gives."""
        return self.advocate if rule.to == "advocate" else self.friend

    def closed(self, at: datetime) -> bool:
        """Tell whether the time in which it had to qualify went by in vain."""
        return self.closes_at is not None and at >= self.closes_at and self.qualified_at is None

    def rules(self, program: Program | None) -> Iterator[Terms]:
        """Give the rules that reward it; under `terms_at: qualification` those in force, beside what it has."""
        if self.terms.attribution.terms_at == "capture" or program is None:
            for rule in self.terms.rewards:
                yield rule, self.terms
            return
        yield from list(self.earned.values())
        for rule in program.rewards:
            if rule.id not in self.earned:
                yield rule, program

    def matching(self, order: Order, program: Program | None) -> tuple[Terms, ...]:
        """Give the rules that an order is for: their clauses hold, and their time is not over."""
        found = []
        fields = {**self.fields, **order.fields}
        if fields.get("friend.country") is None:
            fields["friend.country"] = order.fields.get("order.country")
        for rule, terms in self.rules(program):
            if rule.trigger != "order.paid" or not rule.where(fields):
                continue
            first = self.firsts.setdefault(rule.id, order.at)
            if rule.duration is None or order.at < add(first, rule.duration, terms.timezone):
                found.append((rule, terms))
        return tuple(found)

    def state(self, counted: bool, barred: str | None, as_of: datetime) -> ReferralState:
        """Say where it stands."""
        qualified = self.qualified_at is not None
        return ReferralState(
            status="disqualified"
            if self.out
            else "qualified"
            if qualified
            else "expired"
            if self.closed(as_of)
            else "signed_up",
            referred_by=self.advocate,
            stage=qualification.present_stage(self.case, self.terms.stages),
            counted=counted,
            qualified_at=self.qualified_at,
            via=self.via,
            review=self.review,
            barred=barred,
            signed_up_at=self.signed_up_at,
            channel=self.channel,
            revenue={currency: net for currency, net in sorted(self.orders.net.items()) if net},
        )
