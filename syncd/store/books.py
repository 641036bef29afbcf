"""The books of an advocate: the events that the rules see, the ledger, and the rewards and milestones that follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, select, tuple_

from syncd.store.tables import event, ledger_posting, ledger_txn, milestone, reward
from syncd.store.work import insert_new, put
from syncd_rules import Event, Posting, Reward, Txn


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """A reward as lists show it."""

    key: str
    campaign: str
    recipient: str
    rule: str
    reward: str
    subject: str
    kind: str
    amount: str
    currency: str | None
    product: str | None
    status: str
    changed_at: datetime


def add_event(tx: Connection, advocate: str, new: Event, *, cause: str, now: datetime) -> bool:
    """Store an event in an advocate's books, once per id."""
    return insert_new(
        tx,
        event,
        campaign=new.campaign,
        id=new.id,
        type=new.type,
        at=new.at,
        advocate=advocate,
        data=dict(new.data),
        cause=cause,
        received_at=now,
    )


def events(tx: Connection, campaign: str, advocate: str) -> list[Event]:
    """Read all events of an advocate's books."""
    mine = and_(event.c.campaign == campaign, event.c.advocate == advocate)
    rows = tx.execute(select(event).where(mine).order_by(event.c.at, event.c.id))
    return [Event(id=r.id, type=r.type, at=r.at, campaign=r.campaign, data=r.data) for r in rows]


def last_told(tx: Connection, campaign: str, advocate: str) -> datetime | None:
    """Tell when the newest event came into an advocate's books."""
    mine = and_(event.c.campaign == campaign, event.c.advocate == advocate)
    last: datetime | None = tx.scalar(select(func.max(event.c.received_at)).where(mine))
    return last


def stored_event(tx: Connection, campaign: str, id: str) -> Event | None:
    """Read one event."""
    r = tx.execute(select(event).where(and_(event.c.campaign == campaign, event.c.id == id))).one_or_none()
    return None if r is None else Event(id=r.id, type=r.type, at=r.at, campaign=r.campaign, data=r.data)


def cause_of(tx: Connection, campaign: str, id: str) -> str | None:
    """Tell who or what an event came from."""
    return tx.scalar(select(event.c.cause).where(and_(event.c.campaign == campaign, event.c.id == id)))


def posted(tx: Connection, campaign: str, advocate: str) -> list[Txn]:
    """Read an advocate's ledger, in the order of its writing."""
    mine = and_(ledger_txn.c.campaign == campaign, ledger_txn.c.advocate == advocate)
    postings: dict[str, list[Posting]] = {}
    query = select(ledger_posting).join(ledger_txn, ledger_txn.c.key == ledger_posting.c.txn).where(mine)
    for row in tx.execute(query.order_by(ledger_posting.c.account, ledger_posting.c.unit)):
        postings.setdefault(row.txn, []).append(Posting(account=row.account, unit=row.unit, amount=row.amount))
    return [
        Txn(
            key=row.key,
            entitlement=row.entitlement,
            program_version=row.program_version,
            cause_event=row.cause_event,
            effective_at=row.effective_at,
            postings=tuple(postings[row.key]),
        )
        for row in tx.execute(select(ledger_txn).where(mine).order_by(ledger_txn.c.seq))
    ]


def post(tx: Connection, campaign: str, advocate: str, txns: Sequence[Txn], now: datetime) -> None:
    """Append transactions to the ledger. Raises ValueError on one that does not balance; a key twice is an error."""
    mine = and_(ledger_txn.c.campaign == campaign, ledger_txn.c.advocate == advocate)
    last = tx.scalar(select(func.max(ledger_txn.c.seq)).where(mine)) or 0
    for seq, txn in enumerate(txns, last + 1):
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
            )
        )
        for posting in txn.postings:
            tx.execute(
                ledger_posting.insert().values(
                    txn=txn.key, account=posting.account, unit=posting.unit, amount=posting.amount
                )
            )


def balances(tx: Connection, prefix: str = "") -> dict[tuple[str, str], int]:
    """Sum the ledger: (account, unit) -> minor units, for the accounts that begin with `prefix`."""
    total = func.sum(ledger_posting.c.amount)
    query = select(ledger_posting.c.account, ledger_posting.c.unit, total).group_by(
        ledger_posting.c.account, ledger_posting.c.unit
    )
    if prefix:
        query = query.where(ledger_posting.c.account.startswith(prefix, autoescape=True))
    return {(row[0], row[1]): int(row[2]) for row in tx.execute(query) if row[2]}


def rewards(
    tx: Connection,
    *,
    campaign: str | None = None,
    advocate: str | None = None,
    recipient: str | None = None,
    status: str | None = None,
    limit: int = 100_000,
) -> list[Booked]:
    """List rewards in their present state, the newest change first."""
    equal = {"campaign": campaign, "advocate": advocate, "recipient": recipient, "status": status}
    conditions = [reward.c[name] == value for name, value in equal.items() if value is not None]
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
        changed_at=now,
    )


def drop_reward(tx: Connection, key: str) -> None:
    """Forget a reward that the rules no longer know; the ledger keeps what was posted for it."""
    tx.execute(delete(reward).where(reward.c.key == key))


def milestones(tx: Connection, campaign: str, participants: Iterable[str]) -> dict[tuple[str, str, int], datetime]:
    """List the milestones that stand: (participant, milestone, number) -> when it was reached."""
    mine = and_(milestone.c.campaign == campaign, milestone.c.participant.in_(list(participants)))
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
