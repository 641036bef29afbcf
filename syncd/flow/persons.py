"""Persons: two records that are one, and a person who wants to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.flow import attribution
from syncd.flow.announce import teller
from syncd.flow.app import App
from syncd.flow.book import Entry, add, book_all, lock, scope_of
from syncd.flow.codes import stand_in
from syncd.flow.programs import keep_up
from syncd.flow.refusal import Refusal
from syncd.flow.traces import Traces
from syncd.flow.written import Scope
from syncd.store import books, erasure, people, records, referrals
from syncd.store.engine import retrying
from syncd.store.people import Participant
from syncd_rules import Event


def erase(app: App, who: str, *, cause: str) -> None:
    """Forget who somebody is: name, address and the hash by which they would be recognised.

    What was pending for them is void, nothing more is earned, no lead of theirs is sent any more. The books keep what
    was given, under an id that means nobody. With `privacy.remember_erased` the hash stays, so that they are never new
    again. Codes that they chose and texts that speak of them go, too; docs/api.md says what stays. What a CRM holds of
    them is not ours to delete. Raises `Refusal`.
    """
    now = app.clock()

    def once(tx: Transaction) -> None:
        _person(tx, who)
        places = _held_places(tx, app, [who])
        _forget(tx, app, who, places, now)
        for campaign in places:
            data = {"participant": who}
            event = Event(id=f"erased:{who}", type="participant.erased", at=now, campaign=campaign, data=data)
            add(tx, event, cause=cause, now=now)
        some = [Entry(campaign=c, advocate=a, cause=cause) for c, advocates in places.items() for a in advocates]
        book_all(tx, app, some, now)
        referrals.note(tx, "erased", at=now, cause=cause, participant=who)

    retrying(app.database, once)


def _forget(tx: Transaction, app: App, who: str, places: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Take out of the tables what tells who somebody is."""
    names, remember = people.names_of(tx, who), app.config.privacy.remember_erased
    leads = [*names, *(row.id for row in referrals.find(tx, friends=names, limit=10_000))]
    erasure.drop_pushes(tx, leads)
    erasure.forget_messages(tx, _traces(tx, app, who, leads).are_in)
    for campaign, advocates in places.items():
        erasure.forget_texts(tx, campaign, names, advocates, keep_identity=remember)
    erasure.forget_codes(tx, names, lambda code: stand_in(app, code))
    people.forget(tx, who, now, keep_identity=remember)


def _traces(tx: Transaction, app: App, who: str, leads: Sequence[str]) -> Traces:
    person = people.participants(tx, [who])[who].person
    refs = [(connector, ref) for lead in leads for connector, ref in records.where_is(tx, lead).items()]
    return Traces(
        identity=app.identity,
        identities=frozenset(people.identities_of(tx, who)),
        ids=frozenset(leads),
        records=frozenset((connector, it.id) for connector, ref in refs for it in (ref.person, ref.deal) if it),
        words=frozenset(filter(None, (person.first_name, person.last_name, person.phone, person.company))),
    )


def merge(app: App, old: str, into: str, *, cause: str) -> None:
    """Make one of two participants who turned out to be one person; `into` stays. Raises `Refusal`.

    From then on they were one person all along: codes, referrals and orders of both are theirs. Where both had been
    referred in one campaign, the first referral stands and the other counts for nothing. Who is forgotten is nobody,
    and so nobody else.
    """
    now = app.clock()

    def once(tx: Transaction) -> None:
        if old == into:
            raise Refusal("ambiguous", "name two participants")
        if any([_person(tx, name).erased for name in sorted((old, into))]):
            raise Refusal("erased", "one of them asked to be forgotten, so that nobody can say who they were")
        places = _held_places(tx, app, [old, into])
        for campaign, advocates in places.items():
            for advocate in advocates:
                app.shelf.take(scope_of(app, campaign, advocate))  # their ids change under them
        people.merge(tx, old, into)
        heard = {}
        for campaign, advocates in places.items():
            tells = teller(tx, app, campaign, set(), now)
            heard[campaign] = tells, tells.rename(old, into, advocates)
            for about in sorted({old, into, *advocates}):  # in all these books names change
                it: dict[str, Any] = {
                    "id": f"merged:{old}:{into}:{about}",
                    "campaign": campaign,
                    "data": {"from": old, "into": into},
                }
                add(tx, Event(type="identity.merged", at=now, **it), cause=cause, now=now, about=about)
        renamed = {(c, into if it == old else it) for c, advocates in places.items() for it in advocates}
        for campaign in places:
            if rows := attribution.rows_of(tx, campaign, into):
                first = attribution.standing(rows, into, attribution.whose(tx, app, campaign, into, now))
                lock(tx, app, [first])
                referrals.let_stand(tx, rows, first)
                renamed.add((campaign, first.advocate))
        book_all(tx, app, [Entry(campaign=c, advocate=a, cause=cause) for c, a in sorted(renamed)], now)
        for campaign, (tells, told) in heard.items():
            if (configured := app.campaign(campaign)) and keep_up(tx, app, configured, now):  # else its books rest
                tells.take_back_what_is_gone(told)
        referrals.note(tx, "persons_merged", at=now, cause=cause, participant=into, old=old)

    retrying(app.database, once)


def _person(tx: Transaction, who: str) -> Participant:
    """Hold a participant who is still there under this id."""
    found = people.participants(tx, [who]) if people.lock_person(tx, who) == who else {}
    if who not in found:
        raise Refusal("not_found", "there is no such participant")
    return found[who]


def _held_places(tx: Transaction, app: App, who: Sequence[str]) -> dict[str, list[str]]:
    """Hold the books that these people are in, and tell whose they are, by campaign; nobody's, of one that only waits
    for them. Campaigns that are not configured count, too: they may be again.
    """
    names = [known for name in who for known in people.names_of(tx, name)]
    places = {
        campaign: sorted({advocate for name in who for advocate in people.advocates_of(tx, campaign, name)})
        for campaign in books.campaigns_about(tx, names)
    }
    # Where a budget ties all books together, what is told of nobody's friend goes into them as well.
    lock(tx, app, [Scope(campaign=c, advocate=a) for c, advocates in places.items() for a in advocates or [""]])
    return places
