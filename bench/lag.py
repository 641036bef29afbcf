"""How many wins a reading finds while the CRM's search index lags, beside readings as others do them.

All of them read the same CRM at the same moments, so that the figures can be compared.

python -m bench.lag
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Protocol

from bench.machine import write_row
from bench.world import NAME, World, world
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.deliver import deliver
from syncd.http import Session
from syncd.sandbox.crm import lag_between
from syncd.store import referrals
from syncd.store.engine import read

EVERY = 10  # seconds between two readings
SPREAD = 240  # seconds over which the wins are spread
QUIET = 60  # seconds after the last win in which a reading may catch up


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one way of reading fared."""

    reader: str
    wins: int
    lag_seconds: float  # at the most
    found: int
    lost: int
    calls: int


class Reader(Protocol):
    """A way of reading what was won."""

    calls: int

    def read(self) -> None:
        """Look once."""
        ...


@dataclass(kw_only=True)
class Syncd:
    """The daemon's own steps, unchanged."""

    it: World
    calls: int = 0

    def read(self) -> None:
        """Poll, and book what was read."""
        before = self.it.calls().total()
        collect(self.it.app, NAME)
        self.calls += self.it.calls().total() - before
        decide(self.it.app)

    def found(self) -> int:
        """Count what is qualified."""
        with read(self.it.app.database) as tx:
            return referrals.count_by_standing(tx).get("qualified", 0)


@dataclass(kw_only=True)
class Naive:
    """Asks for what was modified since the cursor, sorted by time; the cursor is the newest time that it has seen."""

    it: World
    calls: int = 0
    won: set[str] = field(default_factory=set)
    _cursor: int = 0
    _session: Session = field(default_factory=Session)

    def read(self) -> None:
        """Read all pages of what is newer than the cursor."""
        newest = self._cursor
        for deal in self._pages(self._cursor):
            modified = _ms(deal["properties"]["hs_lastmodifieddate"])
            newest = max(newest, modified)
            if deal["properties"]["dealstage"] == "closedwon":
                self.won.add(deal["id"])
        self._cursor = self.next_cursor(newest)

    def next_cursor(self, newest: int) -> int:
        """Go on from the newest record that was seen."""
        return newest

    def _pages(self, cursor: int) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            body: dict[str, Any] = {
                "filterGroups": [
                    {"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GT", "value": str(cursor)}]}
                ],
                "sorts": [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}],
                "properties": ["dealstage", "hs_lastmodifieddate"],
                "limit": 200,
                **({"after": after} if after else {}),
            }
            answer = self._session.request(
                "POST",
                f"{self.it.crm.url()}/crm/objects/2026-09/deals/search",
                json=body,
                headers={"authorization": f"Bearer {self.it.crm.token()}"},
            )
            answer.raise_for_status()
            self.calls += 1
            page = answer.json()
            yield from page["results"]
            after = page.get("paging", {}).get("next", {}).get("after")
            if after is None:
                return


@dataclass(kw_only=True)
class NaiveByClock(Naive):
    """As `Naive`, but the cursor is the time of the last reading."""

    def next_cursor(self, newest: int) -> int:
        """Go on from now."""
        return int(self.it.clock.now.timestamp() * 1000)


def measure(wins: int = 300, lag: float = 8.0, sweep: str = "7d", seed: int = 42) -> list[Row]:
    """Win every deal at a moment of its own and read it in three ways; a row for each."""
    logging.getLogger("syncd").setLevel(logging.ERROR)
    with world(lag=lag_between(0.0, lag), every=f"{EVERY}s", sweep=sweep, seed=seed) as it:
        leads = it.capture_friends(wins, advocates=max(1, wins // 10))
        deliver(it.app, NAME)
        it.clock.turn(QUIET)
        ours, newest, by_clock = Syncd(it=it), Naive(it=it), NaiveByClock(it=it)
        readers: tuple[Reader, ...] = (ours, newest, by_clock)
        for reader in readers:
            reader.read()
            reader.calls = 0
        _win(it, leads, readers, Random(f"{seed}:wins"))
        found = [
            (f"syncd, sweep every {sweep}", ours.calls, ours.found()),
            ("cursor is the newest seen", newest.calls, len(newest.won)),
            ("cursor is the last reading", by_clock.calls, len(by_clock.won)),
        ]
        return [
            Row(reader=name, wins=wins, lag_seconds=lag, found=number, lost=wins - number, calls=calls)
            for name, calls, number in found
        ]


def _win(it: World, leads: list[str], readers: tuple[Reader, ...], rng: Random) -> None:
    deals = list(it.deals(leads).values())
    moments = sorted((rng.uniform(0, SPREAD), deal) for deal in rng.sample(deals, len(deals)))
    began, reading = it.clock.seconds(), 0
    while moments or reading * EVERY <= SPREAD + QUIET:
        reading += 1
        while moments and moments[0][0] <= reading * EVERY:
            moment, deal = moments.pop(0)
            it.clock.turn(began + moment - it.clock.seconds())
            it.model.move(deal, "closedwon")
        it.clock.turn(began + reading * EVERY - it.clock.seconds())
        for reader in readers:
            reader.read()


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def main() -> None:
    """Measure the search alone, and with a sweep beside it."""
    for sweep in ("7d", "1m"):
        for row in measure(sweep=sweep):
            write_row("lag", row)


if __name__ == "__main__":
    main()
