"""What it costs the daemon to book one thing more for an advocate who has many friends already.

The database is SQLite on a disk, as by default. Compare the rows of one run: they say how the cost grows.

python -m bench.booking [--full]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from sqlalchemy import event

from bench.machine import write_row
from bench.world import World, world
from syncd.contract import Person
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.decisions import Decision, decide_now

SAMPLE = 40  # the middle one of so many is told


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing booked for an advocate: in milliseconds of the processor, and in statements to the database."""

    what: str
    friends: int
    median_ms: float
    statements: int


def main(arguments: Sequence[str] = ()) -> None:
    """Measure a friend more, and a friend who qualifies; with --full up to 10,000 friends."""
    sizes = (100, 1_000, 10_000) if "--full" in arguments else (100, 1_000)
    with world() as here:
        _, codes = enrol(here.app, "sandbox", Person(email="advocate@example.org"), cause="bench")
        friends = 0
        for size in sizes:
            for number in range(friends, size - SAMPLE):
                _invite(here, codes[0], number)
            with _measured(here, "a friend more", size) as step:
                invited = [step(partial(_invite, here, codes[0], number)) for number in range(size - SAMPLE, size)]
            with _measured(here, "a friend who qualifies", size) as step:
                for referral in invited:
                    step(partial(_qualify, here, referral))
            friends = size


def _invite(here: World, code: str, number: int) -> str:
    here.clock.turn(1)
    invitation = Invitation(friend=Person(email=f"friend{number}@example.com"), code=code)
    return capture(here.app, invitation, cause="bench").referral.id


def _qualify(here: World, referral: str) -> str:
    here.clock.turn(1)
    decision = Decision(verdict="qualified", via="manual", referral=referral)
    decide_now(here.app, decision, id=f"manual:{referral}", cause="bench")
    return referral


@contextmanager
def _measured(here: World, what: str, friends: int) -> Iterator[Callable[[Callable[[], str]], str]]:
    """Give what measures one step; the row is written at the end."""
    statements: list[str] = []
    took: list[float] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    def measure(step: Callable[[], str]) -> str:
        began = time.process_time()
        given = step()
        took.append(time.process_time() - began)
        return given

    event.listen(here.app.database, "before_cursor_execute", note)
    yield measure
    event.remove(here.app.database, "before_cursor_execute", note)
    each = round(len(statements) / len(took))
    write_row("booking", Row(what=what, friends=friends, median_ms=round(1000 * median(took), 2), statements=each))


if __name__ == "__main__":
    main(sys.argv[1:])
