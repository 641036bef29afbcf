"""What comes back: records as answers show them, and the facts that are in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.contract import (
    Cursor,
    Gone,
    JsonObject,
    Outcome,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    read_id,
    read_time,
    to_ms,
)

NO_STATUS = "-None-"  # Zoho's own name for an empty picklist

COLUMNS = {
    "Leads": ("Modified_Time", "Lead_Status"),
    "Contacts": ("Modified_Time",),
    "Deals": ("Modified_Time", "Stage", "Pipeline", "Amount", "Contact_Name"),
}
CONVERTED = ("Converted__s", "Converted_Contact", "Converted_Deal")  # queries do not know them
SLOW_LISTS = {
    "Leads": ("Leads", timedelta()),
    "converted": ("Leads", timedelta()),
    "deleted Leads": ("Leads", timedelta(minutes=10)),
    "deleted Deals": ("Deals", timedelta(minutes=10)),
}
_OUTCOMES: dict[str, Outcome] = {"closed won": "won", "closed lost": "lost"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A Lead, Contact or Deal as an answer shows it."""

    kind: str
    id: str
    at: datetime
    lead: str | None  # our id
    values: Mapping[str, Any] = field(repr=False)

    @property
    def is_converted(self) -> bool:
        return self.values.get("Converted__s") is True


@dataclass(frozen=True, kw_only=True, slots=True)
class Became:
    """What a Lead was converted to; sales may convert without a Deal."""

    contact: str | None = None
    deal: str | None = None


def read_record(kind: str, it: JsonObject, key: str) -> Record:
    """Read a record in an answer; `key` is the field with our id."""
    return Record(
        kind=kind,
        id=read_id(it.get("id")),
        at=read_time(it.get("Modified_Time")),
        lead=str(it.get(key) or "") or None,
        values=it,
    )


def remote_id(kind: str, id_: str | None) -> RemoteId | None:
    return RemoteId(type=kind, id=id_) if id_ else None


def ref_to(kind: str, id_: str) -> RemoteRef:
    """Name a record in the part, or the parts, that its module plays."""
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(person=it if kind != "Deals" else None, deal=it if kind != "Contacts" else None)


def id_of(value: object) -> str | None:
    """Read the id of a lookup, which is an object here and a text there."""
    id_ = value.get("id") if isinstance(value, dict) else value
    return None if id_ in (None, "") else read_id(id_)


def conversion(it: Record, became: Became) -> Gone:
    """Say what a Lead became. Without a Deal only its person has moved; the Lead remains the deal."""
    own = RemoteId(type="Leads", id=it.id)
    into = RemoteRef(person=remote_id("Contacts", became.contact), deal=remote_id("Deals", became.deal))
    return Gone(ref=RemoteRef(person=own, deal=own if became.deal else None), why="merged", into=into)


def lead_fact(it: Record, contact: str | None) -> StageFact:
    own = RemoteId(type="Leads", id=it.id)
    return StageFact(
        ref=RemoteRef(person=remote_id("Contacts", contact) or own, deal=own),
        lead=it.lead,
        pipeline="Leads",
        stage=str(it.values.get("Lead_Status") or NO_STATUS),
        outcome="open",
        at=it.at,
        version=to_ms(it.at),
    )


def read_stage(pipeline: JsonObject, it: JsonObject) -> Stage:
    # Never by the label: it is the admin's to change, and the actual value is what records carry.
    id_ = read_id(it.get("actual_value"))
    forecast = str(it.get("forecast_type") or "").lower()
    return Stage(
        pipeline=read_id(pipeline.get("actual_value")),
        id=id_,
        label=str(it.get("display_value") or id_),
        outcome=_OUTCOMES.get(forecast, "open"),
    )


def marks_of(cursor: Cursor) -> dict[str, datetime]:
    """Read how far each list has been read; one that was never read begins where the first reading began."""
    ms = json.loads(cursor)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return {name: epoch + timedelta(milliseconds=int(ms.get(name, ms["Deals"]))) for name in ("Deals", *SLOW_LISTS)}


def cursor_of(marks: Mapping[str, datetime]) -> Cursor:
    return json.dumps({name: to_ms(at) for name, at in marks.items()})


def literal(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"


def in_list(values: Iterable[str]) -> str:
    quoted = ("'" + it.replace("\\", "\\\\").replace("'", "\\'") + "'" for it in values)
    return f"({', '.join(quoted)})"


def as_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
