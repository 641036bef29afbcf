"""What comes back: records as lists show them, and the facts that are in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from syncd.contract import (
    Gone,
    JsonObject,
    Outcome,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    json_objects,
    minor_units,
    read_id,
    read_time,
    to_ms,
)
from syncd_connectors.pipedrive.fields import Kind

INBOX = "leads"  # the pipeline under which leads are told; those of deals have numbers
MOVING = ("stage_id", "pipeline_id", "status")
_SETTLED = timedelta(seconds=5)  # after which nothing more happens within a second that is over


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A person as a list shows it."""

    id: str
    lead: str | None  # our id
    updated: datetime
    deals: int | None  # how many hang on the person, where Pipedrive says so
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A deal or a lead as a list shows it."""

    kind: Literal["deal", "lead"]
    id: str
    person: str | None
    lead: str | None  # our id
    pipeline: str
    place: str  # the stage; a deal that is won or lost keeps its last one
    status: str
    value: Any
    currency: str
    added: datetime
    updated: datetime
    entered: datetime
    version: int
    deleted: bool
    archived: bool
    source: str | None  # the lead that became this deal, or the deal that became this lead

    @property
    def remote(self) -> RemoteId:
        return RemoteId(type=self.kind, id=self.id)

    @property
    def has_changed(self) -> bool:
        return max(self.updated, self.entered) - self.added > timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A change of a deal's stage, pipeline or status."""

    at: datetime
    key: str
    old: str
    new: str


def read_person(row: JsonObject, key: str) -> Person:
    """Read a person; `key` is the field that carries our id."""
    counts = [row.get("open_deals_count"), row.get("closed_deals_count")]
    return Person(
        id=read_id(row.get("id")),
        lead=text_of(as_object(row.get("custom_fields")).get(key)),
        updated=read_time(row.get("update_time") or row.get("add_time")),
        deals=sum(int(it) for it in counts if it is not None) if None not in counts else None,
        deleted=row.get("is_deleted") is True,
    )


def read_deal(row: JsonObject, key: str, *, read_at: datetime | None = None, is_settled: bool = False) -> Record:
    """Read a deal; `key` is the field that carries our id, `read_at` the time of the answer."""
    updated = read_time(row.get("update_time") or row.get("add_time"))
    status = str(row.get("status") or "open")
    entered = {"won": row.get("won_time"), "lost": row.get("lost_time")}.get(status, row.get("stage_change_time"))
    # Times are whole seconds, and a deal may change twice in one: what is read after its end is the newer.
    is_settled = is_settled or (read_at is not None and read_at - updated >= _SETTLED)
    return Record(
        kind="deal",
        id=read_id(row.get("id")),
        person=text_of(row.get("person_id")),
        lead=text_of(as_object(row.get("custom_fields")).get(key)),
        pipeline=read_id(row.get("pipeline_id")),
        place=read_id(row.get("stage_id")),
        status=status,
        value=row.get("value"),
        currency=str(row.get("currency") or ""),
        added=read_time(row.get("add_time")),
        updated=updated,
        entered=read_time(entered or row.get("add_time")),
        version=to_ms(updated) + is_settled,
        deleted=status == "deleted" or row.get("is_deleted") is True,
        archived=row.get("is_archived") is True,
        source=text_of(row.get("source_lead_id")),
    )


def read_lead(row: JsonObject, key: str) -> Record:
    """Read a lead of Pipedrive's; `key` is the field that carries our id."""
    updated, worth = read_time(row.get("update_time") or row.get("add_time")), as_object(row.get("value"))
    archived = row.get("is_archived") is True
    return Record(
        kind="lead",
        id=read_id(row.get("id")),
        person=text_of(row.get("person_id")),
        lead=text_of(row.get(key)),
        pipeline=INBOX,
        place="archived" if archived else "open",
        status="open",  # Pipedrive wins and loses deals only; `stages` may say what an archived lead means
        value=worth.get("amount"),
        currency=str(worth.get("currency") or ""),
        added=read_time(row.get("add_time")),
        updated=updated,
        entered=updated if archived else read_time(row.get("add_time")),
        version=to_ms(updated) + 1,
        deleted=row.get("is_deleted") is True,
        archived=archived,
        source=text_of(row.get("source_deal_id")),
    )


def read_move(row: JsonObject) -> Move:
    """Read a row of a changelog, of one of the fields in `MOVING`."""
    return Move(
        at=read_time(row.get("time")),
        key=str(row["field_key"]),
        old=str(row.get("old_value") or ""),
        new=str(row.get("new_value") or ""),
    )


def facts_of(records: Iterable[Record]) -> list[StageFact | Gone]:
    """Say of records what is to be said: what they were made of, where they stand, that they are deleted."""
    facts: list[StageFact | Gone] = []
    for it in records:
        if it.source:
            old = RemoteId(type="lead" if it.kind == "deal" else "deal", id=it.source)
            facts.append(Gone(ref=RemoteRef(deal=old), why="merged", into=RemoteRef(deal=it.remote)))
        if it.deleted:
            facts.append(fate(it.kind, it.id, "deleted"))
        else:
            facts.append(_fact(it, it.pipeline, it.place, it.status, it.entered, it.version))
    return facts


def fate(kind: Kind, id_: str, why: Literal["deleted", "invisible"]) -> Gone:
    it = RemoteId(type=kind, id=id_)
    return Gone(ref=RemoteRef(person=it) if kind == "person" else RemoteRef(deal=it), why=why)


def _fact(it: Record, pipeline: str, place: str, status: str, at: datetime, version: int) -> StageFact:
    amount = minor_units(str(it.value), it.currency)
    outcome: Outcome = "won" if status == "won" else "lost" if status == "lost" else "open"
    # Our id says whose a deal is; to name the person too would give it to everybody who shares that person.
    person = RemoteId(type="person", id=it.person) if it.person and not it.lead else None
    return StageFact(
        ref=RemoteRef(person=person, deal=it.remote),
        lead=it.lead,
        pipeline=pipeline,
        stage=place if outcome == "open" else outcome,
        outcome=outcome,
        amount=amount,
        currency=it.currency if amount is not None else None,
        at=at,
        version=version,
    )


def steps_of(it: Record, moves: Sequence[Move]) -> list[StageFact]:
    """Tell the stages of a deal from its present state and its changes, the oldest first."""
    present = {"pipeline_id": it.pipeline, "stage_id": it.place, "status": it.status}
    # A deal begins open. A change from nothing is its creation.
    state = present | {"status": "open"} | {move.key: move.old or move.new for move in reversed(moves)}
    states = [(it.added, dict(state))]
    for at, together in groupby(moves, key=lambda move: move.at):
        state |= {move.key: move.new for move in together}
        states.append((at, dict(state)))
    if state != present and states[-1][0] <= it.updated:  # a part of the past is kept from us
        states.append((it.entered, present))
    steps: list[StageFact] = []
    for at, now in states:
        version = max(to_ms(at), steps[-1].version + 1 if steps else 0)
        fact = _fact(it, now["pipeline_id"], now["stage_id"], now["status"], at, version)
        if not steps or (steps[-1].pipeline, steps[-1].stage) != (fact.pipeline, fact.stage):
            steps.append(fact)
    return steps


def read_stage(row: JsonObject) -> Stage:
    id_ = read_id(row.get("id"))
    label = str(row.get("name") or id_)
    return Stage(pipeline=read_id(row.get("pipeline_id")), id=id_, label=label, outcome="open")


def to_second(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def rows_of(body: JsonObject) -> list[JsonObject]:
    if "data" in body and body["data"] is None:  # some lists of version 1 say so that they are empty
        return []
    return json_objects(body, "data")


def has_more(body: JsonObject) -> bool:
    paging = as_object(body.get("additional_data"))
    paging = as_object(paging.get("pagination")) or paging  # it is found in either place
    return paging.get("more_items_in_collection") is True


def text_of(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def as_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
