"""What happened: the events that the rules read, each once, in the one order that does not depend on their arrival."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Within one instant: facts, sign-ups, activity, qualifications, what takes back, what was paid. Timers precede all.
_FACT, _SIGN_UP, _ACTIVITY, _QUALIFICATION, _TAKING_BACK, _PAYMENT = range(6)

# type -> (its place within one instant, the fields that it must have)
TYPES: Mapping[str, tuple[int, frozenset[str]]] = {
    "code.created": (_FACT, frozenset({"code", "advocate"})),
    "participant.joined": (_FACT, frozenset({"participant"})),
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
    "reward.fulfilled": (_PAYMENT, frozenset({"to", "rule", "subject"})),
}


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

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"event {self.id}: `at` has no time zone")
        if self.type not in TYPES:
            raise ValueError(f"event {self.id}: the rules know no events of type {self.type!r}")
        if missing := TYPES[self.type][1] - self.data.keys():
            raise ValueError(f"event {self.id}: {self.type} lacks {', '.join(sorted(missing))}")
        if wrong := [name for name, value in self.data.items() if not _well_formed(name, value)]:
            raise ValueError(f"event {self.id}: {self.type} has a malformed {', '.join(sorted(wrong))}")
        object.__setattr__(self, "at", self.at.astimezone(UTC))

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Its place in the canonical order."""
        return (self.at, TYPES[self.type][0], self.id)


def canonical(events: Iterable[Event], campaign: str, as_of: datetime) -> tuple[list[Event], tuple[str, ...]]:
    """Give a campaign's events up to and including `as_of`, each id once, in canonical order.

    The second value names the ids that came with two contents; the earlier one is kept.
    """
    kept: dict[str, Event] = {}
    conflicts: set[str] = set()
    for event in events:
        if event.campaign != campaign or event.at > as_of:
            continue
        known = kept.setdefault(event.id, event)
        if known is not event and known != event:
            conflicts.add(event.id)
            kept[event.id] = min(known, event, key=_order_of_copies)
    return sorted(kept.values(), key=lambda event: event.order), tuple(sorted(conflicts))


_TIMES = frozenset({"valid_from", "valid_until", "since"})
_ID_NAMES = "advocate code company deal friend identity participant reward rule stage subject to via"
_IDS = frozenset(_ID_NAMES.split())


def _well_formed(name: str, value: object) -> bool:
    """Tell whether a field that the rules read holds what they expect; None stands for a field that is not there."""
    if name in _IDS:
        return isinstance(value, str) and value != ""
    if name == "redemption_limit":
        return value is None or (isinstance(value, int) and value >= 0)
    if name in _TIMES and isinstance(value, str):
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return name not in _TIMES or value is None or (isinstance(value, datetime) and value.tzinfo is not None)


def _order_of_copies(event: Event) -> tuple[datetime, str, str]:
    return (event.at, event.type, json.dumps(event.data, sort_keys=True, default=str))
