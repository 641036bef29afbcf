"""Receivers: how those fare who are told what happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from syncd.store.tables import receiver
from syncd.store.work import put

State = Literal["new", "healthy", "failing", "gone"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """What is known of a receiver; one that was never called is new."""

    name: str
    state: State = "new"
    held_until: datetime | None = None  # nothing is posted before
    failures: int = 0  # since it was last well
    error: str | None = None
    ill_since: datetime | None = None
    told_at: datetime | None = None  # when it last took a message


def get(tx: Connection, name: str) -> Receiver:
    """Read how a receiver fares."""
    row = tx.execute(select(receiver).where(receiver.c.name == name)).one_or_none()
    return Receiver(name=name) if row is None else Receiver(**row._mapping)


def everyone(tx: Connection) -> list[Receiver]:
    """List all that were ever called, by name."""
    return [Receiver(**row._mapping) for row in tx.execute(select(receiver).order_by(receiver.c.name))]


def mark(tx: Connection, name: str, state: State, **values: Any) -> None:
    """Write how a receiver fares."""
    put(tx, receiver, {"name": name}, state=state, **values)
