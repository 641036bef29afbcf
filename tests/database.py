"""Fresh databases for tests: each is a copy of one that was migrated once, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, make_url, text

from syncd.store.engine import connect
from syncd.store.migrate import upgrade


class Databases(Protocol):
    """A kind of database that can be had as often as wanted; each `with` gives the URL of one."""

    def migrated(self) -> AbstractContextManager[str]: ...
    def empty(self) -> AbstractContextManager[str]: ...


class SqliteDatabases:
    """SQLite files in a folder of the test run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        _migrate(f"sqlite:///{self._template}")

    @contextmanager
    def migrated(self) -> Iterator[str]:
        with self.empty() as url:
            # Closing its last connection left nothing of the template in its -wal file.
            shutil.copy(self._template, url.removeprefix("sqlite:///"))
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        yield f"sqlite:///{folder / 'syncd.db'}"
        shutil.rmtree(folder)


class PostgresDatabases:
    """Databases on one PostgreSQL server, dropped after use."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._server, isolation_level="AUTOCOMMIT")
        self._template = f"syncd_test_{uuid.uuid4().hex[:12]}"

    @contextmanager
    def running(self) -> Iterator[PostgresDatabases]:
        with self._created(self._template, "template0") as url:
            _migrate(url)
            yield self
        self._admin.dispose()

    @contextmanager
    def migrated(self) -> Iterator[str]:
        with self._created(f"{self._template}_{uuid.uuid4().hex[:12]}", self._template) as url:
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        with self._created(f"{self._template}_{uuid.uuid4().hex[:12]}", "template0") as url:
            yield url

    @contextmanager
    def _created(self, name: str, template: str) -> Iterator[str]:
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        try:
            url = self._server.set(drivername="postgresql", database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")  # a failed test may have left connections

    def _run(self, statement: str) -> None:
        with self._admin.connect() as conn:
            conn.execute(text(statement))


def _migrate(url: str) -> None:
    engine = connect(url)
    upgrade(engine)
    engine.dispose()
