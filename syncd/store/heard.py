"""What receivers have heard of each reward last: a closed row beside the messages that told it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, or_, select

from syncd.contract import parts
from syncd.store.tables import outbox
from syncd.store.work import EFFECT, EFFECTS, insert_new, put

CHUNK = 10_000  # keys in one question to the database


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """How far a reward has come, as receivers know it. One of which nothing was told has a name, and no more."""

    reward: str  # by what key the books know it
    key: str  # by what key messages do: that under which it was told first, whoever its people turned out to be
    name: str | None = None  # of the effect that was told last
    at: datetime | None = None  # of that effect
    corrections: int = 0  # how many were told besides what the rules say by themselves
    data: Mapping[str, Any] = field(default_factory=dict)  # as told last


def read(tx: Connection, rewards: Iterable[str]) -> dict[str, Heard]:
    """Read what was heard of these rewards, by the keys of the books; what nothing was told of is left out."""
    found: dict[str, Heard] = {}
    for some in parts([_key(reward) for reward in rewards], CHUNK):
        rows = tx.execute(select(outbox.c.key, outbox.c.payload).where(outbox.c.key.in_(some)))
        found |= {it.reward: it for it in map(_heard, rows.mappings())}
    return found


def write(tx: Connection, campaign: str, heard: Heard, now: datetime) -> None:
    """Remember what was heard of a reward."""
    payload = {
        "key": heard.key,
        "name": heard.name,
        "at": heard.at and heard.at.isoformat(),
        "corrections": heard.corrections,
        "data": dict(heard.data),
    }
    values = {"campaign": campaign, "lead": heard.data.get("to"), "payload": payload, "created_at": now}
    put(tx, outbox, {"key": _key(heard.reward)}, kind="heard", due_at=None, **values)


def forget(tx: Connection, reward: str) -> None:
    """Forget what was heard of a reward: it has another name."""
    tx.execute(delete(outbox).where(outbox.c.key == _key(reward)))


def naming(tx: Connection, campaign: str, who: str, recipients: Sequence[str]) -> list[Heard]:
    """Read what was heard of rewards that are for these recipients, and for or about somebody."""
    mine = and_(outbox.c.kind == "heard", outbox.c.campaign == campaign, outbox.c.lead.in_(recipients))
    about = outbox.c.key.contains(who, autoescape=True)
    rows = tx.execute(select(outbox.c.key, outbox.c.payload).where(and_(mine, about)).order_by(outbox.c.id))
    return [_heard(row) for row in rows.mappings()]


def note_renamed(
    tx: Connection, campaign: str, old: str, into: str, *, leads: Sequence[str], keys: Sequence[str]
) -> None:
    """Note the effects about `old` as had by `into`, too: those of these leads, and those of these keys."""
    # Ids are opaque, and all of one length: none is a part of another word of a key.
    known = and_(outbox.c.campaign == campaign, outbox.c.kind.in_(EFFECTS), outbox.c.key.contains(old, autoescape=True))
    mine = or_(outbox.c.lead.in_(leads), outbox.c.key.in_([EFFECT + key for key in keys]))
    for row in tx.execute(select(outbox).where(and_(known, mine))).all():
        lead = into if row.lead == old else row.lead
        values = {"campaign": campaign, "lead": lead, "payload": {}, "created_at": row.created_at}
        insert_new(tx, outbox, key=row.key.replace(old, into), kind="noted", due_at=None, **values)


def _key(reward: str) -> str:
    return f"heard:{reward}"


def _heard(row: RowMapping) -> Heard:
    it = row["payload"]
    return Heard(
        reward=row["key"].removeprefix("heard:"),
        key=it["key"],
        name=it["name"],
        at=it["at"] and datetime.fromisoformat(it["at"]),
        corrections=it["corrections"],
        data=it["data"],
    )
