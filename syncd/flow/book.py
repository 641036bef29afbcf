"""Booking: events go into the books, the rules say what follows, and the ledger gets the difference."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection as Transaction

from syncd.contract import parts
from syncd.flow.app import App
from syncd.flow.shelf import Opened, Scope, Written, milestones_of, rewards_of
from syncd.store import books, people, records, referrals, work
from syncd.store.books import Booked
from syncd.store.engine import once_committed
from syncd.store.records import Deal
from syncd.store.referrals import Referral, Standing
from syncd_rules import Event, News, ReferralState, Result, Reward, State, Txn, reconcile

log = logging.getLogger("syncd")

REST = timedelta(days=1)  # how often the books of a campaign that is not configured are looked at
CHUNK = 10_000  # ids in one question to the database

K = TypeVar("K")
V = TypeVar("V")


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
    """Book the entries, those of the same books together: they are weighed once, however many entries."""
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

    Gives what has changed. Booking the same event again is harmless; booking none looks at the clock alone, which is
    how holds end. Where no budget ties the books of a campaign together, those of `None` are everybody's, who are
    looked at soon, each alone.
    """
    scope = scope_of(app, campaign, advocate)
    version = _lock(tx, scope)
    for event in events:
        add(tx, event, cause=cause, now=now)
    if version is None:
        return Result()  # nobody's books yet, or no longer: who opens some will read it
    if app.campaign(campaign) is None:
        # Without its rules everything would be taken back; its books rest until it is configured again.
        _wake(tx, scope, now + REST, now)
        return Result()
    if scope.advocate is None and not _is_tied(app, campaign):
        _wake_each(tx, campaign, now)
        return Result()
    opened = _open(tx, app, scope, version, now)
    _read_on(tx, app, scope, opened, now)
    news = opened.news(scope.advocate)
    if scope.advocate is not None and (elsewhere := _posted_elsewhere(tx, scope, opened, news)):
        opened.written.learn(elsewhere)
        news = opened.news(scope.advocate)
    _write(tx, scope, opened, news, friends | _named(events), cause=cause, now=now)
    # An event that lies ahead, as a CRM's clock may say, is weighed when its time has come.
    _wake(tx, scope, min([*opened.ahead, *filter(None, [news.result.next_due])], default=None), now)
    opened.version = version + 1
    people.write_version(tx, campaign, scope.advocate, opened.version)
    once_committed(tx, lambda: app.shelf.put(scope, opened))
    return news.result


def add(tx: Transaction, event: Event, *, cause: str, now: datetime, about: str | None = None) -> bool:
    """Store an event, once per id; the first that comes under an id stands. `about` is whom it is about."""
    if books.add_event(tx, about or subject_of(event), event, cause=cause, now=now):
        return True
    kept = books.stored_event(tx, event.campaign, event.id)
    if kept and (kept.type, dict(kept.data)) != (event.type, dict(event.data)):
        log.warning("event %s came again with other content; the first one stands", event.id)
        referrals.note(tx, "conflict", at=now, cause=cause, event=event.id)
    return False


def subject_of(event: Event) -> str:
    """Tell whom an event is about: it goes into their books, and into those of their advocate."""
    names = ("friend", "participant", "advocate", "to", "into")
    return str(next(event.data[name] for name in names if event.data.get(name)))


# --- reading ---------------------------------------------------------------------------------------------------------


def _open(tx: Transaction, app: App, scope: Scope, version: int, now: datetime) -> Opened:
    """Take books from the shelf, or open them anew. What another process wrote meanwhile is read."""
    opened = app.shelf.take(scope)
    if opened is None:
        opened = Opened(state=_blank(app, scope), as_of=now)
    if opened.version != version:
        opened.written, opened.version = read_written(tx, scope), version
        opened.as_of = max(opened.as_of, *opened.written.times())
    return opened


def _blank(app: App, scope: Scope) -> State:
    configured = app.campaign(scope.campaign)
    assert configured is not None
    return State(configured.programs)


def read_written(tx: Transaction, scope: Scope) -> Written:
    """Read what the database says follows from what was weighed."""
    names = None if scope.advocate is None else people.names_of(tx, scope.advocate)
    posted = books.posted(tx, scope.campaign, names)
    rewards = books.rewards(tx, campaign=scope.campaign, advocates=names)
    return Written(
        ledger={txn.key: txn for _, txn in posted},
        owners={it.key: it.advocate for it in rewards} | {txn.entitlement: owner for owner, txn in posted},
        rewards={it.key: (it.status, it.amount, it.approval) for it in rewards},
        milestones=books.milestones(tx, scope.campaign, names),
        effects=work.effects_of(tx, scope.campaign, names),
    )


def _read_on(tx: Transaction, app: App, scope: Scope, opened: Opened, now: datetime) -> None:
    """Weigh what has come into the books since they were read last."""
    told = books.events(tx, scope.campaign, scope.advocate, after=opened.seq)
    if opened.seq and scope.advocate is not None and any(it.event.type == "identity.merged" for it in told):
        # With the names it has changed whose friends are whose: what was read before may be in other books now.
        opened.begin_anew(_blank(app, scope))
        told = books.events(tx, scope.campaign, scope.advocate)
    new = [it.event.data["friend"] for it in told if it.event.type == "friend.signed_up"]
    if new and opened.seq and scope.advocate is not None:
        # What was known of a friend before they were referred is older than what was read last.
        told = list({it.seq: it for it in (*books.events_about(tx, scope.campaign, new), *told)}.values())
    opened.take(told, now)


def _named(events: Iterable[Event]) -> frozenset[str]:
    return frozenset(event.data["friend"] for event in events if "friend" in event.data)


# --- writing ---------------------------------------------------------------------------------------------------------


def _posted_elsewhere(tx: Transaction, scope: Scope, opened: Opened, news: News) -> list[tuple[str, Txn]]:
    """Give what was posted of these rewards in other books: a friend may turn out to be another advocate's."""
    new_here = [it.key for it in news.result.rewards if it.key not in opened.written.owners]
    return books.posted_of(tx, scope.campaign, new_here) if new_here else []


def _write(
    tx: Transaction,
    scope: Scope,
    opened: Opened,
    news: News,
    friends: frozenset[str],
    *,
    cause: str,
    now: datetime,
) -> None:
    """Write the difference between what was written and what follows now, and remember it as written."""
    old = opened.written
    for reward in news.result.rewards:
        old.owners.setdefault(reward.key, reward.book)
    new = following(list(old.ledger.values()), news.result.ledger) if news.whole else news.result.ledger
    books.post(tx, scope.campaign, [(old.owners[txn.entitlement], txn) for txn in new], now)
    old.ledger |= {txn.key: txn for txn in new}
    _write_standings(tx, scope, old, news, friends, cause=cause, now=now)
    _write_milestones(tx, scope.campaign, old, news, cause=cause, now=now)
    _write_rewards(tx, scope.campaign, opened, news, cause=cause, now=now)
    for effect in news.result.effects:
        if effect.key not in old.effects:
            old.effects.add(effect.key)
            payload = {"name": effect.name, **effect.data}
            whose = scope.advocate or str(effect.data.get("advocate") or effect.data.get("participant") or "")
            work.owe_effect(tx, scope.campaign, effect.key, whose, payload, now)


def following(posted: Sequence[Txn], wanted: Sequence[Txn]) -> list[Txn]:
    """Give what the ledger lacks. Mostly it is what came last, and the rest need not be gone through."""
    if list(wanted[: len(posted)]) == posted:
        return list(wanted[len(posted) :])
    return reconcile(posted, wanted)


def _update(old: dict[K, V], new: Mapping[K, V], touched: Iterable[K] | None) -> dict[K, V | None]:
    """Make `old` what `new` says of what was touched, or of everything; give what has changed, as it was before."""
    looked = old.keys() | new.keys() if touched is None else touched
    before = {key: old.get(key) for key in looked if old.get(key) != new.get(key)}
    for key in before:
        if key in new:
            old[key] = new[key]
        else:
            del old[key]
    return before


def _wake(tx: Transaction, scope: Scope, at: datetime | None, now: datetime) -> None:
    """Have these books weighed again at `at`."""
    key, payload = _timer(scope)
    work.set_timer(tx, key=key, source=scope.campaign, payload=payload, at=at, now=now)


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


def standing(state: ReferralState | None, rejected: bool, pushed: bool, deals: Iterable[Deal]) -> Standing:
    """Say in one word where a referral stands."""
    deals = list(deals)
    open_ = [deal for deal in deals if deal.outcome not in {"lost"} and not deal.gone]
    if rejected or (state and state.status == "disqualified"):
        return "rejected"
    if state and state.status == "qualified":
        return "qualified"
    if deals and not open_:
        return "lost"
    if any(deal.version for deal in open_):
        return "in_pipeline"
    return "pushed" if pushed else "captured"


def _write_standings(
    tx: Transaction,
    scope: Scope,
    old: Written,
    news: News,
    friends: frozenset[str],
    *,
    cause: str,
    now: datetime,
) -> None:
    rejected = {refused.friend: refused.reason for refused in news.result.rejected}
    touched = None if news.whole else news.friends
    changed = {*_update(old.referrals, news.result.referrals, touched), *_update(old.rejected, rejected, touched)}
    for some in parts(sorted(changed | friends), CHUNK):
        rows = referrals.find(tx, campaign=scope.campaign, friends=some, limit=CHUNK)
        _write_some(tx, rows, old.referrals, old.rejected, cause=cause, now=now)


def _write_some(
    tx: Transaction,
    rows: Sequence[Referral],
    states: Mapping[str, ReferralState],
    rejected: Mapping[str, str],
    *,
    cause: str,
    now: datetime,
) -> None:
    leads = [row.id for row in rows]
    deals, pushed = records.deals_of(tx, leads), records.pushed(tx, leads)
    for old in rows:
        if old.reason == "already_referred":
            continue  # a person who turned out to have been referred before; this referral is over
        state, reason = states.get(old.friend), rejected.get(old.friend)
        if state and reason == "already_referred":
            reason = None  # another sign-up of theirs was refused, and not this one
        stands = standing(state, reason is not None, old.id in pushed, deals.get(old.id, ()))
        qualified = state if stands == "qualified" else None
        new = replace(
            old,
            standing=stands,
            reason=reason or ("disqualified" if stands == "rejected" else None),
            counted=bool(state and state.counted),
            qualified_at=qualified.qualified_at if qualified else None,
            qualified_via=qualified.via if qualified else None,
        )
        if new != old:
            referrals.write_standing(tx, new)
        if new.standing != old.standing:
            what = "unqualified" if old.standing == "qualified" and new.standing != "rejected" else new.standing
            referrals.note(tx, what, at=now, cause=cause, referral=old.id, reason=new.reason, via=new.qualified_via)


def _write_milestones(tx: Transaction, campaign: str, old: Written, news: News, *, cause: str, now: datetime) -> None:
    wanted = milestones_of(news.result.milestones)
    before = _update(old.milestones, wanted, None if news.whole else news.milestones)
    gone = [key for key in sorted(before) if key not in wanted]
    reached = [(*key, wanted[key]) for key in sorted(before) if key in wanted]
    books.write_milestones(tx, campaign, gone=gone, reached=reached)
    for who, name, number in gone:
        referrals.note(tx, "milestone_lost", at=now, cause=cause, participant=who, milestone=name, number=number)
    for who, name, number, _ in reached:
        if before[who, name, number] is None:
            referrals.note(tx, "milestone", at=now, cause=cause, participant=who, milestone=name, number=number)


def _write_rewards(tx: Transaction, campaign: str, opened: Opened, news: News, *, cause: str, now: datetime) -> None:
    old = opened.written
    wanted = rewards_of(news.result.rewards)
    before = _update(old.rewards, wanted, None if news.whole else wanted)
    for reward in news.result.rewards:
        if reward.key in before:
            was = before[reward.key]
            # By the books' own time, which a clock that was set back does not take back.
            books.write_reward(tx, campaign, reward.book, reward, opened.as_of)
            _note_reward(tx, reward.to, reward, reward.status, cause=cause, now=now, before=was and was[0])
    for key in sorted(before.keys() - wanted.keys()):  # what we learnt late shows that it was never due
        for gone in books.rewards(tx, key=key):
            books.drop_reward(tx, key)
            _note_reward(tx, gone.recipient, gone, "void", cause=cause, now=now, before=gone.status)


def _note_reward(
    tx: Transaction, to: str, reward: Reward | Booked, status: str, *, cause: str, now: datetime, before: str | None
) -> None:
    referrals.note(
        tx,
        "reward",
        at=now,
        cause=cause,
        participant=to,
        rule=reward.rule,
        subject=reward.subject,
        kind=reward.kind,
        amount=str(reward.amount),
        currency=reward.currency,
        status=status,
        approval=reward.approval,
        before=before,
    )
