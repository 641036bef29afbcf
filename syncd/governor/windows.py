"""How calls are spaced out and counted: decisions, from values to values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from syncd.contract import Parked, Quota, Told
from syncd.store.quotas import Spent, Usage
from syncd.store.tables import EPOCH

SHORT = timedelta(minutes=1)  # the longest window of which calls are spaced out
PATIENCE = timedelta(seconds=10)  # how long a call waits for its slot at the most
LONGEST_HOLD = timedelta(seconds=60)  # how long a 429 holds everybody back at the most
MARGIN = 0.04  # of a window: what may go at once after a rest, and what is left free of a whole limit
BELIEVED = timedelta(hours=1)  # how long "so much is left" holds us back where the CRM names no reset
LOOK_AGAIN = timedelta(minutes=10)  # how old a number that has not changed may become before it is written again
FORGOTTEN = timedelta(days=1)  # how long after a whole window without news a limit that the CRM told still stands
PARTS = 24  # of a long window: units of one part are counted as one, so a day's row holds 26 numbers at the most


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How calls are spaced: one unit every `interval`, but after a rest `burst` of them at once."""

    interval: timedelta
    burst: int


def is_short(usage: Usage) -> bool:
    """Tell whether calls are spaced out; else they are counted."""
    return usage.window <= SHORT


def pace(limit: int, window: timedelta, percent: int) -> Pace:
    """Space calls so that no window of this length holds more than our share of the limit, bar a burst.

    Of a whole limit a margin is left free: calls arrive a little earlier or later than they were sent.
    """
    rate = limit * min(percent / 100, 1 - MARGIN)
    micros = math.ceil(window / timedelta(microseconds=1) / max(rate, 0.01))
    return Pace(interval=timedelta(microseconds=micros), burst=max(1, int(rate * MARGIN)))


def slot(usage: Usage, percent: int, units: int, now: datetime) -> tuple[datetime, Usage]:
    """Reserve the next free moment of a short window (GCRA); give it, and the use after it."""
    spacing = pace(usage.limit, usage.window, percent)
    rested = now - (spacing.burst - 1) * spacing.interval
    # No reservation reaches further: what does was written before a clock was set back.
    furthest = now + PATIENCE + LONGEST_HOLD + usage.window + units * spacing.interval
    next_at = rested if usage.next_at is None else now if usage.next_at > furthest else usage.next_at
    at = max(next_at, rested)
    return at, replace(usage, next_at=at + units * spacing.interval)


def turned(usage: Usage, now: datetime) -> Usage:
    """Let go of what has left a long window by now, and of all that was before a reset which the CRM told.

    What bears a later time was written before a clock was set back: it counts from now on, and no longer than a window.
    """
    spent = tuple(replace(each, at=min(each.at, now + PATIENCE)) for each in usage.spent)
    left_at, resets_at = usage.left_at and min(usage.left_at, now), usage.resets_at
    if resets_at and resets_at <= now:
        spent = tuple(each for each in spent if each.at >= resets_at)
        return replace(usage, spent=spent, left=None, left_at=None, resets_at=None)
    if resets_at and resets_at > now + usage.window:
        resets_at = None
    kept = tuple(each for each in spent if each.at + usage.window > now)
    left = usage.left
    if left_at and left_at + usage.window <= now:
        left = left_at = None
    elif left is not None:  # what we took is the account's again; an answer may be long in coming, or never say so
        left = min(left + usage.used - sum(each.units for each in kept), max(usage.limit, left))
    return replace(usage, spent=kept, left=left, left_at=left_at, resets_at=resets_at)


def spend(usage: Usage, percent: int, units: int, at: datetime) -> Usage:
    """Count units of a long window that go out at `at`.

    Raises `Parked` when our share is spent, until enough of it has left the window, or when others need what is left.
    """
    limit, free = usage.limit, _room_at(usage, usage.limit * percent // 100 - units, at)
    if free > at:
        until = min(free, usage.resets_at or free)
        raise _parked(f"our {percent} % of {limit:,} {usage.name} is used up", until)
    left = usage.left
    if left is not None and usage.left_at is not None:
        # A day that slides gives back bit by bit, and only an answer tells: so one call an hour asks again.
        newest = max((each.at for each in usage.spent), default=usage.left_at)
        believed = usage.resets_at or max(usage.left_at, newest) + BELIEVED
        if (left - units) * 100 < limit * (100 - percent) and at < believed:
            why = f"of {limit:,} {usage.name} the account has {left:,} left, of which none is ours"
            raise _parked(why, believed)
        left = max(left - units, 0)
    return replace(usage, spent=_counted(usage, units, at), left=left)


def _room_at(usage: Usage, most: int, at: datetime) -> datetime:
    """Tell from when on the window holds no more than `most` of our units; `at` if it is so by then."""
    used, free = usage.used, at
    for each in usage.spent:
        if used <= most:
            break
        used, free = used - each.units, max(free, each.at + usage.window)
    return free if used <= most else at + usage.window  # a call that costs more than the whole share


def _counted(usage: Usage, units: int, at: datetime) -> tuple[Spent, ...]:
    """Add units, and count as one what was spent in the same part of the window: as late as the last of it."""
    parts = dict[int, Spent]()
    for each in sorted((*usage.spent, Spent(at=at, units=units)), key=lambda each: each.at):
        part = (each.at - EPOCH) // (usage.window / PARTS)
        parts[part] = Spent(at=each.at, units=each.units + (parts[part].units if part in parts else 0))
    return tuple(parts.values())


def heard(usage: Usage, quota: Quota, now: datetime) -> Usage:
    """Take over what a meter gives, unless the CRM itself told the limit: its word stands as long as it is repeated.

    A meter that has just been opened knows a setting or the smallest edition's limit alone, and a day's use may be
    above that: it would park before any answer could tell better.
    """
    usage = replace(usage, window=quota.window)
    told_at = usage.limit_at and min(usage.limit_at, now)  # later: before a clock was set back
    if told_at and now < told_at + usage.window + FORGOTTEN:
        return replace(usage, limit_at=told_at)
    return replace(usage, limit=quota.limit, limit_at=None)


def adopted(usage: Usage, told: Told, percent: int, now: datetime) -> Usage:
    """Take over what the CRM says: its numbers count every caller of the account, ours only our own."""
    before = usage.limit
    if told.limit and told.limit > 0:
        usage = replace(usage, limit=told.limit, limit_at=_told_at(told.limit == before, usage.limit_at, now))
    if is_short(usage):
        if usage.limit < before:  # what went out at the old pace must leave the window first
            usage = _not_before(usage, now + usage.window * (1 - usage.limit / before))
        if told.left is not None and told.left <= 0 and _alone_reaches(usage, percent) < usage.limit:
            usage = _not_before(usage, now + usage.window / 4)  # others call too, and there is no room now
        return usage
    usage = turned(usage, now)  # or the next reset would take the place of one that is over
    if told.left is not None:
        usage = replace(usage, left=told.left, left_at=_told_at(told.left == usage.left, usage.left_at, now))
    return replace(usage, resets_at=told.resets_at or usage.resets_at)


def _told_at(same: bool, before: datetime | None, now: datetime) -> datetime:
    """Date what was told: now, but not at every answer that repeats it, as each date is written."""
    return before if same and before and now - before < LOOK_AGAIN else now


def held(usage: Usage, asked: float | None, now: datetime) -> Usage:
    """Hold every process back after a 429, for as long as the CRM asked or until the window has passed."""
    wait = usage.window if asked is None else timedelta(seconds=min(asked, LONGEST_HOLD.total_seconds()))
    return _not_before(usage, now + wait)


def ours(limit: int, percent: int) -> float:
    """Tell how many units of a window are ours."""
    return limit * percent / 100


def left_of(usage: Usage) -> int:
    """Tell what the account has left of a long window, as far as we know."""
    return max(usage.limit - usage.used, 0) if usage.left is None else usage.left


def quota_text(usage: Usage, percent: int, now: datetime) -> str:
    """Say in words how a quota stands: "8 calls a second of 10", "41,200 of 200,000 credits left, more from …"."""
    if not is_short(usage):
        usage = turned(usage, now)
        more = f", more from {_minute(usage.spent[0].at + usage.window)}" if usage.spent else ""
        when = f", resets {_minute(usage.resets_at)}" if usage.resets_at else more
        return f"{left_of(usage):,} of {usage.limit:,} {usage.name} left{when}"
    seconds = usage.window.total_seconds()
    mine, limit, every = ours(usage.limit, percent), float(usage.limit), f"in {seconds:g} s"
    if mine >= seconds:
        mine, limit, every = mine / seconds, limit / seconds, "a second"
    return f"{mine:.3g} {usage.name} {every} of {limit:.3g}"


def _alone_reaches(usage: Usage, percent: int) -> int:
    spacing = pace(usage.limit, usage.window, percent)
    return math.ceil(usage.window / spacing.interval) + spacing.burst - 1


def _not_before(usage: Usage, at: datetime) -> Usage:
    return replace(usage, next_at=max(usage.next_at or at, at))


def _parked(why: str, until: datetime) -> Parked:
    return Parked(f"{why}; until {_minute(until)} nothing is sent", until=until)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
