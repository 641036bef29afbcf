"""Deliver: push what we owe to a CRM, in the CRM's own batch size, each lead with a verdict of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import and_
from sqlalchemy.exc import SQLAlchemyError

from syncd.contract import ConnectorError, Lead, Misconfigured, Parked, Pushed, Throttled, Transient
from syncd.flow.app import App, Connection
from syncd.flow.book import lock
from syncd.flow.health import MOST_FAILURES, ail, backoff, ending, ready, recover
from syncd.flow.leads import read_leads
from syncd.store import records, referrals, work
from syncd.store.engine import read, retrying, write
from syncd.store.referrals import Referral
from syncd.store.tables import outbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

HALTS = (Misconfigured, Parked, Throttled)  # what concerns all leads though it is said of one; the gravest first
MOST_LEASES = 60  # thirds of a lease for which one push may go on: twenty minutes


def deliver(app: App, name: str) -> int:
    """Push all that is due to one connector; tell how many leads arrived."""
    connection, arrived = app.connections[name], 0
    while ready(app, connection, app.clock()) is not None and (duties := _claim(app, connection)):
        with read(app.database) as tx:
            leads = read_leads(tx, app, connection, duties)
        there = [duty for duty in duties if duty.lead in leads]
        _drop(app, [duty for duty in duties if duty.lead not in leads])
        try:
            with held(app, there):
                verdicts = _push(connection, [leads[duty.lead or ""] for duty in there])
        except ConnectorError as error:
            _release(app, [(duty, error) for duty in there])
            ail(app, name, error, app.clock())
            break
        pairs = list(zip(there, verdicts, strict=True))
        # What befalls every lead may come as the verdict of one: the others of the batch may have gone in before.
        halts = [(duty, verdict) for duty, verdict in pairs if isinstance(verdict, HALTS)]
        arrived += _settle(app, connection, [pair for pair in pairs if not isinstance(pair[1], HALTS)])
        if halts:
            _release(app, halts)
            ail(app, name, _gravest([verdict for _, verdict in halts]), app.clock())
            break
        recover(app, name, app.clock())
    return arrived


@contextmanager
def held(app: App, duties: Sequence[Duty], every: float = work.LEASE.total_seconds() / 3) -> Iterator[None]:
    """Keep the lease while a push goes on: it makes several calls, each of which may take its time."""
    done = threading.Event()

    def keep() -> None:
        for _ in range(MOST_LEASES):
            if done.wait(every):
                return
            try:
                with write(app.database) as tx:
                    work.extend(tx, outbox, duties, app.clock())
            except SQLAlchemyError as error:  # it is tried again twice before the lease ends
                log.warning("the lease of a push could not be lengthened: %s", type(error).__name__)

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _claim(app: App, connection: Connection) -> list[Duty]:
    """Take a batch. The attempt is durable before the call: whoever finds the row again knows that it may be there."""
    mine = and_(outbox.c.connector == connection.name, outbox.c.kind == "push")
    with write(app.database) as tx:
        return work.claim(tx, outbox, mine, limit=connection.plug_in().batch_size, now=app.clock())


def _push(connection: Connection, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
    """Push a batch; if the connector breaks down on it, find the lead that it breaks down on."""
    if not leads:
        return []
    try:
        verdicts = connection.plug_in().push(leads)
        if len(verdicts) != len(leads):
            raise ValueError(f"{len(verdicts)} verdicts on {len(leads)} leads")
        return verdicts
    except ConnectorError:
        raise
    except Exception as error:  # a fault of the connector's own; it must not hold up the leads beside it
        if len(leads) == 1:
            return [ending(connection, error, f"on lead {leads[0].id}")]
        middle = len(leads) // 2
        return [*_push(connection, leads[:middle]), *_push(connection, leads[middle:])]


def _settle(app: App, connection: Connection, pairs: Sequence[tuple[Duty, Pushed | ConnectorError]]) -> int:
    """Write down how each lead fared, in one transaction."""
    now = app.clock()
    leads = [duty.lead or "" for duty, verdict in pairs if isinstance(verdict, Pushed)]

    def once(tx: Transaction) -> int:
        _hold(tx, app, leads)
        return sum(_settle_one(tx, connection, duty, verdict, now) for duty, verdict in pairs)

    return retrying(app.database, once)


def _hold(tx: Transaction, app: App, leads: Sequence[str]) -> None:
    """Hold the books of these leads: their standing changes, which is otherwise written under this lock alone."""
    found: list[Referral] = []
    while (now := referrals.find(tx, ids=leads)) != found:  # while one waits, a merge may make them somebody else's
        lock(tx, app, found := now)


def _settle_one(
    tx: Transaction, connection: Connection, duty: Duty, verdict: Pushed | ConnectorError, now: datetime
) -> bool:
    cause, lead = f"push:{connection.name}", duty.lead or ""
    if isinstance(verdict, Pushed):
        # Even if the lease was lost: where the lead is remains true whoever found out.
        records.keep(tx, connection.name, lead, verdict.ref, pushed_at=now)
        referrals.mark_pushed(tx, lead)
        if work.settle(tx, outbox, duty):
            person, deal = verdict.ref.person, verdict.ref.deal
            referrals.note_lead(
                tx,
                "pushed" if referrals.is_referral(lead) else "pushed_advocate",
                lead,
                at=now,
                cause=cause,
                connector=connection.name,
                person=person and person.id,
                deal=deal and deal.id,
                created=verdict.created,
            )
        return True
    again = isinstance(verdict, Transient) and duty.failures < MOST_FAILURES
    due_at = now + backoff(duty.failures + 1) if again else None
    if work.settle(tx, outbox, duty, due_at=due_at, error=str(verdict), dead=not again, failed=True) and not again:
        log.warning("connector %s: lead %s is a dead letter: %s", connection.name, lead, verdict)
        name, error = connection.name, str(verdict)
        referrals.note_lead(tx, "push_failed", lead, at=now, cause=cause, connector=name, error=error)
    return False


def _release(app: App, pairs: Sequence[tuple[Duty, ConnectorError]]) -> None:
    """Give leads back whose call failed as a whole; none is to blame, so none dies of it. The connector rests instead.

    Only before the first call of a push is it sure that nothing was applied, so the attempt stays counted but for
    a quota or a moment's limit, which count as none.
    """
    now = app.clock()
    with write(app.database) as tx:
        for duty, error in pairs:
            counted = not isinstance(error, Parked | Throttled)
            work.settle(tx, outbox, duty, due_at=now, error=str(error), counted=counted)


def _gravest(errors: Sequence[ConnectorError]) -> ConnectorError:
    """Give the error that holds a connector back for the longest."""
    return min(errors, key=lambda error: next(n for n, kind in enumerate(HALTS) if isinstance(error, kind)))


def _drop(app: App, duties: Sequence[Duty]) -> None:
    """Close the duties of leads that are no more."""
    with write(app.database) as tx:
        for duty in duties:
            work.settle(tx, outbox, duty)
