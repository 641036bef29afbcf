"""What comes back: records as queries show them, and the facts that are in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from syncd.contract import (
    Gone,
    JsonObject,
    Outcome,
    RemoteId,
    RemoteRef,
    StageFact,
    Transient,
    json_objects,
    read_id,
    read_time,
    to_ms,
)

_EVERY = ("Id", "SystemModstamp", "IsDeleted")
COLUMNS = {
    "Lead": (*_EVERY, "MasterRecordId", "Status", "IsConverted", "ConvertedContactId", "ConvertedOpportunityId"),
    "Contact": (*_EVERY, "MasterRecordId"),
    "Opportunity": (*_EVERY, "StageName", "IsClosed", "IsWon", "Amount"),
}
MERGES = 5  # how often the survivor of a merge may have been merged itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A Lead, Contact or Opportunity as a query shows it."""

    kind: str
    id: str
    at: datetime
    lead: str | None  # our id
    values: Mapping[str, Any]

    @property
    def deleted(self) -> bool:
        return self.values["IsDeleted"] is True

    @property
    def master(self) -> str | None:
        """The survivor, if this one was merged into another."""
        return self.values.get("MasterRecordId") or None

    @property
    def is_converted(self) -> bool:
        return self.values.get("IsConverted") is True

    @property
    def contact(self) -> str | None:
        return self.values.get("ConvertedContactId") or None

    @property
    def deal(self) -> str | None:
        """The Opportunity that a Lead became; sales may convert without one."""
        return self.values.get("ConvertedOpportunityId") or None


def read_record(kind: str, it: JsonObject, key: str) -> Record:
    """Read a record in the answer to a query; `key` is the field with our id."""
    flags = [name for name in COLUMNS[kind] if name.startswith("Is")]
    if not all(isinstance(it.get(name), bool) for name in flags):
        raise Transient(f"Salesforce's answer shows a {kind} without what was asked of it")
    return Record(
        kind=kind,
        id=read_id(it.get("Id")),
        at=read_time(it.get("SystemModstamp")),
        lead=str(it.get(key) or "") or None,
        values=it,
    )


def remote_id(kind: str, id_: str | None) -> RemoteId | None:
    return RemoteId(type=kind, id=id_) if id_ else None


def ref_to(kind: str, id_: str) -> RemoteRef:
    """Name a record in the part, or the parts, that its object plays."""
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(person=it if kind != "Opportunity" else None, deal=it if kind != "Contact" else None)


def survivor_of(records: Mapping[str, Record], id_: str) -> Record | None:
    for _ in range(MERGES):
        record = records.get(id_)
        if record is None or record.master not in records:
            return record
        id_ = str(record.master)
    return None


def led_to_survivors(records: Mapping[str, Record]) -> list[Record]:
    """Let every record that was merged name the last survivor, so that a merge of a merge is one step."""
    led = []
    for it in records.values():
        last = survivor_of(records, it.id)
        values = {**it.values, "MasterRecordId": last.id} if last and last.id != it.id else it.values
        led.append(replace(it, values=values))
    return led


def fate_of(it: Record) -> Gone:
    if it.master:
        return Gone(ref=ref_to(it.kind, it.id), why="merged", into=ref_to(it.kind, it.master))
    return Gone(ref=ref_to(it.kind, it.id), why="deleted")


def conversion(it: Record) -> Gone:
    """Say what a Lead became. Without an Opportunity only its person has moved; the Lead remains the deal."""
    own = RemoteId(type="Lead", id=it.id)
    into = RemoteRef(person=remote_id("Contact", it.contact), deal=remote_id("Opportunity", it.deal))
    return Gone(ref=RemoteRef(person=own, deal=own if it.deal else None), why="merged", into=into)


def lead_fact(it: Record) -> StageFact:
    own = RemoteId(type="Lead", id=it.id)
    return StageFact(
        ref=RemoteRef(person=remote_id("Contact", it.contact) or own, deal=own),
        lead=it.lead,
        pipeline="Lead",
        stage=str(it.values.get("Status") or ""),
        outcome="open",  # Salesforce wins and loses Opportunities only; `stages` may say what a status means
        at=it.at,
        version=to_ms(it.at),
    )


def outcome_of(values: Mapping[str, Any]) -> Outcome:
    return "won" if values.get("IsWon") is True else "lost" if values.get("IsClosed") is True else "open"


def fields_of(object_: JsonObject) -> dict[str, JsonObject]:
    return {str(it.get("name")): it for it in json_objects(object_, "fields")}
