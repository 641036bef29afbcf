"""The governor of one connector: every call asks it before it goes out, and every answer is shown to it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import requests
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from syncd.contract import Meters, Parked, Quota, Throttled, Transient, retry_after
from syncd.governor.windows import PATIENCE, adopted, heard, held, is_short, quota_text, slot, spend, turned
from syncd.store import quotas
from syncd.store.engine import retrying
from syncd.store.quotas import Usage

log = logging.getLogger("syncd")


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
            wait, after, refusal = retrying(self._database, lambda tx: self._reserve(tx, wanted, longest))
        except SQLAlchemyError as error:
            told = f"the database that keeps the quotas cannot be asked: {type(error).__name__}"
            raise Transient(told) from None  # not `from error`: whoever logs this must not log its statement
        with self._lock:
            self._known |= {usage.name: usage for usage in after}
        if refusal:
            raise refusal
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
    ) -> tuple[timedelta, list[Usage], Parked | Throttled | None]:
        """Take what the call costs from all of its quotas, or from none; give how long it must wait, and the use."""
        rows = quotas.lock(tx, self._connector, [quota for quota, _ in wanted.values()])
        now, refusal = self._now(), None  # asked once the rows are ours
        before = [turned(heard(row, wanted[row.name][0], now), now) for row in rows]
        try:
            wait, after = self._taken(before, {name: units for name, (_, units) in wanted.items()}, longest, now)
        except (Parked, Throttled) as error:
            # Raised once this is written: a time that a clock now set back had put far off would stay far off.
            wait, after, refusal = timedelta(), before, error
        for row, usage in zip(rows, after, strict=True):
            if usage != row:
                quotas.keep(tx, self._connector, usage)
        return wait, after, refusal

    def _taken(
        self, usages: Sequence[Usage], units: Mapping[str, int], longest: timedelta, now: datetime
    ) -> tuple[timedelta, list[Usage]]:
        wait, after = timedelta(), dict[str, Usage]()
        for usage in filter(is_short, usages):
            at, after[usage.name] = slot(usage, self._percent, units[usage.name], now)
            if at - now > longest:
                told = f"the next of {quota_text(usage, self._percent, now)} is not free yet"
                raise Throttled(told, retry_after=(at - now).total_seconds())
            wait = max(wait, at - now)
        for usage in usages:
            if not is_short(usage):  # a day counts the call when its slot lets it go
                after[usage.name] = spend(usage, self._percent, units[usage.name], now + wait)
        return wait, [after[usage.name] for usage in usages]

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
