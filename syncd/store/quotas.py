"""Quotas: what each CRM allows and how much of it is used, shared by every process on this database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, select, update

from syncd.contract import Quota
from syncd.store.tables import quota
from syncd.store.work import insert_new


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """A quota and what is known of its use. `next_at` is for short windows, all below it for long ones."""

    name: str
    limit: int  # units of the whole account in a window
    window: timedelta
    next_at: datetime | None  # when the next unit is free
    used: int  # what we took since `since`
    since: datetime | None
    left: int | None  # what the account has left, as the CRM last said, less what we took since
    left_at: datetime | None
    resets_at: datetime | None


def lock(tx: Connection, connector: str, wanted: Sequence[Quota]) -> list[Usage]:
    """Give these quotas' use, made if need be, by name; nobody else changes them until the transaction ends."""
    names = [each.name for each in wanted]
    mine = and_(quota.c.connector == connector, quota.c.name.in_(names))
    # In one order for everybody, or two calls that pay from the same two quotas could wait for each other.
    query = select(quota).where(mine).order_by(quota.c.name).with_for_update()
    rows = tx.execute(query).all()
    if len(rows) < len(set(names)):
        for each in sorted(wanted, key=lambda each: each.name):
            window_ms = each.window // timedelta(milliseconds=1)
            insert_new(tx, quota, connector=connector, name=each.name, limit=each.limit, window_ms=window_ms)
        rows = tx.execute(query).all()
    return [_usage(row._mapping) for row in rows]


def keep(tx: Connection, connector: str, usage: Usage) -> None:
    """Write a quota's use."""
    values = {field.name: getattr(usage, field.name) for field in fields(Usage) if field.name not in {"name", "window"}}
    values["window_ms"] = usage.window // timedelta(milliseconds=1)
    mine = and_(quota.c.connector == connector, quota.c.name == usage.name)
    tx.execute(update(quota).where(mine).values(**values))


def of(tx: Connection, connector: str) -> list[Usage]:
    """List a connector's quotas, by name."""
    rows = tx.execute(select(quota).where(quota.c.connector == connector).order_by(quota.c.name))
    return [_usage(row._mapping) for row in rows]


def _usage(row: RowMapping) -> Usage:
    values = {field.name: row[field.name] for field in fields(Usage) if field.name != "window"}
    return Usage(**values, window=timedelta(milliseconds=row["window_ms"]))
