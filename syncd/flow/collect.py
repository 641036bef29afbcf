"""Collect: ask a CRM what changed, and read our open leads by their ids; what it says goes into the inbox.

Two legs, since neither is enough. A search finds deals that we did not make, but its index lags, hides deletions and
ends at 10,000 rows. Reading by id sees all of that, but only of records that we know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from syncd.contract import RemoteRef, Throttled
from syncd.flow.app import DECIDE, App, Connection
from syncd.flow.health import ail, ending, ready, recover, skew_of
from syncd.flow.keep import Interrupted, keep
from syncd.store import records, sources
from syncd.store.engine import read, write
from syncd.store.sources import Source

log = logging.getLogger("syncd")

# The CRM's clock comes to us in whole seconds: the last one may still be filling.
HOLD_BACK = timedelta(seconds=1)
SWEEP_CHUNK = 1000  # the most persons that one call reads the deals of, on HubSpot
CLOSED_EVERY = timedelta(days=1)  # how often a referral that is won, lost or gone is looked at again by id
CLOSED_FOR = timedelta(days=180)  # and for how long after it was captured


def collect(app: App, name: str) -> int:
    """Poll one source if it is due; tell how many facts went into the inbox."""
    now, connection = app.clock(), app.connections[name]
    if ready(app, connection, now) is None:
        return 0
    with write(app.database) as tx:
        source = sources.claim(tx, name, now, connection.settings.poll.every)
    if source is None:
        return 0
    try:
        found = _search(app, connection, source)
        if source.sweep_at is None or source.sweep_at <= now:
            found += _sweep(app, connection, source)
    except Interrupted:
        log.warning("source %s was taken over by another worker", name)
        return 0
    except Exception as error:
        said = ending(connection, error, "while it was read")
        ail(app, name, said, now)
        # After too many calls in a moment the reading goes on as soon as the moment is over.
        _rest(app, source, timedelta() if isinstance(said, Throttled) else connection.settings.poll.every)
        return 0
    _rest(app, source, connection.settings.poll.every)
    recover(app, connection.name, now)
    if found:
        app.nudge(DECIDE)
    return found


def _search(app: App, connection: Connection, source: Source) -> int:
    """The first leg: what changed since the cursor, page by page; each page and its cursor are stored together."""
    assert source.cursor is not None
    skew = skew_of(connection, source)
    until = app.clock() + skew - HOLD_BACK
    if skew != timedelta(milliseconds=source.skew_ms):
        log.info("connector %s: its clock is now %s s ahead of ours", connection.name, skew.total_seconds())
        with write(app.database) as tx:
            sources.mark(tx, connection.name, skew_ms=int(skew.total_seconds() * 1000))
    found = 0
    for page in connection.plug_in().changes(source.cursor, until):
        if app.stopping.is_set():
            break  # the cursor stands where the last page left it
        ours = _holding(app, source, cursor=page.cursor)
        found += keep(app, connection, page.facts, cause=f"poll:{connection.name}", still_ours=ours)
    return found


def _sweep(app: App, connection: Connection, source: Source) -> int:
    """The second leg: every open referral by its id, and now and then the closed ones."""
    found, after = 0, ""
    while not app.stopping.is_set():
        now = app.clock()
        with read(app.database) as tx:
            some = records.to_sweep(
                tx,
                connection.name,
                after=after,
                limit=SWEEP_CHUNK,
                closed_before=now - CLOSED_EVERY,
                captured_after=now - CLOSED_FOR,
            )
        if not some:
            with write(app.database) as tx:
                sources.write(tx, source, sweep_at=now + connection.settings.poll.sweep)
            break
        leads = [lead for lead, _ in some]
        told = connection.plug_in().look_up(_distinct(ref for _, ref in some))
        ours = _holding(app, source)
        found += keep(app, connection, told, cause=f"sweep:{connection.name}", still_ours=ours)
        with write(app.database) as tx:
            records.swept(tx, connection.name, leads, now)
        after = leads[-1]
    return found


def _holding(app: App, source: Source, **values: str) -> Callable[[Transaction], bool]:
    """Keep the source, and store these of its values, while something is stored that was read from it."""
    return lambda tx: sources.extend(tx, source, app.clock(), **values)


def _distinct(items: Iterable[RemoteRef]) -> list[RemoteRef]:
    return list(dict.fromkeys(items))


def _rest(app: App, source: Source, pause: timedelta) -> None:
    now: datetime = app.clock()
    with write(app.database) as tx:
        sources.write(tx, source, due_at=now + pause, polled_at=now)
