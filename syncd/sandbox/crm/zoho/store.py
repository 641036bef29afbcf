"""The records of an account, kept with the vendor's rules on what may be written. No HTTP here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any, Literal

from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.zoho import values
from syncd.sandbox.crm.zoho.keys import Keys
from syncd.sandbox.crm.zoho.modules import ReferralField
from syncd.sandbox.crm.zoho.record import Gone, Person, Record, State, Step
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid, mandatory
from syncd.sandbox.crm.zoho.schema import Field, Module, Schema
from syncd.sandbox.crm.zoho.values import Value, Values

Duplicates = Literal["module", "mapped"]
"""Whether a lead is a duplicate of leads alone, or also of contacts and converted leads: a preference of the admin."""

_MOST_STEPS = 200
_STEP = ("Stage", "Amount", "Closing_Date", "Probability", "Expected_Revenue")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that happened to a record."""

    at: datetime
    module: str
    id: str
    operation: Literal["insert", "update", "delete"]
    fields: tuple[str, ...]  # whose values are new
    workflows: frozenset[str] = field(default=frozenset())  # what the writer let run


class Store:
    """One account's records. Every public method may be called from any thread.

    `now` gives the CRM's time; stamps are whole seconds, shown in `zone`. `lag` is for how long queries do not see a
    write. `prefix` begins all ids. Unknown ids raise KeyError, what the vendor would refuse raises `Refusal`.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        schema: Schema,
        prefix: str = "410888000000",
        seed: str = "42",
        zone: timezone = UTC,
        lag: Lag = no_lag,
        referral: ReferralField | None = None,
        duplicates: Duplicates = "module",
    ) -> None:
        self.lock = threading.RLock()
        self.schema = schema
        self.zone = zone
        self.lag = lag
        self.referral = referral
        self.duplicates = duplicates
        self.prefix = prefix
        self.records: dict[str, dict[str, Record]] = {name: {} for name in schema.modules}
        self.log: deque[Change] = deque(maxlen=100_000)
        self.watchers: list[Callable[[Change], None]] = []
        self.client = Person(id=f"{prefix}225013", name="Integration", email="integration@example.com")
        self.rep = Person(id=f"{prefix}225017", name="Sales Rep", email="rep@example.com")
        self._now = now
        self._rng = Random(f"{seed}:lag")
        self._number = 300_000
        self._keys = Keys()

    # --- reading ---

    def now(self) -> datetime:
        """Tell the CRM's time, to the microsecond."""
        return self._now().astimezone(UTC)

    def find(self, module: str, id_: str) -> Record | None:
        """Give a record of a module, also one in the bin."""
        return self.records[module].get(id_)

    def live(self, id_: str) -> Record:
        """Give a record outside the bin by its id alone. Raises KeyError."""
        for records in self.records.values():
            if (record := records.get(id_)) is not None and not record.gone:
                return record
        raise KeyError(f"there is no record {id_} outside the bin")

    def user(self, id_: str) -> Person | None:
        """Give a user."""
        return next((it for it in (self.client, self.rep) if it.id == id_), None)

    def holding(self, module: Module, name: str, value: Value) -> list[Record]:
        """Give the live records that hold a value of a unique field or of the module's system field, oldest first."""
        return [self.records[module.name][id_] for id_ in self._keys.find(module, name, value)]

    def twins(self, module: Module, name: str, value: Value) -> list[Record]:
        """Give the contacts and converted leads that block a lead, if the admin's preference lets them."""
        if self.duplicates == "module" or module.name != "Leads":
            return []
        field_ = module.fields[name]
        wanted = values.fold(field_, value)
        others = [it for kind in ("Contacts", "Leads") for it in self.records[kind].values()]
        return [
            it
            for it in others
            if not it.gone and (it.module == "Contacts" or it.converted) and values.fold(field_, it.get(name)) == wanted
        ]

    # --- writing ---

    def check(self, module: Module, record: Record | None, changes: Mapping[str, Value]) -> None:
        """Refuse a write that `write` must not make."""
        after = {**(record.values if record else {}), **changes}
        for it in module.fields.values():
            if it.required and after.get(it.name) is None:
                raise mandatory(it.name)
        for name, value in changes.items():
            self._check_reference(module.fields[name], value)
        if module.name == "Deals" and {"Stage", "Pipeline"} & changes.keys():
            self._check_stage(after)
        for name in module.unique:
            if changes.get(name) is not None:
                self._check_unique(module, record, name, changes[name])

    def write(
        self,
        module: Module,
        record: Record | None,
        changes: Mapping[str, Value],
        *,
        by: Person,
        workflows: Iterable[str] = (),
    ) -> Record:
        """Create a record (None) or change one, if `check` lets it."""
        with self.lock:
            self.check(module, record, changes)
            return self.put(module, record, changes, by=by, workflows=workflows)

    def put(
        self,
        module: Module,
        record: Record | None,
        changes: Mapping[str, Value],
        *,
        by: Person,
        workflows: Iterable[str] = (),
    ) -> Record:
        """Write without asking what a client may; what follows from the values is worked out."""
        at, made = self.stamp(), record is None
        record = record or self._new(module, at, by)
        self._keys.release(module, record)
        before = dict(record.values)
        record.values |= changes
        record.values |= self._derived(module, before, record.values, changes)
        record.values |= {"Modified_Time": at, "Modified_By": by.id}
        self._keys.hold(module, record)
        if module.name == "Deals" and any(before.get(name) != record.get(name) for name in _STEP):
            step: Values = {name: record.get(name) for name in _STEP}
            record.steps.append(Step(id=self.next_id(), at=at, by=by, values=step))
            del record.steps[:-_MOST_STEPS]
        self._show(record)
        fields = tuple(name for name in record.values if record.values[name] != before.get(name))
        self._tell(record, "insert" if made else "update", at, fields, workflows)
        return record

    def delete(self, record: Record, *, by: Person, gone: Gone = "recycle", into: str | None = None) -> None:
        """Put a record into the bin, or remove it for good; `into` is the record that it was merged into."""
        with self.lock:
            self._keys.release(self.schema.modules[record.module], record)
            record.gone, record.gone_at, record.gone_by, record.merged_into = gone, self.stamp(), by, into
            self._show(record)
            self._tell(record, "delete", record.gone_at, (), ())

    def undelete(self, record: Record, *, by: Person) -> None:
        """Take a record out of the bin. Raises Refusal if a unique value has a new owner."""
        with self.lock:
            module = self.schema.modules[record.module]
            for name in module.unique:
                if record.get(name) is not None:
                    self._check_unique(module, record, name, record.get(name))
            record.gone, record.gone_at, record.gone_by = "", None, None
            self.put(module, record, {}, by=by)

    def stamp(self) -> datetime:
        """Give the time that a write bears."""
        return self.now().replace(microsecond=0)

    def next_id(self) -> str:
        """Give an id that no record has."""
        self._number += 1
        return f"{self.prefix}{self._number:06d}"

    # --- inside ---

    def _new(self, module: Module, at: datetime, by: Person) -> Record:
        record = Record(module=module.name, id=self.next_id(), values=dict.fromkeys(module.fields))
        fixed: Values = {"id": record.id, "Created_Time": at, "Created_By": by.id, "Owner": by.id}
        if module.name == "Leads":
            fixed["Converted__s"] = False
        if "Currency" in module.fields:
            fixed["Currency"] = "EUR"
        record.values |= fixed
        self.records[module.name][record.id] = record
        return record

    def _derived(self, module: Module, before: Values, after: Values, changes: Mapping[str, Value]) -> Values:
        if "Full_Name" in module.fields:
            return {"Full_Name": " ".join(str(after[it]) for it in ("First_Name", "Last_Name") if after.get(it))}
        if module.name != "Deals":
            return {}
        found: Values = {"Pipeline": after.get("Pipeline") or self.schema.pipelines[0].name}
        probability = after.get("Probability")
        if after.get("Stage") != before.get("Stage") and "Probability" not in changes:
            probability = Decimal(self.schema.stages[str(after["Stage"])].probability)
        amount, revenue = after.get("Amount"), None
        if isinstance(amount, Decimal) and isinstance(probability, Decimal):
            revenue = (amount * probability / 100).quantize(Decimal("0.01"))
        return {**found, "Probability": probability, "Expected_Revenue": revenue}

    def _check_reference(self, field_: Field, value: Value) -> None:
        if field_.type == "ownerlookup" and value is not None and self.user(str(value)) is None:
            raise invalid(field_.name, expected_data_type="ownerlookup")
        if field_.type == "lookup" and value is not None:
            there = self.records[field_.to].get(str(value))
            if there is None or there.gone:
                message = "the related id given seems to be invalid"
                raise Refusal("INVALID_DATA", message, details={"api_name": field_.name})

    def _check_stage(self, after: Mapping[str, Value]) -> None:
        pipeline = self.schema.pipeline(str(after["Pipeline"]) if after.get("Pipeline") else None)
        if pipeline is None or after["Stage"] not in pipeline.stages:
            details = {"mapped_field": "Pipeline", "api_name": "Stage"}
            raise Refusal("MAPPING_MISMATCH", "Pipeline doesn't contain the Stage", details=details)

    def _check_unique(self, module: Module, record: Record | None, name: str, value: Value) -> None:
        holders = self.holding(module, name, value) + self.twins(module, name, value)
        if others := [it for it in holders if it is not record]:
            raise self.duplicate(name, others)

    def duplicate(self, name: str, others: list[Record]) -> Refusal:
        """Refuse a value that another record holds, and name that record."""
        first = others[0]
        owner = self.user(first.text("Owner")) or self.client
        found: dict[str, Any] = {
            "Owner": {"name": owner.name, "id": owner.id},
            "module": {"api_name": first.module, "id": self.schema.modules[first.module].id},
            "id": first.id,
        }
        details = {"api_name": name, "duplicate_record": found, "id": first.id, "more_records": len(others) > 1}
        return Refusal("DUPLICATE_DATA", "duplicate data", details=details)

    def _show(self, record: Record) -> None:
        """Give queries the new state, which they see later."""
        visible = self.now() + timedelta(seconds=self.lag(self._rng))
        visible = max(visible, record.states[-1].visible) if record.states else visible
        state = State(visible=visible, values=dict(record.values), gone=record.gone, gone_at=record.gone_at)
        record.states.append(state)
        record.seen(self.now())

    def _tell(
        self,
        record: Record,
        operation: Literal["insert", "update", "delete"],
        at: datetime,
        fields: tuple[str, ...],
        workflows: Iterable[str],
    ) -> None:
        change = Change(
            at=at,
            module=record.module,
            id=record.id,
            operation=operation,
            fields=fields,
            workflows=frozenset(workflows),
        )
        self.log.append(change)
        for watcher in self.watchers:
            watcher(change)
