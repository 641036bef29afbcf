"""Decide: take what we were told, find whose it is, and book it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction
from sqlalchemy import true

from syncd.contract import Gone
from syncd.flow import deals, decisions, facts
from syncd.flow.app import App, backoff
from syncd.flow.book import book
from syncd.flow.capture import Refusal
from syncd.store import work
from syncd.store.engine import retrying, write
from syncd.store.tables import inbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

BATCH = 100
PATIENCE = timedelta(days=3)  # how long a message that names a referral that we do not know is kept and tried again


class LeaseLost(Exception):
    """Another worker has this duty now; what was done for it here is undone."""


def decide(app: App) -> int:
    """Work through the inbox as far as it is due; tell how many rows were taken."""
    total = 0
    while not app.stopping.is_set() and (duties := _claim(app)):
        for duty in duties:
            _decide_one(app, duty)
        total += len(duties)
    return total


def _claim(app: App) -> list[Duty]:
    with write(app.database) as tx:
        return work.claim(tx, inbox, true(), limit=BATCH, now=app.clock())


def _decide_one(app: App, duty: Duty) -> None:
    now = app.clock()
    try:
        retrying(app.database, lambda tx: _apply(tx, app, duty, now))
    except LeaseLost:
        log.warning("inbox row %s was taken over by another worker", duty.id)
    except Refusal as refusal:
        hopeless = refusal.reason != "not_found" or now - duty.created_at > PATIENCE
        _put_off(app, duty, str(refusal), now, for_good=hopeless)
    except Exception as error:
        # Whatever is wrong with one message must not stop those behind it; the text of an unknown error may hold
        # anything, so only its kind is kept.
        log.exception("inbox row %s could not be decided", duty.id)
        _put_off(app, duty, type(error).__name__, now, for_good=now - duty.created_at > PATIENCE)


def _apply(tx: Transaction, app: App, duty: Duty, now: datetime) -> None:
    """Do one duty in one transaction with its own closing."""
    if duty.kind == "timer":
        # Closed first: booking sets the next timer in the same row.
        if not work.settle(tx, inbox, duty):
            raise LeaseLost
        campaign, advocate = duty.payload["campaign"], duty.payload["advocate"]
        book(tx, app, campaign, advocate, (), cause="timer", now=now)
        return
    if duty.kind == "fact":
        fact, cause = facts.load(duty.payload["fact"]), duty.payload["cause"]
        if isinstance(fact, Gone):
            deals.apply_gone(tx, app, duty.party, fact, cause=cause, now=now)
        else:
            trail = facts.load_trail(duty.payload)
            deals.apply_stage(tx, app, duty.party, fact, trail, cause=cause, now=now)
    else:
        decision = decisions.read(duty.payload)
        decisions.apply(tx, app, decision, id=duty.key, cause=f"webhook:{duty.party}", now=now)
    if not work.settle(tx, inbox, duty):
        raise LeaseLost


def _put_off(app: App, duty: Duty, error: str, now: datetime, *, for_good: bool) -> None:
    due_at = None if for_good else now + backoff(duty.attempt)
    with write(app.database) as tx:
        work.settle(tx, inbox, duty, due_at=due_at, error=error, dead=for_good)
