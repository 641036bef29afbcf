"""The embedded engine: one process, its own threads, the database as the only truth.

It only says when to look. A connector or a receiver has threads and a schedule of its own, so that one that hangs
delays nobody else; a nudge is a hint, and a lost one costs an interval, never the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from syncd.flow.app import DECIDE, App
from syncd.flow.audit import audit
from syncd.flow.backlog import catch_up
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.deliver import deliver
from syncd.flow.heed import heed
from syncd.flow.opening import try_anew
from syncd.flow.subscribe import Subscriber, begin
from syncd.flow.tell import tell
from syncd.flow.tidy import tidy

log = logging.getLogger("syncd")

LOOK = 1  # seconds between two looks at whether a step has something due
TIDY = 3600  # seconds between two tidyings
_TIDY = "engine:tidy"  # like DECIDE no party's name


class Loop:
    """One step of the flow that runs when it is time or when it is nudged, and never twice at once.

    A nudge during a run makes it run once more; the scheduler by itself would drop it.
    """

    def __init__(self, name: str, step: Callable[[], int]) -> None:
        self.name = name
        self.wanted = threading.Event()
        self.running = threading.Lock()
        self._step = step

    def run(self) -> None:
        """Run the step, and again for as long as somebody wanted it meanwhile."""
        self.wanted.set()
        while self.wanted.is_set() and self.running.acquire(blocking=False):
            self.wanted.clear()
            try:
                self._step()
            except Exception:
                # A fault of ours in one step must not end the daemon; what it had claimed falls due again.
                log.exception("%s failed", self.name)
            finally:
                self.running.release()


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Goes on when the host's clock is set back; it would wait for runs that were due soon and now seem far ahead."""

    def _process_jobs(self) -> Any:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if job.next_run_time - now > job.trigger.interval + timedelta(seconds=LOOK):
                with suppress(JobLookupError):  # it is going down
                    job.modify(next_run_time=now)
        return super()._process_jobs()


class Embedded:
    """Runs the steps of an installation, each in its own time, until it is stopped."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._loops = {
            DECIDE: [Loop("decide", partial(decide, app))],
            _TIDY: [Loop(step.__name__, partial(step, app)) for step in (catch_up, tidy, audit)],
        }
        for name in app.connections:
            self._loops[name] = [
                Loop(f"deliver to {name}", partial(deliver, app, name)),
                Loop(f"collect from {name}", partial(collect, app, name)),
                Loop(f"heed {name}", partial(heed, app, name)),
                Loop(f"subscribe to {name}", Subscriber(app, name).subscribe),
            ]
        for name in app.messengers:
            self._loops[name] = [Loop(f"tell {name}", partial(tell, app, name))]
        # Two instances: while one works, the other only leaves word in the loop that it is wanted again.
        defaults = {"coalesce": True, "max_instances": 2, "misfire_grace_time": None}
        self._scheduler = _Scheduler(job_defaults=defaults, timezone=UTC)
        # It tells of every run; our own lines tell of changes.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Begin to look for work."""
        try_anew(self._app)
        begin(self._app)
        for name, loops in self._loops.items():
            self._scheduler.add_executor(ThreadPoolExecutor(2 * len(loops)), alias=name)
            for loop in loops:
                seconds = TIDY if name == _TIDY else LOOK
                self._scheduler.add_job(loop.run, "interval", seconds=seconds, executor=name, id=loop.name)
        self._scheduler.start()
        self._app.nudge = self.nudge
        for name in self._loops:
            self.nudge(name)

    def nudge(self, name: str) -> None:
        """Look for work of this connector or receiver, or with DECIDE for decisions, now and not at the next tick."""
        for loop in self._loops.get(name, ()):
            if loop.wanted.is_set() or self._app.stopping.is_set():
                continue
            loop.wanted.set()
            try:
                self._scheduler.modify_job(loop.name, next_run_time=datetime.now(UTC))
            except JobLookupError:
                return  # the scheduler is going down; the work is in the database

    def stop(self, patience: float) -> bool:
        """Take up no new work and let running steps end, `patience` seconds in all; tell whether they did."""
        self._app.stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        until = time.monotonic() + patience
        ended = True
        for loop in (loop for loops in self._loops.values() for loop in loops):
            if loop.running.acquire(timeout=max(0.0, until - time.monotonic())):
                loop.running.release()
            else:
                log.warning("%s did not end in time; its work falls due again by itself", loop.name)
                ended = False
        return ended
