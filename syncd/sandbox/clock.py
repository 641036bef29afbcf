"""The CRMs' clock: this machine's, until it goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(kw_only=True)
class Clock:
    """Tells the CRMs' time."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float) -> None:
        """Go wrong by so much more. It never goes back: a record's later change would bear an earlier time."""
        self.ahead += timedelta(seconds=seconds)
