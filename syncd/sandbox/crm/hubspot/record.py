"""A CRM record: its values now, what they were, and what the search index knows of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncd.sandbox.crm.hubspot.schema import ObjectType

Origin = Literal["INTEGRATION", "CRM_UI"]

HISTORY_LENGTH: dict[ObjectType, int] = {"contacts": 45, "deals": 20}
"""How many values of one property the vendor remembers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastValue:
    """A value that a property had from `at` on."""

    value: str = field(repr=False)
    at: datetime
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A record as the search index shows it from `visible` on."""

    visible: datetime
    values: dict[str, str] = field(repr=False)
    linked: frozenset[str]
    gone: bool  # archived, or merged into another


@dataclass(kw_only=True, slots=True)
class Record:
    """One contact or deal. Change it through the model alone, which keeps the indexes true."""

    type: ObjectType
    id: str
    created: datetime
    updated: datetime
    values: dict[str, str] = field(default_factory=dict, repr=False)
    history: dict[str, deque[PastValue]] = field(default_factory=dict, repr=False)
    linked: set[str] = field(default_factory=set)  # ids of the other type
    more_emails: list[str] = field(default_factory=list, repr=False)
    archived: datetime | None = None
    merged_into: str | None = None
    snapshots: deque[Snapshot] = field(default_factory=deque, repr=False)  # oldest first

    def set(self, name: str, value: str, at: datetime, origin: Origin) -> bool:
        """Give a property a value, empty for none; say whether that changed anything."""
        if self.values.get(name, "") == value:
            return False
        if value:
            self.values[name] = value
        else:
            del self.values[name]
        past = self.history.setdefault(name, deque(maxlen=HISTORY_LENGTH[self.type]))
        past.appendleft(PastValue(value=value, at=at, origin=origin))
        return True

    def indexed(self, now: datetime) -> Snapshot | None:
        """Give what search shows at `now`: an older state while the index lags, None while the record is too new."""
        newest = None
        for place, snapshot in enumerate(self.snapshots):
            if snapshot.visible <= now:
                newest = place
        if newest is None:
            return None
        for _ in range(newest):  # what a newer state has overtaken can never show again
            self.snapshots.popleft()
        return self.snapshots[0]
