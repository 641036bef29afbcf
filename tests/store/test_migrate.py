"""Migrations lead to the schema that the code is written for, once, and books can only be added to."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Executable,
    Integer,
    Table,
    delete,
    exc,
    insert,
    select,
    text,
    update,
)

from syncd.store import tables
from syncd.store.engine import UnusableDatabase, connect, read, write
from syncd.store.migrate import current, pending, upgrade

AT = datetime(2026, 3, 1, tzinfo=UTC)
APPEND_ONLY = [tables.ledger_txn, tables.ledger_posting, tables.history]


def test_a_migrated_database_has_exactly_the_schema_of_the_code(engine: Engine) -> None:
    with read(engine) as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, tables.metadata)

    assert differences == [], "write a migration: see CONTRIBUTING.md"


def test_an_empty_database_is_pending_until_it_is_upgraded(empty_database_url: str) -> None:
    engine = connect(empty_database_url)
    assert current(engine) is None
    assert pending(engine)

    upgrade(engine)
    first = current(engine)
    upgrade(engine)

    assert first is not None
    assert current(engine) == first
    assert not pending(engine)
    engine.dispose()


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    program = (
        "import sys; from syncd.store import engine, migrate; made = engine.connect(sys.argv[1]);"
        "print('ready', flush=True); sys.stdin.readline(); migrate.upgrade(made)"
    )
    command = [sys.executable, "-c", program, empty_database_url]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        process.wait(timeout=60)
        process.stdout.close()  # type: ignore[union-attr]

    assert [process.returncode for process in processes] == [0, 0, 0]
    engine = connect(empty_database_url)
    assert not pending(engine)
    engine.dispose()


def test_a_migration_that_fails_leaves_an_empty_database(empty_database_url: str) -> None:
    """The name of the last table is taken already, so the migration fails near its end."""
    engine = connect(empty_database_url)
    last = tables.metadata.sorted_tables[-1].name
    with write(engine) as conn:
        conn.execute(text(f"CREATE TABLE {last} (x INTEGER)"))

    with pytest.raises(exc.DBAPIError):
        upgrade(engine)

    with read(engine) as conn:
        assert engine.dialect.get_table_names(conn) == [last]
    engine.dispose()


def test_the_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with write(engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(UnusableDatabase, match="newer syncd"):
        upgrade(engine)
    with pytest.raises(UnusableDatabase, match="9999"):
        pending(engine)


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
def test_books_and_history_refuse_every_change_and_removal(engine: Engine, table: Table) -> None:
    with write(engine) as conn:
        _write_one_of_each(conn)
        before = conn.execute(select(table)).all()

    column = list(table.columns)[-1]
    changes: list[Executable] = [update(table).values({column: column}), delete(table), text(_replace(engine, table))]
    for change in changes:
        with pytest.raises(exc.DBAPIError, match="append-only"), write(engine) as conn:
            conn.execute(change)

    with read(engine) as conn:
        assert conn.execute(select(table)).all() == before != []


def _replace(engine: Engine, table: Table) -> str:
    """Each database's own way round an ordinary DELETE."""
    if engine.dialect.name == "sqlite":
        return f"INSERT OR REPLACE INTO {table.name} SELECT * FROM {table.name}"
    return f"TRUNCATE {table.name} CASCADE"


@pytest.mark.parametrize("amounts", [[5, -5, 0], [5, -4], [5, 5]], ids=["one too many", "unbalanced", "both given"])
def test_a_transaction_of_the_ledger_comes_with_all_its_postings_and_they_balance(
    engine: Engine, amounts: list[int]
) -> None:
    whole = {**_any_row(tables.ledger_txn), "postings": 2}
    with write(engine) as conn:
        conn.execute(insert(tables.ledger_txn).values(whole))
        for account, amount in zip("ab", (5, -5), strict=True):
            conn.execute(_posting("x", account, amount))

    with write(engine) as conn:
        conn.execute(insert(tables.ledger_txn).values({**whole, "key": "other"}))
        for account, amount in zip("abc", amounts[:-1], strict=False):
            conn.execute(_posting("other", account, amount))
        with pytest.raises(exc.DBAPIError, match="comes with all its postings"):
            conn.execute(_posting("other", "last", amounts[-1]))
        conn.rollback()
    with pytest.raises(exc.DBAPIError, match="comes with all its postings"), write(engine) as conn:
        conn.execute(_posting("x", "late", 0))


def _posting(txn: str, account: str, amount: int) -> Executable:
    return insert(tables.ledger_posting).values(txn=txn, account=account, unit="EUR", amount=amount)


def _write_one_of_each(conn: Connection) -> None:
    for table in APPEND_ONLY:
        conn.execute(insert(table).values(_any_row(table)))


def _any_row(table: Table) -> dict[str, object]:
    return {column.name: 0 if column.name == "amount" else _any_value(column) for column in table.columns}


def _any_value(column: Column[Any]) -> object:
    """The same for each column of a type, so that foreign keys hold."""
    match column.type:
        case tables.Instant():
            return AT
        case Integer():
            return 1
        case JSON():
            return {}
        case _:
            return "x"
