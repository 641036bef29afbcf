"""What goes on in a sandbox while daemon and CRM run: people act, history is told, and in the end all is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.sandbox import checks
from syncd.sandbox.client import Client
from syncd.sandbox.crm import CrmModel
from syncd.sandbox.daemon import Daemon
from syncd.sandbox.market import Market
from syncd.sandbox.tally import Goal, Tally

LOOK = 0.1  # seconds between two looks at what is due and what has happened
SETTLE = 15.0  # seconds for the leads of the last friends to reach the CRM
SETTLE_AT_ONCE = 2.0  # where somebody waits for the end

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Play:
    """One sandbox from the moment at which the daemon is ready: a single thread that looks, acts and tells."""

    speed: float  # seconds of the people's own time in one of ours
    say: Say
    client: Client
    crm: CrmModel
    market: Market
    child: Daemon
    ending: threading.Event  # set: somebody wants it to end
    tally: Tally = field(default_factory=Tally)
    _read: int = 0  # the last line of history
    _began: float = field(default_factory=time.monotonic)

    def run(self, goal: Goal | None, timeout: float) -> int:
        """Play until the goal, the time or the audience is at an end; then let things settle, check, and sum up."""
        self.market.open()
        met = self._play(goal, time.monotonic() + timeout)
        interrupted = self.ending.is_set()
        self._settle(SETTLE_AT_ONCE if interrupted else SETTLE)
        status = self.client.get("/api/v1/status")
        wrong = checks.faults(self.tally, self.crm, status)
        for line in checks.summary(self.tally, wrong, balanced=status["ledger"]["balanced"]):
            self.say(line)
        if goal and not met and not interrupted:
            self.say(f"goal not met in {timeout:g} s: {goal.missing(self.tally)}")
            return 1
        return 1 if wrong and not interrupted else 0

    def _play(self, goal: Goal | None, until: float) -> bool:
        while not self.ending.is_set():
            self.child.check()
            self.market.act(self._people_time(), datetime.now(UTC))
            self._tell()
            if goal and not goal.missing(self.tally):
                return True
            if goal and time.monotonic() > until:
                return False
            self.ending.wait(LOOK)
        return False

    def _settle(self, seconds: float) -> None:
        """Nobody acts any more; what was begun may end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.child.check()
            self._tell()
            if self.tally.captured - self.tally.rejected <= self.tally.pushed:
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

    def _hand_over(self, line: Mapping[str, Any]) -> None:
        detail = line["detail"]
        self.market.lead_arrived(line["referral"], detail["person"], detail["deal"], self._people_time())

    def _people_time(self) -> float:
        return (time.monotonic() - self._began) * self.speed
