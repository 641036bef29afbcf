"""The report: how the installation fares, for those who watch over it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection as Transaction
from starlette.requests import Request

from syncd.flow import audit
from syncd.flow.app import App
from syncd.flow.programs import out_of_date
from syncd.governor import is_short, left_of, ours, quota_text, turned
from syncd.redaction import redact
from syncd.store import books, quotas, receivers, referrals, sources, work
from syncd.store.engine import read
from syncd.store.quotas import Usage
from syncd.store.sources import Source
from syncd.store.tables import inbox, outbox
from syncd.web.models import ConnectorGiven, Ledger, Queue, QuotaGiven, ReceiverGiven, SenderGiven, StatusGiven


class Tally:
    """Counts how each sender's deliveries were answered, since this process began."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()

    def add(self, sender: str, answer: str) -> None:
        """Count one more. Only senders that are configured may be named, or the table could grow without end."""
        with self._lock:
            self._counts[sender][answer] += 1

    def of(self, sender: str) -> Mapping[str, int]:
        """Give the counts of a sender."""
        with self._lock:
            return dict(self._counts.get(sender, ()))


async def tally(request: Request) -> Tally:
    """Give the counts of the installation that serves this request."""
    counts: Tally = request.app.state.tally
    return counts


def report(app: App, tally: Tally) -> StatusGiven:
    """Look at all parts of an installation at one moment."""
    with read(app.database) as tx:
        found = audit.last(tx)
        sums: Counter[str] = Counter()
        for (_, unit), amount in books.balances(tx).items():
            sums[unit] += amount
        return StatusGiven(
            connectors=[_connector(tx, app, source) for source in sources.everyone(tx)],
            senders=[
                SenderGiven(name=sender.name, inbox=_inbox(tx, sender.name), answers=tally.of(sender.name))
                for sender in app.config.senders
            ],
            receivers=_receivers(tx, app),
            referrals=referrals.count_by_standing(tx),  # type: ignore[arg-type]
            out_of_date=[id for id, it in sorted(app.config.campaigns.items()) if out_of_date(tx, app, it)],
            ledger=Ledger(
                balanced=not any(sums.values()),
                audited_at=found.at if found else None,
                differing=found.differing if found else 0,
            ),
        )


def _connector(tx: Transaction, app: App, source: Source) -> ConnectorGiven:
    open_, dead = work.waiting(tx, outbox, source.name)
    configured, paused = app.connections.get(source.name), source.is_paused(app.clock())
    percent = round(configured.settings.limits.share * 100) if configured else 100
    return ConnectorGiven(
        name=source.name,
        type=configured.settings.type if configured else None,
        state=source.state,
        account=source.account,
        error=source.error and redact(source.error),
        held_until=source.held_until,
        polled_at=source.polled_at,
        paused_at=source.paused_at if paused else None,
        paused_until=source.paused_until if paused else None,
        paused_by=source.paused_by if paused else None,
        outbox=Queue(open=open_, dead=dead),
        inbox=_inbox(tx, source.name),
        quotas=[_quota(usage, percent, app.clock()) for usage in quotas.of(tx, source.name)],
    )


def _receivers(tx: Transaction, app: App) -> list[ReceiverGiven]:
    """Describe those that are configured, and those that were and are owed something still."""
    configured = {receiver.name: receiver for receiver in app.config.receivers}
    known = {each.name: each for each in receivers.everyone(tx)} | {
        name: receivers.get(tx, name) for name in configured
    }
    found = []
    for name, it in sorted(known.items()):
        open_, dead = work.waiting(tx, outbox, name)
        if name in configured or open_ or dead:
            given = ReceiverGiven(
                name=name,
                host=configured[name].host if name in configured else None,
                state=it.state,
                error=it.error and redact(it.error),
                held_until=it.held_until,
                told_at=it.told_at,
                outbox=Queue(open=open_, dead=dead),
            )
            found.append(given)
    return found


def _quota(usage: Usage, percent: int, now: datetime) -> QuotaGiven:
    short, usage = is_short(usage), turned(usage, now)
    return QuotaGiven(
        name=usage.name,
        limit=usage.limit,
        ours=ours(usage.limit, percent),
        window_seconds=usage.window.total_seconds(),
        used=None if short else usage.used,
        left=None if short else left_of(usage),
        resets_at=None if short else usage.resets_at,
        text=quota_text(usage, percent, now),
    )


def _inbox(tx: Transaction, party: str) -> Queue:
    open_, dead = work.waiting(tx, inbox, party)
    return Queue(open=open_, dead=dead)
