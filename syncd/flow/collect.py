"""Collect: ask a CRM what changed, and read our open leads by their ids; what it says goes into the inbox.

Two legs, since neither is enough. A search finds deals that we did not make, but its index lags, hides deletions and
ends at 10,000 rows. Reading by id sees all of that, but only of records that we know.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from syncd.contract import Gone, KeepsHistory, RemoteId, RemoteRef, StageFact
from syncd.flow import facts
from syncd.flow.app import App, Connection
from syncd.flow.deals import is_newer, owners
from syncd.flow.health import ail, ending, ready, recover, skew_of
from syncd.store import records, sources, work
from syncd.store.engine import read, write
from syncd.store.sources import Source

log = logging.getLogger("syncd")

# The CRM's clock comes to us in whole seconds: the last one may still be filling.
HOLD_BACK = timedelta(seconds=1)
SWEEP_CHUNK = 1000  # the most persons that one call reads the deals of, on HubSpot
CLOSED_EVERY = timedelta(days=1)  # how often a referral that is won, lost or gone is looked at again by id
CLOSED_FOR = timedelta(days=180)  # and for how long after it was captured


class Interrupted(Exception):
    """The lease on the source was lost: another worker reads it now."""


def collect(app: App, name: str) -> int:
    """Poll one source if it is due; tell how many facts went into the inbox."""
    now, connection = app.clock(), app.connections[name]
    if ready(app, connection, now) is None:
        return 0
    with write(app.database) as tx:
        source = sources.claim(tx, name, now)
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
        ail(app, name, ending(connection, error, "while it was read"), now)
        _rest(app, connection, source)
        return 0
    _rest(app, connection, source)
    recover(app, connection.name, now)
    if found:
        app.nudge("decide")
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
        found += _keep(app, connection, source, page.facts, cause=f"poll:{connection.name}", cursor=page.cursor)
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
        found += _keep(app, connection, source, told, cause=f"sweep:{connection.name}")
        with write(app.database) as tx:
            records.swept(tx, connection.name, leads, now)
        after = leads[-1]
    return found


def _keep(
    app: App,
    connection: Connection,
    source: Source,
    told: Sequence[StageFact | Gone],
    *,
    cause: str,
    cursor: str | None = None,
) -> int:
    """Store what concerns us of a page, with the stages gone through, and the cursor, in one transaction."""
    news = _news(app, connection.name, told, app.clock())
    trails = _trails(connection, [fact for fact in news.values() if isinstance(fact, StageFact)])
    now, found = app.clock(), 0
    with write(app.database) as tx:
        for key, fact in news.items():
            payload: dict[str, Any] = {"fact": facts.dump(fact), "cause": cause}
            if isinstance(fact, StageFact) and (steps := trails.get(fact.ref.deal)):
                newest = sorted(steps, key=lambda step: step.version)[-1]  # of equal ones the last
                # The history was read after the fact, and may know more.
                stands = replace(
                    fact,
                    pipeline=newest.pipeline,
                    stage=newest.stage,
                    outcome=newest.outcome,
                    amount=newest.amount,
                    currency=newest.currency,
                )
                trail = [facts.dump(replace(step, ref=fact.ref, lead=fact.lead)) for step in steps]
                payload |= {"fact": facts.dump(stands), "trail": trail}
            found += work.told(tx, key=key, kind="fact", source=connection.name, payload=payload, now=now)
        values = {} if cursor is None else {"cursor": cursor}
        if not sources.extend(tx, source, now, **values):
            raise Interrupted
    return found


def _news(app: App, connector: str, told: Sequence[StageFact | Gone], now: datetime) -> dict[str, StageFact | Gone]:
    """Leave out what is nobody's of ours and what we know already: most of what a busy CRM tells. By key."""
    deals = [fact.ref.deal.id for fact in told if fact.ref.deal]
    persons = [fact.ref.person.id for fact in told if fact.ref.person]
    with read(app.database) as tx:
        by_deal, by_person = records.leads_of(tx, connector, deals=deals, persons=persons)
        held = records.versions(tx, connector, deals)
        known_gone = records.gone(tx, connector, set().union(*by_deal.values(), *by_person.values()))
    news: dict[str, StageFact | Gone] = {}
    for fact in told:
        of_deal = by_deal.get(fact.ref.deal.id, set()) if fact.ref.deal else set()
        of_person = by_person.get(fact.ref.person.id, set()) if fact.ref.person else set()
        leads = owners(of_deal, of_person, None if isinstance(fact, Gone) else fact.lead)
        old = [held.get((fact.ref.deal.id, lead)) for lead in leads] if fact.ref.deal else []
        if isinstance(fact, Gone):
            if leads and (fact.why == "merged" or leads - known_gone):
                news[facts.key(connector, fact, now)] = fact
        elif any(deal is not None and deal.gone for deal in old):
            news[facts.key(connector, fact, now)] = fact  # back from the recycle bin
        elif any(deal is None or is_newer(fact, deal) for deal in old):
            news[facts.key(connector, fact)] = fact
    return news


def _trails(connection: Connection, news: Sequence[StageFact]) -> dict[RemoteId | None, list[StageFact]]:
    """Ask which stages these deals went through, so that one passed between two polls is not lost."""
    plug_in = connection.plug_in()
    deals = list(dict.fromkeys(fact.ref.deal for fact in news if fact.ref.deal))
    if not deals or not isinstance(plug_in, KeepsHistory):
        return {}
    trails: dict[RemoteId | None, list[StageFact]] = {}
    for step in plug_in.history(deals):
        trails.setdefault(step.ref.deal, []).append(step)
    return trails


def _distinct(items: Iterable[RemoteRef]) -> list[RemoteRef]:
    return list(dict.fromkeys(items))


def _rest(app: App, connection: Connection, source: Source) -> None:
    now: datetime = app.clock()
    with write(app.database) as tx:
        sources.write(tx, source, due_at=now + connection.settings.poll.every, polled_at=now)
