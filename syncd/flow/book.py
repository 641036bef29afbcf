"""Booking: events go into an advocate's books, the rules say what follows, and the ledger gets the difference."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.store import books, people, records, referrals, work
from syncd.store.records import Deal
from syncd.store.referrals import Standing
from syncd_rules import Event, ReferralState, Result, evaluate, reconcile

log = logging.getLogger("syncd")


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
    programs = configured.programs if configured else ()
    result = evaluate(programs, books.events(tx, campaign, advocate), now)
    posted = books.posted(tx, campaign, advocate)
    books.post(tx, campaign, advocate, reconcile(posted, result.ledger), now)
    _write_standings(tx, campaign, advocate, result, cause=cause, now=now)
    _write_milestones(tx, campaign, advocate, result, cause=cause, now=now)
    _write_rewards(tx, campaign, advocate, result, cause=cause, now=now)
    for effect in result.effects:
        payload = {"name": effect.name, **effect.data}
        work.owe(tx, key=f"effect:{effect.key}", kind="effect", payload=payload, due_at=None, now=now)
    timer = {"campaign": campaign, "advocate": advocate}
    work.set_timer(tx, key=f"timer:{campaign}:{advocate}", source=campaign, payload=timer, at=result.next_due, now=now)
    return result


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
    deals = records.deals_of(tx, campaign, advocate)
    pushed = records.pushed(tx, campaign, advocate)
    for old in referrals.find(tx, campaign=campaign, advocate=advocate, limit=1_000_000):
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
        referrals.note(
            tx,
            "reward",
            at=now,
            cause=cause,
            participant=reward.to,
            rule=reward.rule,
            subject=reward.subject,
            kind=reward.kind,
            amount=str(reward.amount),
            currency=reward.currency,
            status=reward.status,
            before=old and old.status,
        )
    for key in held:
        books.drop_reward(tx, key)
