"""Opening an installation: from a configuration to something that works, without calling any CRM."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import Engine

from syncd import oauth, registry
from syncd.config import Config
from syncd.contract import ConnectorSettings, Misconfigured
from syncd.flow.app import App, Connection
from syncd.http import Session
from syncd.notify import Messenger
from syncd.store import access, migrate, sources
from syncd.store.engine import UnusableDatabase, connect, retrying, write
from syncd.vault import Vault


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
    messengers = {receiver.name: Messenger(receiver, now=clock) for receiver in config.receivers}
    # Kept in the database, not in a file: who has the one has the other, and without it nobody would be recognised.
    pepper = retrying(database, lambda tx: access.remember_setting(tx, "pepper", secrets.token_hex(32)))

    def keep_sources(tx: Transaction) -> None:
        for settings in config.connectors:
            if settings.renamed_from and sources.get(tx, settings.name) is None:
                sources.rename(tx, settings.renamed_from, settings.name)
            sources.add(tx, settings.name, clock())

    retrying(database, keep_sources)
    for connection in connections.values():
        equip(config, database, connection.settings, connection.session, clock)
    return App(
        config=config,
        database=database,
        clock=clock,
        connections=connections,
        messengers=messengers,
        pepper=bytes.fromhex(pepper),
    )


def equip(
    config: Config,
    database: Engine,
    settings: ConnectorSettings,
    session: Session,
    clock: Callable[[], datetime] = now,
) -> oauth.Grant | None:
    """Give a connector that uses OAuth its grant, kept in the database; others need none.

    Raises `UnusableDatabase` where tokens are kept that no configured key opens: to go on would be to lose them.
    """
    if not (keys := vault_keys(config)) or oauth.wanted(kind := registry.find(settings.type), settings) is None:
        return None  # a configuration with OAuth and without a key does not load
    keeper = oauth.DatabaseKeeper(database, Vault(keys), settings.name)
    try:
        keeper.read()
    except Misconfigured as error:
        raise UnusableDatabase(f"connector {settings.name}: {error}; {error.hint}") from error
    return oauth.equip(session, kind, settings, keeper, clock)


def try_anew(app: App) -> None:
    """Let no connector rest that was misconfigured: whoever starts the daemon has probably mended it.

    A quota that is spent, and a CRM that is down, are not mended by a start.
    """
    with write(app.database) as tx:
        for name in app.connections:
            source = sources.get(tx, name)
            if source and source.state == "misconfigured":
                sources.mark(tx, name, held_until=None)


def vault_keys(config: Config) -> list[str]:
    """List the keys that `secrets.key` holds: the first seals, all of them open."""
    return [key.get_secret_value() for key in config.secrets.key] if config.secrets else []
