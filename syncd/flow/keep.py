"""Keep: put what a CRM said into the inbox, once, together with the note that it was heard.

Polls, sweeps and pokes all end here; they differ in how they asked, and in what must still be theirs when it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.contract import Gone, KeepsHistory, RemoteId, StageFact
from syncd.flow import facts
from syncd.flow.app import App, Connection
from syncd.flow.deals import is_newer, owners
from syncd.store import records, referrals, work
from syncd.store.engine import read, retrying

Trails = Mapping[RemoteId | None, Sequence[StageFact]]


class Interrupted(Exception):
    """The lease was lost: another worker does this now, and nothing was stored here."""


def keep(
    app: App,
    connection: Connection,
    told: Sequence[StageFact | Gone],
    *,
    cause: str,
    still_ours: Callable[[Transaction], bool],
) -> int:
    """Store what concerns us of what a CRM said, with the stages gone through; tell how many facts are new.

    `still_ours` runs in the same transaction and writes down that this was heard. If it gives False nothing is stored
    and `Interrupted` is raised. It may run several times. Asks the CRM for histories, so its errors are raised too.
    """
    news = _news(app, connection.name, told, app.clock())
    trails = _trails(connection, [fact for fact in news.values() if isinstance(fact, StageFact)])

    def once(tx: Transaction) -> int:
        now, found = app.clock(), 0
        for key, fact in news.items():
            payload = _payload(fact, trails) | {"cause": cause}
            found += work.told(tx, key=key, kind="fact", source=connection.name, payload=payload, now=now)
        if not still_ours(tx):
            raise Interrupted
        return found

    return retrying(app.database, once)


def _payload(fact: StageFact | Gone, trails: Trails) -> dict[str, Any]:
    if isinstance(fact, Gone) or not (steps := trails.get(fact.ref.deal)):
        return {"fact": facts.dump(fact)}
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
    return {"fact": facts.dump(stands), "trail": trail}


def _news(app: App, connector: str, told: Sequence[StageFact | Gone], now: datetime) -> dict[str, StageFact | Gone]:
    """Leave out what is nobody's of ours and what we know already: most of what a busy CRM tells. By key."""
    deals = [fact.ref.deal.id for fact in told if fact.ref.deal]
    persons = [fact.ref.person.id for fact in told if fact.ref.person]
    carried = {fact.lead for fact in told if isinstance(fact, StageFact) and fact.lead}
    with read(app.database) as tx:
        by_deal, by_person = records.leads_of(tx, connector, deals=deals, persons=persons)
        held = records.versions(tx, connector, deals)
        known = set[str]().union(*by_deal.values(), *by_person.values())
        known_gone = records.gone(tx, connector, known)
        # Once kept, a fact is not kept again; so what concerns a campaign that rests is left for when it is back.
        resting = referrals.elsewhere(tx, known | carried, app.config.campaigns)
    news: dict[str, StageFact | Gone] = {}
    for fact in told:
        of_deal = by_deal.get(fact.ref.deal.id, set()) if fact.ref.deal else set()
        of_person = by_person.get(fact.ref.person.id, set()) if fact.ref.person else set()
        leads = owners(of_deal, of_person, None if isinstance(fact, Gone) else fact.lead) - resting
        old = [held.get((fact.ref.deal.id, lead)) for lead in leads] if fact.ref.deal else []
        if isinstance(fact, Gone):
            if leads and (fact.why == "merged" or leads - known_gone):
                news[facts.key(connector, fact, now)] = fact
        elif any(deal is None or deal.gone or is_newer(fact, deal) for deal in old):
            # Back from the recycle bin, or in a stage again in which it was in the same second.
            again = any(deal is not None and (deal.gone or deal.version == fact.version) for deal in old)
            news[facts.key(connector, fact, now if again else None)] = fact
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
