"""How many calls it takes to bring leads into the CRM, and to find that nothing has changed.

python -m bench.calls
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.machine import write_row
from bench.world import NAME, World, world
from syncd.flow.collect import collect
from syncd.flow.deliver import deliver


@dataclass(frozen=True, kw_only=True)
class Row:
    """Calls for one amount of leads, each a contact with a deal. `seconds` is real time, and of the push alone."""

    leads: int
    arrived: int
    contacts: int
    deals: int
    write_calls: int
    read_calls: int
    idle_poll_calls: int
    first_poll_calls: int  # a search and a sweep, both of which find every new deal, and their histories
    seconds: float


def measure(leads: int, advocates: int = 50) -> Row:
    """Push leads that are all waiting, let things calm down, and poll once more."""
    with world() as it:
        it.capture_friends(leads, advocates)
        began = time.monotonic()
        arrived = deliver(it.app, NAME)
        seconds = time.monotonic() - began
        pushing = it.calls()
        with it.model.lock:
            contacts, deals = (len(it.model.records[kind]) for kind in ("contacts", "deals"))
        first = _poll(it)
        for _ in range(2):  # until the push is further back than the overlap
            it.clock.turn(60)
            idle = _poll(it)
        return Row(
            leads=leads,
            arrived=arrived,
            contacts=contacts,
            deals=deals,
            write_calls=pushing["write"],
            read_calls=pushing["read"],
            idle_poll_calls=idle,
            first_poll_calls=first,
            seconds=round(seconds, 2),
        )


def _poll(it: World) -> int:
    before = it.calls().total()
    collect(it.app, NAME)
    return it.calls().total() - before


def main() -> None:
    """Measure one lead, a batch and ten batches."""
    for number in (1, 100, 1_000):
        write_row("calls", measure(number))


if __name__ == "__main__":
    main()
