"""What a CRM sends by itself: a request to be proved, and the hints that are in it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from syncd.contract.answers import strictly
from syncd.contract.values import RemoteRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A request that says it is a CRM's, as it came. Nothing of it is to be believed before it is proved."""

    method: str
    url: str = field(repr=False)  # under `server.public_url`, as the CRM was told it: with path, secret and query
    secret: str = field(default="", repr=False)  # the last part of the path: /webhooks/<connector>/<secret>
    headers: Mapping[str, str] = field(repr=False)  # by lower-case name; those that came once
    body: bytes = field(repr=False)
    at: datetime  # when it came, by our clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Poke:
    """A hint that records have changed; they are read through the API before anything is believed of them."""

    id: str  # the same for each repetition of a message, another for every other message; at most 200 characters
    refs: tuple[RemoteRef, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledgement:
    """What a CRM wants to hear once its message is safe with us."""

    media_type: str = "application/json"
    body: bytes = b"{}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """That a CRM tells us of changes."""

    until: datetime | None = None  # when it ends by itself, by the CRM's clock
    done: str = ""  # what had to be done for it, in words: "created", "renewed"; "" for nothing


class BadDelivery(Exception):
    """A request that is not taken. Its text is shown to whoever sent it: no secret, nothing of the body.

    forged: nothing proves that the CRM sent it. stale: it is proved, and too old or from the future. unreadable: it
    is proved, and cannot be understood.
    """

    def __init__(self, reason: Literal["forged", "stale", "unreadable"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_json(body: bytes) -> Any:
    """Read a message's body as `json_object` reads an answer; raise `BadDelivery` where it is not whole, valid JSON.

    A repeated key is refused: whoever is before us might read the one value, and we the other.
    """
    try:
        return strictly(body)
    except ValueError:  # not `from`: its text holds the whole body
        raise BadDelivery("unreadable", "the body is not JSON, or says the same thing twice") from None


def same_secret(given: str | bytes, secret: str | bytes) -> bool:
    """Compare in a time that tells nothing of where two texts differ; an empty secret equals nothing."""
    a, b = (it.encode("utf-8", "surrogateescape") if isinstance(it, str) else it for it in (given, secret))
    return bool(b) and hmac.compare_digest(a, b)
