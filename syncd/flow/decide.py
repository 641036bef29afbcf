"""Decide: take what we were told, find whose it is, and book it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlalchemy import Connection as Transaction

from syncd.contract import Gone
from syncd.flow import deals, decisions, facts, happenings
from syncd.flow.app import App
from syncd.flow.book import Entry, Place, book_all, lock
from syncd.flow.health import MOST_FAILURES, backoff
from syncd.flow.refusal import Refusal
from syncd.flow.written import Scope
from syncd.store import people, work
from syncd.store.engine import retrying, write
from syncd.store.tables import inbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

BATCH = 100

# News and timers take turns, as neither may wait until nothing is left of the other: a new version of a program wakes
# all books at once. Of a poke nothing can be decided before it was heeded.
NEWS = inbox.c.kind.not_in(["poke", "timer"])
TIMERS = inbox.c.kind == "timer"


class LeaseLost(Exception):
    """Another worker has this duty now; what was done for it here is undone."""


def decide(app: App) -> int:
    """Work through the inbox as far as it is due; tell how many rows were taken."""
    total = 0
    while not app.stopping.is_set() and (taken := _take_turn(app, NEWS) + _take_turn(app, TIMERS)):
        total += taken
    return total


def _take_turn(app: App, which: ColumnElement[bool]) -> int:
    with write(app.database) as tx:
        duties = work.claim(tx, inbox, which, limit=BATCH, now=app.clock())
    if duties:
        _decide(app, duties)
    return len(duties)


def _decide(app: App, duties: Sequence[Duty]) -> None:
    """Book these messages in one transaction; if one of them spoils it, each in its own."""
    now = app.clock()
    try:
        retrying(app.database, lambda tx: _apply(tx, app, duties, now))
    except Exception as error:
        if len(duties) > 1:
            for duty in duties:
                _decide(app, [duty])
        else:
            _put_off(app, duties[0], error, now)


def _apply(tx: Transaction, app: App, duties: Sequence[Duty], now: datetime) -> None:
    told = [happenings.read(duty.payload["happening"]) for duty in duties if "happening" in duty.payload]
    for who in sorted({who for it in told if (who := happenings.person(tx, app, it, now))}):
        people.lock_person(tx, who)  # in one order, or two workers would deadlock
    places = {duty.id: list(_whose(tx, app, duty, now)) for duty in duties}
    lock(tx, app, [place for some in places.values() for place in some])
    # Closed before it is booked: booking writes the next timer into the row that the last one closes here.
    if not all([work.settle(tx, inbox, duty) for duty in duties]):
        raise LeaseLost
    book_all(tx, app, [entry for duty in duties for entry in _entries(tx, app, duty, places[duty.id], now)], now)


def _whose(tx: Transaction, app: App, duty: Duty, now: datetime) -> Iterator[Place | happenings.Place]:
    """Tell whose books a message concerns."""
    match duty.kind:
        case "timer":
            yield Scope(campaign=duty.payload["campaign"], advocate=duty.payload["advocate"])
        case "fact":
            fact = facts.load(duty.payload["fact"])
            lead = None if isinstance(fact, Gone) else fact.lead
            yield from deals.whose(tx, duty.party, fact.ref, lead)
        case _ if "happening" in duty.payload:
            yield from happenings.places_of(tx, app, happenings.read(duty.payload["happening"]), now)
        case _:
            yield decisions.resolve(tx, app, decisions.read(duty.payload))


def _entries(
    tx: Transaction, app: App, duty: Duty, places: Sequence[Place | happenings.Place], now: datetime
) -> Iterator[Entry]:
    """Say what a message puts into the books."""
    match duty.kind:
        case "timer":
            yield Entry(campaign=duty.payload["campaign"], advocate=duty.payload["advocate"], cause="timer")
        case "fact":
            fact, cause = facts.load(duty.payload["fact"]), duty.payload["cause"]
            if isinstance(fact, Gone):
                yield from deals.gone_entries(tx, app, duty.party, fact, cause=cause, now=now)
            else:
                trail = facts.load_trail(duty.payload)
                yield from deals.stage_entries(tx, app, duty.party, fact, trail, cause=cause, now=now)
        case _ if "happening" in duty.payload:
            happening, cause = happenings.read(duty.payload["happening"]), f"webhook:{duty.party}"
            theirs = [place for place in places if isinstance(place, happenings.Place)]
            yield from happenings.entries(app, happening, theirs, teller=duty.party, cause=cause, now=now)
        case _:
            decision, cause = decisions.read(duty.payload), f"webhook:{duty.party}"
            referral = decisions.resolve(tx, app, decision)
            yield decisions.entry_of(tx, decision, referral, id=duty.key, cause=cause, now=now)


def _put_off(app: App, duty: Duty, error: Exception, now: datetime) -> None:
    """Try again later, or make a dead letter of what can never be booked."""
    late = duty.failures >= MOST_FAILURES and duty.kind != "timer"  # a hold must end whatever happens
    match error:
        case LeaseLost():
            log.warning("inbox row %s was taken over by another worker", duty.id)
            return
        case Refusal():
            told, dead = str(error), late or error.reason not in {"not_found", "campaign_not_found"}
        case _:
            # The text of an unknown error may hold anything, so only its kind is kept.
            log.error("inbox row %s could not be decided", duty.id, exc_info=error)
            told, dead = type(error).__name__, late
    with write(app.database) as tx:
        due_at = None if dead else now + backoff(duty.attempt)
        work.settle(tx, inbox, duty, due_at=due_at, error=told, dead=dead, failed=True)
