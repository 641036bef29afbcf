"""The account as people and routes see it: its records, and what a sales team does with them by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from syncd.sandbox.crm.humans import DealStage, Found
from syncd.sandbox.crm.zoho.record import Person, Record
from syncd.sandbox.crm.zoho.refusal import Refusal
from syncd.sandbox.crm.zoho.schema import Module
from syncd.sandbox.crm.zoho.store import Store
from syncd.sandbox.crm.zoho.values import Values, read, unknown

_COPIED = ("First_Name", "Last_Name", "Email", "Phone", "Mobile", "Lead_Source", "Description", "Owner")
_TO_CLOSE = timedelta(days=90)
LEADS = "Leads"
"""The name under which the statuses of leads are listed as a pipeline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """What a lead became."""

    contact: str
    account: str | None
    deal: str | None


class ZohoOrg(Store):
    """One account's records, and the hands that move them; has what `humans.Humans` asks for."""

    # --- what people in sales do ---

    def create(self, module: str, **raw: Any) -> str:
        """Enter a record by hand; values as in JSON. Gives its id."""
        with self.lock:
            kind = self.schema.modules[module]
            return self.write(kind, None, self._read(kind, raw), by=self.rep).id

    def edit(self, id_: str, **raw: Any) -> None:
        """Change a record's fields by hand; values as in JSON."""
        with self.lock:
            record = self.live(id_)
            kind = self.schema.modules[record.module]
            self.write(kind, record, self._read(kind, raw), by=self.rep)

    def move(self, deal: str, stage: str) -> None:
        """Drag a deal to a stage, or a lead to a status."""
        with self.lock:
            name = "Lead_Status" if self.live(deal).module == "Leads" else "Stage"
            self.edit(deal, **{name: stage})

    def set_amount(self, deal: str, amount: str) -> None:
        """Write a deal's amount, as decimal text."""
        self.edit(deal, Amount=float(amount))

    def open_deal(self, person: str, *, name: str = "A deal", stage: str = "Qualification", **raw: Any) -> str:
        """Open a deal for a contact by hand, without any id of ours; a lead is converted without one first."""
        with self.lock:
            record = self.live(person)
            if record.module == "Leads":
                person = record.text("Converted_Contact") or self.convert_lead(person, deal=None).contact
            contact = {"id": person}
            return self.create("Deals", Deal_Name=name, Stage=stage, Contact_Name=contact, **self._closing(), **raw)

    def convert_lead(self, lead: str, *, deal: Mapping[str, Any] | None = None, by: Person | None = None) -> Converted:
        """Turn a lead into a contact, an account if it has a company, and, if `deal` gives its fields, a deal."""
        with self.lock:
            record, by = self.live(lead), by or self.rep
            if record.converted:
                details = {"resource_path_index": 1}
                raise Refusal("ID_ALREADY_CONVERTED", "id already converted", details=details)
            kinds = self.schema.modules
            person: Values = {name: record.get(name) for name in _COPIED} | self._mapped(record, "Contacts")
            opened = None if deal is None else self._read(kinds["Deals"], deal) | self._mapped(record, "Deals")
            self.check(kinds["Contacts"], None, person)
            if opened is not None:
                self.check(kinds["Deals"], None, opened)
            account = self._account(record, by)
            contact = self.put(kinds["Contacts"], None, {**person, "Account_Name": account}, by=by)
            made = None
            if opened is not None:
                links: Values = {"Contact_Name": contact.id, "Account_Name": account, "Owner": record.get("Owner")}
                made = self.put(kinds["Deals"], None, {**opened, **links}, by=by).id
            ends: Values = {"Converted__s": True, "Converted_Date_Time": self.stamp(), "Converted_Deal": made}
            ends |= {"Converted_Contact": contact.id, "Converted_Account": account}
            self.put(kinds["Leads"], record, ends, by=by)
            return Converted(contact=contact.id, account=account, deal=made)

    def merge(self, kind: str, primary: str, other: str) -> str:
        """Merge `other` into `primary` and give the latter's id; what it lacks it gets from the other."""
        with self.lock:
            first, second = self.live(primary), self.live(other)
            if first is second or {first.module, second.module} != {kind} or first.converted or second.converted:
                raise KeyError(f"{primary} and {other} are no two records of {kind} that can be merged")
            module = self.schema.modules[kind]
            own = {name for name, it in module.fields.items() if not it.read_only}
            taken = {name: value for name, value in second.values.items() if name in own and first.get(name) is None}
            self.delete(second, by=self.rep, gone="permanent", into=first.id)
            for deal in [it for it in self.records["Deals"].values() if it.get("Contact_Name") == second.id]:
                self.put(self.schema.modules["Deals"], deal, {"Contact_Name": first.id}, by=self.rep)
            return self.put(module, first, taken, by=self.rep).id

    def archive(self, kind: str, id_: str) -> None:
        """Put a record into the bin; a second time changes nothing."""
        with self.lock:
            record = self._any(kind, id_)
            if not record.gone:
                self.delete(record, by=self.rep)

    def restore(self, kind: str, id_: str) -> None:
        """Take a record out of the bin. Raises Refusal if one of its unique values has a new owner."""
        with self.lock:
            record = self._any(kind, id_)
            if record.gone == "permanent":
                raise KeyError(f"{kind} {id_} was removed for good")
            if record.gone:
                self.undelete(record, by=self.rep)

    def empty_bin(self) -> None:
        """Remove for good what is in the bin."""
        with self.lock:
            for record in (it for records in self.records.values() for it in records.values()):
                if record.gone == "recycle":
                    self.delete(record, by=self.rep, gone="permanent")

    def rename_stage(self, stage: str, label: str) -> None:
        """Give a stage another label; the name that records carry stays."""
        with self.lock:
            self.schema.stages[stage] = replace(self.schema.stages[stage], display=label)

    # --- what they see ---

    def stages(self) -> Sequence[DealStage]:
        """List the statuses of leads, all of them open, and the stages of each pipeline."""
        statuses = self.schema.modules["Leads"].fields["Lead_Status"].values
        found = [DealStage(pipeline=LEADS, id=it, label=it, outcome="open") for it in statuses]
        for pipeline in self.schema.pipelines:
            for stage in (self.schema.stages[name] for name in pipeline.stages):
                found.append(
                    DealStage(pipeline=pipeline.name, id=stage.actual, label=stage.display, outcome=stage.outcome)
                )
        return found

    def label(self, stage: str) -> str:
        """Tell what people call a stage."""
        return next(it.label for it in self.stages() if it.id == stage)

    def is_open(self, deal: str) -> bool:
        """Tell whether a deal is neither won nor lost, or a lead not converted."""
        with self.lock:
            record = self.live(deal)
            if record.module == "Leads":
                return not record.converted
            return self.schema.stages[record.text("Stage")].outcome == "open"

    def of_referral(self, referral: str) -> Sequence[Found]:
        """Find every record that carries a referral's id, also in the bin: leads and contacts first."""
        if self.referral is None:
            return []
        name, on = self.referral.name, self.referral.on
        with self.lock:
            kinds = [kind for kind in ("Leads", "Contacts", "Deals") if kind in on]
            return [self._found(it) for kind in kinds for it in self.records[kind].values() if it.get(name) == referral]

    # --- inside ---

    def _read(self, module: Module, raw: Mapping[str, Any]) -> Values:
        found: Values = {}
        for name, value in raw.items():
            if (field := module.fields.get(name)) is None or field.read_only:
                raise unknown(name)
            found[name] = read(field, value, self.schema.options(field))
        return found

    def _any(self, kind: str, id_: str) -> Record:
        if (record := self.find(kind, id_)) is None:
            raise KeyError(f"there is no record {id_} in {kind}")
        return record

    def _mapped(self, lead: Record, kind: str) -> Values:
        """Give what the admin's field mapping copies at conversion."""
        fields = self.schema.modules[kind].fields
        own = [name for name, it in self.schema.modules["Leads"].fields.items() if it.custom and name in fields]
        if self.referral and kind not in self.referral.mapped:
            own = [name for name in own if name != self.referral.name]
        return {name: lead.get(name) for name in own}

    def _account(self, lead: Record, by: Person) -> str | None:
        """Give the account that has the name of the lead's company; make it if there is none."""
        module, company = self.schema.modules["Accounts"], lead.get("Company")
        if company is None:
            return None
        known = self.holding(module, "Account_Name", company)
        return known[0].id if known else self.put(module, None, {"Account_Name": company}, by=by).id

    def _closing(self) -> Mapping[str, str]:
        return {"Closing_Date": (self.now().date() + _TO_CLOSE).isoformat()}

    def _found(self, record: Record) -> Found:
        person = record.module != "Deals"
        linked = {record.text("Converted_Deal")} if record.module == "Leads" else {record.text("Contact_Name")}
        if record.module == "Contacts":
            linked = {it.id for it in self.records["Deals"].values() if it.get("Contact_Name") == record.id}
        amount = record.get("Amount")
        pipelines = {"Leads": LEADS, "Deals": record.text("Pipeline")}
        return Found(
            role="person" if person else "deal",
            type=record.module,
            id=record.id,
            archived=bool(record.gone),
            merged_into=record.merged_into,
            pipeline=pipelines.get(record.module),
            stage=record.text("Lead_Status" if record.module == "Leads" else "Stage") or None,
            amount=None if amount is None else str(amount),
            linked=tuple(sorted(linked - {""})),
        )
