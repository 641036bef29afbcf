"""A decision from outside: "this referral is qualified", or "it is not", by a person, a shop, a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.book import Entry, book_all, lock
from syncd.flow.refusal import Refusal
from syncd.store import books, people, records, referrals
from syncd.store.engine import retrying
from syncd.store.referrals import Referral
from syncd_rules import Event

Verdict = Literal["qualified", "disqualified"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What was decided, and of whom: our id, or code and e-mail, or a CRM's record. Exactly one way is used."""

    verdict: Verdict
    via: str  # manual | api | javascript | webhook | zapier | coupon | crm
    referral: str | None = None
    code: str | None = None
    email: str | None = field(default=None, repr=False)
    connector: str | None = None
    record: str | None = None  # the CRM's id of the deal or person
    reason: str | None = None


def read(data: Mapping[str, Any]) -> Decision:
    """Turn stored JSON back into a decision."""
    return Decision(**{name: data.get(name) for name in Decision.__dataclass_fields__})  # type: ignore[arg-type]


def decide_now(app: App, decision: Decision, *, id: str, cause: str) -> Referral:
    """Apply a decision at once and give the referral as it is then. Raises `Refusal`. Repeating an `id` is harmless."""
    now = app.clock()

    def once(tx: Transaction) -> Referral:
        lock(tx, app, [resolve(tx, app, decision)])
        referral = resolve(tx, app, decision)  # as it is under the lock: its advocate may have got another name
        book_all(tx, app, [entry_of(tx, decision, referral, id=id, cause=cause, now=now)], now)
        return referrals.get(tx, referral.id) or referral

    return retrying(app.database, once)


def entry_of(tx: Transaction, decision: Decision, referral: Referral, *, id: str, cause: str, now: datetime) -> Entry:
    """Say what a decision puts into the books. Raises `Refusal` if the referral was refused when it was captured."""
    if referral.standing == "rejected" and referral.reason != "disqualified":
        raise Refusal("rejected", f"this referral was refused ({referral.reason}) and cannot be {decision.verdict}")
    data: dict[str, Any] = {"friend": referral.friend, "via": decision.via}
    concerned = people.participants(tx, [referral.friend, referral.advocate]).values()
    if decision.reason and not any(who.erased for who in concerned):
        data["reason"] = decision.reason  # free text: here it can be forgotten, in the history it could not
    if books.stored_event(tx, referral.campaign, id) is None:
        referrals.note(
            tx,
            "decided",
            at=now,
            cause=cause,
            referral=referral.id,
            verdict=decision.verdict,
            via=decision.via,
            event=id,
        )
    # Our own clock, and not back from what we have written: a decision that is older than its sign-up would count for
    # nothing.
    at = max(now, referral.captured_at)
    event = Event(id=id, type=f"referral.{decision.verdict}", at=at, campaign=referral.campaign, data=data)
    return Entry(campaign=referral.campaign, advocate=referral.advocate, cause=cause, events=[event])


def resolve(tx: Transaction, app: App, decision: Decision) -> Referral:
    """Find the one referral that a decision means. A code alone names an advocate, not a friend, and is not enough."""
    if decision.referral:
        found = referrals.find(tx, ids=[decision.referral])
    elif decision.connector and decision.record:
        ids = [decision.record]
        by_deal, by_person = records.leads_of(tx, decision.connector, deals=ids, persons=ids)
        leads: set[str] = set().union(*by_deal.values(), *by_person.values())
        found = referrals.find(tx, ids=sorted(leads))
    elif decision.email:
        found = _by_email(tx, app, decision.email, decision.code)
    else:
        raise Refusal("ambiguous", "name the referral by its id, by e-mail address, or by connector and record")
    if not found:
        raise Refusal("not_found", "no referral matches")
    if len(found) > 1:
        raise Refusal("ambiguous", f"{len(found)} referrals match; add the code, or use the referral's id")
    if app.campaign(found[0].campaign) is None:
        raise Refusal("campaign_not_found", "this referral's campaign is not configured any more; its books rest")
    return found[0]


def _by_email(tx: Transaction, app: App, email: str, code: str | None) -> list[Referral]:
    identity = app.identity(email)
    friend = people.participant_by_identity(tx, identity) if identity else None
    if friend is None:
        return []
    found = referrals.find(tx, friend=friend.id)
    if code is not None:
        found = [referral for referral in found if people.fold(referral.code) == people.fold(code)]
    return found
