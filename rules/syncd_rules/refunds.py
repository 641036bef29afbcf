"""Refunds that change nothing, since they do not fit the order that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd_rules.events import Event
from syncd_rules.result import Suppressed

WITHOUT_ORDER = "refund_without_order"  # its participant has no order of that number, so far
IN_ANOTHER_CURRENCY = "refund_in_another_currency"


def misfits(refunds: Iterable[Event], heard: Mapping[str, Sequence[Event]]) -> tuple[Suppressed, ...]:
    """Name these refunds that fit no order of their participant's, by what was `heard` of each; each order once."""
    found: dict[Suppressed, None] = {}
    orders: dict[str, dict[str, str]] = {}
    for refund in sorted(refunds, key=lambda event: event.order):
        who, number, currency = (refund.data[name] for name in ("participant", "order", "currency"))
        if who not in orders:
            orders[who] = _currencies(heard.get(who, ()))
        if orders[who].get(number) != currency:
            reason = IN_ANOTHER_CURRENCY if number in orders[who] else WITHOUT_ORDER
            found[Suppressed(to=who, rule="order", subject=number, reason=reason)] = None
    return tuple(found)


def _currencies(events: Iterable[Event]) -> dict[str, str]:
    """Give the currency of each order, as the first event has it that tells of it."""
    paid = sorted((event for event in events if event.type == "order.paid"), key=lambda event: event.order)
    return {event.data["order"]: event.data["currency"] for event in reversed(paid)}
