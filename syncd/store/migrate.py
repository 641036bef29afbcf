"""Bringing a database to the schema that this version of the program needs; forward only, all or nothing."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from syncd.store.engine import UnusableDatabase, read, retrying

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x73796E6364  # "syncd": which advisory lock of the PostgreSQL database is ours


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema in one transaction; processes that do so at once wait for each other.

    Raises `UnusableDatabase` when a newer version of the program was here before.
    """
    retrying(engine, _upgrade)


def current(engine: Engine) -> str | None:
    """Tell which migration the database is at; None for an empty one."""
    with read(engine) as conn:
        return _revision(conn)


def pending(engine: Engine) -> bool:
    """Tell whether `upgrade` has something to do. Raises `UnusableDatabase` as it does."""
    at = current(engine)
    _refuse_newer(at)
    return at != _known()[0]


def _upgrade(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        # Held to the end of the transaction. On SQLite the write transaction itself is such a lock.
        conn.execute(text("SET LOCAL statement_timeout = 0"))
        conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _refuse_newer(_revision(conn))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def _revision(conn: Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


def _known() -> list[str]:
    """List the migrations of this version, newest first."""
    return [script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()]


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and revision not in _known():
        raise UnusableDatabase(
            f"a newer syncd has changed this database (migration {revision}); run that version, or restore a backup"
        )
