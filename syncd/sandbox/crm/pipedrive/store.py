"""Persons, deals and leads of one company, with the vendor's rules on what may be written. No HTTP here.

No field is unique: two records with one value are taken without a word, as the vendor takes them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal
from uuid import UUID

from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.pipedrive import derived, moments, views
from syncd.sandbox.crm.pipedrive.record import Change, Record, Snapshot, Source
from syncd.sandbox.crm.pipedrive.refusal import Refusal, capped, wrong_field
from syncd.sandbox.crm.pipedrive.schema import Kind, Schema

Action = Literal["create", "change", "delete"]

KEPT_DELETED = timedelta(days=30)
"""How long a deleted record can still be listed and taken back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """An entry of the company's change log, in order of `seq`; what webhooks tell."""

    seq: int
    at: datetime
    kind: Kind
    id: str
    action: Action
    source: Source
    data: Mapping[str, Any] | None = field(repr=False)
    previous: Mapping[str, Any] | None = field(repr=False)
    merged_to: str | None = None
    merged_from: str | None = None
    hidden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user of the company: the one who owns the API token."""

    id: int = 7_001
    name: str = "Sandbox User"
    email: str = "api.user@example.com"


class Store:
    """One company's records. Every public method may be called from any thread.

    `now` gives the CRM's time. Unknown ids raise KeyError, what the vendor would refuse raises `Refusal`.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        schema: Schema,
        seed: str = "42",
        lag: Lag = no_lag,
        currency: str = "EUR",
        open_deals: int | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.schema = schema
        self.lag = lag
        self.currency = currency
        self.open_deals = open_deals  # how many the plan has room for; None is no limit
        self.user = User()
        self.records: dict[Kind, dict[str, Record]] = {"person": {}, "deal": {}, "lead": {}}
        self.log: deque[Happening] = deque(maxlen=10_000)
        self.listeners: list[Callable[[Happening], None]] = []
        self.now = now
        self._index = Random(f"{seed}:index")
        self._names = Random(f"{seed}:leads")
        self._seq = 0
        self._changes = 0

    # --- reading ---

    def find(self, kind: Kind, id_: str) -> Record | None:
        """Give a record that the API's user can read by its id: not deleted, not hidden."""
        record = self.records[kind].get(id_)
        return record if record is not None and record.live else None

    def live(self, kind: Kind, id_: str) -> Record:
        """Give a record that is not deleted. Raises KeyError."""
        record = self.records[kind].get(id_)
        if record is None or record.deleted:
            raise KeyError(f"no live {kind} {id_}")
        return record

    def listed(self, kind: Kind, *, deleted: bool = False) -> list[Record]:
        """Give the records that lists have: not deleted, or deleted in the last 30 days."""
        since = self.now() - KEPT_DELETED
        found = (it for it in self.records[kind].values() if not it.hidden)
        return [
            it for it in found if (it.deleted is None or it.deleted >= since) and (it.deleted is not None) == deleted
        ]

    # --- writing ---

    def write(
        self,
        kind: Kind,
        record: Record | None,
        values: Mapping[str, Any],
        custom: Mapping[str, Any] | None = None,
        *,
        source: Source = "app",
        merged_from: str | None = None,
    ) -> Record:
        """Create a record (None) or change one, with values that `values.read` has read; one event, if it changed."""
        with self.lock:
            self._check(kind, record, values)
            at = self._stamp(kind)
            before = self._hooked(record) if record else None
            made = record is None
            held = record.values if record else derived.beginning(kind, self.user.id, self.currency, source)
            derive = {"deal": derived.deal, "lead": derived.lead, "person": derived.person}[kind]
            after = derive(self.schema, held, values, at, made=made)
            if record is None:
                self._make_room(kind, values)
                record = self._new(kind, at, held)
            changed = self._apply(record, after, custom or {}, at, source)
            if made:
                record.changes.clear()  # what a record begins with is no change
            if made or changed or merged_from:
                self._touch(record, at)
                self._tell(record, "create" if made else "change", source, before, merged_from=merged_from)
            return record

    def delete(self, record: Record, *, source: Source = "app", merged_to: str | None = None) -> None:
        """Put a record into the bin, for 30 days."""
        with self.lock:
            before, at = self._hooked(record), self._stamp(record.kind)
            record.deleted, record.merged_into = at, merged_to
            self._touch(record, at)
            self._tell(record, "delete", source, before, merged_to=merged_to)

    def undelete(self, record: Record) -> None:
        """Take a record out of the bin."""
        with self.lock:
            record.deleted = record.merged_into = None
            self._touch(record, self._stamp(record.kind))
            self._tell(record, "change", "app", {**self._hooked(record), "is_deleted": True})

    # --- inside ---

    def _stamp(self, kind: Kind) -> datetime:
        return moments.whole_ms(self.now()) if kind == "lead" else moments.whole_second(self.now())

    def _hooked(self, record: Record) -> dict[str, Any]:
        return views.hooked(record, self.schema.custom(record.kind))

    def _check(self, kind: Kind, record: Record | None, values: Mapping[str, Any]) -> None:
        """Refuse ids that lead nowhere, and any change of what is archived."""
        if record is not None and record.archived and values.get("is_archived") is not False:
            raise Refusal(400, f"An archived {kind} cannot be edited")
        person = values.get("person_id")
        if person is not None and self.find("person", str(person)) is None:
            raise wrong_field("person_id", "person not found")
        for code in ("org_id", "organization_id"):
            if values.get(code) is not None:
                raise wrong_field(code, "organization not found")
        if values.get("owner_id", self.user.id) != self.user.id:
            raise wrong_field("owner_id", "user not found")
        if values.get("stage_id", next(iter(self.schema.stages))) not in self.schema.stages:
            raise wrong_field("stage_id", "stage not found")
        if values.get("pipeline_id", next(iter(self.schema.pipelines))) not in self.schema.pipelines:
            raise wrong_field("pipeline_id", "pipeline not found")

    def _make_room(self, kind: Kind, values: Mapping[str, Any]) -> None:
        if kind != "deal" or self.open_deals is None or values.get("status", "open") != "open":
            return
        deals = self.records["deal"].values()
        if sum(it.deleted is None and it.values["status"] == "open" for it in deals) >= self.open_deals:
            raise capped("deals")

    def _new(self, kind: Kind, at: datetime, values: dict[str, Any]) -> Record:
        id_ = str(UUID(int=self._names.getrandbits(128), version=4))
        if kind != "lead":
            id_ = str(len(self.records[kind]) + 1)
        record = Record(kind=kind, id=id_, added=at, updated=at, values=values)
        self.records[kind][id_] = record
        return record

    def _apply(
        self, record: Record, values: Mapping[str, Any], custom: Mapping[str, Any], at: datetime, source: Source
    ) -> bool:
        changed = False
        for held, new in ((record.values, values), (record.custom, custom)):
            for code, value in new.items():
                if held.get(code) == value:
                    continue
                self._changes += 1
                entry = Change(id=self._changes, at=at, key=code, old=held.get(code), new=value, source=source)
                record.changes.appendleft(entry)
                held[code] = value
                changed = True
        record.custom = {code: value for code, value in record.custom.items() if value is not None}
        return changed

    def _touch(self, record: Record, at: datetime) -> None:
        """Mark a record as changed and give its new state to the index, which shows it later."""
        record.updated = at
        visible = self.now() + timedelta(seconds=self.lag(self._index))
        if record.snapshots:
            visible = max(visible, record.snapshots[-1].visible)
        state = (dict(record.values), dict(record.custom), record.deleted is not None)
        record.snapshots.append(Snapshot(visible=visible, values=state[0], custom=state[1], gone=state[2]))
        record.indexed(self.now())

    def _tell(
        self, record: Record, action: Action, source: Source, before: Mapping[str, Any] | None, **more: Any
    ) -> None:
        self._seq += 1
        after = self._hooked(record)
        data: Mapping[str, Any] | None = None if action == "delete" else after
        previous = before
        if action == "change" and before is not None:
            previous = _differing(before, after)
        entry = Happening(
            seq=self._seq,
            at=moments.whole_ms(self.now()),
            kind=record.kind,
            id=record.id,
            action=action,
            source=source,
            data=data,
            previous=previous,
            hidden=record.hidden,
            **more,
        )
        self.log.append(entry)
        for listener in self.listeners:
            listener(entry)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Give the former values of what changed; of the custom fields only those that did."""
    changed = {code: value for code, value in before.items() if after.get(code) != value}
    if "custom_fields" in changed:
        old, new = before["custom_fields"], after["custom_fields"]
        changed["custom_fields"] = {key: value for key, value in old.items() if new.get(key) != value}
    return changed


def ids(records: Iterable[Record]) -> tuple[str, ...]:
    """Give the ids of records, in order."""
    return tuple(it.id for it in sorted(records, key=lambda it: it.place))
