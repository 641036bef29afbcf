"""What a behaviour is observed with: a clock that stands still, a session that notes each call, an ear for the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from syncd.contract import AccessToken, Transient, is_loopback
from syncd.http import Grant, Session

MOST_CALLS = 400


class Clock:
    """The CRM's time; it moves only when a behaviour moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> datetime:
        """Let time pass, given as to `timedelta`; tell the new time."""
        self.at += timedelta(**by)
        return self.at


class Probe(Session):
    """The daemon's own session, that waits for nothing between its tries, notes each URL, and ends what never ends."""

    def __init__(self, now: Callable[[], datetime], *, deadline: float = 5.0) -> None:
        super().__init__(deadline=deadline, now=now, sleep=lambda _: None)
        self.urls: list[str] = []
        self.astray: str | None = None  # the address to which calls go instead

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request as the daemon would."""
        self.urls.append(request.url or "")
        if len(self.urls) > MOST_CALLS:
            raise AssertionError(f"the connector made {MOST_CALLS} calls and did not end")
        if self.astray:
            request.url = f"{self.astray}{request.path_url}"
        if not is_loopback(urlsplit(request.url or "").hostname or ""):
            raise Transient("the double is on this machine, and nothing else can be reached")
        return super().send(request, **kwargs)


class Noting:
    """A grant that remembers each access token it gave, so that one which shows is known."""

    def __init__(self, grant: Grant, tokens: set[str]) -> None:
        self._grant, self._tokens = grant, tokens

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        """Give what the grant gives."""
        token = self._grant.access_token(instead_of)
        self._tokens.add(token.text)
        return token


class Same:
    """A grant that gives one and the same access token for ever, and counts how often it was asked for another."""

    def __init__(self, token: AccessToken) -> None:
        self._token = token
        self.refused = 0

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        """Give the token, whatever was wrong with it."""
        self.refused += instead_of is not None
        return self._token


class _Ear(logging.Handler):
    def __init__(self, heard: list[logging.LogRecord]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record)


@contextmanager
def listening() -> Iterator[list[logging.LogRecord]]:
    """Hear all that anybody logs, at any level and before any redaction.

    Except urllib3's line for each call: it would bury what is worth reading, and the session notes every URL anyway.
    """
    heard: list[logging.LogRecord] = []
    ear = _Ear(heard)
    root, wire = logging.getLogger(), logging.getLogger("urllib3")
    levels = root.level, wire.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    wire.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        root.removeHandler(ear)
        root.setLevel(levels[0])
        wire.setLevel(levels[1])
