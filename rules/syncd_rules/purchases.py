"""What the orders of friends earn: shares of the revenue, and anything else that a rule gives for each order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from syncd_rules.books import Books
from syncd_rules.events import Event
from syncd_rules.model import Program
from syncd_rules.orders import Order
from syncd_rules.prize import ReferralReward
from syncd_rules.referral import Referral
from syncd_rules.rewards import Entitlement
from syncd_rules.versions import Versions

if TYPE_CHECKING:
    from syncd_rules.friends import Friends


def worth(order: Order, rule: ReferralReward, terms: Program) -> tuple[int, str | None]:
    """Say what an order earns: of its net amount, or something for as long as it is not refunded whole."""
    if rule.prize.form.needs != "share":
        return rule.prize.worth(order.currency) if order.net else (0, None)
    ignored = terms.settlement.partial_refund == "ignore" and order.net
    net = order.gross if ignored else order.net
    return rule.prize.share(net, order.counted, terms.settlement.rounding), order.currency


class Purchases:
    """The rewards for the orders of one advocate's friends."""

    def __init__(self, friends: Friends, books: Books, versions: Versions) -> None:
        self._friends, self._books, self._versions = friends, books, versions

    def give_for(self, order: Order, referral: Referral, at: datetime, cause: str) -> None:
        """Give, or take back, what an order earns, as the referral now counts or does not."""
        for rule, terms in order.earns:
            it = self._find(order, rule, terms, referral)
            due = referral.shares if rule.to == "advocate" else referral.gifts
            if not due:
                self._lose(it, rule, referral, at, cause)
                if referral.weighed and referral.uncounted:
                    self._books.suppress(it.to, rule.id, order.id, referral.uncounted)
            elif rule.to == "advocate" and self._friends.erased:
                self._books.suppress(it.to, rule.id, order.id, "erased")
            elif (not it.status or not it.deserved) and not referral.frozen:
                self._give(it, order, rule, terms, referral, at, cause)

    def refunded(self, order: Order, referral: Referral, event: Event) -> None:
        """Take back what an order no longer earns."""
        for rule, terms in order.earns:
            it = self._find(order, rule, terms, referral)
            if not it.deserved:
                continue
            amount, _ = worth(order, rule, terms)
            before = it.amount
            if not amount:
                self._lose(it, rule, referral, event.at, event.id)
            elif rule.prize.form.needs == "share" and amount < before:
                self._books.shrink(it, amount, event.at, event.id, event.data["refund"])
                referral.shared[rule.id, order.currency] += it.amount - before

    def _give(
        self,
        it: Entitlement,
        order: Order,
        rule: ReferralReward,
        terms: Program,
        referral: Referral,
        at: datetime,
        cause: str,
    ) -> None:
        amount, currency = worth(order, rule, terms)
        place = (rule.id, order.currency)
        if rule.prize.form.needs == "share" and order.currency in rule.cap:
            room = rule.cap[order.currency] - referral.shared[place]
            if amount and not room:
                self._books.suppress(it.to, rule.id, order.id, "cap_per_referral")
            amount = min(amount, room)
        if not amount:
            return
        self._books.suppressed.pop((it.to, rule.id, order.id), None)
        self._books.earn(it, terms, rule.prize, (amount, currency), at, cause)
        if it.engaged:
            referral.shared[place] += it.amount

    def _lose(self, it: Entitlement, rule: ReferralReward, referral: Referral, at: datetime, cause: str) -> None:
        if it.engaged and it.deserved and it.currency:
            referral.shared[rule.id, it.currency] -= it.amount
        self._books.lose(it, at, cause)

    def _find(self, order: Order, rule: ReferralReward, terms: Program, referral: Referral) -> Entitlement:
        return self._books.find(terms, rule.id, rule.prize, referral.recipient(rule), order.id, rule.to)
