"""Times as an operator writes them: `2h`, from now or ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


METAVAR = "2h|TIME"


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | datetime | None:
    """Read an option: a span such as 90s, 30m, 2h or 3d, or a time, in UTC where it names no zone."""
    if value is None:
        return None
    if match := re.fullmatch(r"([0-9]{1,5})([smhd])", value.strip()):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        at = datetime.fromisoformat(value.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        told = f"{value!r} is neither a span such as 2h nor a time such as 2026-03-02T09:00"
        raise click.BadParameter(told, ctx=ctx, param=param) from None


def after(moment: timedelta | datetime, now: datetime) -> datetime:
    """Tell which time is meant, where a span begins now."""
    return now + moment if isinstance(moment, timedelta) else moment


def before(moment: timedelta | datetime, now: datetime) -> datetime:
    """Tell which time is meant, where a span ends now."""
    return now - moment if isinstance(moment, timedelta) else moment
