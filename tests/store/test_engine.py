"""The settings without which a database loses what it was told, asserted on a live connection of both kinds."""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier
from traceback import format_exception

import pytest
from sqlalchemy import Connection, Engine, exc, insert, select, text, update

from syncd.store.engine import (
    UnusableDatabase,
    at_hand,
    connect,
    keeps_wal_whole,
    once_committed,
    read,
    retrying,
    sqlite_module,
    write,
)
from syncd.store.tables import setting

SQLITE = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "busy_timeout": 10_000,
    "secure_delete": 1,
    "recursive_triggers": 1,
    "encoding": "UTF-8",
}
POSTGRES = {
    "synchronous_commit": "on",
    "statement_timeout": "30s",
    "application_name": "syncd",
    "client_encoding": "UTF8",
    "transaction_isolation": "read committed",
    "transaction_read_only": "off",
}


def test_a_write_transaction_has_every_setting(engine: Engine) -> None:
    sqlite = engine.dialect.name == "sqlite"
    wanted, ask = (SQLITE, "PRAGMA") if sqlite else (POSTGRES, "SHOW")

    for _ in range(2):  # the second time on a connection that the pool gives again
        with write(engine) as conn:
            assert {name: conn.scalar(text(f"{ask} {name}")) for name in wanted} == wanted


def test_a_reading_stays_a_snapshot_on_a_connection_that_wrote_before(engine: Engine) -> None:
    with write(engine) as conn:
        conn.execute(insert(setting).values(name="seen", value="before"))

    with read(engine) as reader:
        assert _value(reader, "seen") == "before"
        with write(engine) as conn:
            conn.execute(update(setting).values(value="after"))
        assert _value(reader, "seen") == "before"

    with read(engine) as reader:
        assert _value(reader, "seen") == "after"


def test_a_reading_cannot_write_and_leaves_a_connection_that_can(engine: Engine) -> None:
    with pytest.raises(exc.DBAPIError), read(engine) as conn:
        conn.execute(insert(setting).values(name="sneaked", value="in"))

    with write(engine) as conn:
        conn.execute(insert(setting).values(name="honest", value="yes"))
    with read(engine) as conn:
        assert conn.scalars(select(setting.c.name)).all() == ["honest"]


def test_a_write_that_raises_leaves_nothing(engine: Engine) -> None:
    same_twice = [{"name": "half", "value": "done"}, {"name": "half", "value": "again"}]
    with pytest.raises(exc.IntegrityError), write(engine) as conn:
        _insert_one_by_one(conn, same_twice)

    with read(engine) as conn:
        assert conn.scalars(select(setting.c.name)).all() == []


class Thing:
    """Something large that a transaction works with."""


@pytest.mark.parametrize("undone", [False, True], ids=["committed", "undone"])
def test_what_a_transaction_has_at_hand_ends_with_it(engine: Engine, undone: bool) -> None:
    for _ in range(2):  # the second time on a connection that the pool gives again
        thing = Thing()
        still_there = weakref.ref(thing)
        with suppress(RuntimeError), write(engine) as conn:
            assert at_hand(conn) == {}
            at_hand(conn)["thing"] = thing
            once_committed(conn, partial(str, thing))
            del thing
            if undone:
                raise RuntimeError
        assert still_there() is None


def test_no_update_is_lost_between_four_threads(engine: Engine) -> None:
    """A read-modify-write counts to 600; with the drivers' defaults most of these updates vanish on SQLite."""
    with write(engine) as conn:
        conn.execute(insert(setting).values(name="count", value="0"))

    def add_one(conn: Connection) -> None:
        counted = select(setting.c.value).where(setting.c.name == "count").with_for_update()
        conn.execute(update(setting).values(value=str(int(conn.scalars(counted).one()) + 1)))

    def add_many(_: int) -> None:
        for _ in range(150):
            retrying(engine, add_one)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_many, range(4)))

    with read(engine) as conn:
        assert _value(conn, "count") == "600"


@pytest.mark.parametrize("databases", ["postgres"], indirect=True)  # SQLite has one writer at a time, so none
def test_a_deadlock_is_run_again_until_both_are_done(engine: Engine) -> None:
    with write(engine) as conn:
        conn.execute(insert(setting), [{"name": "a", "value": ""}, {"name": "b", "value": ""}])

    runs: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        both_began = Barrier(2)
        for first, second in ("ab", "ba"):
            threads.submit(retrying, engine, _touch_both(first, second, runs, both_began))

    assert len(runs) > 2
    with read(engine) as conn:
        assert set(conn.scalars(select(setting.c.value))) == {"touched"}


def test_giving_up_raises_what_the_database_said(engine: Engine) -> None:
    """Five runs and no more, as one that never succeeds must end; an error of another kind is not repeated at all."""
    runs: list[int] = []

    def always_locked(_: Connection) -> None:
        runs.append(1)
        raise exc.OperationalError("UPDATE …", None, _locked(engine))

    with pytest.raises(exc.OperationalError, match="locked"):
        retrying(engine, always_locked)
    assert len(runs) == 5

    def twice_the_same(conn: Connection) -> None:
        runs.append(1)
        _insert_one_by_one(conn, [{"name": "one", "value": ""}] * 2)

    runs.clear()
    with pytest.raises(exc.IntegrityError):
        retrying(engine, twice_the_same)
    assert len(runs) == 1


def test_an_error_does_not_show_the_values_of_a_statement(engine: Engine) -> None:
    secret = f"friend{1 + 1}@example.com"  # put together, as a traceback shows this line itself
    without_value = text("INSERT INTO setting (name, value) VALUES (:name, NULL)")
    with pytest.raises(exc.IntegrityError) as caught, write(engine) as conn:
        conn.execute(without_value, {"name": secret})

    assert "setting" in str(caught.value)
    assert secret not in "".join(format_exception(caught.value))


def test_a_new_sqlite_file_and_its_companions_belong_to_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        engine = connect(f"sqlite:///{tmp_path / 'new.db'}")
        with write(engine) as conn:
            conn.execute(text("CREATE TABLE t (x)"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    engine.dispose()

    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////no/such/folder/syncd.db", "its folder must exist"),
        ("sqlite://", "plain file"),
        ("sqlite:///:memory:", "plain file"),
        ("mysql://root@localhost/syncd", "'mysql'"),
        ("syncd.db", "cannot be read"),
        ("postgresql://syncd:hunter2@host:port/syncd", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_a_database_is_refused_with_what_to_write(url: str, says: str) -> None:
    with pytest.raises(UnusableDatabase, match=says) as caught:
        connect(url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_way_to_write_a_postgresql_url_means_psycopg_3(scheme: str) -> None:
    engine = connect(f"{scheme}://syncd@localhost/syncd")

    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (3, 50, 7), (3, 44, 6), (4, 0, 0)])
def test_a_repaired_sqlite_is_taken(version: tuple[int, int, int]) -> None:
    assert keeps_wal_whole(version)


@pytest.mark.parametrize("version", [(3, 51, 2), (3, 51, 0), (3, 50, 6), (3, 45, 9), (3, 44, 5), (3, 40, 1)])
def test_an_sqlite_that_can_corrupt_a_database_is_refused(version: tuple[int, int, int]) -> None:
    assert not keeps_wal_whole(version)


def test_the_sqlite_in_use_is_a_repaired_one() -> None:
    assert keeps_wal_whole(sqlite_module().sqlite_version_info)


def _value(conn: Connection, name: str) -> object:
    return conn.scalars(select(setting.c.value).where(setting.c.name == name)).one()


def _insert_one_by_one(conn: Connection, rows: list[dict[str, str]]) -> None:
    for row in rows:
        conn.execute(insert(setting).values(row))


def _touch_both(first: str, second: str, runs: list[str], both_began: Barrier) -> Callable[[Connection], None]:
    def touch(conn: Connection) -> None:
        runs.append(first)
        conn.execute(update(setting).where(setting.c.name == first).values(value="touched"))
        if runs.count(first) == 1:
            both_began.wait(timeout=10)
        conn.execute(update(setting).where(setting.c.name == second).values(value="touched"))

    return touch


def _locked(engine: Engine) -> Exception:
    if engine.dialect.name == "sqlite":
        return Exception("database is locked")
    locked = Exception("deadlock detected, rows are locked")
    locked.sqlstate = "40P01"  # type: ignore[attr-defined]
    return locked
