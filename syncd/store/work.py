"""Work that is due: take it for a while, and say how it ended.

Claiming moves `due_at` behind the lease and raises the fencing number `lease`; `settle` writes only while that number
is still the row's. So a dead worker's rows fall due again by themselves, and a late worker changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from syncd.store.tables import inbox, outbox

LEASE = timedelta(seconds=60)
FRESH = 3  # failures of a timer within half a minute, as while the database is busy
EFFECT = "effect:"  # what the keys of effects begin with
EFFECTS = ("effect", "noted")  # the rows by which an effect is not told again; a noted one was told under another name


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """A claimed row of outbox or inbox."""

    id: int
    key: str
    kind: str
    party: str  # the connector of an outbox row, the source of an inbox row
    lead: str | None
    payload: Mapping[str, Any] = field(repr=False)
    lease: int
    attempt: int  # this one included
    failures: int  # those before that this row was to blame for
    created_at: datetime


def insert_new(tx: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its unique key is there; tell whether it was inserted."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # Without the option SQLAlchemy gives -1 on PostgreSQL, where it fetches the new key instead.
    return tx.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def put(tx: Connection, table: Table, keys: Mapping[str, Any], **values: Any) -> None:
    """Insert the row of these keys, or overwrite these values of it."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**keys, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))


def claim(tx: Connection, table: Table, where: ColumnElement[bool], *, limit: int, now: datetime) -> list[Duty]:
    """Take up to `limit` due rows for `LEASE`, oldest first; rows that another worker is taking are passed over."""
    due = (
        select(table.c.id)
        .where(and_(where, table.c.due_at <= now))
        .order_by(table.c.due_at, table.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.scalars(due))
    if not ids:
        return []
    taken = tx.execute(
        update(table)
        .where(table.c.id.in_(ids))
        .values(due_at=now + LEASE, lease=table.c.lease + 1, attempt=table.c.attempt + 1)
        .returning(*table.c)
    )
    return sorted((_duty(row._mapping, table) for row in taken), key=lambda duty: duty.id)


def settle(
    tx: Connection,
    table: Table,
    duty: Duty,
    *,
    due_at: datetime | None = None,
    error: str | None = None,
    dead: bool = False,
    counted: bool = True,
    failed: bool = False,
) -> bool:
    """Close a claimed row, or let it fall due again at `due_at`. False, and no change, if its lease was lost.

    `counted=False` takes the attempt back: the call surely had no effect. `failed` says that this row is to blame.
    """
    values: dict[str, Any] = {"due_at": due_at, "error": error, "dead": dead}
    if not counted:
        values["attempt"] = table.c.attempt - 1
    if failed:
        values["failures"] = table.c.failures + 1
    if due_at is None and not dead:
        values["payload"] = {}  # what is done needs no copy of what it carried
    held = and_(table.c.id == duty.id, table.c.lease == duty.lease)
    return tx.execute(update(table).where(held).values(**values)).rowcount == 1


def extend(tx: Connection, table: Table, duties: Iterable[Duty], now: datetime) -> None:
    """Hold claimed rows for another lease, as long work on them goes on; rows whose lease was lost stay as they are."""
    for duty in duties:
        held = and_(table.c.id == duty.id, table.c.lease == duty.lease)
        tx.execute(update(table).where(held).values(due_at=now + LEASE))


def owe(
    tx: Connection,
    *,
    key: str,
    kind: str,
    now: datetime,
    connector: str | None = None,
    lead: str | None = None,
    payload: Mapping[str, Any] | None = None,
    due_at: datetime | None,
) -> bool:
    """Put a duty into the outbox, once per key."""
    return insert_new(
        tx,
        outbox,
        key=key,
        kind=kind,
        connector=connector,
        lead=lead,
        payload=dict(payload or {}),
        due_at=due_at,
        created_at=now,
    )


def owe_push(tx: Connection, *, connector: str, lead: str, campaign: str, now: datetime) -> bool:
    """Owe a lead to a connector, once."""
    key, payload = f"push:{connector}:{lead}", {"campaign": campaign}
    return owe(tx, key=key, kind="push", connector=connector, lead=lead, payload=payload, due_at=now, now=now)


def owe_effect(tx: Connection, campaign: str, key: str, lead: str, payload: Mapping[str, Any], now: datetime) -> bool:
    """Put an effect into the outbox, once per key."""
    values = {"campaign": campaign, "lead": lead, "payload": dict(payload), "created_at": now}
    return insert_new(tx, outbox, key=EFFECT + key, kind="effect", due_at=None, **values)


def message_key(receiver: str, effect: str) -> str:
    """Give the key of the duty to tell a receiver of an effect."""
    return f"tell:{receiver}:{effect}"


def owe_message(
    tx: Connection, *, receiver: str, effect: str, lead: str | None, message: Mapping[str, Any], now: datetime
) -> bool:
    """Owe a receiver the message about an effect, once."""
    key = message_key(receiver, effect)
    return owe(tx, key=key, kind="tell", connector=receiver, lead=lead, payload=message, due_at=now, now=now)


def bury(tx: Connection, table: Table, where: ColumnElement[bool], error: str) -> int:
    """Make dead letters of open rows, with the reason; whoever works on one of them now finds the lease lost."""
    open_ = and_(where, table.c.due_at.is_not(None))
    dead: dict[str, Any] = {"due_at": None, "dead": True, "error": error, "lease": table.c.lease + 1}
    return tx.execute(update(table).where(open_).values(**dead)).rowcount


def effects_of(tx: Connection, campaign: str, leads: Sequence[str] | None, kinds: Sequence[str] = EFFECTS) -> set[str]:
    """List the keys of the effects that these books, or all of a campaign, have had so far."""
    mine = and_(outbox.c.campaign == campaign, outbox.c.kind.in_(kinds))
    if leads is not None:
        mine = and_(mine, outbox.c.lead.in_(list(leads)))
    return {key.removeprefix(EFFECT) for key in tx.scalars(select(outbox.c.key).where(mine))}


def told(
    tx: Connection,
    *,
    key: str,
    kind: str,
    source: str,
    payload: Mapping[str, Any],
    now: datetime,
    dead: str | None = None,
) -> bool:
    """Put what we were told into the inbox, once per key; with `dead`, as something that cannot be used, and why."""
    return insert_new(
        tx,
        inbox,
        key=key,
        kind=kind,
        source=source,
        payload=dict(payload),
        due_at=None if dead else now,
        error=dead,
        dead=dead is not None,
        created_at=now,
    )


def set_timer(
    tx: Connection,
    *,
    key: str,
    source: str,
    payload: Mapping[str, Any],
    at: datetime | None,
    now: datetime,
    rest: timedelta = timedelta(),
) -> None:
    """Have the books named by `payload` looked at again at `at`, and at no other time; nobody tries within `rest`."""
    # Its age counts from when it is due: it may have been set weeks before.
    due_at = at and at + rest
    values = {"due_at": due_at, "payload": dict(payload), "attempt": 0, "failures": 0, "error": None, "dead": False}
    values |= {"created_at": at or now}
    if at is None:
        tx.execute(update(inbox).where(inbox.c.key == key).values(due_at=None))
    elif not insert_new(tx, inbox, key=key, kind="timer", source=source, **values):
        # A new lease number: whoever works on the timer that is replaced must not close this one.
        tx.execute(update(inbox).where(inbox.c.key == key).values(lease=inbox.c.lease + 1, **values))


def set_timers(tx: Connection, timers: Sequence[tuple[str, Mapping[str, Any]]], *, source: str, now: datetime) -> None:
    """Have all books of these timers, (key, payload), looked at now."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    values = {"due_at": now, "created_at": now, "attempt": 0, "failures": 0, "error": None, "dead": False}
    statement = dialect.insert(inbox).values(kind="timer", source=source, **values)
    again = statement.on_conflict_do_update(index_elements=["key"], set_={**values, "lease": inbox.c.lease + 1})
    if timers:
        tx.execute(again, [{"key": key, "payload": dict(payload)} for key, payload in timers])


def timer_is_due(tx: Connection, key: str, now: datetime) -> bool:
    """Tell whether a timer has run out, and somebody is about to see to it; nobody is to one that keeps failing."""
    ran_out = and_(inbox.c.due_at.is_not(None), inbox.c.created_at <= now)
    fresh = inbox.c.failures < FRESH
    return tx.scalar(select(inbox.c.id).where(and_(inbox.c.key == key, ran_out, fresh))) is not None


def forget(tx: Connection, table: Table = inbox, *, before: datetime, limit: int, kind: str | None = None) -> int:
    """Delete up to `limit` rows that were made before a time and are closed; dead letters stay.

    With `kind`, only rows of this one.
    """
    old = and_(table.c.due_at.is_(None), table.c.dead.is_(False), table.c.created_at < before)
    if kind is not None:
        old = and_(old, table.c.kind == kind)
    some = select(table.c.id).where(old).limit(limit)
    return tx.execute(delete(table).where(old, table.c.id.in_(some))).rowcount


def waiting(tx: Connection, table: Table, party: str) -> tuple[int, int]:
    """Count the rows of a connector or source that are open, and those that are dead."""
    column = table.c.connector if table is outbox else table.c.source
    open_, dead = (
        tx.scalar(select(func.count()).select_from(table).where(and_(column == party, condition))) or 0
        for condition in (table.c.due_at.is_not(None), table.c.dead)
    )
    return open_, dead


def _duty(row: RowMapping, table: Table) -> Duty:
    return Duty(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        party=(row["connector"] if table is outbox else row["source"]) or "",
        lead=row["lead"] if table is outbox else None,
        payload=row["payload"],
        lease=row["lease"],
        attempt=row["attempt"],
        failures=row["failures"],
        created_at=row["created_at"],
    )
