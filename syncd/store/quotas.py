"""Quotas: what each CRM allows and how much of it is used, shared by every process on this database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, select, update

from syncd.contract import Quota
from syncd.store.tables import instant, micros, quota
from syncd.store.work import insert_new


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """Units that we took together, or nearly so; they leave the window together, when the last of them does."""

    at: datetime  # of the last one
    units: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """A quota and what is known of its use. `next_at` is for short windows, all below it for long ones."""

    name: str
    limit: int  # units of the whole account in a window
    limit_at: datetime | None  # when the CRM last told it; None: it is the meter's own number
    window: timedelta
    next_at: datetime | None  # when the next unit is free
    spent: tuple[Spent, ...]  # what we took, the oldest first
    left: int | None  # what the account has left, as the CRM last said, and what we took and got back since
    left_at: datetime | None
    resets_at: datetime | None  # when the CRM said that all comes back at once

    @property
    def used(self) -> int:
        """Tell how many units we took."""
        return sum(each.units for each in self.spent)


_AS_THEY_ARE = [field.name for field in fields(Usage) if field.name not in {"window", "spent"}]


def lock(tx: Connection, connector: str, wanted: Sequence[Quota]) -> list[Usage]:
    """Give these quotas' use, made if need be, by name; nobody else changes them until the transaction ends."""
    names = [each.name for each in wanted]
    mine = and_(quota.c.connector == connector, quota.c.name.in_(names))
    # In one order for everybody, or two calls that pay from the same two quotas could wait for each other.
    query = select(quota).where(mine).order_by(quota.c.name).with_for_update()
    rows = tx.execute(query).all()
    if len(rows) < len(set(names)):
        for each in sorted(wanted, key=lambda each: each.name):
            values = {"name": each.name, "limit": each.limit, "window_ms": _milliseconds(each.window), "spent": []}
            insert_new(tx, quota, connector=connector, **values)
        rows = tx.execute(query).all()
    return [_usage(row._mapping) for row in rows]


def keep(tx: Connection, connector: str, usage: Usage) -> None:
    """Write a quota's use."""
    values = {name: getattr(usage, name) for name in _AS_THEY_ARE if name != "name"}
    values["window_ms"] = _milliseconds(usage.window)
    values["spent"] = [[micros(each.at), each.units] for each in usage.spent]
    mine = and_(quota.c.connector == connector, quota.c.name == usage.name)
    tx.execute(update(quota).where(mine).values(**values))


def of(tx: Connection, connector: str) -> list[Usage]:
    """List a connector's quotas, by name."""
    rows = tx.execute(select(quota).where(quota.c.connector == connector).order_by(quota.c.name))
    return [_usage(row._mapping) for row in rows]


def _usage(row: RowMapping) -> Usage:
    values = {name: row[name] for name in _AS_THEY_ARE}
    spent = tuple(Spent(at=instant(at), units=units) for at, units in row["spent"])
    return Usage(**values, window=timedelta(milliseconds=row["window_ms"]), spent=spent)


def _milliseconds(window: timedelta) -> int:
    return window // timedelta(milliseconds=1)
