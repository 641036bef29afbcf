"""A receiver on loopback: it believes what is signed, loses an answer now and then, and remembers what it was told."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from syncd.flow.app import App
from syncd.flow.tell import message_id
from syncd.sandbox.place import AUDIENCE, CAMPAIGN
from syncd.signing import BadSignature, verify
from syncd.store import work
from syncd.store.engine import read

_LONGEST = 20_000  # bytes of a message, as the specification wants it


@dataclass(kw_only=True)
class Audience:
    """What one receiver has heard. Safe in several threads."""

    rng: Random
    losses: float = 0.0  # the share of messages that are taken, and whose answer is lost
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    url: str = ""
    heard: Counter[str] = field(default_factory=Counter)  # by id
    bodies: dict[bytes, set[str]] = field(default_factory=dict, repr=False)  # what was said, under which ids
    wrong: list[str] = field(default_factory=list)
    _lost: bool = False  # the last answer
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def hear(self, headers: dict[str, str], body: bytes) -> int | None:
        """Take a message; give the status of the answer, or None if it gets lost."""
        with self._lock:
            try:
                id = verify(headers, body, [self.key], datetime.now(UTC))
            except BadSignature as error:
                self.wrong.append(f"a message is not to be believed: {error}")
                return 401
            if len(body) > _LONGEST:
                self.wrong.append(f"a message has {len(body)} bytes")
            self.heard[id] += 1
            self.bodies.setdefault(body, set()).add(id)
            # Not twice in a row, and not twice the same: the second wait is minutes, for which nobody sits here.
            self._lost = not self._lost and self.heard[id] == 1 and self.rng.random() < self.losses
            return None if self._lost else 204

    def untold(self, app: App) -> list[str]:
        """Say what the books have and nobody was told of, which is no fault before it had time."""
        missing = len(_due(app) - self.heard.keys())
        return [f"{missing} effects were not told"] if missing else []

    def faults(self, app: App) -> list[str]:
        """Say what was told and should not have been: under two ids, or without a ground in the books."""
        doubled = sum(len(ids) > 1 for ids in self.bodies.values())
        groundless = len(self.heard.keys() - _due(app))
        found = [f"{doubled} effects were told under more than one id"] if doubled else []
        return [*found, *([f"{groundless} messages are about no effect"] if groundless else []), *self.wrong]


def _due(app: App) -> set[str]:
    """Name the messages that there must be, by the effects that the database holds."""
    with read(app.database) as tx:
        effects = work.effects_of(tx, CAMPAIGN, None, kinds=["effect"])
    return {message_id(app, work.message_key(AUDIENCE, effect)) for effect in effects}


@contextmanager
def listening(audience: Audience) -> Iterator[Audience]:
    """Listen on a free port of this machine for the length of a block."""

    class Ear(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            status = audience.hear(headers, self.rfile.read(min(int(headers["content-length"]), 10 * _LONGEST)))
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the story is told by others."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    server.daemon_threads = True
    audience.url = f"http://127.0.0.1:{server.server_port}/told"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="audience")
    thread.start()
    try:
        yield audience
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(audience: Audience, wrong: Sequence[str]) -> str:
    """Give the line of the summary."""
    once = "no" if wrong else "yes"
    return f"told       {len(audience.heard)} effects, each once: {once}; {audience.heard.total()} messages"
