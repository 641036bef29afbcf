"""What the rules cost: an event in a campaign that is large, or for an advocate who is; late events; all of them anew.

python -m bench.rules [--full] [ROW]
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.machine import write_row
from syncd_rules import Event, Program, State, load

CAMPAIGN = "bench"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement, in seconds of the processor.

    Each scenario has a process of its own; `events_mb` is what its events alone take up in it.
    """

    what: str
    advocates: int
    events: int
    seconds: float
    per_second: int
    worst_ms: float | None  # the slowest single event
    events_mb: int
    peak_mb: int  # at any time since the scenario began


def program() -> Program:
    """A campaign with rewards for friends, stages and orders, limits, and milestones over several metrics."""
    return load(
        {
            "campaign": CAMPAIGN,
            "counting": "conversions",
            "qualification": {"any_of": [{"type": "stage", "stage": "won"}]},
            "limits": {"per_advocate": {"per_period": {"month": "1000000"}}},
            "settlement": {"hold": "P30D"},
            "rewards": [
                {"id": "met", "trigger": "stage.reached", "stage": "meeting", "to": "advocate", "kind": "points"}
                | {"amount": "20"},
                {"id": "won", "trigger": "referral.qualified", "to": "advocate", "kind": "cash"}
                | {"amount": {"USD": "50"}},
                {"id": "welcome", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping"},
                {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"},
            ],
            "milestones": [
                {"id": "ten", "target": "10", "repeat": {}, "rewards": [{"kind": "points", "amount": "500"}]},
                {"id": "orders", "metric": "orders", "target": "3", "rewards": [{"kind": "points", "amount": "50"}]},
            ],
        }
    )


def story(advocates: int, friends: int) -> Iterator[Event]:
    """Tell of advocates and their friends: each signs up, has a meeting, wins, and orders, in the order of time."""
    number = 0

    def event(sort: str, minute: int, **data: Any) -> Event:
        nonlocal number
        number += 1
        return Event(id=f"e{number}", type=sort, at=START + timedelta(minutes=minute), campaign=CAMPAIGN, data=data)

    for a in range(advocates):
        yield event("code.created", 0, code=f"C{a}", advocate=f"a{a}")
    step = 60 * 24 * 200 // (friends * advocates + 1)
    for f in range(friends):
        for a in range(advocates):
            name, minute = f"f{a}-{f}", 1 + (f * advocates + a) * step
            yield event("friend.signed_up", minute, friend=name, code=f"C{a}")
            yield event("deal.stage_changed", minute, friend=name, deal=f"d-{name}", stage="meeting")
            yield event("deal.stage_changed", minute, friend=name, deal=f"d-{name}", stage="won")
            yield event("order.paid", minute, participant=name, order=f"o-{name}", amount="19.99", currency="USD")


class Scenario:
    """A campaign, and what is measured of it."""

    def __init__(self, advocates: int, friends: int) -> None:
        self.advocates = advocates
        self.events = sorted(story(advocates, friends), key=lambda event: event.order)
        self.events_mb = _peak_mb()

    def newest(self, what: str, measured: int) -> State:
        """Fill a state, and measure the newest events of it one by one."""
        state = State([program()])
        state.add(self.events[:-measured], END)
        gc.collect()
        gc.freeze()  # what is there will stay; a long-lived process says so to the collector
        self.each(what, state, self.events[-measured:])
        return state

    def chatter(self, state: State, measured: int) -> None:
        """Measure the newest events of a kind that grants nothing: a CRM that tells of a stage again."""
        data = [{"friend": f"f{n}-0", "deal": f"d-f{n}-0", "stage": "won"} for n in range(self.advocates)]
        start = END - timedelta(days=1)
        events = [
            _event(f"again{n}", "deal.stage_changed", start + timedelta(seconds=n), data[n % self.advocates])
            for n in range(measured)
        ]
        self.each("newest events that grant nothing", state, events)

    def late(self, state: State, friend: str, measured: int) -> None:
        """Measure events that are older than what their advocate's books hold already."""
        data = {"friend": friend, "via": "manual"}
        events = [
            _event(f"late{n}", "referral.qualified", END - timedelta(minutes=n), data) for n in range(1, measured + 1)
        ]
        state.apply(_event("late0", "referral.qualified", END, data), END)
        self.each(f"late events of {friend}", state, events)

    def each(self, what: str, state: State, events: Iterable[Event]) -> None:
        """Apply events one by one."""
        times = []
        for event in events:
            began = time.process_time()
            state.apply(event, END)
            times.append(time.process_time() - began)
        self.write(what, len(times), sum(times), 1000 * max(times))

    def anew(self) -> None:
        """Measure the weighing of everything from the beginning, and after it what it takes to say what came of it."""
        state = State([program()])
        began = time.process_time()
        state.add(self.events, END)
        self.write("all anew", len(self.events), time.process_time() - began, None)
        began = time.process_time()
        state.result(END)
        self.write("its result, with the ledger and all effects", len(self.events), time.process_time() - began, None)

    def write(self, what: str, events: int, seconds: float, worst_ms: float | None) -> None:
        """Write a row."""
        row = Row(
            what=what,
            advocates=self.advocates,
            events=events,
            seconds=round(seconds, 3),
            per_second=int(events / seconds),
            worst_ms=None if worst_ms is None else round(worst_ms, 3),
            events_mb=self.events_mb,
            peak_mb=_peak_mb(),
        )
        write_row("rules", row)


def _event(name: str, sort: str, at: datetime, data: Mapping[str, Any]) -> Event:
    return Event(id=name, type=sort, at=at, campaign=CAMPAIGN, data=data)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def many(full: bool) -> None:
    """Measure a campaign of many advocates."""
    scenario = Scenario(100_000 if full else 10_000, 1)
    state = scenario.newest("newest events, each of which grants something", 20_000)
    scenario.chatter(state, 20_000)
    scenario.late(state, "f7-0", 200)


def heavy(full: bool) -> None:
    """Measure an advocate of many referrals."""
    scenario = Scenario(1, 100_000 if full else 10_000)
    state = scenario.newest("newest events of one advocate", 20_000)
    scenario.late(state, "f0-7", 2)


def anew(full: bool) -> None:
    """Measure a campaign that is weighed from the beginning."""
    Scenario(77_000 if full else 7_700, 3).anew()


SCENARIOS = {"many": many, "heavy": heavy, "anew": anew}


def main(arguments: Sequence[str] = ()) -> None:
    """Measure each scenario in a process of its own; with --full at the size of a million events."""
    full = "--full" in arguments
    named = [name for name in arguments if name in SCENARIOS]
    if named:
        # Nearly all that is made stays, so that looking for garbage is in vain; a long-lived process would say so too.
        gc.set_threshold(50_000, 20, 100)
        SCENARIOS[named[0]](full)
        return
    for name in SCENARIOS:
        subprocess.run([sys.executable, "-m", "bench.rules", name, *(["--full"] if full else [])], check=True)  # noqa: S603 - this very program


if __name__ == "__main__":
    main(sys.argv[1:])
