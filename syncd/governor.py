"""The governor: calls to a CRM go out as often as our share of its limits allows, those of all processes together.

Two kinds of quota, told apart by their window. Of a short one every call reserves a slot and waits for it; of a long
one units are counted, and when our share of them is spent the connector is parked.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from syncd.contract import Meters, Parked, Quota, Throttled, Told, Transient, retry_after
from syncd.store import quotas
from syncd.store.engine import retrying
from syncd.store.quotas import Usage

log = logging.getLogger("syncd")

SHORT = timedelta(minutes=1)  # the longest window of which calls are spaced out
PATIENCE = timedelta(seconds=10)  # how long a call waits for its slot at the most
LONGEST_HOLD = timedelta(seconds=60)  # how long a 429 holds everybody back at the most
MARGIN = 0.04  # of a window: what may go at once after a rest, and what is left free of a whole limit
BELIEVED = timedelta(hours=1)  # how long "so much is left" holds us back where the CRM names no reset
LOOK_AGAIN = timedelta(minutes=10)  # how old a number that has not changed may become before it is written again


class Governor:
    """Lets the calls of one connector out, each in its turn.

    `wait` sleeps for so many seconds, and tells whether it was woken because the daemon stops. `free` are URLs that
    cost nothing whatever the meter says: where tokens are had.
    """

    def __init__(
        self,
        meter: Meters,
        *,
        connector: str,
        share: float,
        database: Engine,
        now: Callable[[], datetime],
        wait: Callable[[float], bool],
        free: Collection[str] = (),
    ) -> None:
        self._meter, self._connector, self._free = meter, connector, frozenset(free)
        self._percent = round(share * 100)
        self._database, self._now, self._wait = database, now, wait
        self._heard: dict[str, int] = {}  # the limits that the meter last gave
        self._known: dict[str, Usage] = {}  # the use as this process last saw it
        self._lock = threading.Lock()
        self._faulty = False

    def enter(self, method: str, url: str, patience: float) -> None:
        """Wait until this call may go out, `patience` seconds at the most.

        Raises `Throttled` where it would have to wait longer and when the daemon stops meanwhile, `Parked` when our
        share of a long window is spent, and `Transient` when the database cannot be asked.
        """
        wanted = self._priced(method, url)
        if not wanted:
            return
        longest = min(timedelta(seconds=max(patience, 0.0)), PATIENCE)
        try:
            wait, after = retrying(self._database, lambda tx: self._reserve(tx, wanted, longest))
        except SQLAlchemyError as error:
            told = f"the database that keeps the quotas cannot be asked: {type(error).__name__}"
            raise Transient(told) from None  # not `from error`: whoever logs this must not log its statement
        with self._lock:
            self._heard |= {name: quota.limit for name, (quota, _) in wanted.items()}
            self._known |= {usage.name: usage for usage in after}
        if wait > timedelta() and self._wait(wait.total_seconds()):
            raise Throttled("the daemon stops; this call was not made", retry_after=0.0)

    def note(self, answer: requests.Response) -> None:
        """Take in what an answer says of quotas. Raises nothing: the call has had its effect, whatever this learns."""
        try:
            self._note(answer)
        except Exception:  # a plug-in may raise anything, and so may the database
            if not self._faulty:
                log.exception("connector %s: what an answer says of quotas is not taken in", self._connector)
            self._faulty = True

    def _priced(self, method: str, url: str) -> dict[str, tuple[Quota, int]]:
        """Give the quotas that a call is paid from, and how much."""
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}{parts.path}" in self._free:
            return {}
        price = self._meter.price(method, parts.path)
        return {each.name: (each, price[each.name]) for each in self._meter.quotas() if price.get(each.name, 0) > 0}

    def _reserve(
        self, tx: Connection, wanted: Mapping[str, tuple[Quota, int]], longest: timedelta
    ) -> tuple[timedelta, list[Usage]]:
        """Take what the call costs from all of its quotas, or from none; give how long it must wait, and the use."""
        rows = quotas.lock(tx, self._connector, [quota for quota, _ in wanted.values()])
        now, wait, after = self._now(), timedelta(), list[Usage]()  # asked once the rows are ours
        for row in rows:
            quota, units = wanted[row.name]
            usage = heard(row, quota, self._heard.get(row.name))
            if is_short(usage):
                at, usage = slot(usage, self._percent, units, now)
                if at - now > longest:
                    told = f"the next of {quota_text(usage, self._percent, now)} is not free yet"
                    raise Throttled(told, retry_after=(at - now).total_seconds())
                wait = max(wait, at - now)
            else:
                usage = spend(turned(usage, quota, now), self._percent, units, now)
            after.append(usage)
        for usage in after:
            quotas.keep(tx, self._connector, usage)
        return wait, after

    def _note(self, answer: requests.Response) -> None:
        told = self._meter.told(answer)
        limits = {each.name: each for each in self._meter.quotas()}
        now, busy = self._now(), set[str]()
        if answer.status_code == 429:
            busy = set(self._priced(answer.request.method or "", answer.request.url or ""))
        asked = retry_after(answer)

        def news(usage: Usage) -> Usage:
            for each in told:
                if each.quota == usage.name:
                    usage = adopted(usage, each, self._percent, now)
            return held(usage, asked, now) if usage.name in busy and is_short(usage) else usage

        concerned = limits.keys() & ({each.quota for each in told} | busy)
        with self._lock:
            known = [self._known.get(name) for name in concerned]
        if all(usage and news(usage) == usage for usage in known):
            return  # as we reckoned ourselves: nothing to write, which is the rule where nobody else calls

        def write(tx: Connection) -> list[Usage]:
            rows = quotas.lock(tx, self._connector, [limits[name] for name in concerned])
            after = [news(usage) for usage in rows]
            for usage in after:
                quotas.keep(tx, self._connector, usage)
            return after

        after = retrying(self._database, write)
        with self._lock:
            self._known |= {usage.name: usage for usage in after}


# --- decisions: from values to values --------------------------------------------------------------------------------


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


def turned(usage: Usage, quota: Quota, now: datetime) -> Usage:
    """Begin a new long window if the last one is over; a clock that was set back ends none and lengthens none."""
    if usage.since is None or ends_at(usage, now) <= now:
        return replace(usage, limit=quota.limit, used=0, since=now, left=None, left_at=None, resets_at=None)
    return replace(usage, since=min(usage.since, now), left_at=usage.left_at and min(usage.left_at, now))


def ends_at(usage: Usage, now: datetime) -> datetime:
    """Tell when a long window ends: as the CRM said, else a window's length after its beginning."""
    end = usage.resets_at or (usage.since or now) + usage.window
    return min(end, now + usage.window)


def spend(usage: Usage, percent: int, units: int, now: datetime) -> Usage:
    """Count units of a long window. Raises `Parked` when our share is spent, or when others need what is left."""
    limit, end = usage.limit, ends_at(usage, now)
    if (usage.used + units) * 100 > limit * percent:
        raise _parked(f"our {percent} % of {limit:,} {usage.name} is used up", end)
    if usage.left is None or usage.left_at is None:
        return replace(usage, used=usage.used + units)
    left_at = usage.left_at
    if (usage.left - units) * 100 < limit * (100 - percent):
        believed = end if usage.resets_at else min(end, left_at + BELIEVED)
        if now < believed:
            why = f"of {limit:,} {usage.name} the account has {usage.left:,} left, of which none is ours"
            raise _parked(why, believed)
        # A day that slides gives back bit by bit, and only an answer tells: so this one call asks again.
        left_at = now
    return replace(usage, used=usage.used + units, left=max(usage.left - units, 0), left_at=left_at)


def heard(usage: Usage, quota: Quota, before: int | None) -> Usage:
    """Take over what a meter gives, if it is not what it gave before: between two answers the CRM's word stands.

    Inside a long window a limit never falls this way. A meter that has just been opened knows the smallest edition's
    limit alone, and a day's use may be above that: it would park before any answer could tell better.
    """
    usage = replace(usage, window=quota.window)
    if quota.limit == before:
        return usage
    return replace(usage, limit=quota.limit if is_short(usage) else max(usage.limit, quota.limit))


def adopted(usage: Usage, told: Told, percent: int, now: datetime) -> Usage:
    """Take over what the CRM says: its numbers count every caller of the account, ours only our own."""
    before, limit = usage.limit, told.limit if told.limit and told.limit > 0 else usage.limit
    usage = replace(usage, limit=limit)
    if is_short(usage):
        if limit < before:  # what went out at the old pace must leave the window first
            usage = _not_before(usage, now + usage.window * (1 - limit / before))
        if told.left is not None and told.left <= 0 and _alone_reaches(usage, percent) < limit:
            usage = _not_before(usage, now + usage.window / 4)  # others call too, and there is no room now
        return usage
    if told.left is not None:
        same = told.left == usage.left and usage.left_at is not None and now - usage.left_at < LOOK_AGAIN
        usage = replace(usage, left=told.left, left_at=usage.left_at if same else now)
    return replace(usage, resets_at=told.resets_at or usage.resets_at)


def held(usage: Usage, asked: float | None, now: datetime) -> Usage:
    """Hold every process back after a 429, for as long as the CRM asked or until the window has passed."""
    wait = usage.window if asked is None else timedelta(seconds=min(asked, LONGEST_HOLD.total_seconds()))
    return _not_before(usage, now + wait)


def ours(limit: int, percent: int) -> float:
    """Tell how many units of a window are ours."""
    return limit * percent / 100


def left_of(usage: Usage, now: datetime) -> int:
    """Tell what the account has left of a long window, as far as we know."""
    if usage.since is None or ends_at(usage, now) <= now:
        return usage.limit
    return max(usage.limit - usage.used, 0) if usage.left is None else usage.left


def quota_text(usage: Usage, percent: int, now: datetime) -> str:
    """Say in words how a quota stands: "8 calls a second of 10", "41,200 of 200,000 daily credits left, resets …"."""
    if not is_short(usage):
        left, end = left_of(usage, now), ends_at(usage, now).astimezone(UTC)
        when = f", resets {end:%Y-%m-%d %H:%M} UTC" if left < usage.limit else ""
        return f"{left:,} of {usage.limit:,} {usage.name} left{when}"
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
    return Parked(f"{why}; until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC nothing is sent", until=until)
