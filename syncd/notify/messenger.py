"""Posts signed messages to one receiver: one try, bounded in time, with an outcome and never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import requests

from syncd.config import Receiver
from syncd.contract import Transient, retry_after
from syncd.http import Session
from syncd.notify.outcome import Outcome, outcome_of
from syncd.notify.reach import LookUp, Unreachable, adapter, look_up
from syncd.signing import sign

DEADLINE = 15.0  # seconds for a whole call; what the specification asks for at the least
MOST_READ = 64 * 1024  # bytes of an answer, of which only the status means something

Message = Mapping[str, Any]
"""`type`, `timestamp` and `data`, as Standard Webhooks has them."""


class Messenger:
    """Tells one receiver. Its session is its own: a slow receiver is nobody else's affair."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        now: Callable[[], datetime],
        resolve: LookUp = look_up,
        deadline: float = DEADLINE,
        ca_bundle: str | None = None,
    ) -> None:
        self.receiver = receiver
        self._now = now
        self._session = Session(deadline=deadline, max_bytes=MOST_READ, ca_bundle=ca_bundle, now=now)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter(private=receiver.private, resolve=resolve))

    def post(self, id: str, message: Message) -> Outcome:
        """Post a message under its id, the same at each try, signed with all secrets at the time of this one."""
        body = body_of(message)
        first, *further = self.receiver.keys
        headers = sign(first, id, self._now(), body, *further) | {"Content-Type": "application/json"}
        seen: list[requests.Response] = []

        def see(answer: requests.Response, *_: object, **__: object) -> None:
            seen.append(answer)

        try:
            self._session.request("POST", self.receiver.url, data=body, headers=headers, hooks={"response": see})
        except Unreachable as error:
            return Outcome(next="rest", told=str(error), forbidden=True)
        except Transient as error:
            # Whoever says 200 has the message, though the rest of the answer is too long or never ends.
            if not seen:
                return Outcome(next="rest", told=str(error))
        except (ValueError, requests.RequestException) as error:
            return Outcome(next="rest", told=f"{self.receiver.host} cannot be called: {type(error).__name__}")
        return outcome_of(seen[0].status_code, self.receiver.host, retry_after(seen[0]))


def body_of(message: Message) -> bytes:
    """Write a message out; the same message gives the same bytes."""
    parts = {name: message[name] for name in ("type", "timestamp", "data")}
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
