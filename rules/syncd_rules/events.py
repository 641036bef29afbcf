"""What happened: the events that the rules read, each once, in the one order that does not depend on their arrival."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd_rules.money import CURRENCIES, minor_units
from syncd_rules.time import YEARS, in_reach
from syncd_rules.words import quoted

MOST = 10**9
"""No whole number of an event is larger, as none of a program is. Amounts of money: see `money.MOST_MINOR_UNITS`."""

# Within one instant: facts, sign-ups, activity, qualifications, what takes back, what was paid, what is erased.
# Timers precede all.
_FACT, _SIGN_UP, _ACTIVITY, _QUALIFICATION, _TAKING_BACK, _PAYMENT, _ERASURE = range(7)
_REWARD = frozenset({"to", "rule", "subject"})

# type -> (its place within one instant, the fields that it must have)
TYPES: Mapping[str, tuple[int, frozenset[str]]] = {
    "code.created": (_FACT, frozenset({"code", "advocate"})),
    "participant.joined": (_FACT, frozenset({"participant"})),
    "participant.erased": (_ERASURE, frozenset({"participant"})),
    "identity.merged": (_FACT, frozenset({"from", "into"})),
    "customer.existing": (_FACT, frozenset({"friend"})),
    "link.shared": (_FACT, frozenset({"advocate"})),
    "referral.captured": (_FACT, frozenset({"friend", "code"})),
    "friend.signed_up": (_SIGN_UP, frozenset({"friend", "code"})),
    "deal.stage_changed": (_ACTIVITY, frozenset({"friend", "deal", "stage"})),
    "order.paid": (_ACTIVITY, frozenset({"order", "participant", "amount", "currency"})),
    "review.posted": (_ACTIVITY, frozenset({"participant", "review"})),
    "points.earned": (_ACTIVITY, frozenset({"participant", "points"})),
    "subscription.cycle_paid": (_ACTIVITY, frozenset({"participant", "contract", "cycle"})),
    "subscription.cycle_failed": (_ACTIVITY, frozenset({"participant", "contract", "cycle"})),
    "subscription.cancelled": (_ACTIVITY, frozenset({"participant", "contract"})),
    "referral.qualified": (_QUALIFICATION, frozenset({"friend", "via"})),
    "order.refunded": (_TAKING_BACK, frozenset({"refund", "order", "participant", "amount", "currency"})),
    "referral.disqualified": (_TAKING_BACK, frozenset({"friend", "via"})),
    "reward.approved": (_PAYMENT, _REWARD),
    "reward.rejected": (_PAYMENT, _REWARD),
    "reward.fulfilled": (_PAYMENT, _REWARD),
    "reward.failed": (_PAYMENT, _REWARD),
}


OPTIONAL: Mapping[str, tuple[str, ...]] = {  # type -> the fields that it may have besides
    "code.created": ("identity", "company", "valid_from", "valid_until", "redemption_limit"),
    "participant.joined": ("identity", "company"),
    "customer.existing": ("since",),
    "link.shared": ("channel",),
    "referral.captured": ("channel",),
    "friend.signed_up": ("identity", "company", "channel", "country", "disposable"),
    "order.paid": ("product", "country"),
    "referral.qualified": ("reason",),
    "referral.disqualified": ("reason",),
    "reward.approved": ("reward", "by"),
    "reward.rejected": ("reward", "by"),
    "reward.fulfilled": ("reward", "by"),
    "reward.failed": ("reward", "by"),
}
VIA = ("manual", "api", "javascript", "webhook", "zapier", "coupon", "crm")
"""The ways in which somebody says that a referral is qualified, or is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened at `at`, as its source dates it. An event that exists is well-formed.

    Raises ValueError for a type that the rules do not know, a missing or malformed field, or a time without a zone.
    """

    id: str  # unique within the campaign; the same change read twice has the same id
    type: str
    at: datetime  # kept in UTC
    campaign: str
    data: Mapping[str, Any] = field(default_factory=dict)  # ids, stages and amounts; no name, no address
    order: tuple[datetime, int, str] = field(init=False, repr=False, compare=False)  # its place among all

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"event {self.id}: `at` has no time zone")
        if not in_reach(self.at):
            raise ValueError(f"event {self.id}: `at` is not between the years {YEARS[0]} and {YEARS[-1]}")
        if self.type not in TYPES:
            raise ValueError(f"event {self.id}: the rules know no events of type {self.type!r}")
        if missing := TYPES[self.type][1] - self.data.keys():
            raise ValueError(f"event {self.id}: {self.type} lacks {', '.join(sorted(missing))}")
        if wrong := [name for name, value in self.data.items() if not _well_formed(name, value)]:
            raise ValueError(f"event {self.id}: {self.type} has a malformed {', '.join(sorted(wrong))}")
        if "amount" in TYPES[self.type][1] and (why := _fault_of_amount(self.data)):
            raise ValueError(f"event {self.id}: {self.type} has {why}")
        object.__setattr__(self, "at", self.at.astimezone(UTC))
        object.__setattr__(self, "order", (self.at, TYPES[self.type][0], self.id))


def earlier_copy(one: Event, other: Event) -> Event:
    """Choose between two events of one id, the same whichever came first."""
    return min(one, other, key=lambda e: (e.at, e.type, json.dumps(e.data, sort_keys=True, default=str)))


def amount_of(event: Event) -> int:
    """Give the amount of an order or a refund in minor units."""
    return minor_units(event.data["amount"], event.data["currency"])


_TIMES = frozenset({"valid_from", "valid_until", "since"})
_ID_NAMES = (
    "advocate by channel code company contract country currency deal friend from identity into order participant "
    "product refund review reward rule stage subject to via"
)
_IDS = frozenset(_ID_NAMES.split())
_OPTIONAL = frozenset({"by", "channel", "company", "country", "identity", "product", "reason", "reward"})


def _well_formed(name: str, value: object) -> bool:
    """Tell whether a field that the rules read holds what they expect; None stands for a field that is not there."""
    if value is None:
        return name in _OPTIONAL or name in _TIMES or name == "redemption_limit" or name not in _CHECKED
    if name in _IDS:
        return isinstance(value, str) and value != ""
    if name in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    if name in _TIMES and isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return False
    return name not in _TIMES or (isinstance(value, datetime) and value.tzinfo is not None and in_reach(value))


_WHOLE = frozenset({"redemption_limit", "points"})
_CHECKED = _IDS | _WHOLE | frozenset({"amount", "cycle"})


def _fault_of_amount(data: Mapping[str, Any]) -> str:
    if data["currency"] not in CURRENCIES:
        return f"a malformed currency: there is no {quoted(data['currency'])}"
    if not isinstance(data["amount"], str):
        return "a malformed amount: it is no text"
    try:
        minor_units(data["amount"], data["currency"])
    except ValueError as error:
        return f"a malformed amount: {error}"
    return ""
