"""A record of the company: what it holds, what changed, and what the search index knows of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from syncd.sandbox.crm.pipedrive.schema import Kind

Source = Literal["api", "app"]
"""Where a change came from, as webhooks and changelogs tell it."""

HISTORY_LENGTH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An entry of a record's changelog."""

    id: int
    at: datetime
    key: str
    old: Any = field(repr=False)
    new: Any = field(repr=False)
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A record as search shows it from `visible` on."""

    visible: datetime
    values: dict[str, Any] = field(repr=False)
    custom: dict[str, Any] = field(repr=False)
    gone: bool


@dataclass(kw_only=True, slots=True)
class Record:
    """One person, deal or lead. Change it through the store alone."""

    kind: Kind
    id: str  # digits; a UUID for a lead
    added: datetime
    updated: datetime
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    custom: dict[str, Any] = field(default_factory=dict, repr=False)  # by key, without the empty ones
    deleted: datetime | None = None
    merged_into: str | None = None
    hidden: bool = False  # from the user whose token the API is called with
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH), repr=False)
    snapshots: deque[Snapshot] = field(default_factory=deque, repr=False)  # oldest first

    @property
    def live(self) -> bool:
        """Whether the record can be read by its id."""
        return self.deleted is None and not self.hidden

    @property
    def archived(self) -> bool:
        """Whether the record is out of the lists and closed to changes; that is not the bin."""
        return bool(self.values.get("is_archived"))

    @property
    def place(self) -> tuple[int, str]:
        """Give what sorts ids as numbers where they are numbers."""
        return (int(self.id), "") if self.id.isdigit() else (0, self.id)

    def indexed(self, now: datetime) -> Snapshot | None:
        """Give what search shows at `now`: an older state while the index lags, None while the record is too new."""
        while len(self.snapshots) > 1 and self.snapshots[1].visible <= now:
            self.snapshots.popleft()
        return self.snapshots[0] if self.snapshots and self.snapshots[0].visible <= now else None
