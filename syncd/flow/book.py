"""Booking: events go into an advocate's books, the rules say what follows, and the ledger gets the difference."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.store import books, people, records, referrals, work
from syncd.store.books import Booked
from syncd.store.records import Deal
from syncd.store.referrals import Standing
from syncd_rules import Event, ReferralState, Result, Reward, evaluate, reconcile

log = logging.getLogger("syncd")

REST = timedelta(days=1)  # how often the books of a campaign that is not configured are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a message puts into the books of one advocate; without events, that they are to be looked at."""

    campaign: str
    advocate: str
    cause: str  # who or what told us: "api:token-name", "poll:hubspot-eu"
    events: Sequence[Event] = ()


def lock(tx: Transaction, books_of: Iterable[tuple[str, str]]) -> None:
    """Hold these (campaign, advocate) books until the transaction ends; in one order, or two workers would deadlock."""
    for campaign, advocate in sorted(set(books_of)):
        people.lock_advocate(tx, campaign, advocate)


def book_all(tx: Transaction, app: App, entries: Iterable[Entry], now: datetime) -> None:
    """Book the entries, those of one advocate together: their books are weighed once, however many entries."""
    together: dict[tuple[str, str, str], list[Event]] = {}
    for entry in entries:
        together.setdefault((entry.campaign, entry.advocate, entry.cause), []).extend(entry.events)
    for (campaign, advocate, cause), events in together.items():
        book(tx, app, campaign, advocate, events, cause=cause, now=now)


def book(
    tx: Transaction, app: App, campaign: str, advocate: str, events: Sequence[Event], *, cause: str, now: datetime
) -> Result:
    """Add events to an advocate's books and bring everything that follows from them up to date, in this transaction.

    Booking the same event again is harmless; booking none looks at the clock alone, which is how holds end.
    """
    people.lock_advocate(tx, campaign, advocate)
    for event in events:
        _add(tx, advocate, event, cause=cause, now=now)
    configured = app.campaign(campaign)
    if configured is None:
        # Without its rules everything would be taken back; its books rest until it is configured again.
        _wake(tx, campaign, advocate, now + REST, now)
        return Result()
    known = books.events(tx, campaign, advocate)
    # A clock that was set back must not unmake what has been booked.
    as_of = max(now, books.last_told(tx, campaign, advocate) or now)
    result = evaluate(configured.programs, known, as_of)
    posted = books.posted(tx, campaign, advocate)
    books.post(tx, campaign, advocate, reconcile(posted, result.ledger), now)
    _write_standings(tx, campaign, advocate, result, cause=cause, now=now)
    _write_milestones(tx, campaign, advocate, result, cause=cause, now=now)
    _write_rewards(tx, campaign, advocate, result, cause=cause, now=now)
    told = work.effects_of(tx, advocate)
    for effect in result.effects:
        if (key := f"effect:{effect.key}") not in told:
            payload = {"name": effect.name, **effect.data}
            work.owe(tx, key=key, kind="effect", lead=advocate, payload=payload, due_at=None, now=now)
    # An event that lies ahead, as a CRM's clock may say, is weighed when its time has come.
    ahead = (event.at for event in known if event.at > as_of)
    _wake(tx, campaign, advocate, min([*ahead, *filter(None, [result.next_due])], default=None), now)
    return result


def _wake(tx: Transaction, campaign: str, advocate: str, at: datetime | None, now: datetime) -> None:
    """Have these books weighed again at `at`."""
    payload = {"campaign": campaign, "advocate": advocate}
    work.set_timer(tx, key=f"timer:{campaign}:{advocate}", source=campaign, payload=payload, at=at, now=now)


def _add(tx: Transaction, advocate: str, event: Event, *, cause: str, now: datetime) -> None:
    if books.add_event(tx, advocate, event, cause=cause, now=now):
        return
    kept = books.stored_event(tx, event.campaign, event.id)
    if kept and (kept.type, dict(kept.data)) != (event.type, dict(event.data)):
        log.warning("event %s came again with other content; the first one stands", event.id)
        referrals.note(tx, "conflict", at=now, cause=cause, event=event.id)


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
    tx: Transaction, campaign: str, advocate: str, result: Result, *, cause: str, now: datetime
) -> None:
    reasons = {refused.friend: refused.reason for refused in result.rejected}
    mine = referrals.find(tx, campaign=campaign, advocate=advocate, limit=1_000_000)
    deals = records.deals_of(tx, campaign, advocate)
    pushed = records.pushed(tx, campaign, advocate)
    for old in mine:
        state, reason = result.referrals.get(old.friend), reasons.get(old.friend)
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


def _write_milestones(
    tx: Transaction, campaign: str, advocate: str, result: Result, *, cause: str, now: datetime
) -> None:
    wanted = {(m.participant, m.milestone, m.number): m.reached_at for m in result.milestones}
    held = books.milestones(tx, campaign, {advocate, *(who for who, _, _ in wanted)})
    gone = [key for key in held if key not in wanted]
    reached = [(*key, at) for key, at in wanted.items() if held.get(key) != at]
    books.write_milestones(tx, campaign, gone=gone, reached=reached)
    for who, name, number in gone:
        referrals.note(tx, "milestone_lost", at=now, cause=cause, participant=who, milestone=name, number=number)
    for who, name, number, _ in reached:
        if (who, name, number) not in held:
            referrals.note(tx, "milestone", at=now, cause=cause, participant=who, milestone=name, number=number)


def _write_rewards(tx: Transaction, campaign: str, advocate: str, result: Result, *, cause: str, now: datetime) -> None:
    held = {reward.key: reward for reward in books.rewards(tx, campaign=campaign, advocate=advocate)}
    for reward in result.rewards:
        old = held.pop(reward.key, None)
        if old and (old.status, old.amount) == (reward.status, str(reward.amount)):
            continue
        books.write_reward(tx, campaign, advocate, reward, now)
        before = old.status if old else None
        _note_reward(tx, reward.to, reward, reward.status, cause=cause, now=now, before=before)
    for key, gone in held.items():  # what we learnt late shows that it was never due
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
        before=before,
    )
