"""Where a connector's tokens are kept: in the database, encrypted, or in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Engine

from syncd.contract import Misconfigured
from syncd.store import credentials
from syncd.store.credentials import Credential
from syncd.store.engine import read, retrying
from syncd.vault import Vault, WrongKey


class Keeper(Protocol):
    """Keeps the credential of one connector."""

    def read(self) -> Credential | None:
        """Give what is kept now, open."""
        ...

    def swap(self, old: Credential | None, new: Credential) -> bool:
        """Keep `new`, durably, in place of `old`; False, and no change, if something else is kept by now."""
        ...


class MemoryKeeper:
    """Keeps it as long as the process lives."""

    def __init__(self) -> None:
        self._kept: Credential | None = None
        self._lock = threading.Lock()

    def read(self) -> Credential | None:
        return self._kept

    def swap(self, old: Credential | None, new: Credential) -> bool:
        with self._lock:
            kept = self._kept
            if (old and old.lease) != (kept and kept.lease):
                return False
            self._kept = replace(new, lease=(old.lease if old else 0) + 1)
            return True


class DatabaseKeeper:
    """Keeps it in the database, every token sealed: for all processes, and over restarts."""

    def __init__(self, database: Engine, vault: Vault, connector: str) -> None:
        self._database, self._vault, self._connector = database, vault, connector

    def read(self) -> Credential | None:
        with read(self._database) as tx:
            kept = credentials.get(tx, self._connector)
        try:
            return kept and _through(self._vault.open, kept)
        except WrongKey as error:
            raise Misconfigured(
                f"the tokens in the database cannot be read: {error}",
                yaml_path="oauth",
                hint="put that key into secrets.key, and restart; "
                f"if it is lost: syncd secrets forget {self._connector}",
            ) from None

    def swap(self, old: Credential | None, new: Credential) -> bool:
        sealed = _through(self._vault.seal, new)
        return retrying(self._database, lambda tx: credentials.put(tx, sealed, over=old))


def _through(change: Callable[[str], str], kept: Credential) -> Credential:
    def changed(text: str | None) -> str | None:
        return None if text is None else change(text)

    return replace(kept, refresh=changed(kept.refresh), spare=changed(kept.spare), access=changed(kept.access))
