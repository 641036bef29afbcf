"""Opening an installation: from a configuration to something that works, without calling any CRM."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection as Transaction

from syncd.config import Config
from syncd.flow.app import App, Connection
from syncd.http import Session
from syncd.store import access, migrate, sources
from syncd.store.engine import connect, retrying


def now() -> datetime:
    """The host's clock, the only one that the daemon looks at."""
    return datetime.now(UTC)


def open_app(config: Config, clock: Callable[[], datetime] = now) -> App:
    """Open the database, bring its schema up to date, and set the connectors up; no SDK is imported yet.

    Raises `UnusableDatabase`.
    """
    database = connect(config.database)
    migrate.upgrade(database)
    connections = {
        settings.name: Connection(settings=settings, session=Session(now=clock)) for settings in config.connectors
    }
    # Kept in the database, not in a file: who has the one has the other, and without it nobody would be recognised.
    pepper = retrying(database, lambda tx: access.remember_setting(tx, "pepper", secrets.token_hex(32)))

    def keep_sources(tx: Transaction) -> None:
        for settings in config.connectors:
            if settings.renamed_from and sources.get(tx, settings.name) is None:
                sources.rename(tx, settings.renamed_from, settings.name)
            sources.add(tx, settings.name, clock())

    retrying(database, keep_sources)
    return App(config=config, database=database, clock=clock, connections=connections, pepper=bytes.fromhex(pepper))
