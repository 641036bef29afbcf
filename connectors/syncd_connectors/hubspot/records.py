"""What comes back: contacts and deals as answers show them, and what can be read off them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.contract import (
    Gone,
    JsonObject,
    Outcome,
    RemoteId,
    RemoteRef,
    Transient,
    json_objects,
    read_id,
    read_time,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A contact or a deal as an answer shows it. Properties without a value are left out."""

    id: str
    properties: Mapping[str, str]
    history: Mapping[str, Sequence[tuple[datetime, str]]]  # property -> (since when, value), the newest first
    trace: str
    new: bool

    @property
    def merged(self) -> Sequence[str]:
        """The ids that lead here since a merge; the record that a merge makes has a new one."""
        old = re.split(r"[;,\s]+", self.properties.get("hs_merged_object_ids", ""))
        return [id_ for id_ in old if id_ and id_ != self.id]


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A stage that a deal entered."""

    pipeline: str
    stage: str
    at: datetime
    is_present: bool


def read_records(body: JsonObject) -> list[Record]:
    return [_record(it) for it in json_objects(body, "results")]


def _record(it: JsonObject) -> Record:
    try:
        history = {
            name: [(read_time(past["timestamp"]), str(past["value"] or "")) for past in entries]
            for name, entries in (it.get("propertiesWithHistory") or {}).items()
        }
        return Record(
            id=read_id(it["id"]),
            properties={name: str(value) for name, value in it["properties"].items() if value not in (None, "")},
            history=history,
            trace=str(it.get("objectWriteTraceId") or ""),
            new=it.get("new") is True,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Transient("HubSpot's answer shows a record in another form than its API describes") from error


def by_any_id(records: Iterable[Record]) -> dict[str, Record]:
    """Give each record under its id and under the ids that were merged into it."""
    found: dict[str, Record] = {}
    for record in records:
        found |= dict.fromkeys((*record.merged, record.id), record)
    return found


def fate_of(kind: str, id_: str, found: Record | None, missing: frozenset[str]) -> Gone | None:
    def ref(name: str) -> RemoteRef:
        it = RemoteId(type=kind, id=name)
        return RemoteRef(deal=it) if kind == "deal" else RemoteRef(person=it)

    if found is None:
        # Only what HubSpot says is not there counts as deleted; a gap in an answer does not.
        return Gone(ref=ref(id_), why="deleted" if id_ in missing else "invisible")
    return Gone(ref=ref(id_), why="merged", into=ref(found.id)) if found.id != id_ else None


def outcome_of(values: Mapping[str, str]) -> Outcome | None:
    if values.get("hs_is_closed_won") == "true":
        return "won"
    closed = values.get("hs_is_closed")
    return None if closed is None else "lost" if closed == "true" else "open"


def past_of(record: Record) -> list[Past]:
    """List the stages that a deal entered, the oldest first, each with the pipeline of that moment."""
    stages = sorted((at, stage) for at, stage in record.history.get("dealstage", ()) if stage)
    pipelines = sorted(record.history.get("pipeline", ()))
    first = pipelines[0][1] if pipelines else record.properties.get("pipeline", "")
    past = []
    for at, stage in stages:
        known = [name for since, name in pipelines if since <= at]
        past.append(Past(pipeline=[first, *known][-1], stage=stage, at=at, is_present=(at, stage) == stages[-1]))
    return past


def end_of(association: JsonObject, side: str) -> str:
    return read_id(as_object(association.get(side)).get("id"))


def as_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
