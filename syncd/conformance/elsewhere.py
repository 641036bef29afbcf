"""A server that is not the CRM: it sends every caller on to another address, or has nothing at any."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

_TARGET = "/elsewhere"


class Elsewhere:
    """A loopback server; `called` counts the requests, `followed` those that went on to where it sent them.

    With the code 404 it sends nobody on.
    """

    def __init__(self, code: Literal[307, 404] = 307) -> None:
        self._code = code
        self.called = 0
        self.followed = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Give its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _note(self, path: str) -> bool:
        followed = path.startswith(_TARGET)
        with self._lock:
            self.called += 1
            self.followed += followed
        return followed

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        note, code = self._note, self._code

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                followed = note(self.path)
                self.send_response(200 if followed else code)
                if code == 307 and not followed:
                    self.send_header("Location", f"{_TARGET}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent: the suite tells."""

        return Handler
