"""A record of the org: what it holds, and which of its states other transactions can see."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.sandbox.crm.salesforce.values import Value, Values


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A record as everybody sees it from `visible` on; its own stamp may be older, of when it was written."""

    visible: datetime
    values: Values = field(repr=False)

    @property
    def deleted(self) -> bool:
        """Whether the record is in the bin."""
        return self.values.get("IsDeleted") is True


@dataclass(kw_only=True, slots=True)
class Row:
    """One record. Change it through the store alone, which keeps the indexes true."""

    kind: str
    id: str
    values: Values = field(default_factory=dict, repr=False)  # as the transaction that writes it sees it
    states: deque[State] = field(default_factory=deque, repr=False)  # oldest first

    @property
    def deleted(self) -> bool:
        """Whether the record is in the bin."""
        return self.values.get("IsDeleted") is True

    def text(self, name: str) -> str:
        """Give a text value, empty for none."""
        return str(self.values.get(name) or "")

    def get(self, name: str) -> Value:
        """Give a value."""
        return self.values.get(name)

    def seen(self, now: datetime) -> State | None:
        """Give what a query shows at `now`; None while the record's first transaction is not committed."""
        while len(self.states) > 1 and self.states[1].visible <= now:
            self.states.popleft()
        return self.states[0] if self.states and self.states[0].visible <= now else None

    def is_busy(self, now: datetime) -> bool:
        """Tell whether a transaction that wrote the record is not committed yet."""
        return bool(self.states) and self.states[-1].visible > now

    def copy(self) -> Row:
        """Give a copy that later changes leave alone."""
        return replace(self, values=dict(self.values), states=self.states.copy())
