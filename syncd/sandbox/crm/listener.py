"""The socket in front of a sandbox: loopback only, HTTP/1.1, a bounded number of connections."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from syncd.sandbox.crm import wire
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault

MOST_BYTES = 10_000_000
MOST_CONNECTIONS = 128
IDLE_SECONDS = 60


class Answering(Protocol):
    """Who works out the answers."""

    stopping: threading.Event

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Give the answer to a request with its full path, and the fault that spoils it on the wire."""
        ...


class Listener(ThreadingHTTPServer):
    """Takes connections and serves each in a thread of its own."""

    daemon_threads = True
    block_on_close = False
    disable_nagle_algorithm = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Answering) -> None:
        self.sandbox = sandbox
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread, of which there is a limited number; the others wait."""
        while not self._room.acquire(timeout=0.1):
            if self.sandbox.stopping.is_set():
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is daily life here, and no traceback."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: Listener

    def _answer(self) -> None:
        sandbox = self.server.sandbox
        request = self._read()
        reply, fault = (request, None) if isinstance(request, Reply) else sandbox.answer(request)
        stays = wire.send(self.wfile, reply, fault, sandbox.stopping)
        if not stays or isinstance(request, Reply) or sandbox.stopping.is_set():
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

    def _read(self) -> Request | Reply:
        """Read the whole request before anything is decided, so that a dropped one looks the same before and after."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if urlsplit(f"//{headers.get('host', '')}").hostname not in {"127.0.0.1", "localhost"}:
            return _bad(403, "The sandbox answers to 127.0.0.1 and localhost only")
        if "transfer-encoding" in headers:
            return _bad(411, "The sandbox reads bodies with a Content-Length only")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return _bad(413, f"The sandbox reads bodies of {MOST_BYTES} bytes at most")
        body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True, max_num_fields=200)
        size = len(self.path)
        return Request(method=self.command, path=url.path, query=query, headers=headers, body=body, uri_bytes=size)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: paths and queries may name people."""


def _bad(code: int, message: str) -> Reply:
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": message}
    return Reply(code=code, body=body, headers={"Connection": "close"})
