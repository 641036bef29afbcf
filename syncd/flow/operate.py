"""Operating: what people do to connectors and to letters that could not be delivered. Kept, and in the history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection as Transaction

from syncd.flow.app import DECIDE, App
from syncd.flow.refusal import Refusal
from syncd.store import letters as stored
from syncd.store import referrals, sources
from syncd.store.engine import retrying
from syncd.store.letters import Letter


def pause(app: App, connector: str, *, by: str, until: datetime | None = None) -> None:
    """Have no calls made to a CRM, whatever is restarted meanwhile; its leads wait. Raises `Refusal`."""
    _mark(app, connector, "paused", by, paused_at=app.clock(), paused_until=until, paused_by=by)


def resume(app: App, connector: str, *, by: str) -> None:
    """Have calls made again, at once, even if the CRM was left alone for its own sake. Raises `Refusal`."""
    cleared = {"paused_at": None, "paused_until": None, "paused_by": None, "held_until": None}
    _mark(app, connector, "resumed", by, **cleared)
    app.nudge(connector)


def retry(app: App, letters: Sequence[Letter], *, by: str) -> int:
    """Have dead letters tried again; tell how many."""
    now = app.clock()

    def once(tx: Transaction) -> int:
        revived = [letter for letter in letters if stored.revive(tx, letter, now)]
        for letter in revived:
            _note(tx, "retried", letter, by, now)
        return len(revived)

    count = retrying(app.database, once)
    for party in {letter.party if letter.box == "outbox" else DECIDE for letter in letters}:
        app.nudge(party)
    return count


def discard(app: App, letters: Sequence[Letter], *, reason: str, by: str) -> int:
    """Give dead letters up for good; tell how many."""
    now = app.clock()

    def once(tx: Transaction) -> int:
        discarded = [letter for letter in letters if stored.discard(tx, letter, reason)]
        for letter in discarded:
            _note(tx, "discarded", letter, by, now)
        return len(discarded)

    return retrying(app.database, once)


def _mark(app: App, connector: str, what: str, by: str, **values: object) -> None:
    now = app.clock()

    def once(tx: Transaction) -> None:
        if sources.get(tx, connector) is None:
            raise Refusal("not_found", f"there is no connector {connector!r}")
        sources.mark(tx, connector, **values)
        referrals.note(tx, what, at=now, cause=by, connector=connector)

    retrying(app.database, once)


def _note(tx: Transaction, what: str, letter: Letter, by: str, now: datetime) -> None:
    connector = letter.party if letter.box == "outbox" else None
    referrals.note_lead(tx, what, letter.lead, at=now, cause=by, connector=connector, letter=letter.name)
