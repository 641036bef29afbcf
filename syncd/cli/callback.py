"""Where the browser comes back to after a consent: one address on this machine, for as long as a command waits."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from syncd.cli.errors import FAILED, Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What the browser shows at the end."""

    code: int
    title: str
    text: str


DONE = Page(
    code=200, title="syncd is let in", text="You can close this window; the terminal tells whose account it is."
)
DENIED_PAGE = Page(code=200, title="syncd is not let in", text="The consent was refused. Nothing was changed.")
CODE_REFUSED = Page(code=200, title="Once more, please", text="The code is not taken any more. Run the command again.")
FAULT = Page(
    code=200, title="That did not work", text="The consent was given, but there is no token; see the terminal."
)
STRANGER = Page(
    code=400,
    title="This answers no question",
    text="The page belongs to another attempt. Run the command again, and use the page that it prints.",
)
_OVER = Page(code=410, title="This is over", text="The answer is there already; see the terminal.")
_ELSEWHERE = Page(code=404, title="Nothing is here", text="syncd waits at the redirect URL alone.")

_HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address holds the code
    "X-Content-Type-Options": "nosniff",
}


class Callback(socketserver.ThreadingTCPServer):
    """Answers the first call of its address by `answer`, tells `ended` what came of it, and takes no further one."""

    allow_reuse_address = True
    daemon_threads = True  # a browser keeps connections open that it never uses
    answer: Callable[[Mapping[str, str]], tuple[Page, Any]]
    ended: Callable[[Any], None]

    def __init__(self, port: int, url: str | None) -> None:
        super().__init__(("127.0.0.1", port), _Visit)
        self.url = url or f"http://127.0.0.1:{self.server_address[1]}/callback"
        self.turn = threading.Lock()  # taken once, by whoever comes first

    def handle_error(self, *_: object) -> None:
        """Say nothing of a browser that went away; what matters has been told to `ended`."""


@contextmanager
def listening(port: int, url: str | None = None) -> Iterator[Callback]:
    """Listen on a port of this machine, to which `url` leads. Raises `Failure` where it is taken."""
    try:
        callback = Callback(port, url)
    except OSError as error:
        told = f"error: port {port} of 127.0.0.1 cannot be listened on: {error.strerror}"
        raise Failure(f"{told}; choose another with --port, and register it with the app", FAILED) from error
    with callback:
        thread = threading.Thread(target=callback.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield callback
        finally:
            callback.shutdown()


class _Visit(http.server.BaseHTTPRequestHandler):
    server: Callback
    timeout = 10  # seconds in which a request must have come

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != (urlsplit(self.server.url).path or "/"):
            self._show(_ELSEWHERE)
        elif not self.server.turn.acquire(blocking=False):
            self._show(_OVER)
        else:
            self._end(dict(parse_qsl(address.query)))

    def _end(self, parameters: Mapping[str, str]) -> None:
        outcome: Any
        try:
            page, outcome = self.server.answer(parameters)
        except Exception as error:  # whatever it is ends the command, which waits for it
            page, outcome = FAULT, error
        try:
            self._show(page)
        finally:
            self.server.ended(outcome)

    def _show(self, page: Page) -> None:
        body = _HTML.format(title=page.title, text=page.text).encode()
        self.send_response(page.code)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tell nobody: the address holds the code."""
