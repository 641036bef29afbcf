"""A small installation with its web server on a free port, and the two kinds of caller that it has."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import uvicorn
from sqlalchemy import Engine, select

from syncd import signing
from syncd.config.model import ServerSettings
from syncd.store.engine import read
from syncd.store.tables import inbox
from syncd.web import tokens
from syncd.web.app import create_server
from syncd.web.edge import Limits
from tests.flow.world import PROGRAM, World

SECRET = "a sender's secret of 32 letters."
OLD_SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
SENDERS = f"senders:\n  - {{name: shop, secrets: [{json.dumps(SECRET)}, {OLD_SECRET}]}}\n"


class Site:
    """The world of the flow, behind its web server."""

    def __init__(self, world: World, base: str, writer: str, reader: str, nudges: list[str]) -> None:
        self.world, self.app, self.base, self.nudges = world, world.app, base, nudges
        self.writer, self.reader = writer, reader
        self._session = requests.Session()

    def call(self, method: str, path: str, token: str | None = "", **more: Any) -> requests.Response:
        """Make a request, with the writer's token unless told otherwise; `json` and `headers` as in requests."""
        token = self.writer if token == "" else token
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | more.pop("headers", {})
        return self._session.request(method, self.base + path, headers=headers, timeout=30, **more)

    def refer(self, **more: Any) -> requests.Response:
        """Refer Bob, by Ann unless told otherwise."""
        headers = more.pop("headers", {})
        body = {
            "campaign": "spring",
            "advocate": {"email": "ann@example.com"},
            "friend": {"email": "bob@example.org"},
        }
        return self.call("POST", "/api/v1/referrals", json=body | more, headers=headers)

    def deliver(
        self, body: object, *, id: str = "msg_1", sender: str = "shop", key: bytes = SECRET.encode(), **more: Any
    ) -> requests.Response:
        """Deliver as a sender does: `body` is bytes, or what will be JSON. `headers` replace what would be sent."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        at: datetime = more.pop("at", None) or self.app.clock()
        headers = signing.sign(key, id, at, raw) | {"Content-Type": "application/json"} | more.pop("headers", {})
        return self._session.post(
            f"{self.base}/webhooks/{sender}",
            data=more.pop("sent", raw),
            headers={name: value for name, value in headers.items() if value is not None},
            timeout=30,
        )

    def inbox(self, *, dead: bool) -> list[Mapping[str, Any]]:
        """Read the deliveries in the inbox."""
        mine = select(inbox).where(inbox.c.kind == "delivery", inbox.c.dead == dead).order_by(inbox.c.id)
        with read(self.app.database) as tx:
            return [dict(row._mapping) for row in tx.execute(mine)]

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes to the server, part by part, and give all that it answers until it closes."""
        host, port = self.base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            answer = b""
            # The server may close on a body that it no longer reads; what it answered before is there all the same.
            with suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
            with suppress(ConnectionError):
                while chunk := connection.recv(65536):
                    answer += chunk
            return answer


def code(response: requests.Response) -> tuple[int, str | None]:
    """Give an answer's status, and the word for what went wrong if it is a problem in the right form."""
    if response.headers["Content-Type"] != "application/problem+json":
        return response.status_code, None
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem.keys() >= {"type", "title", "status", "detail", "code", "path"}
    return response.status_code, problem["code"]


@contextmanager
def running(
    engine: Engine, folder: Path, *, limits: Limits | None = None, program: str = PROGRAM, yaml: str = SENDERS
) -> Iterator[Site]:
    """Run a site for the length of a block."""
    world, nudges = World(engine, folder, program=program, yaml=yaml), list[str]()
    world.app.nudge = nudges.append
    world.app.config = replace(world.app.config, server=ServerSettings(listen="127.0.0.1:0"))
    writer, reader = (tokens.issue(world.app, f"test-{role}", role) for role in ("write", "read"))
    server = create_server(world.app, limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Site(world, _base(server, thread), writer, reader, nudges)
    finally:
        server.should_exit = True
        thread.join()


def _base(server: uvicorn.Server, thread: threading.Thread) -> str:
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"
