"""What every test may ask for: a fresh database of either kind, already migrated or still empty."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from syncd.store.engine import connect
from tests import postgres
from tests.database import Databases, PostgresDatabases, SqliteDatabases


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Databases]:
    try:
        with postgres.server() as url, PostgresDatabases(url).running() as databases:
            yield databases
    except postgres.NoPostgres as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(f"HALF OF THIS SUITE DOES NOT RUN: {reason}")


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Both kinds of database, one after the other."""
    given: Databases = request.getfixturevalue(f"{request.param}_databases")
    return given


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The URL of a fresh, migrated database of this test's own, on SQLite and then on PostgreSQL."""
    with databases.migrated() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The URL of a fresh database of this test's own that no migration has touched."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh, migrated database, on SQLite and then on PostgreSQL."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _same_logging_afterwards() -> Iterator[None]:
    """What runs in this process, a command or a measurement, sets the process's logging up; take that back."""
    loggers = [logging.getLogger(), logging.getLogger("syncd")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
