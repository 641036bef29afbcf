"""What goes on in a sandbox while daemon and CRMs run: people act, history is told, and in the end all is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.flow.app import App
from syncd.sandbox import checks
from syncd.sandbox.audience import Audience, told
from syncd.sandbox.chaos import Chaos
from syncd.sandbox.client import Client
from syncd.sandbox.courier import Courier
from syncd.sandbox.daemon import Daemon
from syncd.sandbox.desk import Desk
from syncd.sandbox.market import Market
from syncd.sandbox.tally import Goal, Tally

LOOK = 0.1  # seconds between two looks at what is due and what has happened
SETTLE = 20.0  # seconds for what was begun to reach the CRMs, and for what they know to be booked
SETTLE_AFTER_CHAOS = 90.0  # a lead that failed four times rests for 40
SETTLE_AT_ONCE = 2.0  # where somebody waits for the end

Say = Callable[[str], None]


@dataclass(kw_only=True)
class PeopleTime:
    """The people's own time, in seconds since the beginning."""

    speed: float
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return (time.monotonic() - self.began) * self.speed


@dataclass(kw_only=True)
class Play:
    """One sandbox from the moment at which the daemon is ready: a single thread that looks, acts and tells."""

    people_time: PeopleTime
    say: Say
    client: Client
    market: Market
    courier: Courier
    desk: Desk
    chaos: Chaos | None
    audience: Audience
    app: App  # the daemon's database, seen from beside it
    child: Daemon
    ending: threading.Event  # set: somebody wants it to end
    tally: Tally = field(default_factory=Tally)
    _read: int = 0  # the last line of history

    def run(self, goal: Goal | None, timeout: float) -> int:
        """Play until the goal, the time or the audience is at an end; then let things settle, check, and sum up."""
        self.market.open()
        met = self._play(goal, time.monotonic() + timeout)
        interrupted = self.ending.is_set()
        missing = "" if met or goal is None else self._missing(goal)
        self._settle(interrupted)
        status = self.client.get("/api/v1/status")
        wrong = checks.faults(self.tally, self.market, status, settled=not interrupted) + self.desk.world.wrong
        mistold = self.audience.faults(self.app) + ([] if interrupted else self.audience.untold(self.app))
        self.say(told(self.audience, mistold))
        wrong += mistold
        for line in checks.summary(self.tally, self.market.teams, wrong, balanced=status["ledger"]["balanced"]):
            self.say(line)
        if missing and not interrupted:
            self.say(f"goal not met in {timeout:g} s: {missing}")
            return 1
        return 1 if wrong and not interrupted else 0

    def _missing(self, goal: Goal) -> str:
        # In chaos a CRM's messages may stop for good, and polls have to do.
        telling = () if self.chaos else self.market.mischief
        chaos = self.chaos.missing() if self.chaos else ""
        return "; ".join(filter(None, (goal.missing(self.tally, self.market.teams, telling), chaos)))

    def _play(self, goal: Goal | None, until: float) -> bool:
        while not self.ending.is_set():
            self.child.check()
            self.market.act(self.people_time(), datetime.now(UTC))
            self._trouble()
            self._tell()
            if goal and not self._missing(goal):
                return True
            if goal and time.monotonic() > until:
                return False
            self.ending.wait(LOOK)
        return False

    def _trouble(self) -> None:
        if self.chaos:
            self.chaos.act(time.monotonic())
        else:
            self.desk.tick()

    def _settle(self, interrupted: bool) -> None:
        """Nobody acts any more; what was begun may end."""
        self.desk.clear()
        if self.chaos and not self.chaos.calm:
            self.chaos.settle()
        patience = SETTLE_AFTER_CHAOS if self.chaos else SETTLE
        until = time.monotonic() + (SETTLE_AT_ONCE if interrupted else patience)
        while time.monotonic() < until and not (self.ending.is_set() and not interrupted):
            self.child.check()
            self._tell()
            if not checks.unsettled(self.tally, self.market) and not self.audience.untold(self.app):
                return
            time.sleep(LOOK)

    def _tell(self) -> None:
        for line in self.client.history(self._read):
            self._read = line["id"]
            self.tally.add(line)
            if (words := self.market.story.tell(line)) is not None:
                self.say(words)
            if line["what"] == "pushed":
                self._hand_over(line)
            elif line["what"] == "qualified":
                self._time(line)

    def _time(self, line: Mapping[str, Any]) -> None:
        """Measure how soon a win was booked of which the CRM itself had told."""
        kind, _, account = line["cause"].partition(":")
        case = self.market.cases.get(line["referral"])
        if kind != "webhook" or case is None or case.account != account or case.won_at is None:
            return
        told, booked = self.courier.first(account, {case.person, *case.deals}, case.won_at), line["at"]
        # It may have been seen when an earlier message was looked into: then this one is yet to come.
        if told and (seconds := (datetime.fromisoformat(booked) - told).total_seconds()) >= 0:
            self.tally.took(account, seconds)

    def _hand_over(self, line: Mapping[str, Any]) -> None:
        detail, account = line["detail"], line["connector"]
        self.market.lead_arrived(account, line["referral"], detail["person"], detail["deal"], self.people_time())
