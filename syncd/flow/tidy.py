"""Tidy: forget messages that were worked through long ago, so that inbox and outbox do not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Table

from syncd.flow.app import App
from syncd.store import work
from syncd.store.engine import write
from syncd.store.tables import inbox, outbox

# A webhook's id must be known for as long as its sender may repeat it: days. Dead letters stay until somebody looks.
KEPT = timedelta(days=35)
# A CRM's poke that is heeded twice costs a call and nothing else, and a busy CRM sends many.
POKES_KEPT = timedelta(days=3)
AT_ONCE = 1000  # rows in one transaction, so that nobody waits long for the database


def tidy(app: App) -> int:
    """Delete what the inbox has closed long ago, pokes sooner than the rest, and what receivers were told long ago.

    Pushes and effects stay: by them the same is not done twice. Tells how many rows that were.
    """
    return (
        _forget(app, inbox, POKES_KEPT, kind="poke")
        + _forget(app, inbox, KEPT)
        + _forget(app, outbox, KEPT, kind="tell")
    )


def _forget(app: App, table: Table, kept: timedelta, kind: str | None = None) -> int:
    total = 0
    while not app.stopping.is_set():
        with write(app.database) as tx:
            gone = work.forget(tx, table, before=app.clock() - kept, limit=AT_ONCE, kind=kind)
        total += gone
        if gone < AT_ONCE:
            break
    return total
