"""Where leads live in the CRMs, and the newest that each CRM said of their deals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, delete, or_, select, update

from syncd.contract import RemoteId, RemoteRef, StageFact
from syncd.store.tables import deal, record, referral
from syncd.store.work import insert_new, put


@dataclass(frozen=True, kw_only=True, slots=True)
class Deal:
    """A deal of a lead, as the CRM last described it."""

    connector: str
    id: RemoteId
    lead: str
    pipeline: str
    stage: str
    outcome: str | None
    at: datetime  # since when, by our clock
    version: int
    names: Sequence[str]  # what the rules know it as: its own id, and those of the deals merged into it
    gone: str | None = None


def keep(tx: Connection, connector: str, lead: str, ref: RemoteRef, *, pushed_at: datetime | None = None) -> None:
    """Remember where a lead lives; parts that `ref` does not name stay as they were."""
    values: dict[str, Any] = {}
    if ref.person:
        values |= {"person_type": ref.person.type, "person_id": ref.person.id}
    if ref.deal:
        values |= {"deal_type": ref.deal.type, "deal_id": ref.deal.id}
    if ref.url:
        values["url"] = ref.url
    if pushed_at:
        values["pushed_at"] = pushed_at
    put(tx, record, {"connector": connector, "lead": lead}, gone=None, **values)


def known(tx: Connection, connector: str, leads: Iterable[str]) -> dict[str, RemoteRef]:
    """Tell where these leads live in a CRM, as far as we know."""
    rows = tx.execute(select(record).where(and_(record.c.connector == connector, record.c.lead.in_(list(leads)))))
    return {row.lead: _ref(row._mapping) for row in rows}


def where_is(tx: Connection, lead: str) -> dict[str, RemoteRef]:
    """Tell where a lead lives, by connector."""
    return {row.connector: _ref(row._mapping) for row in tx.execute(select(record).where(record.c.lead == lead))}


def pushed(tx: Connection, leads: Sequence[str]) -> set[str]:
    """Tell which of these leads some push has brought into a CRM."""
    there = and_(record.c.lead.in_(leads), record.c.pushed_at.is_not(None))
    return set(tx.scalars(select(record.c.lead).where(there)))


def leads_of(
    tx: Connection, connector: str, *, deals: Sequence[str], persons: Sequence[str]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Find whose these records are: deal id -> leads, person id -> leads."""
    by_deal: dict[str, set[str]] = {}
    by_person: dict[str, set[str]] = {}
    here = record.c.connector == connector
    for row in tx.execute(select(record.c.deal_id, record.c.lead).where(and_(here, record.c.deal_id.in_(deals)))):
        by_deal.setdefault(row.deal_id, set()).add(row.lead)
    seen = and_(deal.c.connector == connector, deal.c.deal_id.in_(deals))
    for row in tx.execute(select(deal.c.deal_id, deal.c.lead).where(seen)):
        by_deal.setdefault(row.deal_id, set()).add(row.lead)
    for row in tx.execute(select(record.c.person_id, record.c.lead).where(and_(here, record.c.person_id.in_(persons)))):
        by_person.setdefault(row.person_id, set()).add(row.lead)
    return by_deal, by_person


def deals_of(tx: Connection, leads: Sequence[str]) -> dict[str, list[Deal]]:
    """List the deals of these leads in every CRM, by lead."""
    query = select(deal).where(deal.c.lead.in_(leads)).order_by(deal.c.connector, deal.c.deal_id)
    deals: dict[str, list[Deal]] = {}
    for row in tx.execute(query):
        deals.setdefault(row.lead, []).append(_deal(row._mapping))
    return deals


def versions(tx: Connection, connector: str, deals: Sequence[str]) -> dict[tuple[str, str], Deal]:
    """Read what we hold of these deals, by (deal id, lead)."""
    rows = tx.execute(select(deal).where(and_(deal.c.connector == connector, deal.c.deal_id.in_(list(deals)))))
    return {(row.deal_id, row.lead): _deal(row._mapping) for row in rows}


def write_deal(tx: Connection, connector: str, lead: str, fact: StageFact, names: Sequence[str]) -> None:
    """Overwrite what we hold of a deal with a newer fact."""
    assert fact.ref.deal is not None
    put(
        tx,
        deal,
        {"connector": connector, "deal_type": fact.ref.deal.type, "deal_id": fact.ref.deal.id, "lead": lead},
        pipeline=fact.pipeline,
        stage=fact.stage,
        outcome=fact.outcome,
        amount=fact.amount,
        currency=fact.currency,
        at=fact.at,
        version=fact.version,
        names=list(names),
        gone=None,
    )


def date_deal(tx: Connection, it: Deal, at: datetime) -> None:
    """Note when a deal took its last step."""
    there = and_(deal.c.connector == it.connector, deal.c.deal_type == it.id.type, deal.c.deal_id == it.id.id)
    tx.execute(update(deal).where(there, deal.c.lead == it.lead).values(at=at))


def expect_deal(tx: Connection, connector: str, id: RemoteId, now: datetime) -> None:
    """Have a row for a deal that we made and that was gone before it was ever read."""
    made = and_(record.c.connector == connector, record.c.deal_type == id.type, record.c.deal_id == id.id)
    for lead in list(tx.scalars(select(record.c.lead).where(made))):
        keys = {"connector": connector, "deal_type": id.type, "deal_id": id.id, "lead": lead}
        insert_new(tx, deal, **keys, pipeline="", stage="", at=now, version=0, names=[id.id])


def gone(tx: Connection, connector: str, leads: Iterable[str]) -> set[str]:
    """Tell of which of these leads we know that their records are gone."""
    known = and_(record.c.connector == connector, record.c.lead.in_(list(leads)), record.c.gone.is_not(None))
    return set(tx.scalars(select(record.c.lead).where(known)))


def mark_gone(tx: Connection, connector: str, id: RemoteId, why: str) -> None:
    """Note that a record can no longer be read."""
    here = and_(deal.c.connector == connector, deal.c.deal_type == id.type, deal.c.deal_id == id.id)
    tx.execute(update(deal).where(here).values(gone=why))
    whole = and_(
        record.c.connector == connector,
        or_(
            and_(record.c.deal_type == id.type, record.c.deal_id == id.id),
            and_(record.c.person_type == id.type, record.c.person_id == id.id),
        ),
    )
    tx.execute(update(record).where(whole).values(gone=why))


def relink(tx: Connection, connector: str, part: Literal["person", "deal"], old: RemoteId, new: RemoteId) -> set[str]:
    """Follow a merge: whatever had the record `old` as its person, or deal, has its survivor; deals keep their names.

    One record may be both, as a Lead of Salesforce is until it becomes a contact and an opportunity. Gives the leads
    that were touched.
    """
    type_, id_ = f"{part}_type", f"{part}_id"
    here = and_(record.c.connector == connector, record.c[type_] == old.type, record.c[id_] == old.id)
    moved = update(record).where(here).values({type_: new.type, id_: new.id, "url": None})
    touched = set(tx.scalars(moved.returning(record.c.lead)))
    if part == "person":
        return touched
    mine = and_(deal.c.connector == connector, deal.c.deal_type == old.type, deal.c.deal_id == old.id)
    for row in tx.execute(select(deal).where(mine)).all():
        touched.add(row.lead)
        keys = {"connector": connector, "deal_type": new.type, "deal_id": new.id, "lead": row.lead}
        survivor = and_(*(deal.c[name] == value for name, value in keys.items()))
        there = tx.execute(select(deal.c.names, deal.c.at).where(survivor)).one_or_none()
        if there is None:
            # Version 0: whatever the CRM says of the survivor is newer than what its predecessor said.
            tx.execute(deal.insert().values(**{**row._mapping, **keys, "version": 0, "gone": None}))
        else:
            names = list(dict.fromkeys([*there.names, *row.names]))
            tx.execute(update(deal).where(survivor).values(names=names, at=max(there.at, row.at)))
    tx.execute(delete(deal).where(mine))
    return touched


def to_sweep(
    tx: Connection, connector: str, *, after: str, limit: int, closed_before: datetime, captured_after: datetime
) -> list[tuple[str, RemoteRef]]:
    """List (lead, ref) of the referrals to read by id, by lead, from the one after `after` on.

    Open ones always; qualified, lost and vanished ones only if not swept since `closed_before`, while they are young.
    """
    open_ = referral.c.standing.in_(["captured", "pushed", "in_pipeline"])
    rested = and_(
        referral.c.standing != "rejected",
        referral.c.captured_at > captured_after,
        or_(record.c.swept_at.is_(None), record.c.swept_at < closed_before),
    )
    query = (
        select(record)
        .join(referral, referral.c.id == record.c.lead)
        .where(record.c.connector == connector, record.c.lead > after, or_(open_, rested))
        .order_by(record.c.lead)
        .limit(limit)
    )
    return [(row.lead, _ref(row._mapping)) for row in tx.execute(query)]


def swept(tx: Connection, connector: str, leads: Sequence[str], now: datetime) -> None:
    """Note when these leads were last read by id."""
    tx.execute(
        update(record).where(and_(record.c.connector == connector, record.c.lead.in_(leads))).values(swept_at=now)
    )


def _ref(row: RowMapping) -> RemoteRef:
    return RemoteRef(
        person=RemoteId(type=row["person_type"], id=row["person_id"]) if row["person_id"] else None,
        deal=RemoteId(type=row["deal_type"], id=row["deal_id"]) if row["deal_id"] else None,
        url=row["url"],
    )


def _deal(row: RowMapping) -> Deal:
    return Deal(
        connector=row["connector"],
        id=RemoteId(type=row["deal_type"], id=row["deal_id"]),
        lead=row["lead"],
        pipeline=row["pipeline"],
        stage=row["stage"],
        outcome=row["outcome"],
        at=row["at"],
        version=row["version"],
        names=tuple(row["names"]),
        gone=row["gone"],
    )
