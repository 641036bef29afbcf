"""Cursors: where a list is continued, sealed so that only a cursor of ours, and for the same list, is taken."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime

from syncd.store.tables import instant, micros

Position = tuple[datetime, str]  # captured_at and id of the last referral that was shown

_SEAL = 16  # bytes


class BadCursor(ValueError):
    """A cursor was not made here, or was made for another list."""


def seal(key: bytes, list: tuple[str | None, ...], after: Position) -> str:
    """Make the cursor that continues a list, which its filters name, behind a position."""
    at, id = after
    text = f"{micros(at)}.{id}"
    return base64.urlsafe_b64encode(_mac(key, list, text) + text.encode()).decode()


def unseal(key: bytes, list: tuple[str | None, ...], cursor: str) -> Position:
    """Give the position in a cursor. Raises `BadCursor`."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        text = raw[_SEAL:].decode()
    except (binascii.Error, UnicodeError):
        raise BadCursor from None
    if not hmac.compare_digest(raw[:_SEAL], _mac(key, list, text)):
        raise BadCursor
    at, _, id = text.partition(".")
    return instant(int(at)), id


def _mac(key: bytes, list: tuple[str | None, ...], text: str) -> bytes:
    sealed = json.dumps(["cursor", *list, text])
    return hmac.new(key, sealed.encode(), hashlib.sha256).digest()[:_SEAL]
