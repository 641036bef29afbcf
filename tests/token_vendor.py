"""A CRM's vendor on loopback that gives tokens: refresh tokens are good once, and answers can be lost."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from syncd.contract import OAuth, OAuthSettings

SECRET = "s3cret-of-the-app"


class Vendor:
    """Trades codes and refresh tokens. `says` answers the next requests in another way, `lose` loses answers."""

    def __init__(self) -> None:
        self.good = {"refresh-0"}  # refresh tokens that are taken
        self.codes = {"code-0"}
        self.rotates = True
        self.keeps_old = False  # whether a refresh token stays good until its successor was used
        self.gives_refresh = True
        self.lifetime: int | None = 3600
        self.lose = 0
        self.says: list[tuple[int, Any]] = []
        self.asked: list[dict[str, str]] = []  # the forms, as they came
        self.urls: list[str] = []
        self.headers: list[Any] = []
        self.given = 0
        self.url = ""
        self.hold = threading.Event()  # cleared: answers wait
        self.hold.set()
        self._former: dict[str, str] = {}
        self._lock = threading.Lock()

    def token(self, form: dict[str, str]) -> tuple[int, Any]:
        with self._lock:
            self.asked.append(form)
            if self.says:
                return self.says.pop(0)
            if form.get("grant_type") == "authorization_code":
                if form.get("code") not in self.codes:
                    return 400, {"error": "invalid_grant"}
                self.codes.discard(form["code"])
            elif (used := form.get("refresh_token", "")) not in self.good:
                return 400, {"error": "invalid_grant", "error_description": f"no such token: {used}"}
            return 200, self._give(form.get("refresh_token"))

    def _give(self, used: str | None) -> dict[str, Any]:
        self.given += 1
        body: dict[str, Any] = {"access_token": f"access-{self.given}", "api_domain": self.url}
        if self.lifetime:
            body["expires_in"] = self.lifetime
        if not self.gives_refresh:
            return body
        if used is None or self.rotates:
            body["refresh_token"] = f"refresh-{self.given}"
            self.good.add(body["refresh_token"])
            if used is not None:
                self.good.discard(self._former.pop(used, "") if self.keeps_old else used)
                self._former[body["refresh_token"]] = used
        return body

    def oauth(self, **more: Any) -> OAuth:
        app = OAuthSettings(client_id="app", client_secret=SecretStr(SECRET), refresh_token=more.pop("refresh", None))
        values = {"authorize_url": f"{self.url}/authorize", "token_url": f"{self.url}/token", "scopes": ("a", "b")}
        return OAuth(app=app, **{**values, **more})


@contextmanager
def vendor() -> Iterator[Vendor]:
    """Run a vendor on a free port."""
    it = Vendor()

    class Visit(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            it.urls.append(self.path)
            it.headers.append(self.headers)
            status, body = it.token({name: values[0] for name, values in form.items()})
            it.hold.wait(20)
            if it.lose > 0:
                it.lose -= 1
                return
            self.answer(status, body)

        def do_GET(self) -> None:  # the API: whose account it is
            if urlsplit(self.path).path == "/me" and self.headers["Authorization"] == f"Bearer access-{it.given}":
                return self.answer(200, {"name": "Example Ltd"})
            return self.answer(401, {})

        def answer(self, status: int, body: Any) -> None:
            payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Visit)
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
