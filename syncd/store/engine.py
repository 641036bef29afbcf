"""How the daemon talks to its database: the one place that opens it, and the settings that nothing is lost without.

SQLite and PostgreSQL mean the same here: `write` begins a transaction that other writers cannot slip into unnoticed,
`read` sees one state of the database from its first statement to its last and cannot change it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

T = TypeVar("T")

_READ = "syncd_read"  # the execution option that tells SQLite's `begin` which transaction is wanted
_AFTERWARDS = "syncd_afterwards"
_AT_HAND = "syncd_at_hand"
_POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 10, "pool_timeout": 30}


class UnusableDatabase(Exception):
    """The database cannot be opened or is not one of ours; the text says why and what to do, without the password."""


def connect(url: str) -> Engine:
    """Prepare the database behind `url` for use: `sqlite:///file` or `postgresql://user@host/name`.

    A missing SQLite file is created, readable by its owner alone; its folder must exist. PostgreSQL is not called yet.
    Raises `UnusableDatabase`.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UnusableDatabase("the database URL cannot be read; write sqlite:///file or postgresql://…") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql" | "postgres":
            return _postgresql(parsed)
        case other:
            raise UnusableDatabase(f"no database of the kind {other!r}; write sqlite:///file or postgresql://…")


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Run a block as one write transaction: committed when it ends, undone when it raises."""
    with engine.connect() as conn:
        afterwards: list[Callable[[], None]] = []
        own: dict[Any, Any] = conn.info  # of the connection to the database, which outlives this transaction
        own |= {_AFTERWARDS: afterwards, _AT_HAND: {}}
        try:
            with conn.begin():
                yield conn
        finally:
            own.pop(_AFTERWARDS, None)
            own.pop(_AT_HAND, None)
        for fn in afterwards:
            fn()


def once_committed(tx: Connection, fn: Callable[[], None]) -> None:
    """Have `fn` called when this write transaction has been committed, and never if it is undone."""
    tx.info[_AFTERWARDS].append(fn)


def at_hand(tx: Connection) -> dict[Any, Any]:
    """Give the place for what this write transaction works with more than once; it is empty again for the next one."""
    place: dict[Any, Any] = tx.info[_AT_HAND]
    return place


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Run a block on one unchanging state of the database; a write in it is refused."""
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            # READ COMMITTED would look afresh at each statement, unlike SQLite; a read-only snapshot never conflicts.
            conn = conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            conn = conn.execution_options(**{_READ: True})
        with conn.begin():
            yield conn


def retrying(engine: Engine, fn: Callable[[Connection], T], *, tries: int = 5) -> T:
    """Run `fn` in a write transaction, and again when it lost against another one: so `fn` may run several times.

    Only what the database itself undid is repeated (a deadlock, a serialization failure, a lock not had in time),
    at most `tries` times in all; the last such error, and any other, is raised.
    """

    def once() -> T:
        with write(engine) as conn:
            return fn(conn)

    again = Retrying(
        stop=stop_after_attempt(tries) | stop_after_delay(15),  # a caller waits on the other side
        wait=wait_random_exponential(multiplier=0.02, max=1),
        retry=retry_if_exception(_lost_against_another),
        reraise=True,
    )
    return again(once)


def _lost_against_another(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    if sqlstate := getattr(error.orig, "sqlstate", None):
        return sqlstate in {"40001", "40P01"}
    return "is locked" in str(error.orig)  # pysqlite3 carries no error code


# SQLite


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise UnusableDatabase("the database must be a plain file; write sqlite:///file")
    _make_file(Path(url.database))
    engine = create_engine(
        url,
        module=sqlite_module(),
        # The module would begin transactions by itself, and only at the first change: what was read before it may be
        # out of date by then, and the change of another writer is overwritten without a word.
        connect_args={"isolation_level": None, "timeout": 10},
        hide_parameters=True,
        **_POOL,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its -wal and -shm files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise UnusableDatabase(f"{path}: cannot be created: {error.strerror}; its folder must exist") from error


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The wait comes first, as turning on WAL needs a lock itself.
    connection.execute("PRAGMA busy_timeout = 10000")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise UnusableDatabase("this file system cannot hold the database in WAL mode; keep it on a local disk")
    connection.execute("PRAGMA synchronous = FULL")  # what is committed survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # an erased person leaves no bytes behind
    connection.execute("PRAGMA recursive_triggers = ON")  # else INSERT OR REPLACE deletes past the ledger's triggers


def _begin_sqlite(conn: Connection) -> None:
    reading = conn.get_execution_options().get(_READ, False)
    conn.exec_driver_sql(f"PRAGMA query_only = {int(reading)}")
    conn.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def sqlite_module() -> ModuleType:
    """Find a Python module whose SQLite keeps a database in WAL mode whole. Raises `UnusableDatabase`.

    https://sqlite.org/wal.html#walresetbug
    """
    seen = []
    for name in ("pysqlite3", "sqlite3"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if keeps_wal_whole(module.sqlite_version_info):
            return module
        seen.append(f"{name} has {module.sqlite_version}")
    raise UnusableDatabase(
        f"every SQLite here can corrupt a database ({', '.join(seen) or 'none found'}); "
        "it must be 3.51.3 or newer: pip install 'pysqlite3>=0.6.1'"
    )


def keeps_wal_whole(version: tuple[int, int, int]) -> bool:
    """Tell whether an SQLite is free of the WAL-reset bug: 3.51.3 and later, or a repaired older branch."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


# PostgreSQL


def _postgresql(url: URL) -> Engine:
    wanted = {
        "application_name": "syncd",
        "client_encoding": "utf8",
        "connect_timeout": "10",
        # A peer that vanished without a word is noticed within a minute, not after hours.
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
    }
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            isolation_level="READ COMMITTED",
            connect_args={name: value for name, value in wanted.items() if name not in url.query},
            pool_pre_ping=True,
            hide_parameters=True,
            **_POOL,
        )
    except ImportError as error:
        raise UnusableDatabase("PostgreSQL needs its driver: pip install 'syncd[postgres]'") from error
    event.listen(engine, "connect", _set_up_postgresql)
    event.listen(engine, "handle_error", _keep_first_line)
    return engine


def _set_up_postgresql(connection: Any, _record: object) -> None:
    connection.autocommit = True  # inside a transaction a SET is undone by its rollback
    connection.execute("SET synchronous_commit = on")  # whatever the server's default: our answers are promises
    connection.execute("SET statement_timeout = '30s'")
    connection.autocommit = False


def _keep_first_line(context: ExceptionContext) -> None:
    """Cut what follows an error's first line: there PostgreSQL quotes the row at fault, with names and addresses."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].partition("\n")[0], *error.args[1:])
