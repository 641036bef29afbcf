"""Durations and the local calendar: years, months and days follow the wall clock, hours and less are elapsed."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month", "year"]
PERIODS: tuple[Period, ...] = get_args(Period)

_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?"
    r"(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?",
    re.ASCII,
)
_LONGEST = timedelta(days=36525)


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
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write one as in P30D, P3M or PT12H")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = Duration(
        months=12 * years + months,
        days=7 * weeks + days,
        elapsed=timedelta(hours=hours, minutes=minutes, seconds=seconds),
    )
    if timedelta(days=31 * length.months + length.days) + length.elapsed > _LONGEST:
        raise ValueError(f"{text} is longer than a hundred years")
    return length


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
