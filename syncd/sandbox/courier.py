"""Who carries the CRMs' own messages to the daemon, and remembers when each of them went."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from syncd.http import Session
from syncd.sandbox.crm import hooks

MOST = 5_000
"""Messages that are remembered."""

PROOF = "sandbox-webhook-proof"
"""The secret by which a CRM's messages prove themselves."""

_GUESS = "sandbox-webhook-guess"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A message on its way; `at` is this machine's time, whatever the CRMs' clock says."""

    at: datetime
    account: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(kw_only=True)
class Courier:
    """Sends as the CRMs do. Safe in several threads."""

    _sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=MOST))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int | None:
        """Send a message, as `hooks.Post` asks."""
        answer = self.exchange(url, headers, body, timeout)
        return answer[0] if answer else None

    def exchange(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> tuple[int, bytes] | None:
        """Send a message, as `hooks.Exchange` asks."""
        account = urlsplit(url).path.removeprefix("/webhooks/").partition("/")[0]
        sent = Sent(at=datetime.now(UTC), account=account, url=url, headers=dict(headers), body=body)
        with self._lock:
            self._sent.append(sent)
        return hooks.exchange(url, headers, body, timeout)

    def forge(self, sent: Sent) -> int:
        """Send a message again as somebody would who knows all but the secret; give the answer's status."""
        it = forged(sent)
        return Session(deadline=10.0).request("POST", it.url, headers=it.headers, data=it.body).status_code

    def first(self, account: str, ids: Collection[str], since: datetime) -> datetime | None:
        """Tell when the first message went, since then, that names one of these records."""
        named = re.compile(rf"(?<![0-9A-Za-z])({'|'.join(map(re.escape, sorted(ids)))})(?![0-9A-Za-z])".encode())
        with self._lock:
            return next(
                (it.at for it in self._sent if it.account == account and it.at >= since and named.search(it.body)), None
            )

    def latest(self, account: str) -> Sent | None:
        """Give the last message of an account."""
        with self._lock:
            return next((it for it in reversed(self._sent) if it.account == account), None)


def forged(sent: Sent) -> Sent:
    """Make of a message what those can make of it who do not know the secret."""
    # A signature of the body no longer holds: the blank at the end is none of the sender's.
    body = sent.body.replace(PROOF.encode(), _GUESS.encode()) + b" "
    headers = {"Content-Type": "application/json"} | {
        name: text for name, text in sent.headers.items() if name.lower() != "authorization"
    }
    return replace(sent, url=sent.url.replace(PROOF, _GUESS), headers=headers, body=body)
