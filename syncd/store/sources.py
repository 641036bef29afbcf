"""Sources: configured connectors as something to poll, and how each of them fares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, func, literal, or_, select, update

from syncd.contract import Stage
from syncd.store.tables import credential, deal, inbox, outbox, quota, record, source
from syncd.store.work import LEASE, insert_new

State = Literal["new", "healthy", "failing", "parked", "misconfigured"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A configured connector, how far it was read, and how it fares."""

    name: str
    cursor: str | None
    due_at: datetime | None
    lease: int
    failures: int  # since it was last well
    error: str | None
    created_at: datetime
    sweep_at: datetime | None
    state: State
    held_until: datetime | None  # no call is made before
    account: str | None
    stages: Sequence[Stage]
    polled_at: datetime | None
    ill_since: datetime | None
    origin: str  # its first name, by which events know it for ever
    skew_ms: int  # the CRM's clock less ours
    paused_at: datetime | None
    paused_until: datetime | None  # None while it is paused: until somebody resumes it
    paused_by: str | None
    subscribe_at: datetime | None  # when to see to the CRM's webhooks
    subscribed_until: datetime | None
    subscribed_url: str | None

    def is_paused(self, now: datetime) -> bool:
        """Tell whether people want no calls to be made."""
        return self.paused_at is not None and (self.paused_until is None or now < self.paused_until)


def add(tx: Connection, name: str, now: datetime) -> bool:
    """Begin to keep a source; its first poll is due at once."""
    if tx.scalar(select(source.c.name).where(source.c.name == name)):
        return False
    # A connector that was renamed keeps its events; one that takes its old name later must not get them.
    taken = set(tx.scalars(select(source.c.origin).where(source.c.origin.startswith(name, autoescape=True))))
    origin = next(each for each in (name, *(f"{name}~{n}" for n in range(2, len(taken) + 3))) if each not in taken)
    values = {"due_at": now, "sweep_at": now, "subscribe_at": now, "created_at": now, "state": "new", "origin": origin}
    return insert_new(tx, source, name=name, **values)


def get(tx: Connection, name: str) -> Source | None:
    """Read one source."""
    row = tx.execute(select(source).where(source.c.name == name)).one_or_none()
    return None if row is None else _source(row._mapping)


def everyone(tx: Connection) -> list[Source]:
    """List all sources by name."""
    return [_source(row._mapping) for row in tx.execute(select(source).order_by(source.c.name))]


def claim(tx: Connection, name: str, now: datetime, every: timedelta) -> Source | None:
    """Take a source that is due, for the length of a lease; it is read `every` so often."""
    # Further ahead than anybody puts it, it was put there before the host's clock was set back.
    due = or_(source.c.due_at <= now, source.c.due_at > now + max(every, LEASE))
    mine = and_(source.c.name == name, due)
    taken = tx.execute(
        update(source).where(mine).values(due_at=now + LEASE, lease=source.c.lease + 1).returning(*source.c)
    ).one_or_none()
    return None if taken is None else _source(taken._mapping)


def write(tx: Connection, held: Source, **values: Any) -> bool:
    """Write to a claimed source. False, and no change, if its lease was lost."""
    mine = and_(source.c.name == held.name, source.c.lease == held.lease)
    return tx.execute(update(source).where(mine).values(**values)).rowcount == 1


def extend(tx: Connection, held: Source, now: datetime, **values: Any) -> bool:
    """Keep a claimed source for another lease, as long work on it goes on."""
    return write(tx, held, due_at=now + LEASE, **values)


def mark(tx: Connection, name: str, **values: Any) -> None:
    """Write to a source whoever holds it: its health is told by deliveries too."""
    if "stages" in values:
        values["stages"] = [[s.pipeline, s.id, s.label, s.outcome] for s in values["stages"]]
    tx.execute(update(source).where(source.c.name == name).values(**values))


def take_subscription(tx: Connection, name: str, now: datetime, until: datetime) -> bool:
    """Take the care for a CRM's webhooks, if it is due, until a time; False if it is not, or another worker has it."""
    due = and_(source.c.name == name, source.c.subscribe_at <= now)
    return tx.execute(update(source).where(due).values(subscribe_at=until)).rowcount == 1


def rename(tx: Connection, old: str, new: str) -> bool:
    """Give a connector another name wherever the old one stands; False if the old one is not known."""
    if tx.execute(update(source).where(source.c.name == old).values(name=new)).rowcount == 0:
        return False
    for table in (outbox, record, deal, credential, quota):
        tx.execute(update(table).where(table.c.connector == old).values(connector=new))
    tx.execute(update(inbox).where(inbox.c.source == old).values(source=new))
    # Keys carry the connector's name, so that a later duty for the same lead finds them.
    prefixes = ((outbox, "push:"), (inbox, ""), (inbox, "poke/"))
    for table, was, is_ in ((table, f"{kind}{old}:", f"{kind}{new}:") for table, kind in prefixes):
        renamed = literal(is_) + func.substr(table.c.key, len(was) + 1)
        tx.execute(update(table).where(table.c.key.startswith(was, autoescape=True)).values(key=renamed))
    return True


def _source(row: RowMapping) -> Source:
    values = {name: row[name] for name in Source.__dataclass_fields__}
    values["stages"] = tuple(
        Stage(pipeline=pipeline, id=id, label=label, outcome=outcome)
        for pipeline, id, label, outcome in values["stages"] or ()
    )
    return Source(**values)
