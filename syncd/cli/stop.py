"""How the daemon ends: gently at the first signal, at once at the second, and never later than its patience."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from syncd.cli.errors import FAILED, OK

log = logging.getLogger("syncd")

PATIENCE = 20.0  # seconds from the signal to the end, whatever still runs; systemd waits for 90, Docker for 10


class Stop:
    """Listens for SIGTERM and SIGINT from its making on."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._acts: list[Callable[[], object]] = []
        self._asked = threading.Event()
        self.until: float | None = None  # on the monotonic clock: when patience ends
        threading.Thread(target=self._watch, name="stop", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._asked.is_set()

    def then(self, act: Callable[[], object]) -> None:
        """Do this at the first signal: something short, as it runs within the signal's handler."""
        self._acts.append(act)
        if self.asked:
            act()

    def left(self) -> float:
        """How many seconds of patience there are; all of them while no signal came."""
        return self._patience if self.until is None else max(0.0, self.until - time.monotonic())

    def leave(self, code: int = OK) -> None:
        """End the process now. A thread that hangs in a CRM's answer would keep the interpreter alive for ever."""
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            os._exit(FAILED)
        self.until = time.monotonic() + self._patience
        self._asked.set()
        for act in self._acts:
            act()

    def _watch(self) -> None:
        self._asked.wait()
        time.sleep(self.left())
        log.warning("stopped after %g s with work in hand; it falls due again by itself", self._patience)
        self.leave()
