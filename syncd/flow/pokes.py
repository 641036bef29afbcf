"""Pokes at rest: how a CRM's hint is kept until it is heeded. Ids of records only, never what the CRM said of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import Connection as Transaction

from syncd.contract import Poke, RemoteId, RemoteRef
from syncd.redaction import Redaction
from syncd.store import pokes, work

MOST_OPEN = 10_000  # of one connector
MOST_DEAD = 100  # of one connector; whoever looks into them needs no more
RAW = 4096  # bytes that are kept of a body that cannot be used

_PLAIN = re.compile(r"[\x21-\x7e]{1,200}")
_ID = re.compile(r"[\x21-\x7e]{1,120}")  # of a record; what the tables hold, and no CRM gives others
_TYPE = re.compile(r"[\x21-\x7e]{1,40}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of the pokes of one delivery; the others of it were known already."""

    new: int
    dropped: int  # since too many are open
    open: int  # of this connector, before it


def take(tx: Transaction, connector: str, told: Sequence[Poke], now: datetime) -> Taken:
    """Put pokes into the inbox, each once."""
    waiting = pokes.count(tx, connector, most=MOST_OPEN)
    new = 0
    for number, poke in enumerate(told):
        if waiting + new >= MOST_OPEN:
            return Taken(new=new, dropped=len(told) - number, open=waiting)
        key, payload = _key(connector, poke.id), {"refs": [_dump(ref) for ref in poke.refs]}
        new += work.told(tx, key=key, kind="poke", source=connector, payload=payload, now=now)
    return Taken(new=new, dropped=0, open=waiting)


def bury(tx: Transaction, connector: str, body: bytes, why: str, now: datetime, *, secrets: Iterable[str] = ()) -> bool:
    """Keep the beginning of what a CRM sent and nobody understands, once, for whoever looks into it.

    What proves a message may be in it: these `secrets`, and whatever looks like one or like an address, are hidden.
    """
    if pokes.count(tx, connector, dead=True, most=MOST_DEAD) >= MOST_DEAD:
        return False
    hidden = Redaction(form for secret in secrets for form in (secret, json.dumps(secret)[1:-1]))
    # Hidden before it is cut, so that no secret is cut in two and half of it shown.
    payload = {"raw": hidden.redact(body[: 2 * RAW].decode("utf-8", "replace"))[:RAW]}
    key = _key(connector, f"unreadable:{hashlib.sha256(body).hexdigest()}")
    return work.told(tx, key=key, kind="poke", source=connector, payload=payload, now=now, dead=why)


def refs(payload: Mapping[str, Any]) -> list[RemoteRef]:
    """Give the records that a kept poke is about; none of one that could not be understood."""
    found = [RemoteRef(person=_load(each["person"]), deal=_load(each["deal"])) for each in payload.get("refs", ())]
    return [ref for ref in found if ref.person or ref.deal]


def _key(connector: str, id: str) -> str:
    # A slash is in no connector's name, so no key of a stage fact or of a timer can be the same.
    return f"poke/{connector}:{id if _PLAIN.fullmatch(id) else hashlib.sha256(id.encode(errors='replace')).hexdigest()}"


def _dump(ref: RemoteRef) -> dict[str, Any]:
    return {part: [id.type, id.id] if _is_id(id) else None for part, id in (("person", ref.person), ("deal", ref.deal))}


def _is_id(id: RemoteId | None) -> TypeGuard[RemoteId]:
    return id is not None and bool(_TYPE.fullmatch(id.type) and _ID.fullmatch(id.id))


def _load(id: Sequence[str] | None) -> RemoteId | None:
    return RemoteId(type=id[0], id=id[1]) if id else None
