"""Times as Pipedrive writes and reads them: RFC 3339 in v2, with milliseconds for leads, naive UTC in v1."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


def whole_second(at: datetime) -> datetime:
    """Cut a time to the second, the finest that deals and persons keep."""
    return at.astimezone(UTC).replace(microsecond=0)


def whole_ms(at: datetime) -> datetime:
    """Cut a time to the millisecond, the finest that leads keep."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """Write a time as v2 does: 2026-11-24T09:14:02Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_ms(at: datetime) -> str:
    """Write a time as leads and webhooks have it: 2026-11-24T09:14:02.123Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def naive(at: datetime) -> str:
    """Write a time as v1 does: 2026-11-24 09:14:02, which is UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def read(text: str) -> datetime:
    """Read RFC 3339 without a fraction of a second, which v2 refuses. Raises ValueError."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a date and time in RFC 3339 without milliseconds")
    return datetime.fromisoformat(text).astimezone(UTC)


def read_date(text: str) -> str:
    """Check a day, 2026-11-24, and give it back. Raises ValueError."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("not a date in the form YYYY-MM-DD")
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
