"""A receiver on loopback, which answers as it is told to and keeps what it got."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from syncd.config import Receiver

SECRET = "a receiver's own secret of 36 letters"


@dataclass(frozen=True)
class Got:
    """A message as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Listener:
    """What came, and the answers that are still to be given: a status, headers, a body; 204 when there is none left."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[tuple[int, Mapping[str, str], bytes]] = field(default_factory=list)
    rudely: Callable[[BaseHTTPRequestHandler], None] | None = None  # answers in a way that is no HTTP, or never

    def answer(self, *statuses: int, body: bytes = b"", **headers: str) -> None:
        """Have the next messages answered with these."""
        self.answers += [
            (it, {name.replace("_", "-"): text for name, text in headers.items()}, body) for it in statuses
        ]

    def ids(self) -> list[str]:
        return [it.id for it in self.got]

    def settings(self, name: str = "shop", **more: Any) -> Receiver:
        """Give the settings of a receiver that is here."""
        return Receiver(
            **{"name": name, "private": True, "url": f"{self.url}/in?key=k-4711", "secrets": [SECRET], **more}
        )


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """Listen on a free port for the length of a block."""
    here = Listener()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            here.got.append(Got(self.path, headers, self.rfile.read(int(self.headers["Content-Length"]))))
            if here.rudely:
                self.close_connection = True
                here.rudely(self)
                return
            status, more, body = here.answers.pop(0) if here.answers else (204, {}, b"")
            self.send_response(status)
            for name, text in more.items():
                self.send_header(name, text)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    here.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
