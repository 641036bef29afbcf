"""Contacts, deals and how they hang together, with the vendor's rules on what may be written. No HTTP here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

from syncd.sandbox.crm import times
from syncd.sandbox.crm.hubspot.keys import Claims, UniqueKeys
from syncd.sandbox.crm.hubspot.merging import inherit
from syncd.sandbox.crm.hubspot.record import Origin, Record, Snapshot
from syncd.sandbox.crm.hubspot.schema import LIFECYCLE_ORDER, MODIFIED, OTHER, SINGULAR, ObjectType, Schema, standard
from syncd.sandbox.crm.hubspot.validation import check_required, check_values
from syncd.sandbox.crm.lag import Lag, no_lag

What = Literal["created", "changed", "archived", "restored", "merged", "linked"]

FIRST_ID = 9_999_999_951
"""Ids do not fit into 32 bits, soon grow by a digit (text order is not their order), and repeat across object types."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """An entry of the account's change log, in order of `seq`."""

    seq: int
    at: datetime
    type: ObjectType
    id: str
    what: What
    origin: Origin
    property: str | None = None
    value: str | None = field(default=None, repr=False)
    others: tuple[str, ...] = ()  # the ids that went into a merge, or the one that was linked


class Store:
    """One account's records. Every public method may be called from any thread.

    `now` gives the CRM's time; `seed` makes every choice repeatable. Unknown ids raise KeyError, values that the
    vendor would refuse raise `Refusal`.
    """

    def __init__(
        self, *, now: Callable[[], datetime], seed: str = "42", schema: Schema | None = None, lag: Lag = no_lag
    ) -> None:
        self.lock = threading.RLock()
        self.schema = schema or standard()
        self.lag = lag
        self.records: dict[ObjectType, dict[str, Record]] = {"contacts": {}, "deals": {}}
        self.log: deque[Happening] = deque(maxlen=100_000)
        self.listeners: list[Callable[[Happening], None]] = []
        self._now = now
        self._rng = Random(f"{seed}:index")
        self._next_id: dict[ObjectType, int] = {"contacts": FIRST_ID, "deals": FIRST_ID}
        self._seq = 0
        self._keys = UniqueKeys(self.schema)

    # --- reading ---

    def now(self) -> datetime:
        """Tell the CRM's time, to the millisecond."""
        return times.whole_ms(self._now())

    def find(self, kind: ObjectType, id_: str, *, archived: bool = False) -> Record | None:
        """Give the record that an id leads to, merges followed; None for an unknown one or one in the other state."""
        with self.lock:
            record = self.records[kind].get(id_)
            while record is not None and record.merged_into:
                record = self.records[kind][record.merged_into]
            return record if record is not None and (record.archived is not None) == archived else None

    def live(self, kind: ObjectType, id_: str) -> Record:
        """Give the live record that an id leads to. Raises KeyError."""
        if (record := self.find(kind, id_)) is None:
            raise KeyError(f"no live {SINGULAR[kind]} {id_}")
        return record

    def find_by(self, kind: ObjectType, name: str, value: str) -> Record | None:
        """Give the live record that holds this value of a unique property."""
        with self.lock:
            id_ = self._keys.owner(kind, name, value)
            return self.records[kind][id_] if id_ else None

    def having(self, kind: ObjectType, name: str, value: str) -> list[Record]:
        """Give every record, archived and merged ones too, that holds a value of any property."""
        with self.lock:
            return [record for record in self.records[kind].values() if record.values.get(name) == value]

    def linked(self, record: Record) -> list[Record]:
        """Give the live records that are associated with this one, by id."""
        with self.lock:
            others = (self.find(OTHER[record.type], id_) for id_ in sorted(record.linked, key=int))
            return [other for other in others if other is not None]

    # --- writing ---

    def check(
        self, kind: ObjectType, record: Record | None, values: Mapping[str, str], claims: Claims | None = None
    ) -> None:
        """Refuse a write that `write` must not make. `claims` holds the unique values of the batch's earlier rows."""
        before = record.values if record else {}
        check_values(self.schema, kind, before, values)
        self._keys.check(kind, record.id if record else None, values, set() if claims is None else claims)
        check_required(self.schema, kind, before, values)

    def write(
        self, kind: ObjectType, record: Record | None, values: Mapping[str, str], *, origin: Origin = "INTEGRATION"
    ) -> Record:
        """Create a record (None) or change one, if `check` lets it."""
        with self.lock:
            self.check(kind, record, values)
            at, made = self.now(), record is None
            record = record or self._new(kind, at)
            if kind == "deals" and made:
                values = {"pipeline": "default", **values}
            for name, value in values.items():
                if not _goes_backward(record, name, value):
                    self._set(record, name, value, at, origin)
            self._derive(record, at, origin)
            self._touch(record, at)
            if made:
                self._note(record, "created", at, origin)
            return record

    def link(self, contact: Record, deal: Record, *, origin: Origin = "INTEGRATION") -> None:
        """Associate a contact with a deal; both count as modified, if they were not associated before."""
        with self.lock:
            if deal.id in contact.linked:
                return
            contact.linked.add(deal.id)
            deal.linked.add(contact.id)
            at = self.now()
            self._count_links([contact, deal], at, origin)
            self._note(deal, "linked", at, origin, others=(contact.id,))

    def archive(self, kind: ObjectType, id_: str, *, origin: Origin = "CRM_UI") -> None:
        """Put a record into the recycle bin; a second time changes nothing."""
        with self.lock:
            record = self._at(kind, id_)
            if record.archived:
                return
            record.archived = at = self.now()
            self._keys.release(record)
            self._touch(record, at)
            self._count_links(self.linked(record), at, origin)
            self._note(record, "archived", at, origin)

    def restore(self, kind: ObjectType, id_: str, *, origin: Origin = "CRM_UI") -> None:
        """Take a record out of the recycle bin. Raises Refusal if its e-mail or unique values have a new owner."""
        with self.lock:
            record = self._at(kind, id_)
            if not record.archived:
                return
            self._keys.check(kind, record.id, record.values, set())
            record.archived, at = None, self.now()
            self._keys.hold(record)
            self._touch(record, at)
            self._count_links(self.linked(record), at, origin)
            self._note(record, "restored", at, origin)

    def merge(self, kind: ObjectType, primary: str, other: str, *, origin: Origin = "CRM_UI") -> str:
        """Melt two records into a third and give its new id; both old ids lead to it, the primary's values win."""
        with self.lock:
            first, second = self._at(kind, primary), self._at(kind, other)
            if first is second or first.archived or second.archived:
                raise KeyError(f"{primary} and {other} are no two live records")
            at, heritage = self.now(), inherit(first, second)
            new = self._new(kind, min(first.created, second.created))
            new.values |= heritage.values
            new.history, new.more_emails, new.linked = heritage.history, heritage.more_emails, heritage.linked
            for old in (first, second):
                self._keys.release(old)
                old.merged_into = new.id
                self._touch(old, at)
            self._keys.hold(new)
            self._set(new, "hs_merged_object_ids", ";".join(heritage.former_ids), at, origin)
            if kind == "contacts":
                self._set(new, "hs_additional_emails", ";".join(new.more_emails), at, origin)
            self._relink(new, {first.id, second.id}, at, origin)
            self._note(new, "merged", at, origin, others=(first.id, second.id))
            return new.id

    # --- inside ---

    def _at(self, kind: ObjectType, id_: str) -> Record:
        return self.find(kind, id_, archived=True) or self.live(kind, id_)

    def _new(self, kind: ObjectType, created: datetime) -> Record:
        id_ = str(self._next_id[kind])
        self._next_id[kind] += 1
        record = Record(type=kind, id=id_, created=created, updated=created)
        record.values |= {"hs_object_id": id_, "createdate": times.iso(created), f"num_associated_{OTHER[kind]}": "0"}
        self.records[kind][id_] = record
        return record

    def _set(self, record: Record, name: str, value: str, at: datetime, origin: Origin) -> None:
        definition = self.schema.properties[record.type][name]
        if definition.type == "datetime" and value:
            value = times.iso(times.parse(value))
        names = [name] if definition.unique else []
        self._keys.release(record, names)
        if record.set(name, value, at, origin):
            self._note(record, "changed", at, origin, property=name, value=value)
        self._keys.hold(record, names)

    def _derive(self, record: Record, at: datetime, origin: Origin) -> None:
        """Set what the vendor computes from a deal's stage."""
        if record.type != "deals" or "dealstage" not in record.values:
            return
        stage = self.schema.pipelines[record.values["pipeline"]].stage(record.values["dealstage"])
        if stage is not None:
            ends = {"hs_is_closed_won": stage.outcome == "won", "hs_is_closed_lost": stage.outcome == "lost"}
            for name, flag in {"hs_is_closed": stage.closed == "true", **ends}.items():
                self._set(record, name, "true" if flag else "false", at, origin)
            self._set(record, "hs_deal_stage_probability", stage.probability, at, origin)

    def _touch(self, record: Record, at: datetime) -> None:
        """Mark a record as modified and give its new state to the index, which shows it later."""
        record.updated = at
        record.values[MODIFIED[record.type]] = times.iso(at)
        visible = at + timedelta(seconds=self.lag(self._rng))
        gone = bool(record.archived or record.merged_into)
        record.snapshots.append(
            Snapshot(visible=visible, values=dict(record.values), linked=frozenset(record.linked), gone=gone)
        )
        record.indexed(at)

    def _count_links(self, records: Iterable[Record], at: datetime, origin: Origin) -> None:
        for record in records:
            self._set(record, f"num_associated_{OTHER[record.type]}", str(len(self.linked(record))), at, origin)
            self._touch(record, at)

    def _relink(self, new: Record, old_ids: set[str], at: datetime, origin: Origin) -> None:
        others = self.linked(new)
        for other in others:
            other.linked = other.linked - old_ids | {new.id}
        self._count_links([new, *others], at, origin)

    def _note(self, record: Record, what: What, at: datetime, origin: Origin, **more: Any) -> None:
        self._seq += 1
        entry = Happening(seq=self._seq, at=at, type=record.type, id=record.id, what=what, origin=origin, **more)
        self.log.append(entry)
        for listener in self.listeners:
            listener(entry)


def _goes_backward(record: Record, name: str, value: str) -> bool:
    """A contact's lifecycle stage moves forward only; the vendor drops such a write in silence."""
    old = record.values.get(name)
    if name != "lifecyclestage" or not old or not value:
        return False
    return LIFECYCLE_ORDER.index(value) < LIFECYCLE_ORDER.index(old)
