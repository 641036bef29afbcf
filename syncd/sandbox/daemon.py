"""The real daemon as a child process, as an admin would start it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from syncd.sandbox.place import Place

PATIENCE = 35.0  # seconds for a stop; the daemon itself gives up after 25
_LISTENS = re.compile(r"ready in .*?(http://127\.0\.0\.1:\d+)")
_SHOWN = 15  # lines of a dead daemon's log


class DaemonDied(Exception):
    """The daemon ended by itself; the text shows the end of its log."""


@dataclass(kw_only=True)
class Daemon:
    """A running `syncd run`. It is a process group of its own: a Ctrl-C is ours to pass on, once."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = field(default="", init=False)

    def wait_until_ready(self, seconds: float, give_up: Callable[[], bool]) -> bool:
        """Wait until it listens and learn its URL; False if that takes longer or `give_up` says so."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not give_up():
            self.check()
            if found := _LISTENS.search(self.log.read_text(encoding="utf-8", errors="replace")):
                self.url = found[1]
                return True
            time.sleep(0.05)
        return False

    def check(self) -> None:
        """Raise `DaemonDied` unless it runs."""
        if (code := self.process.poll()) is not None:
            raise DaemonDied(f"the daemon ended with {_how(code)}; the end of its log:\n{self.tail()}")

    def explain(self, error: Exception) -> str:
        """Say what is behind an error that a call met: most often, that the daemon has just died."""
        try:
            self.process.wait(1.0)
            self.check()
        except (subprocess.TimeoutExpired, DaemonDied) as found:
            return str(found) if isinstance(found, DaemonDied) else f"{error}; the end of the log:\n{self.tail()}"
        return str(error)

    def tail(self) -> str:
        """Give the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_SHOWN:]) or "  (it is empty)"

    def stop(self) -> bool:
        """Ask it to end (SIGTERM) and wait; kill it if it does not. False if it had to be killed, or complained."""
        if self.process.poll() is not None:
            return True
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE) == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()


def start(place: Place) -> Daemon:
    """Start the daemon on a place's configuration; its output goes to the place's log."""
    command = [sys.executable, "-m", "syncd", "-c", str(place.config), "run"]
    with place.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=place.folder,
            env=dict(place.environment()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Daemon(process=process, log=place.log)


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
