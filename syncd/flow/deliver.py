"""Deliver: push what we owe to a CRM, in the CRM's own batch size, each lead with a verdict of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction
from sqlalchemy import and_

from syncd.contract import ConnectorError, Lead, Misconfigured, Parked, Pushed, Transient
from syncd.flow.app import App, Connection, ail, backoff, ready, recover
from syncd.flow.leads import read_leads
from syncd.store import records, referrals, work
from syncd.store.engine import read, retrying, write
from syncd.store.tables import outbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

PATIENCE = timedelta(days=3)  # how long one lead is tried again before it becomes a dead letter


def deliver(app: App, name: str) -> int:
    """Push all that is due to one connector; tell how many leads arrived."""
    connection, arrived = app.connections[name], 0
    while ready(app, connection, app.clock()) is not None and (duties := _claim(app, connection)):
        with read(app.database) as tx:
            leads = read_leads(tx, app, connection, duties)
        there = [duty for duty in duties if duty.lead in leads]
        try:
            verdicts = _push(connection, [leads[duty.lead or ""] for duty in there])
        except ConnectorError as error:
            _release(app, duties, error)
            ail(app, name, error, app.clock())
            break
        arrived += _settle(app, connection, there, verdicts)
        _drop(app, [duty for duty in duties if duty.lead not in leads])
        recover(app, name, app.clock())
    return arrived


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
        return connection.plug_in().push(leads)
    except ConnectorError:
        raise
    except Exception as error:  # a fault of the connector's own; it must not hold up the leads beside it
        if len(leads) == 1:
            log.exception("connector %s broke down on lead %s", connection.name, leads[0].id)
            return [Transient(f"the connector broke down on this lead: {type(error).__name__}")]
        middle = len(leads) // 2
        return [*_push(connection, leads[:middle]), *_push(connection, leads[middle:])]


def _settle(
    app: App, connection: Connection, duties: Sequence[Duty], verdicts: Sequence[Pushed | ConnectorError]
) -> int:
    """Write down how each lead fared, in one transaction."""
    now = app.clock()

    def once(tx: Transaction) -> int:
        pairs = zip(duties, verdicts, strict=True)
        return sum(_settle_one(tx, connection, duty, verdict, now) for duty, verdict in pairs)

    return retrying(app.database, once)


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
            _note(
                tx,
                "pushed" if lead.startswith("ref_") else "pushed_advocate",
                duty,
                now,
                cause,
                connector=connection.name,
                person=person and person.id,
                deal=deal and deal.id,
                created=verdict.created,
            )
        return True
    again = isinstance(verdict, Transient | Parked | Misconfigured) and now - duty.created_at < PATIENCE
    due_at = now + backoff(duty.attempt) if again else None
    if work.settle(tx, outbox, duty, due_at=due_at, error=str(verdict), dead=not again) and not again:
        log.warning("connector %s: lead %s is a dead letter: %s", connection.name, lead, verdict)
        _note(tx, "push_failed", duty, now, cause, connector=connection.name, error=str(verdict))
    return False


def _release(app: App, duties: Sequence[Duty], error: ConnectorError) -> None:
    """Give a batch back whose call failed as a whole; none of its leads is to blame, so none dies of it."""
    now = app.clock()
    surely_not_applied = isinstance(error, Parked | Misconfigured)
    with write(app.database) as tx:
        for duty in duties:
            due_at = now if surely_not_applied else now + backoff(min(duty.attempt, 4))
            work.settle(tx, outbox, duty, due_at=due_at, error=str(error), counted=not surely_not_applied)


def _drop(app: App, duties: Sequence[Duty]) -> None:
    """Close the duties of leads that are no more."""
    with write(app.database) as tx:
        for duty in duties:
            work.settle(tx, outbox, duty)


def _note(
    tx: Transaction, what: str, duty: Duty, now: datetime, cause: str, *, connector: str, **detail: object
) -> None:
    lead = duty.lead or ""
    friend, advocate = (lead, None) if lead.startswith("ref_") else (None, lead)
    referrals.note(tx, what, at=now, cause=cause, connector=connector, referral=friend, participant=advocate, **detail)
