"""API tokens: who may read, who may write. The database holds digests, from which no token can be made."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Literal

from syncd.flow.app import App
from syncd.store import access
from syncd.store.access import Token
from syncd.store.engine import read, retrying

Role = Literal["read", "write"]

PREFIX = "syncd_"  # so that scanners for leaked secrets know one when they see it
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class NameTaken(Exception):
    """There is, or was, a token of this name; the history tells callers apart by it, so choose another."""


def issue(app: App, name: str, role: Role) -> str:
    """Make a token and give it, this once. Raises `NameTaken`, and ValueError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise ValueError("a token's name is 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with a-z or 0-9")
    token, now = PREFIX + secrets.token_urlsafe(32), app.clock()
    if not retrying(app.database, lambda tx: access.add_token(tx, name, _digest(token), role, now)):
        raise NameTaken(f"there is, or was, a token named {name}; choose another name")
    return token


def revoke(app: App, name: str) -> bool:
    """Make a token worthless from now on; False if none of that name was good."""
    return retrying(app.database, lambda tx: access.revoke_token(tx, name, app.clock()))


def holder(app: App, token: str) -> Token | None:
    """Tell whose token this is; None if it was never issued, or is revoked.

    Tokens are found by their digest: how long the search takes says nothing that helps to guess one.
    """
    with read(app.database) as tx:
        found = access.token_by_digest(tx, _digest(token))
    return found if found and found.revoked_at is None else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
