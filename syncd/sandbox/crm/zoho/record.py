"""A record of an account: what it holds, what became of it, and which of its states a query can see."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncd.sandbox.crm.zoho.values import Value, Values

Gone = Literal["", "recycle", "permanent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A user of the account."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A record as queries show it from `visible` on."""

    visible: datetime
    values: Values = field(repr=False)
    gone: Gone = ""
    gone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A stage that a deal came to, with what it was worth then."""

    id: str
    at: datetime
    by: Person
    values: Values = field(repr=False)


@dataclass(kw_only=True, slots=True)
class Record:
    """One record. Change it through the store alone, which keeps the indexes true."""

    module: str
    id: str
    values: Values = field(default_factory=dict, repr=False)
    gone: Gone = ""
    gone_at: datetime | None = None
    gone_by: Person | None = None
    merged_into: str | None = None
    steps: list[Step] = field(default_factory=list, repr=False)  # of a deal, oldest first
    states: deque[State] = field(default_factory=deque, repr=False)  # oldest first

    @property
    def converted(self) -> bool:
        """Whether it is a lead that became a contact."""
        return self.values.get("Converted__s") is True

    @property
    def modified(self) -> datetime:
        """When it was last written."""
        at = self.values["Modified_Time"]
        assert isinstance(at, datetime)
        return at

    def get(self, name: str) -> Value:
        """Give a value."""
        return self.values.get(name)

    def text(self, name: str) -> str:
        """Give a text value, empty for none."""
        return str(self.values.get(name) or "")

    def seen(self, now: datetime) -> State | None:
        """Give what a query shows at `now`; None while the record is too new for it."""
        while len(self.states) > 1 and self.states[1].visible <= now:
            self.states.popleft()
        return self.states[0] if self.states and self.states[0].visible <= now else None
