"""The records of an org, kept with the vendor's rules on what may be written. No HTTP here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.salesforce import ids, values
from syncd.sandbox.crm.salesforce.derived import HISTORY, derive, history_of
from syncd.sandbox.crm.salesforce.duplicates import NO_RULE, DuplicateRule
from syncd.sandbox.crm.salesforce.index import Index
from syncd.sandbox.crm.salesforce.objects import ReferralField
from syncd.sandbox.crm.salesforce.refusal import deleted, locked, not_saved
from syncd.sandbox.crm.salesforce.row import Row, State
from syncd.sandbox.crm.salesforce.schema import Object, Schema
from syncd.sandbox.crm.salesforce.seeds import first_rows
from syncd.sandbox.crm.salesforce.values import Value, Values

API_USER = ids.make("User", 1)
SALES_REP = ids.make("User", 2)

_PARTS = (
    ("OpportunityContactRole", "OpportunityId"),
    ("OpportunityContactRole", "ContactId"),
    ("OpportunityHistory", "OpportunityId"),
)
"""Records that cannot be without another one, and the reference that leads to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A transaction: when it writes, when others see it, and whose it is."""

    at: datetime
    visible: datetime
    user: str
    allow_alerts: bool = field(default=False)  # whether duplicate rules that only alert are passed over


class Store:
    """One org's records. Every public method may be called from any thread.

    `now` gives the CRM's time; stamps are whole seconds. `lag` is how long what people do stays uncommitted: it then
    appears with an older stamp. No two orgs of a server have the same `number`. Unknown ids raise KeyError, what the
    vendor would refuse raises `Refusal`.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        schema: Schema,
        seed: str = "42",
        lag: Lag = no_lag,
        referral: ReferralField | None = None,
        rule: DuplicateRule = NO_RULE,
        number: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.schema = schema
        self.lag = lag
        self.referral = referral
        self.rule = rule
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in schema.objects}
        self.listeners: list[Callable[[Row], None]] = []
        self._now = now
        self._rng = Random(f"{seed}:lag")
        self._numbers = dict.fromkeys(schema.objects, 0) | {"Organization": number}
        self._index = Index()
        self._journal: list[tuple[str, str, Row | None]] = []
        self._open = 0
        for kind, row in first_rows(schema):
            self.put(kind, None, row, self.commit())

    # --- reading ---

    def now(self) -> datetime:
        """Tell the CRM's time, to the microsecond."""
        return self._now().astimezone(UTC)

    def find(self, kind: str, id_: str) -> Row | None:
        """Give a record by its id of either length, also one in the bin."""
        full = ids.read(id_)
        return self.rows[kind].get(full) if full else None

    def live(self, id_: str) -> Row:
        """Give a record outside the bin by its id alone. Raises KeyError."""
        kind = ids.kind_of(id_)
        row = self.find(kind, id_) if kind in self.rows else None
        if row is None or row.deleted:
            raise KeyError(f"there is no {kind or 'record'} {id_} outside the bin")
        return row

    def holding(self, kind: str, name: str, value: Value) -> list[Row]:
        """Give the records outside the bin that hold a value of an indexed field, oldest first."""
        found = self._index.find(kind, self.schema.objects[kind].fields[name], value)
        return [self.rows[kind][id_] for id_ in found]

    def under(self, kind: str, name: str, id_: str) -> list[Row]:
        """Give the records outside the bin whose reference `name` leads to a record."""
        return [row for row in self.rows[kind].values() if row.get(name) == id_ and not row.deleted]

    # --- writing ---

    def commit(self, *, allow_alerts: bool = False) -> Commit:
        """Begin a client's transaction, which others see at once."""
        now = self.now()
        return Commit(at=_second(now), visible=now, user=API_USER, allow_alerts=allow_alerts)

    def commit_by_hand(self) -> Commit:
        """Begin a transaction of the sales team, which others may see late. Nothing it touches can be busy."""
        now = self.now()
        visible = now + timedelta(seconds=self.lag(self._rng))
        return Commit(at=_second(now), visible=visible, user=SALES_REP, allow_alerts=True)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Give a function that takes back whatever is written within the block."""
        mark = len(self._journal)
        self._open += 1
        try:
            yield lambda: self._undo(mark)
        finally:
            self._open -= 1
            if not self._open:
                written = dict.fromkeys((kind, id_) for kind, id_, _ in self._journal)
                self._journal.clear()
                self._tell([self.rows[kind][id_] for kind, id_ in written])

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back what was written within the block if it raises."""
        with self.transaction() as undo:
            try:
                yield
            except BaseException:
                undo()
                raise

    def save(self, kind: str, row: Row | None, changes: Mapping[str, Value], commit: Commit) -> Row:
        """Create a record (None) or change one, as a client may."""
        definition = self.schema.objects[kind]
        if row is not None:
            self._may_touch(row, commit)
        if row is not None and row.get("IsConverted") is True:
            raise not_saved("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        values.check(self.schema, definition, changes, new=row is None)
        defaults: Values = {"Status": next(iter(self.schema.statuses))} if kind == "Lead" and row is None else {}
        after: Values = {**(row.values if row else defaults), **changes}
        values.check_required(definition, after)
        self._check_references(definition, changes)
        self._index.check(definition, row.id if row else None, changes)
        self._check_duplicates(definition, row, after, commit)
        return self.put(kind, row, {**defaults, **changes}, commit)

    def put(self, kind: str, row: Row | None, changes: Mapping[str, Value], commit: Commit) -> Row:
        """Write without asking what a client may; what follows from the values is worked out."""
        definition = self.schema.objects[kind]
        made = row is None
        row = row or self._new(definition, commit)
        self._remember(row, made=made)
        self._index.remove(definition, row)
        before = None if made else dict(row.values)
        row.values |= changes
        row.values |= derive(self.schema, kind, before, row.values, changes, commit.at)
        modified: Values = {"LastModifiedDate": commit.at, "LastModifiedById": commit.user, "SystemModstamp": commit.at}
        row.values |= {name: value for name, value in modified.items() if name in definition.fields}
        latest = row.states[-1].visible if row.states else commit.visible
        row.states.append(State(visible=max(latest, commit.visible), values=dict(row.values)))
        self._index.add(definition, row)
        if kind == "Opportunity":
            self._follow(row, before, replace(commit, visible=row.states[-1].visible))
        if not self._open:
            self._tell([row])
        return row

    def delete(self, row: Row, commit: Commit, *, master: str | None = None) -> None:
        """Put a record into the bin, and with it what cannot be without it; `master` is what it was merged into."""
        if row.deleted:
            raise deleted()
        self._may_touch(row, commit)
        for kind, name in _PARTS:
            for part in self.under(kind, name, row.id):
                self.put(kind, part, {"IsDeleted": True}, commit)
        merged: Values = {"MasterRecordId": master} if master else {}
        self.put(row.kind, row, {"IsDeleted": True, **merged}, commit)

    def undelete(self, row: Row, commit: Commit) -> None:
        """Take a record and its parts out of the bin. Raises Refusal if a unique value has a new owner."""
        self._index.check(self.schema.objects[row.kind], row.id, row.values)
        merged: Values = {"MasterRecordId": None} if "MasterRecordId" in row.values else {}
        self.put(row.kind, row, {"IsDeleted": False, **merged}, commit)
        for kind, name in _PARTS:
            for part in [it for it in self.rows[kind].values() if it.get(name) == row.id and it.deleted]:
                if self._has_its_wholes(part):
                    self.put(kind, part, {"IsDeleted": False}, commit)

    def purge(self, row: Row) -> None:
        """Remove a record from the bin for good: queryAll no longer shows it."""
        del self.rows[row.kind][row.id]

    # --- inside ---

    def _new(self, kind: Object, commit: Commit) -> Row:
        self._numbers[kind.name] += 1
        id_ = ids.make(kind.name, self._numbers[kind.name])
        row = Row(kind=kind.name, id=id_, values=dict.fromkeys(kind.fields))
        fixed: Values = {"Id": id_, "CreatedDate": commit.at, "CreatedById": commit.user, "OwnerId": commit.user}
        fixed |= {it.name: False for it in kind.fields.values() if it.type == "boolean"}
        row.values |= {name: value for name, value in fixed.items() if name in kind.fields}
        if "CurrencyIsoCode" in kind.fields:
            row.values["CurrencyIsoCode"] = "EUR"
        self.rows[kind.name][id_] = row
        return row

    def _follow(self, deal: Row, before: Values | None, commit: Commit) -> None:
        """Write what the vendor writes beside an opportunity: its history, and the role of its first contact."""
        if before is None or any(before[name] != deal.values[name] for name in HISTORY):
            self.put("OpportunityHistory", None, history_of(deal), commit)
        if before is None and deal.get("ContactId"):
            role: Values = {"OpportunityId": deal.id, "ContactId": deal.get("ContactId"), "IsPrimary": True}
            self.put("OpportunityContactRole", None, role, commit)

    def _has_its_wholes(self, part: Row) -> bool:
        """Tell whether what a record is a part of is outside the bin."""
        for name in ("OpportunityId", "ContactId"):
            whole = part.get(name)
            row = self.find(name.removesuffix("Id"), str(whole)) if whole else None
            if whole and (row is None or row.deleted):
                return False
        return True

    def _may_touch(self, row: Row, commit: Commit) -> None:
        if row.deleted:
            raise deleted()
        if commit.user == API_USER and row.is_busy(self.now()):
            raise locked()

    def _check_references(self, kind: Object, changes: Mapping[str, Value]) -> None:
        for name, value in changes.items():
            to = kind.fields[name].to
            if to not in self.rows or not isinstance(value, str):
                continue
            row = self.find(to, value)
            if row is None or row.deleted:
                raise not_saved("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", name)

    def _check_duplicates(self, kind: Object, row: Row | None, after: Mapping[str, Value], commit: Commit) -> None:
        if not self.rule.covers(kind.name) or (self.rule.action == "alert" and commit.allow_alerts):
            return
        email = after.get("Email")
        if email is None or (row is not None and row.get("Email") == email):
            return
        others: Sequence[Row] = [it for it in self.holding(kind.name, "Email", email) if row is None or it.id != row.id]
        others = [it for it in others if it.get("IsConverted") is not True]
        if others:
            raise self.rule.refuse(kind.name, [it.id for it in others])

    def _tell(self, rows: Sequence[Row]) -> None:
        for listener in self.listeners:
            for row in rows:
                listener(row)

    def _remember(self, row: Row, *, made: bool) -> None:
        if self._open:
            self._journal.append((row.kind, row.id, None if made else row.copy()))

    def _undo(self, mark: int) -> None:
        while len(self._journal) > mark:
            kind, id_, before = self._journal.pop()
            definition, rows = self.schema.objects[kind], self.rows[kind]
            self._index.remove(definition, rows[id_])
            if before is None:
                del rows[id_]
            else:
                rows[id_] = before
                self._index.add(definition, before)


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
