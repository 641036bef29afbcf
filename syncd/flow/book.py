"""Booking: events go into the books, the rules say what follows, and the ledger gets the difference."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection as Transaction

from syncd.contract import parts
from syncd.flow import attribution
from syncd.flow.announce import teller
from syncd.flow.app import App
from syncd.flow.programs import keep_up
from syncd.flow.shelf import Opened
from syncd.flow.told import WHOSE, read_told
from syncd.flow.written import Pen, Scope, read_written
from syncd.store import books, people, referrals, work
from syncd.store.books import Told
from syncd.store.engine import at_hand, once_committed
from syncd.store.referrals import Referral
from syncd_rules import Event, News, Result, State

log = logging.getLogger("syncd")

REST = timedelta(days=1)  # how often the books of a campaign that is not configured are looked at
SHORT_REST = timedelta(minutes=1)  # and those of one of which another process has newer rules
CHUNK = 10_000  # ids in one question to the database


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a message puts into books; without events, that they are to be looked at.

    `advocate` is whose books they are, None for those of the whole campaign; `friends` are those of whom something has
    changed that is no event, such as a deal in a stage that means nothing.
    """

    campaign: str
    advocate: str | None
    cause: str  # who or what told us: "api:token-name", "poll:hubspot-eu"
    events: Sequence[Event] = ()
    friends: frozenset[str] = frozenset()


class Place(Protocol):
    """Whoever names books: a referral does, a reward, an entry."""

    @property
    def campaign(self) -> str: ...

    @property
    def advocate(self) -> str | None: ...


def lock(tx: Transaction, app: App, places: Iterable[Place]) -> None:
    """Hold these books until the transaction ends; in one order, or two workers would deadlock."""
    scopes = {scope_of(app, place.campaign, place.advocate) for place in places}
    for scope in sorted(scopes, key=lambda it: (it.campaign, it.advocate or "")):
        _lock(tx, scope)


def _lock(tx: Transaction, scope: Scope) -> int | None:
    """Hold books, and give their version; None where there are none."""
    if scope.advocate is None:
        return people.lock_campaign(tx, scope.campaign)
    return people.lock_advocate(tx, scope.campaign, scope.advocate)


def scope_of(app: App, campaign: str, advocate: str | None) -> Scope:
    """Say what is weighed together with an advocate's books: a budget ties all of a campaign to each other."""
    return Scope(campaign=campaign, advocate=None if _is_tied(app, campaign) else advocate)


def _is_tied(app: App, campaign: str) -> bool:
    configured = app.campaign(campaign)
    return configured is not None and any(program.limits.budget for program in configured.programs)


def book_all(tx: Transaction, app: App, entries: Iterable[Entry], now: datetime) -> None:
    """Book the entries, those of the same books and cause together: they are weighed once, however many entries."""
    together: dict[tuple[str, str | None, str], list[Entry]] = {}
    for entry in entries:
        advocate = scope_of(app, entry.campaign, entry.advocate).advocate
        together.setdefault((entry.campaign, advocate, entry.cause), []).append(entry)
    for (campaign, advocate, cause), some in together.items():
        events = [event for entry in some for event in entry.events]
        friends = frozenset[str]().union(*(entry.friends for entry in some))
        book(tx, app, campaign, advocate, events, cause=cause, now=now, friends=friends)


def book(
    tx: Transaction,
    app: App,
    campaign: str,
    advocate: str | None,
    events: Sequence[Event],
    *,
    cause: str,
    now: datetime,
    friends: frozenset[str] = frozenset(),
) -> Result:
    """Add events to books and bring everything that follows from them up to date, in this transaction.

    Gives what has changed. Booking the same event again is harmless. Where no budget ties the books of a campaign
    together, those of `None` are everybody's, who are looked at soon, each alone. A friend who turns out to be somebody
    else's goes into their books.
    """
    scope = scope_of(app, campaign, advocate)
    version = _lock(tx, scope)
    for event in events:
        add(tx, event, cause=cause, now=now)
    if version is None:
        return Result()  # nobody's books yet, or no longer: who opens some will read it
    configured = app.campaign(campaign)
    if configured is None or not keep_up(tx, app, configured, now):
        # By no rules, or by old ones, things would be taken back; its books rest until another process has its rules.
        _wake(tx, scope, now, now, rest=REST if configured is None else SHORT_REST)
        people.write_version(tx, campaign, scope.advocate, version + 1)  # whose they are may have changed
        return Result()
    if scope.advocate is None and not _is_tied(app, campaign):
        _wake_each(tx, campaign, now)
        return Result()
    opened, news, told = _weigh(tx, app, scope, version, now)
    moved = _let_stand(tx, scope, opened, news, cause, now) if any(it.event.type in WHOSE for it in told) else ()
    gaining = {row.advocate for row in moved if scope.advocate not in {None, row.advocate}}
    if gaining:
        opened, news, _ = _weigh(tx, app, scope, version, now)  # what was written of a friend is in other books now
    pen = Pen(
        tx=tx,
        scope=scope,
        written=opened.written,
        as_of=opened.as_of,
        cause=cause,
        now=now,
        teller=teller(tx, app, campaign, opened.written.effects, now),
    )
    if elsewhere := pen.posted_elsewhere(news):
        opened.written.learn(elsewhere)
        news = opened.news(scope.advocate)
    pen.write(news, friends | _named(events) | {row.friend for row in moved})
    # An event that lies ahead, as a CRM's clock may say, is weighed when its time has come.
    _wake(tx, scope, min([*opened.ahead, *filter(None, [news.result.next_due])], default=None), now)
    opened.version = version + 1
    people.write_version(tx, campaign, scope.advocate, opened.version)
    if scope not in at_hand(tx):
        at_hand(tx)[scope] = opened
        once_committed(tx, lambda: app.shelf.put(scope, opened))
    for other in sorted(gaining):
        book(tx, app, campaign, other, (), cause=cause, now=now)
    return news.result


def bring_up_to_date(tx: Transaction, app: App, place: Place, now: datetime) -> None:
    """Let the clock alone move books on, as their timer does: a hold ends, a time limit runs out."""
    book(tx, app, place.campaign, place.advocate, (), cause="timer", now=now)


def add(tx: Transaction, event: Event, *, cause: str, now: datetime, about: str | None = None) -> bool:
    """Store an event, once per id; the first that comes under an id stands. `about` is whom it is about.

    The books in which it counts are held: they are read on from the last number that was read, and a lower one that
    is committed later would never be seen.
    """
    if books.add_event(tx, about or subject_of(event), event, cause=cause, now=now):
        return True
    kept = books.stored_event(tx, event.campaign, event.id)
    if kept and (kept.type, _content(tx, kept)) != (event.type, _content(tx, event)):
        log.warning("event %s came again with other content; the first one stands", event.id)
        referrals.note(tx, "conflict", at=now, cause=cause, event=event.id)
    return False


def _content(tx: Transaction, event: Event) -> dict[str, Any]:
    """Give what an event says, of its person by the id that they are known by now."""
    who = subject_of(event)
    return {name: people.name_now(tx, who) if value == who else value for name, value in event.data.items()}


def subject_of(event: Event) -> str:
    """Tell whom an event is about: it goes into their books, and into those of their advocate."""
    names = ("friend", "participant", "advocate", "to", "into")
    return str(next(event.data[name] for name in names if event.data.get(name)))


# --- reading ---------------------------------------------------------------------------------------------------------


def _weigh(tx: Transaction, app: App, scope: Scope, version: int, now: datetime) -> tuple[Opened, News, Sequence[Told]]:
    """Open books, read what has come into them, and say what follows that may not have been written."""
    opened = _open(tx, app, scope, version, now)
    told = _read_on(tx, app, scope, opened, now)
    return opened, opened.news(scope.advocate), told


def _open(tx: Transaction, app: App, scope: Scope, version: int, now: datetime) -> Opened:
    """Take books from the shelf, or open them anew. What another process wrote meanwhile is read.

    What this transaction has booked into already is at hand: the shelf gets it when it is committed.
    """
    opened: Opened | None = at_hand(tx).get(scope) or app.shelf.take(scope)
    if opened is None:
        opened = Opened(state=_blank(app, scope), as_of=now)
    if opened.version != version:
        opened.written, opened.version = read_written(tx, scope), version
        opened.as_of = max(opened.as_of, *opened.written.times())
        if opened.seq and opened.sign_ups != books.sign_ups(tx, scope.campaign, scope.advocate, opened.seq):
            opened.begin_anew(_blank(app, scope))  # friends have come from other books, or have gone there
    return opened


def _blank(app: App, scope: Scope) -> State:
    configured = app.campaign(scope.campaign)
    assert configured is not None
    return State(configured.programs)


def _read_on(tx: Transaction, app: App, scope: Scope, opened: Opened, now: datetime) -> list[Told]:
    """Take in what has come into the books since they were read last, and give it."""
    told, beside = read_told(tx, app, scope, after=opened.seq)
    if opened.seq and scope.advocate is not None and any(it.event.type == "identity.merged" for it in told):
        # With the names it has changed whose friends are whose: what was read before may be in other books now.
        opened.begin_anew(_blank(app, scope))
        told, beside = read_told(tx, app, scope)
    opened.take(told, now, beside)
    return told


def _named(events: Iterable[Event]) -> frozenset[str]:
    return frozenset(event.data["friend"] for event in events if "friend" in event.data)


def _let_stand(
    tx: Transaction, scope: Scope, opened: Opened, news: News, cause: str, now: datetime
) -> Sequence[Referral]:
    """Let the referrals in books be those that the rules make of sign-ups; give those that were others."""
    friends = {*news.result.referrals, *(opened.state.strangers(scope.advocate) if scope.advocate is not None else ())}
    moved: list[tuple[Sequence[Referral], Referral]] = []
    for some in parts(sorted(friends), CHUNK):
        for row in referrals.find(tx, campaign=scope.campaign, advocate=scope.advocate, friends=some, limit=CHUNK):
            found = opened.state.referral_of(row.friend)
            if found and (found[0], found[1].at) != (row.advocate, row.captured_at):
                theirs = attribution.rows_of(tx, scope.campaign, row.friend)
                first = attribution.standing(theirs, row.friend, (people.name_now(tx, found[0]), found[1]))
                moved.append((theirs, first))
    if scope.advocate is not None:
        for other in sorted({first.advocate for _, first in moved} - {scope.advocate}):
            # Whoever has these books open sees that they are not as they were.
            version = _lock(tx, Scope(campaign=scope.campaign, advocate=other))
            people.write_version(tx, scope.campaign, other, (version or 0) + 1)
    for rows, first in moved:
        referrals.let_stand(tx, rows, first)
        detail = {"referral": first.id, "participant": first.advocate, "advocate": first.advocate}
        referrals.note(tx, "reattributed", at=now, cause=cause, **detail)
    return [first for _, first in moved]


# --- writing ---------------------------------------------------------------------------------------------------------


def _wake(tx: Transaction, scope: Scope, at: datetime | None, now: datetime, *, rest: timedelta = timedelta()) -> None:
    """Have these books weighed again at `at`; they rest for so long first."""
    key, payload = _timer(scope)
    work.set_timer(tx, key=key, source=scope.campaign, payload=payload, at=at, now=now, rest=rest)


def _timer(scope: Scope) -> tuple[str, dict[str, str | None]]:
    payload = {"campaign": scope.campaign, "advocate": scope.advocate}
    return f"timer:{scope.campaign}:{scope.advocate or ''}", payload


def is_about_to_be_weighed(tx: Transaction, scope: Scope, now: datetime) -> bool:
    """Tell whether a timer of these books has run out, theirs alone or that of all books of the campaign."""
    timers = {_timer(it)[0] for it in (scope, Scope(campaign=scope.campaign, advocate=None))}
    return any(work.timer_is_due(tx, key, now) for key in timers)


def wake_all(tx: Transaction, app: App, campaign: str, at: datetime, now: datetime) -> None:
    """Have all books of a campaign weighed at `at`, as under a version of its program that takes effect then."""
    # Where they are one, they know by themselves when to be weighed next, once they have been opened.
    _wake(tx, Scope(campaign=campaign, advocate=None), now if _is_tied(app, campaign) else at, now)


def _wake_each(tx: Transaction, campaign: str, now: datetime) -> None:
    after = ""
    while some := people.advocates(tx, campaign, after=after, limit=CHUNK):
        scopes = [Scope(campaign=campaign, advocate=who) for who in some]
        work.set_timers(tx, [_timer(scope) for scope in scopes], source=campaign, now=now)
        after = some[-1]
