"""What somebody bought, net of what was refunded, whichever of the two is heard of first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd_rules.events import Event, amount_of
from syncd_rules.model import Program, Purchase
from syncd_rules.prize import ReferralReward

ORDER_TAKEN = "order_number_taken"  # by another order of the same books, which alone counts
ORDER_SHARED = "order_number_shared"  # with somebody in other books; both count


@dataclass(kw_only=True, slots=True)
class Order:
    """An order; amounts in minor units of its currency."""

    id: str
    at: datetime
    number: int  # its place in the books that it is in
    gross: int
    net: int
    currency: str
    fields: Mapping[str, str | None]  # for `where`
    counted: int = 0  # referrals that counted for the advocate at its time
    earns: tuple[tuple[ReferralReward, Program], ...] = ()  # the rules that it is for


@dataclass(kw_only=True, slots=True)
class Orders:
    """The orders of one person, with running sums."""

    by_id: dict[str, Order] = field(default_factory=dict)
    net: dict[str, int] = field(default_factory=dict)  # currency -> the sum
    purchases: tuple[Purchase, ...] = ()  # what is asked of them
    _enough: dict[int, int] = field(default_factory=dict)  # purchase -> how many orders are enough for it by themselves
    _refunds: set[str] | None = None  # ids that were heard
    _early: dict[str, list[tuple[str, int]]] | None = None  # refunds before their order

    def pay(self, event: Event, number: int) -> Order | None:
        """Take in an order; None where it was heard of before."""
        data, gross = event.data, amount_of(event)
        if data["order"] in self.by_id:
            return None
        order = Order(
            id=data["order"],
            at=event.at,
            number=number,
            gross=gross,
            net=gross,
            currency=data["currency"],
            fields={
                "order.product": data.get("product"),
                "order.country": data.get("country"),
                "order.currency": data["currency"],
                "order.amount": data["amount"],
            },
        )
        waiting = self._early.pop(order.id, ()) if self._early else ()
        early = sum(amount for currency, amount in waiting if currency == order.currency)
        order.net = max(gross - early, 0)
        self.by_id[order.id] = order
        self.net[order.currency] = self.net.get(order.currency, 0) + order.net
        self._note(order, 1)
        return order

    def contradicts(self, event: Event) -> bool:
        """Tell whether an event tells of an order that was heard of, and tells otherwise."""
        order, data = self.by_id.get(event.data["order"]), event.data
        if order is None:
            return False
        pairs = [(order.fields[f"order.{name}"], data.get(name)) for name in ("product", "country")]
        other = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        return other or (order.currency, order.gross) != (data["currency"], amount_of(event))

    def refund(self, event: Event) -> tuple[Order, int] | None:
        """Take in a refund; give the order and by how much its net fell. None where nothing changes (yet)."""
        data, amount = event.data, amount_of(event)
        self._refunds = self._refunds or set()
        if data["refund"] in self._refunds:
            return None
        self._refunds.add(data["refund"])
        order = self.by_id.get(data["order"])
        if order is None:
            self._early = self._early or {}
            self._early.setdefault(data["order"], []).append((data["currency"], amount))
            return None
        if order.currency != data["currency"]:
            return None
        fell = min(amount, order.net)
        self._note(order, -1)
        order.net -= fell
        self._note(order, 1)
        self.net[order.currency] -= fell
        return (order, fell) if fell else None

    def _note(self, order: Order, step: int) -> None:
        for number, purchase in enumerate(self.purchases):
            if purchase.enough(order.net, order.currency):
                self._enough[number] = self._enough.get(number, 0) + step

    def fulfil(self, number: int) -> bool:
        """Tell whether the orders are what a program asks for, by the number of what it asks."""
        purchase = self.purchases[number]
        match purchase.basis:
            case "cumulative":
                return any(purchase.enough(net, currency) for currency, net in self.net.items())
            case "first_order":
                first = self._first
                return first is not None and purchase.enough(first.net, first.currency)
        return self._enough.get(number, 0) > 0

    def completes(self, order: Order, number: int) -> bool:
        """Tell whether it is this order by which the orders are what a program asks for."""
        purchase, net = self.purchases[number], order.net
        if purchase.basis == "cumulative" and net:
            net = self.net[order.currency]
        return purchase.enough(net, order.currency) and (purchase.basis != "first_order" or order is self._first)

    @property
    def _first(self) -> Order | None:
        return next(iter(self.by_id.values()), None)
