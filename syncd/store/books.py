"""The books of an advocate: the events that the rules see, the ledger, and the rewards and milestones that follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, literal, or_, select, tuple_, union_all

from syncd.contract import parts
from syncd.store.tables import advocate as keeper
from syncd.store.tables import event, ledger_posting, ledger_txn, milestone, participant, referral, reward
from syncd.store.work import insert_new, put
from syncd_rules import Event, Posting, Reward, Txn


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """A reward as lists show it."""

    key: str
    campaign: str
    advocate: str  # whose books it is in
    recipient: str
    rule: str
    reward: str
    subject: str
    kind: str
    amount: str
    currency: str | None
    product: str | None
    status: str
    approval: str | None  # awaiting: a person has to agree before it is given; rejected: one has refused it
    changed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An event, and its place among all that came."""

    seq: int
    received_at: datetime
    cause: str  # who or what told it
    event: Event


def add_event(tx: Connection, about: str, new: Event, *, cause: str, now: datetime) -> bool:
    """Store an event about a participant, once per id."""
    return insert_new(
        tx,
        event,
        campaign=new.campaign,
        id=new.id,
        type=new.type,
        at=new.at,
        about=about,
        data=dict(new.data),
        cause=cause,
        received_at=now,
    )


def events(tx: Connection, campaign: str, advocate: str | None, *, after: int = 0) -> list[Told]:
    """Read what came after `after` into the books of an advocate, or of the whole campaign, in the order of coming.

    In an advocate's books is what is about them, under whatever id they were known, and what is about their friends.
    """
    mine = and_(_in_books(campaign, advocate), event.c.seq > after)
    return [_told(row) for row in tx.execute(select(event).where(mine).order_by(event.c.seq))]


def _in_books(campaign: str, advocate: str | None) -> ColumnElement[bool]:
    if advocate is None:
        return event.c.campaign == campaign
    invited = and_(referral.c.campaign == campaign, referral.c.advocate == advocate)
    # One who turned out to have been referred before, under another name, is nobody's friend a second time.
    stands = or_(referral.c.reason.is_(None), referral.c.reason != "already_referred")
    friends = select(referral.c.friend).where(invited, stands)
    people = union_all(select(literal(advocate)), friends).scalar_subquery()
    names = select(participant.c.id).where(participant.c.merged_into.in_(people))
    return and_(event.c.campaign == campaign, or_(event.c.about.in_(people), event.c.about.in_(names)))


def events_about(tx: Connection, campaign: str, who: Iterable[str], types: Collection[str] | None = None) -> list[Told]:
    """Read everything about these participants, under whatever id they were known, or all of these types."""
    ids = list(who)
    names = select(participant.c.id).where(participant.c.merged_into.in_(ids))
    mine = and_(event.c.campaign == campaign, or_(event.c.about.in_(ids), event.c.about.in_(names)))
    if types is not None:
        mine = and_(mine, event.c.type.in_(types))
    return [_told(row) for row in tx.execute(select(event).where(mine).order_by(event.c.seq))]


def sign_ups(tx: Connection, campaign: str, advocate: str | None, until: int) -> set[int]:
    """Give the places of the sign-ups in books among all that came, up to and including `until`."""
    mine = and_(_in_books(campaign, advocate), event.c.type == "friend.signed_up", event.c.seq <= until)
    return set(tx.scalars(select(event.c.seq).where(mine)))


def campaigns_about(tx: Connection, who: Iterable[str]) -> list[str]:
    """List the campaigns in which something is known of these participants."""
    about = event.c.about.in_(list(who))
    return list(tx.scalars(select(event.c.campaign).where(about).distinct().order_by(event.c.campaign)))


def stored_event(tx: Connection, campaign: str, id: str) -> Event | None:
    """Read one event."""
    row = tx.execute(select(event).where(and_(event.c.campaign == campaign, event.c.id == id))).one_or_none()
    return None if row is None else _told(row).event


def has_events(tx: Connection, campaign: str) -> bool:
    """Tell whether anything has happened in a campaign."""
    return tx.scalar(select(event.c.seq).where(event.c.campaign == campaign).limit(1)) is not None


def has_booked(tx: Connection, campaign: str, since: datetime) -> bool:
    """Tell whether the ledger of a campaign has been written to from a time on."""
    booked = and_(ledger_txn.c.campaign == campaign, ledger_txn.c.recorded_at >= since)
    return tx.scalar(select(ledger_txn.c.key).where(booked).limit(1)) is not None


def _told(row: Any) -> Told:
    kept = Event(id=row.id, type=row.type, at=row.at, campaign=row.campaign, data=row.data)
    return Told(seq=row.seq, received_at=row.received_at, cause=row.cause, event=kept)


def posted(tx: Connection, campaign: str, advocates: Sequence[str] | None) -> list[tuple[str, Txn]]:
    """Read the ledger of these advocates, or of a whole campaign, in the order of its writing: (advocate, txn).

    What was given to a friend who turned out to be somebody else's is in the books that its reward is in now.
    """
    mine = ledger_txn.c.campaign == campaign
    if advocates is not None:
        here = reward.c.advocate.in_(list(advocates))
        moved = select(reward.c.key).where(and_(reward.c.key == ledger_txn.c.entitlement, ~here)).exists()
        written = and_(ledger_txn.c.advocate.in_(list(advocates)), ~moved)
        given = select(reward.c.key).where(and_(reward.c.campaign == campaign, here))
        mine = and_(mine, or_(written, ledger_txn.c.entitlement.in_(given)))
    return _posted(tx, mine)


def strays(tx: Connection, campaign: str, *, limit: int) -> list[str]:
    """List those who have a ledger in a campaign, and no books, under whatever name."""
    owner = ledger_txn.c.advocate
    named = and_(keeper.c.campaign == campaign, keeper.c.participant.in_([owner, participant.c.merged_into]))
    rows = ledger_txn.outerjoin(participant, participant.c.id == owner).outerjoin(keeper, named)
    without = and_(ledger_txn.c.campaign == campaign, keeper.c.participant.is_(None))
    return list(tx.scalars(select(owner).select_from(rows).where(without).distinct().order_by(owner).limit(limit)))


def posted_of(tx: Connection, campaign: str, entitlements: Iterable[str]) -> list[tuple[str, Txn]]:
    """Read what the ledger of a campaign holds of these entitlements, whosesoever it is: (advocate, txn)."""
    found: list[tuple[str, Txn]] = []
    for some in parts(list(entitlements), 10_000):
        mine = and_(ledger_txn.c.campaign == campaign, ledger_txn.c.entitlement.in_(some))
        found += _posted(tx, mine)
    return found


def _posted(tx: Connection, mine: ColumnElement[bool]) -> list[tuple[str, Txn]]:
    postings: dict[str, list[Posting]] = {}
    query = select(ledger_posting).join(ledger_txn, ledger_txn.c.key == ledger_posting.c.txn).where(mine)
    for row in tx.execute(query.order_by(ledger_posting.c.account, ledger_posting.c.unit)):
        postings.setdefault(row.txn, []).append(Posting(account=row.account, unit=row.unit, amount=row.amount))
    ordered = select(ledger_txn).where(mine).order_by(ledger_txn.c.recorded_at, ledger_txn.c.seq)
    return [(row.advocate, _txn(row, postings[row.key])) for row in tx.execute(ordered)]


def _txn(row: Any, postings: Sequence[Posting]) -> Txn:
    return Txn(
        key=row.key,
        entitlement=row.entitlement,
        program_version=row.program_version,
        cause_event=row.cause_event,
        effective_at=row.effective_at,
        postings=tuple(postings),
    )


def post(tx: Connection, campaign: str, txns: Sequence[tuple[str, Txn]], now: datetime) -> None:
    """Append transactions to the ledgers of these advocates: (advocate, txn).

    Raises ValueError on one that does not balance; a key twice is an error.
    """
    mine = and_(ledger_txn.c.campaign == campaign, ledger_txn.c.recorded_at == now)
    last = tx.scalar(select(func.max(ledger_txn.c.seq)).where(mine)) if txns else None
    for seq, (advocate, txn) in enumerate(txns, (last or 0) + 1):
        sums: dict[str, int] = {}
        for posting in txn.postings:
            sums[posting.unit] = sums.get(posting.unit, 0) + posting.amount
        if any(sums.values()):
            raise ValueError(f"ledger transaction {txn.key} does not balance")
        tx.execute(
            ledger_txn.insert().values(
                key=txn.key,
                entitlement=txn.entitlement,
                seq=seq,
                campaign=campaign,
                advocate=advocate,
                program_version=txn.program_version,
                cause_event=txn.cause_event,
                effective_at=txn.effective_at,
                recorded_at=now,
                postings=len(txn.postings),
            )
        )
        for posting in txn.postings:
            tx.execute(
                ledger_posting.insert().values(
                    txn=txn.key, account=posting.account, unit=posting.unit, amount=posting.amount
                )
            )


def balances(tx: Connection, accounts: Sequence[str] | None = None) -> dict[tuple[str, str], int]:
    """Sum the ledger, or these accounts of it: (account, unit) -> minor units."""
    total = func.sum(ledger_posting.c.amount)
    query = select(ledger_posting.c.account, ledger_posting.c.unit, total).group_by(
        ledger_posting.c.account, ledger_posting.c.unit
    )
    if accounts is not None:
        query = query.where(ledger_posting.c.account.in_(accounts))
    return {(row[0], row[1]): int(row[2]) for row in tx.execute(query) if row[2]}


def rewards(
    tx: Connection,
    *,
    campaign: str | None = None,
    advocates: Sequence[str] | None = None,
    recipient: str | None = None,
    status: str | None = None,
    approval: str | None = None,
    key: str | None = None,
    limit: int = 100_000,
) -> list[Booked]:
    """List rewards in their present state, the newest change first."""
    equal = {"campaign": campaign, "recipient": recipient, "status": status, "approval": approval, "key": key}
    conditions = [reward.c[name] == value for name, value in equal.items() if value is not None]
    if advocates is not None:
        conditions.append(reward.c.advocate.in_(list(advocates)))
    query = select(reward).where(*conditions).order_by(reward.c.changed_at.desc(), reward.c.key).limit(limit)
    return [Booked(**{n: row._mapping[n] for n in Booked.__dataclass_fields__}) for row in tx.execute(query)]


def write_reward(tx: Connection, campaign: str, advocate: str, new: Reward, now: datetime) -> None:
    """Store the present state of a reward."""
    put(
        tx,
        reward,
        {"key": new.key},
        campaign=campaign,
        advocate=advocate,
        recipient=new.to,
        rule=new.rule,
        reward=new.reward,
        subject=new.subject,
        kind=new.kind,
        amount=str(new.amount),
        currency=new.currency,
        product=new.product,
        status=new.status,
        approval=new.approval,
        changed_at=now,
    )


def drop_reward(tx: Connection, key: str) -> None:
    """Forget a reward that the rules no longer know; the ledger keeps what was posted for it."""
    tx.execute(delete(reward).where(reward.c.key == key))


def milestones(
    tx: Connection, campaign: str, participants: Iterable[str] | None
) -> dict[tuple[str, str, int], datetime]:
    """List the milestones that stand, of these or of all: (participant, milestone, number) -> when it was reached."""
    mine = milestone.c.campaign == campaign
    if participants is not None:
        mine = and_(mine, milestone.c.participant.in_(list(participants)))
    return {(r.participant, r.milestone, r.number): r.reached_at for r in tx.execute(select(milestone).where(mine))}


def write_milestones(
    tx: Connection,
    campaign: str,
    *,
    gone: Iterable[tuple[str, str, int]],
    reached: Iterable[tuple[str, str, int, datetime]],
) -> None:
    """Store which milestones of a campaign stand no longer, and which do now."""
    key = tuple_(milestone.c.participant, milestone.c.milestone, milestone.c.number)
    for old in gone:
        tx.execute(delete(milestone).where(and_(milestone.c.campaign == campaign, key == old)))
    for who, name, number, at in reached:
        keys = {"campaign": campaign, "participant": who, "milestone": name, "number": number}
        put(tx, milestone, keys, reached_at=at)
