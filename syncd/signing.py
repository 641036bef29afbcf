"""Standard Webhooks, both ways: who sent a delivery, and that nobody changed it on the way.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(minutes=5)  # between the sender's clock and ours, either way
LONGEST_HEADER = 8 * 1024  # of the signatures; more than any rotation of secrets needs

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_KEY_BYTES = range(24, 65)  # what the specification allows
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_SECONDS = re.compile(r"[0-9]{1,12}")
# Schemes other than v1, such as v1a, may stand beside ours; they are read, not verified.
_SIGNATURE = re.compile(r"v[0-9]+[a-z]?,[A-Za-z0-9+/=_-]+")


class BadSignature(Exception):
    """A delivery cannot be believed; `reason` is `headers`, `stale` or `signature`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def signing_key(secret: str) -> bytes:
    """Give the bytes that sign: `whsec_` and base64, or the text itself. A ValueError never quotes it."""
    if secret.startswith("whpk_"):
        raise ValueError("this is a public key (whpk_); only shared secrets (whsec_) are taken")
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise ValueError("what follows whsec_ is not base64") from None
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"a secret has {_KEY_BYTES.start} to {_KEY_BYTES.stop - 1} bytes, this one has {len(key)}")
    return key


def verify(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> str:
    """Give the id of a delivery that was signed with one of `keys` at about `now`. Raises `BadSignature`.

    Header names are lower case. Whatever the headers hold, nothing else is raised.
    """
    id, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    signatures = _signatures(headers.get(SIGNATURE, ""))
    if not _ID.fullmatch(id) or not _SECONDS.fullmatch(seconds) or not signatures:
        raise BadSignature("headers", f"{ID}, {TIMESTAMP} and {SIGNATURE} must be there, each once and well formed")
    # As a number, since a datetime ends in the year 9999 and twelve digits do not.
    if abs(int(seconds) - now.timestamp()) > TOLERANCE.total_seconds():
        raise BadSignature("stale", f"{TIMESTAMP} is more than five minutes from the time here")
    wanted = [_mac(key, id, seconds, body) for key in keys]
    # Every pair is compared, so that the time it takes tells nothing of which came close.
    matches = [hmac.compare_digest(given, mac) for given in signatures for mac in wanted]
    if not any(matches):
        raise BadSignature("signature", "no signature fits; it must be made over the body's own bytes")
    return id


def sign(key: bytes, id: str, at: datetime, body: bytes, *further: bytes) -> dict[str, str]:
    """Give the headers with which a sender proves that a delivery is its own.

    With further keys it carries a signature of each, so that either side can change keys without losing a delivery.
    """
    seconds = str(int(at.astimezone(UTC).timestamp()))
    signatures = (f"v1,{_mac(each, id, seconds, body).decode()}" for each in (key, *further))
    return {ID: id, TIMESTAMP: seconds, SIGNATURE: " ".join(signatures)}


def _signatures(header: str) -> list[bytes]:
    """Give the v1 signatures in a header; none if any part of it is not as it should be."""
    if len(header) > LONGEST_HEADER:
        return []
    parts = header.split(" ")
    if not all(_SIGNATURE.fullmatch(part) for part in parts):
        return []
    return [part[3:].encode() for part in parts if part.startswith("v1,")]


def _mac(key: bytes, id: str, seconds: str, body: bytes) -> bytes:
    signed = b".".join((id.encode(), seconds.encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
