"""Heed: look up the records that a CRM's webhooks hinted at, and keep what the CRM says of them.

A hint saves waiting for the next poll and nothing else, so whatever goes wrong with one, polling finds the change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import SQLAlchemyError

from syncd.contract import (
    ConnectorError,
    Gone,
    Misconfigured,
    Parked,
    RemoteId,
    RemoteRef,
    StageFact,
    Throttled,
    Transient,
    parts,
)
from syncd.flow import pokes
from syncd.flow.app import DECIDE, App, Connection
from syncd.flow.health import ail, backoff, ending, ready, recover
from syncd.flow.keep import Interrupted, keep
from syncd.store import pokes as stored
from syncd.store import records, work
from syncd.store.engine import read, write
from syncd.store.tables import inbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

BATCH = 100  # pokes that are heeded together
REFS = 1000  # records that one call looks up
LOOKS = 4  # how often a poke is looked into whose record is not there, within half a minute
TRIES = 10  # how often a poke is looked into at the most; each failed one rests the whole connector for a while


def heed(app: App, name: str) -> int:
    """Heed the pokes of one connector as far as they are due; tell how many facts went into the inbox."""
    connection, found = app.connections[name], 0
    while _is_due(app, name) and ready(app, connection, app.clock()) is not None and (duties := _claim(app, name)):
        try:
            found += _heed(app, connection, duties)
        except Interrupted:
            log.warning("pokes of %s were taken over by another worker", name)
            break
        except ConnectorError as error:
            ail(app, name, error, app.clock())
            break
        recover(app, name, app.clock())
    if found:
        app.nudge(DECIDE)
    return found


def _is_due(app: App, name: str) -> bool:
    with read(app.database) as tx:
        return stored.is_due(tx, name, app.clock())


def _claim(app: App, name: str) -> list[Duty]:
    with write(app.database) as tx:
        return stored.claim(tx, name, limit=BATCH, now=app.clock())


def _heed(app: App, connection: Connection, duties: Sequence[Duty]) -> int:
    """Heed these pokes together. Raises what concerns all of the connector; what does not, the pokes pay for."""
    wanted = list(dict.fromkeys(ref for duty in duties for ref in pokes.refs(duty.payload)))
    try:
        told = [fact for some in parts(wanted, REFS) for fact in connection.plug_in().look_up(some)]
        again = _to_look_again(app, connection.name, duties, told)
        return keep(
            app,
            connection,
            told,
            cause=f"webhook:{connection.name}",
            still_ours=lambda tx: _settle(tx, duties, again, app.clock()),
        )
    except (Interrupted, SQLAlchemyError):
        raise
    except (Transient, Parked, Misconfigured) as error:
        _release(app, duties, error)
        raise
    except Exception as error:
        if len(duties) > 1:  # one that the connector, or the CRM, chokes on must not take the others with it
            middle = len(duties) // 2
            return _heed(app, connection, duties[:middle]) + _heed(app, connection, duties[middle:])
        _blame(app, connection, duties[0], ending(connection, error, "at a poke"))
        return 0


def _to_look_again(
    app: App, connector: str, duties: Sequence[Duty], told: Sequence[StageFact | Gone]
) -> dict[int, str]:
    """Find the pokes that came before their records could be seen, by row, and say what they wait for."""
    named = {duty.id: pokes.refs(duty.payload) for duty in duties}
    ids = sorted({id.id for refs in named.values() for ref in refs for id in _ids(ref)})
    # In this order: a push that is under way no more when we ask has told by then where its leads are.
    with read(app.database) as tx:
        pushing = stored.push_under_way(tx, connector)
    with read(app.database) as tx:
        by_deal, by_person = records.leads_of(tx, connector, deals=ids, persons=ids)
    marked = {id.id for fact in told if isinstance(fact, StageFact) and fact.lead for id in _ids(fact.ref)}
    ours = {*by_deal, *by_person, *marked}
    seen = {id.id for fact in told if not (isinstance(fact, Gone) and fact.why != "merged") for id in _ids(fact.ref)}
    reasons = {
        row: [why for ref in refs if (why := _why_again(ref, ours=ours, seen=seen, pushing=pushing))]
        for row, refs in named.items()
    }
    return {row: why[0] for row, why in reasons.items() if why}


def _why_again(ref: RemoteRef, *, ours: set[str], seen: set[str], pushing: bool) -> str | None:
    """Say why a record is worth another look. Most are other people's deals, and are not."""
    ids = {id.id for id in _ids(ref)}
    if ids & ours:
        return None
    if ref.deal and not ids & seen:
        return "the CRM does not show the deal yet"
    return "a push that may have made the record has not ended" if pushing else None


def _ids(ref: RemoteRef) -> Iterator[RemoteId]:
    yield from (id for id in (ref.person, ref.deal) if id)


def _settle(tx: Transaction, duties: Sequence[Duty], again: Mapping[int, str], now: datetime) -> bool:
    """Close the pokes, but for those to look into again; False if the lease of one was lost."""
    held = []
    for duty in duties:
        why = again.get(duty.id) if duty.failures + 1 < LOOKS else None
        due_at = now + backoff(duty.failures + 1) if why else None
        held.append(work.settle(tx, inbox, duty, due_at=due_at, error=why, failed=why is not None))
    return all(held)


def _release(app: App, duties: Sequence[Duty], error: ConnectorError) -> None:
    """Give pokes back that are not to blame; the connector rests instead.

    Not for ever: if it is one of them that the CRM cannot answer, leads would wait for a hint that nobody needs.
    """
    now, counted = app.clock(), not isinstance(error, Parked | Throttled)
    over = [duty for duty in duties if counted and duty.attempt >= TRIES]
    with write(app.database) as tx:
        for duty in duties:
            due_at = None if duty in over else now
            work.settle(tx, inbox, duty, due_at=due_at, error=str(error), counted=counted)
    if over:
        log.warning("connector %s: %s pokes are given up, polling goes on: %s", over[0].party, len(over), error)


def _blame(app: App, connection: Connection, duty: Duty, error: ConnectorError) -> None:
    """Try one poke again a few times, then let it go: the next poll and the next sweep see its record as well."""
    last = duty.failures + 1 >= LOOKS
    due_at = None if last else app.clock() + backoff(duty.failures + 1)
    with write(app.database) as tx:
        settled = work.settle(tx, inbox, duty, due_at=due_at, error=str(error), failed=True)
    if last and settled:
        log.warning("connector %s: poke i%s is given up, polling goes on: %s", connection.name, duty.id, error)
