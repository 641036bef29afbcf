"""Where the webhooks of a simulated CRM go when nobody listens to a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from syncd.contract import Delivery, is_loopback

_ELSEWHERE = "http://127.0.0.1:9/elsewhere/"


class Sent:
    """Takes and thanks for everything; a `hooks.Post`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._deliveries: list[Delivery] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        names = {name.lower(): value for name, value in headers.items()}
        secret = urlsplit(url).path.removeprefix("/").partition("/")[2].partition("/")[2]
        self._deliveries.append(
            Delivery(
                method="POST",
                url=url,
                secret=secret,
                headers={"content-type": "application/json", **names},
                body=body,
                at=self._now(),
            )
        )
        return 200

    def taken(self) -> list[Delivery]:
        """Take what came since the last time."""
        taken, self._deliveries = self._deliveries, []
        return taken


def near(url: str) -> str:
    """Give an address of this machine that stands for one elsewhere: a simulated CRM sends to no other."""
    return url if is_loopback(urlsplit(url).hostname or "") else _ELSEWHERE + url


def far(url: str) -> str:
    """Give the address for which `near` stands."""
    return url.removeprefix(_ELSEWHERE)
