"""Referrals, their standing, and the history of everything that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, delete, func, or_, select, update

from syncd.store import letters
from syncd.store.tables import event, history, outbox, participant, referral, reward
from syncd.store.work import insert_new

Standing = Literal["captured", "pushed", "in_pipeline", "qualified", "lost", "rejected"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Referral:
    """One friend of one advocate in one campaign."""

    id: str
    campaign: str
    advocate: str
    friend: str
    code: str
    channel: str | None
    captured_at: datetime
    standing: Standing
    reason: str | None = None  # why it was rejected
    counted: bool = False
    qualified_at: datetime | None = None
    qualified_via: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A line of history: what happened to whom, when, and who or what caused it. Ids only, no personal data."""

    id: int
    at: datetime
    what: str
    referral: str | None
    participant: str | None
    connector: str | None
    cause: str
    detail: Mapping[str, Any]


def is_referral(lead: str) -> bool:
    """Tell a lead that is a referral from one that is an advocate, who is a lead under a participant's id."""
    return lead.startswith("ref_")


def add(tx: Connection, new: Referral) -> bool:
    """Store a referral; False if this friend already has one in this campaign."""
    return insert_new(tx, referral, **{name: getattr(new, name) for name in Referral.__dataclass_fields__})


def get(tx: Connection, id: str) -> Referral | None:
    """Read one referral."""
    row = tx.execute(select(referral).where(referral.c.id == id)).one_or_none()
    return None if row is None else _referral(row._mapping)


def find(
    tx: Connection,
    *,
    campaign: str | None = None,
    advocate: str | None = None,
    friend: str | None = None,
    friends: Sequence[str] | None = None,
    code: str | None = None,
    ids: Sequence[str] | None = None,
    standing: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 1000,
) -> list[Referral]:
    """List the referrals that match all that is given, newest first; `before` continues after the last one read."""
    equal = {"campaign": campaign, "advocate": advocate, "friend": friend, "code": code, "standing": standing}
    conditions = [referral.c[name] == value for name, value in equal.items() if value is not None]
    if ids is not None:
        conditions.append(referral.c.id.in_(list(ids)))
    if friends is not None:
        conditions.append(referral.c.friend.in_(list(friends)))
    if before is not None:
        conditions.append(
            or_(
                referral.c.captured_at < before[0],
                and_(referral.c.captured_at == before[0], referral.c.id < before[1]),
            )
        )
    query = (
        select(referral).where(*conditions).order_by(referral.c.captured_at.desc(), referral.c.id.desc()).limit(limit)
    )
    return [_referral(row._mapping) for row in tx.execute(query)]


def elsewhere(tx: Connection, ids: Iterable[str], campaigns: Iterable[str]) -> set[str]:
    """Tell which of these referrals are in none of these campaigns."""
    others = and_(referral.c.id.in_(list(ids)), referral.c.campaign.not_in(list(campaigns)))
    return set(tx.scalars(select(referral.c.id).where(others)))


def not_owed(tx: Connection, campaign: str, connector: str, *, limit: int) -> list[str]:
    """List referrals of a campaign that were never owed to a connector; refused and forgotten friends are no leads."""
    # A receiver may have had the connector's name before it.
    mine = and_(outbox.c.connector == connector, outbox.c.kind == "push")
    owed = select(outbox.c.id).where(mine, outbox.c.lead == referral.c.id)
    gone = select(participant.c.id).where(participant.c.id == referral.c.friend, participant.c.erased_at.is_not(None))
    here = and_(referral.c.campaign == campaign, referral.c.standing != "rejected")
    wanted = and_(here, ~owed.exists(), ~gone.exists())
    return list(tx.scalars(select(referral.c.id).where(wanted).order_by(referral.c.id).limit(limit)))


def write_standing(tx: Connection, new: Referral) -> None:
    """Store where a referral stands now, and why."""
    changing = ("standing", "reason", "counted", "qualified_at", "qualified_via")
    values = {name: getattr(new, name) for name in changing}
    tx.execute(update(referral).where(referral.c.id == new.id).values(**values))


def let_stand(tx: Connection, rows: Sequence[Referral], first: Referral) -> None:
    """Make one of the referrals of a person in a campaign theirs, as `first` gives it; the others, which go by other
    names of theirs, are refused: nobody is referred twice.
    """
    was = next(row.friend for row in rows if row.id == first.id)
    # Anew, since they may have to change names.
    tx.execute(delete(referral).where(referral.c.id.in_([row.id for row in rows])))
    for row in rows:
        new = first
        if row.id != first.id:
            name = was if row.friend == first.friend else row.friend
            new = replace(row, friend=name, standing="rejected", reason="already_referred", counted=False)
        elif first.reason == "already_referred":
            new = replace(first, standing="captured", reason=None)
        add(tx, new)
    # What they got as a friend goes with them, or the other books would give it a second time.
    got = and_(reward.c.campaign == first.campaign, reward.c.recipient == first.friend)
    tx.execute(update(reward).where(got, reward.c.advocate != first.friend).values(advocate=first.advocate))


def mark_pushed(tx: Connection, id: str) -> None:
    """Note that a referral has arrived in a CRM, unless more than that is known of it."""
    waiting = and_(referral.c.id == id, referral.c.standing == "captured")
    tx.execute(update(referral).where(waiting).values(standing="pushed"))


def count_by_standing(tx: Connection) -> dict[str, int]:
    """Count the referrals of each standing."""
    return {
        row[0]: row[1] for row in tx.execute(select(referral.c.standing, func.count()).group_by(referral.c.standing))
    }


def note(
    tx: Connection,
    what: str,
    *,
    at: datetime,
    cause: str,
    referral: str | None = None,
    participant: str | None = None,
    connector: str | None = None,
    **detail: Any,
) -> None:
    """Add a line to the history."""
    tx.execute(
        history.insert().values(
            at=at,
            what=what,
            referral=referral,
            participant=participant,
            connector=connector,
            cause=cause,
            detail={name: value for name, value in detail.items() if value is not None},
        )
    )


def note_lead(tx: Connection, what: str, lead: str | None, *, at: datetime, cause: str, **more: Any) -> None:
    """Add a line about a lead to the history: about its referral, or about the advocate that it is."""
    whose = {"referral" if is_referral(lead) else "participant": lead} if lead else {}
    note(tx, what, at=at, cause=cause, **whose, **more)


def changes(tx: Connection, *, after: int = 0, referral: str | None = None, limit: int = 500) -> list[Change]:
    """Read the history in the order of its writing, from the line after `after` on.

    Why somebody decided something, or gave a letter up, is not in it, since no line can be taken back: it is read from
    where it can be forgotten.
    """
    conditions = [history.c.id > after]
    if referral is not None:
        conditions.append(history.c.referral == referral)
    rows = tx.execute(select(history).where(*conditions).order_by(history.c.id).limit(limit))
    lines = [Change(**row._mapping) for row in rows]
    discarded = {it.id: it.detail["letter"] for it in lines if it.what == "discarded"}
    why = letters.why_discarded(tx, discarded.values())
    reasons = {**_why_decided(tx, lines), **{line: why[name] for line, name in discarded.items() if name in why}}
    return [replace(it, detail={**it.detail, "reason": reasons[it.id]}) if it.id in reasons else it for it in lines]


def _why_decided(tx: Connection, lines: Sequence[Change]) -> dict[int, str]:
    """Read the reasons of decisions from their events, by line."""
    decided = {(it.referral, it.detail["event"]): it.id for it in lines if it.what == "decided"}
    ours = and_(referral.c.id.in_([id for id, _ in decided]), referral.c.campaign == event.c.campaign)
    query = select(referral.c.id, event.c.id, event.c.data).where(ours, event.c.id.in_([name for _, name in decided]))
    found = tx.execute(query).all() if decided else ()
    return {decided[id, name]: data["reason"] for id, name, data in found if (id, name) in decided and "reason" in data}


def _referral(row: RowMapping) -> Referral:
    return Referral(**row)
