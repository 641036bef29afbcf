"""The daemon's API as the website, the shop and the storyteller call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.http import Session
from syncd.sandbox.place import SENDER
from syncd.signing import sign

PAGE = 500


class Refused(Exception):
    """The daemon does not do what the simulator asked for, which is a fault of one of them."""


@dataclass(kw_only=True)
class Client:
    """Calls one daemon with one token. Raises `Refused`, or `Transient` where it cannot be reached."""

    url: str
    token: str = field(repr=False)
    key: bytes = field(repr=False)  # the shop's
    _session: Session = field(default_factory=Session, repr=False)

    def get(self, path: str, **params: str) -> Any:
        """Read from the API."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: Any) -> Any:
        """Write through the API."""
        return self._json("POST", path, json=body)

    def deliver(self, id: str, body: bytes, at: datetime) -> None:
        """Send a delivery as the shop does, signed by Standard Webhooks."""
        headers = {"content-type": "application/json", **sign(self.key, id, at, body)}
        answer = self._session.request("POST", f"{self.url}/webhooks/{SENDER}", data=body, headers=headers)
        if answer.status_code not in {200, 202}:
            raise Refused(f"the shop's delivery {id} was answered with {answer.status_code}")

    def history(self, after: int) -> Iterator[Any]:
        """Read all lines of history after this id."""
        while lines := self.get("/api/v1/history", after=str(after), limit=str(PAGE))["history"]:
            yield from lines
            after = lines[-1]["id"]

    def _json(self, method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        answer = self._session.request(method, self.url + path, headers=headers, **more)
        if not answer.ok:
            raise Refused(f"{method} {path} was answered with {answer.status_code}: {answer.text[:200]}")
        return answer.json()
