"""Letters: what waits or is dead of outbox and inbox, as people see it and deal with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, select, update

from syncd.store.tables import inbox, outbox

_DISCARDED = "discarded: "


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A row of outbox or inbox as people see it: waiting with its next try, or dead with its reason."""

    box: str  # outbox | inbox
    id: int
    kind: str
    party: str
    lead: str | None
    key: str
    due_at: datetime | None
    attempt: int
    error: str | None
    created_at: datetime
    dead: bool
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """What commands call it: o12 or i12."""
        return f"{self.box[0]}{self.id}"


def find(
    tx: Connection,
    *,
    dead: bool,
    party: str | None = None,
    error: str | None = None,
    names: Sequence[str] | None = None,
    limit: int = 1000,
) -> list[Letter]:
    """List what waits, or what is dead, of outbox and inbox, oldest first; timers are nobody's concern."""
    found: list[Letter] = []
    for table in (outbox, inbox):
        whose = table.c.connector if table is outbox else table.c.source
        waiting_ = and_(table.c.due_at.is_not(None), table.c.kind != "timer")
        conditions: list[ColumnElement[bool]] = [table.c.dead if dead else waiting_]
        if party is not None:
            conditions.append(whose == party)
        if error is not None:
            conditions.append(table.c.error.contains(error, autoescape=True))
        if names is not None:
            ids = [int(name[1:]) for name in names if name[0] == table.name[0] and name[1:].isdecimal()]
            conditions.append(table.c.id.in_(ids))
        query = select(table).where(*conditions).order_by(table.c.created_at, table.c.id).limit(limit)
        found += [_letter(row._mapping, table) for row in tx.execute(query)]
    return sorted(found, key=lambda letter: (letter.created_at, letter.name))[:limit]


def revive(tx: Connection, letter: Letter, now: datetime) -> bool:
    """Have a dead letter tried again, from now on as long as a new one; False if it is dead no more."""
    table = outbox if letter.box == "outbox" else inbox
    dead = and_(table.c.id == letter.id, table.c.dead)
    again = {"due_at": now, "dead": False, "attempt": 0, "failures": 0}
    return tx.execute(update(table).where(dead).values(**again)).rowcount == 1


def discard(tx: Connection, letter: Letter, reason: str) -> bool:
    """Close a dead letter for good; its payload goes, the reason stays. False if it is dead no more."""
    table = outbox if letter.box == "outbox" else inbox
    dead = and_(table.c.id == letter.id, table.c.dead)
    closed = {"dead": False, "payload": {}, "error": f"{_DISCARDED}{reason}"}
    return tx.execute(update(table).where(dead).values(**closed)).rowcount == 1


def why_discarded(tx: Connection, names: Iterable[str]) -> dict[str, str]:
    """Tell why letters were given up, by name, as far as it is still known."""
    numbers = [(name[0], int(name[1:])) for name in names]
    found: dict[str, str] = {}
    for table in (outbox, inbox):
        ids = [number for box, number in numbers if box == table.name[0]]
        rows = tx.execute(select(table.c.id, table.c.error).where(table.c.id.in_(ids))).all() if ids else ()
        for id, error in rows:
            if error and error.startswith(_DISCARDED):
                found[f"{table.name[0]}{id}"] = error.removeprefix(_DISCARDED)
    return found


def _letter(row: RowMapping, table: Table) -> Letter:
    return Letter(
        box=table.name,
        id=row["id"],
        kind=row["kind"],
        party=(row["connector"] if table is outbox else row["source"]) or "",
        lead=row["lead"] if table is outbox else None,
        key=row["key"],
        due_at=row["due_at"],
        attempt=row["attempt"],
        error=row["error"],
        created_at=row["created_at"],
        dead=row["dead"],
        payload=row["payload"],
    )
