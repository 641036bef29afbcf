"""Sites: an installation behind its web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.store.engine import connect
from tests.database import Databases
from tests.web.site import Site, running


@pytest.fixture
def site(sqlite_databases: Databases, tmp_path: Path) -> Iterator[Site]:
    """A site of this test's own, on SQLite."""
    with sqlite_databases.migrated() as url:
        engine = connect(url)
        with running(engine, tmp_path) as site:
            yield site
        engine.dispose()


@pytest.fixture(scope="module")
def shared_site(sqlite_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that a file of tests shares, on SQLite: for requests that leave nothing behind."""
    with sqlite_databases.migrated() as url:
        engine = connect(url)
        with running(engine, tmp_path_factory.mktemp("site")) as site:
            yield site
        engine.dispose()


@pytest.fixture
def any_site(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    """A site of this test's own, on SQLite and then on PostgreSQL."""
    with running(engine, tmp_path) as site:
        yield site
