"""What a CRM allows: so many calls of a kind in a time. The daemon keeps to it, with all of its processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """So many units in a window of time: calls, or what the vendor counts as credits or tokens.

    Of a quota of a minute or less calls are spaced out, of a longer one they are counted and stop when our share is
    spent.
    """

    name: str  # as `syncd status` shows it: "calls", "search", "daily tokens"
    limit: int  # units of the whole account
    window: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What an answer says of a quota; None for what it does not say."""

    quota: str
    limit: int | None = None
    left: int | None = None
    resets_at: datetime | None = None
