"""What is taken out of the tables when somebody wants to be forgotten. What cannot be changed never held it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, func, or_, select, update

from syncd.store.people import fold
from syncd.store.tables import code, event, inbox, outbox, participant, referral

_HASHED = ["code.created", "friend.signed_up"]  # what comes with the hashes of a person's address and company
_JUDGED = ["referral.qualified", "referral.disqualified"]  # what comes with a reason
_BY_CODE = ["code.created", "friend.signed_up", "referral.captured"]


def drop_pushes(tx: Connection, leads: Sequence[str]) -> None:
    """Close what is owed to CRMs of these leads; whoever works on it now finds the lease lost."""
    mine = and_(outbox.c.lead.in_(list(leads)), outbox.c.kind == "push")
    closed: dict[str, Any] = {"due_at": None, "dead": False, "payload": {}, "error": None, "lease": outbox.c.lease + 1}
    tx.execute(update(outbox).where(mine).values(**closed))


def forget_messages(tx: Connection, names: Callable[[Mapping[str, Any]], bool]) -> None:
    """Empty and close what we were told of which `names` says that it names somebody."""
    letters = or_(inbox.c.kind == "delivery", and_(inbox.c.kind == "poke", inbox.c.dead))
    carrying = and_(letters, cast(inbox.c.payload, Text) != "{}")
    rows = tx.execute(select(inbox.c.id, inbox.c.payload).where(carrying))
    emptied: dict[str, Any] = {"payload": {}, "error": None, "due_at": None, "dead": False, "lease": inbox.c.lease + 1}
    for id in [row.id for row in rows if names(row.payload)]:
        tx.execute(update(inbox).where(inbox.c.id == id).values(**emptied))


def forget_texts(
    tx: Connection, campaign: str, names: Sequence[str], advocates: Iterable[str], *, keep_identity: bool
) -> None:
    """Take the hashes of a participant's address and company, and the reasons of decisions, out of a campaign's events.

    `names` are all their ids, `advocates` those in whose books they are. Nothing in the books follows from a reason;
    nor from an address, since whoever has the same one is, or was, the same participant; but a friend may be refused
    as the advocate's colleague, and then the company's hash stays with both.
    """
    friends = _is_about(select(referral.c.friend).where(referral.c.advocate.in_(list(names))))
    hashed = and_(event.c.type.in_(_HASHED), event.c.about.in_(list(names)))
    judged = and_(event.c.type.in_(_JUDGED), or_(event.c.about.in_(list(names)), friends))
    colleagues = and_(event.c.about.not_in(list(names)), or_(_is_about(list(advocates)), friends))
    gone = {"reason"} if keep_identity else {"reason", "identity"}
    for row in tx.execute(select(event).where(event.c.campaign == campaign, or_(hashed, judged))).all():
        company = row.data.get("company")
        shared = company is not None and _is_shared(tx, campaign, company, colleagues)
        without = gone if shared else {*gone, "company"}
        left = {name: value for name, value in row.data.items() if name not in without}
        if left != row.data:
            tx.execute(update(event).where(event.c.seq == row.seq).values(data=left))


def _is_about(people: Sequence[str] | Select[str]) -> ColumnElement[bool]:
    """Say of an event that it is about one of these, under whatever id."""
    names = select(participant.c.id).where(participant.c.merged_into.in_(people))
    return or_(event.c.about.in_(people), event.c.about.in_(names))


def _is_shared(tx: Connection, campaign: str, company: str, colleagues: ColumnElement[bool]) -> bool:
    same = and_(event.c.type.in_(_HASHED), event.c.data["company"].as_string() == company)
    return tx.scalar(select(event.c.seq).where(event.c.campaign == campaign, same, colleagues).limit(1)) is not None


def forget_codes(tx: Connection, names: Sequence[str], stand_in: Callable[[str], str]) -> None:
    """Replace the referral codes of a participant wherever they are written, and codes of nobody's that they used.

    `stand_in` makes the text that stands for a code, given as it is looked up, from then on.
    """
    for row in tx.execute(select(code).where(code.c.advocate.in_(list(names)))).all():
        new = stand_in(row.folded)
        tx.execute(update(code).where(code.c.folded == row.folded).values(code=new, folded=new))
        here = and_(referral.c.campaign == row.campaign, referral.c.code == row.code)
        tx.execute(update(referral).where(here).values(code=new))
        _rename(tx, and_(event.c.campaign == row.campaign, _folded() == row.folded), stand_in)
    known = select(code.c.folded)
    _rename(tx, and_(event.c.about.in_(list(names)), _folded().not_in(known)), stand_in)


def _folded() -> ColumnElement[str]:
    return func.lower(func.trim(event.c.data["code"].as_string()))


def _rename(tx: Connection, where: ColumnElement[bool], stand_in: Callable[[str], str]) -> None:
    rows = tx.execute(select(event.c.seq, event.c.data).where(event.c.type.in_(_BY_CODE), where)).all()
    for row in rows:
        data = {**row.data, "code": stand_in(fold(row.data["code"]))}
        tx.execute(update(event).where(event.c.seq == row.seq).values(data=data))
