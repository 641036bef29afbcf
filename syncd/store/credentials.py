"""Credentials: what OAuth gave each connector, and who is asking for more.

Every write names the `lease` of the row that it was decided on, and raises it: a decision on a row that has changed
meanwhile is not written, whichever process took it. Texts come and go sealed; this module has no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from syncd.store.tables import credential, instant, micros
from syncd.store.work import insert_new

SEALED = ("refresh", "spare", "access")
"""The columns whose text is encrypted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What OAuth gave one connector."""

    connector: str
    refresh: str | None = field(default=None, repr=False)  # the newest refresh token
    spare: str | None = field(default=None, repr=False)  # the one before it, until the newest has worked
    access: str | None = field(default=None, repr=False)
    access_until: datetime | None = None
    api: str = ""  # where the API is, as the vendor said
    renewals: Sequence[datetime] = ()  # when the last access tokens were asked for, oldest first
    lease: int = 0
    leased_until: datetime | None = None  # until then somebody asks for an access token
    granted_at: datetime
    origin: str | None = None  # the fingerprint of the refresh token in the configuration, where there was one
    refused: str | None = None  # why the vendor gives no token any more


def get(tx: Connection, connector: str) -> Credential | None:
    """Read what a connector was given."""
    row = tx.execute(select(credential).where(credential.c.connector == connector)).one_or_none()
    return None if row is None else _credential(row._mapping)


def everyone(tx: Connection) -> list[Credential]:
    """List all credentials by connector."""
    return [_credential(row._mapping) for row in tx.execute(select(credential).order_by(credential.c.connector))]


def put(tx: Connection, new: Credential, over: Credential | None) -> bool:
    """Write `new` in place of `over`, or of nothing; False, and no change, if something else is there by now."""
    values = {each.name: getattr(new, each.name) for each in fields(Credential)}
    values["renewals"] = [micros(at) for at in new.renewals]
    if over is None:
        return insert_new(tx, credential, **{**values, "lease": 1})
    same = and_(credential.c.connector == over.connector, credential.c.lease == over.lease)
    return tx.execute(update(credential).where(same).values({**values, "lease": over.lease + 1})).rowcount == 1


def reseal(tx: Connection, change: Callable[[str], str]) -> int:
    """Put every sealed text through `change`; tell how many there were.

    Leases stay: what is sealed means the same as before, and whoever renews it meanwhile may go on.
    """
    count = 0
    for row in tx.execute(select(credential).order_by(credential.c.connector).with_for_update()).all():
        changed = {name: change(text) for name in SEALED if (text := row._mapping[name]) is not None}
        if changed:
            tx.execute(update(credential).where(credential.c.connector == row.connector).values(changed))
        count += len(changed)
    return count


def forget(tx: Connection, connector: str) -> bool:
    """Delete what a connector was given; False if there was nothing."""
    return tx.execute(delete(credential).where(credential.c.connector == connector)).rowcount == 1


def _credential(row: Mapping[Any, Any]) -> Credential:
    values = {each.name: row[each.name] for each in fields(Credential)}
    values["api"] = values["api"] or ""
    values["renewals"] = tuple(instant(at) for at in values["renewals"])
    return Credential(**values)
