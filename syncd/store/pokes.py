"""Pokes in the inbox: what CRMs hinted at and nobody has looked at yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select

from syncd.store import work
from syncd.store.tables import inbox, outbox
from syncd.store.work import Duty


def _of(connector: str) -> ColumnElement[bool]:
    return and_(inbox.c.kind == "poke", inbox.c.source == connector)


def is_due(tx: Connection, connector: str, now: datetime) -> bool:
    """Tell whether a connector has a poke to be heeded; it only reads, so to look each second costs next to nothing."""
    return tx.scalar(select(inbox.c.id).where(_of(connector), inbox.c.due_at <= now).limit(1)) is not None


def claim(tx: Connection, connector: str, *, limit: int, now: datetime) -> list[Duty]:
    """Take up to `limit` due pokes of a connector."""
    return work.claim(tx, inbox, _of(connector), limit=limit, now=now)


def count(tx: Connection, connector: str, *, dead: bool = False, most: int) -> int:
    """Count a connector's pokes that are open, or those that are dead; not further than `most`."""
    state = inbox.c.dead if dead else inbox.c.due_at.is_not(None)
    some = select(inbox.c.id).where(_of(connector), state).limit(most).subquery()
    return tx.scalar(select(func.count()).select_from(some)) or 0


def push_under_way(tx: Connection, connector: str) -> bool:
    """Tell whether a push to a connector has begun whose end is not known."""
    begun = and_(outbox.c.connector == connector, outbox.c.kind == "push", outbox.c.attempt > 0)
    return tx.scalar(select(outbox.c.id).where(begun, outbox.c.due_at.is_not(None)).limit(1)) is not None


def last_told(tx: Connection, kind: str, source: str) -> datetime | None:
    """Tell when a poke, or a delivery, last came from a source, as far as the inbox remembers."""
    mine = and_(inbox.c.kind == kind, inbox.c.source == source)
    last: datetime | None = tx.scalar(select(func.max(inbox.c.created_at)).where(mine))
    return last
