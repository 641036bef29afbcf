"""People who are remembered and forgotten at the same moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from syncd.contract import Person
from syncd.store import people
from syncd.store.engine import write

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANN = Person(email="ann@example.com", first_name="Ann")


def test_one_who_is_forgotten_while_they_come_back_is_somebody_new(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    with write(engine) as tx:
        before = people.remember(tx, ANN, "hash", NOW)

    def forget(tx: Connection, _: Any, statement: str, *more: Any) -> None:
        if statement.startswith("INSERT INTO participant") and not done:
            done.append(statement)
            with write(engine) as other:
                people.forget(other, before.id, NOW, keep_identity=False)

    done: list[str] = []
    with write(engine) as tx:
        event.listen(tx, "after_cursor_execute", forget)
        after = people.remember(tx, ANN, "hash", NOW)

    assert done
    assert after.id != before.id
    assert after.person == ANN
