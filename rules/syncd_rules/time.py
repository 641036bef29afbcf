"""Durations and the local calendar: years, months and days follow the wall clock, hours and less are elapsed."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from syncd_rules.words import quoted

Period = Literal["day", "week", "month", "year"]
PERIODS: tuple[Period, ...] = get_args(Period)

DURATION = (
    "P(?=[0-9]|T[0-9])(?:([0-9]{1,4})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?"
    "(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)
_LONGEST = timedelta(days=36525)

# RFC 3339, section 5.6; a minute of 61 seconds, which it knows too, nothing here can count with.
INSTANT = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"
    "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
YEARS = range(1900, 9000)
"""What events and programs are dated in, so that periods can be counted back and forth in any time zone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Duration:
    """A length of time as ISO 8601 writes it; a calendar part and an elapsed part."""

    months: int = 0  # years are twelve of them
    days: int = 0  # weeks are seven of them
    elapsed: timedelta = timedelta()

    def __bool__(self) -> bool:
        return bool(self.months or self.days or self.elapsed)

    def text(self) -> str:
        """Write it as ISO 8601 does."""
        seconds = self.elapsed // timedelta(seconds=1)
        days = [f"{n}{unit}" for n, unit in ((self.months, "M"), (self.days, "D")) if n]
        clock = [
            f"{n}{unit}" for n, unit in ((seconds // 3600, "H"), (seconds // 60 % 60, "M"), (seconds % 60, "S")) if n
        ]
        if not clock and not days:
            return "PT0S"
        return "P" + "".join(days) + ("T" + "".join(clock) if clock else "")


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration such as P30D, P3M or PT12H, of at most a hundred years; else ValueError."""
    match = re.fullmatch(DURATION, text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not a duration; write one as in P30D, P3M or PT12H")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = Duration(
        months=12 * years + months,
        days=7 * weeks + days,
        elapsed=timedelta(hours=hours, minutes=minutes, seconds=seconds),
    )
    if timedelta(days=31 * length.months + length.days) + length.elapsed > _LONGEST:
        raise ValueError(f"{text} is longer than a hundred years")
    return length


def parse_instant(text: str) -> datetime:
    """Read a time of RFC 3339 within `YEARS`, and give it in UTC; else ValueError, which says what is wrong."""
    if not re.fullmatch(INSTANT, text):
        lacks = re.fullmatch(INSTANT, text + "Z") is not None
        raise ValueError(f"{quoted(text)} " + ("has no offset" if lacks else "is not a time"))
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(f"{quoted(text)} is on no calendar") from None
    return _within_reach(at, text)


def parse_day(text: str, zone: ZoneInfo, *, days: int) -> datetime:
    """Read a date within `YEARS`, and give the instant at which the day so many days later begins; else ValueError."""
    try:
        start = midnight(date.fromisoformat(text) + timedelta(days=days), zone)
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(text)} is on no calendar") from None
    return _within_reach(start, text)


def _within_reach(at: datetime, text: str) -> datetime:
    if not in_reach(at):
        raise ValueError(f"{text} is not between the years {YEARS[0]} and {YEARS[-1]}")
    return at.astimezone(UTC)


def in_reach(at: datetime) -> bool:
    """Tell whether a time is within `YEARS`, as it is written and in UTC."""
    return at.year in YEARS and at.astimezone(UTC).year in YEARS


def add(instant: datetime, length: Duration, zone: ZoneInfo) -> datetime:
    """Go forward from an instant: by the calendar of `zone` first (31 January and a month is the end of February)."""
    if zone.key == "UTC" and not length.months:
        return instant + timedelta(days=length.days) + length.elapsed  # no clock there is ever put forward or back
    if length.months or length.days:
        local = instant.astimezone(zone)
        month = local.month - 1 + length.months
        year, month = local.year + month // 12, month % 12 + 1
        day = min(local.day, monthrange(year, month)[1])
        wall = local.replace(year=year, month=month, day=day, tzinfo=None, fold=0) + timedelta(days=length.days)
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant + length.elapsed


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def period_of(instant: datetime, period: Period, zone: ZoneInfo) -> tuple[int, ...]:
    """Name the local day, ISO week, month or year that an instant is in; equal names are the same period."""
    local = instant.astimezone(zone).date()
    match period:
        case "day":
            return (local.year, local.month, local.day)
        case "week":
            return tuple(local.isocalendar()[:2])
        case "month":
            return (local.year, local.month)
        case "year":
            return (local.year,)
