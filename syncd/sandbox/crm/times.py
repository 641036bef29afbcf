"""Times as HubSpot writes and reads them: UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime


def whole_ms(at: datetime) -> datetime:
    """Cut a time to the millisecond, the finest that the vendor keeps."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def iso(at: datetime) -> str:
    """Write a time as 2026-11-24T09:14:02.123Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """Read a time given as milliseconds since 1970 or as ISO 8601; raise ValueError for anything else."""
    if text.lstrip("-").isdigit():
        try:
            return datetime.fromtimestamp(int(text) / 1000, tz=UTC)
        except (OverflowError, OSError) as error:
            raise ValueError("the number is no time") from error
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
