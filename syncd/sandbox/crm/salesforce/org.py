"""The org as people and routes see it: its records, and what a sales team does with them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from syncd.sandbox.crm.humans import DealStage, Found
from syncd.sandbox.crm.salesforce.refusal import not_saved
from syncd.sandbox.crm.salesforce.row import Row
from syncd.sandbox.crm.salesforce.store import Commit, Store
from syncd.sandbox.crm.salesforce.values import Values, read

_COPIED = ("FirstName", "LastName", "Email", "Phone", "MobilePhone", "Title", "LeadSource", "Description")
_TO_CLOSE = timedelta(days=90)


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """What a lead became."""

    account: str
    contact: str
    opportunity: str | None


class Org(Store):
    """One org's records, and the hands that move them; has what `humans.Humans` asks for."""

    @property
    def id(self) -> str:
        """Tell the org's id."""
        return next(iter(self.rows["Organization"]))

    # --- what people in sales do ---

    def edit(self, id_: str, **raw: Any) -> None:
        """Change a record's fields by hand; values as in JSON."""
        with self.lock:
            row = self.live(id_)
            fields = self.schema.objects[row.kind].fields
            changes = {name: read(fields[name], value) for name, value in raw.items()}
            self.save(row.kind, row, changes, self.commit_by_hand())

    def move(self, deal: str, stage: str) -> None:
        """Drag an opportunity to a stage, or a lead to a status; a status that means so converts it."""
        with self.lock:
            row = self.live(deal)
            if row.kind == "Lead" and self.schema.statuses[stage].converted:
                self.convert_lead(deal)
            else:
                self.edit(deal, **{"Status" if row.kind == "Lead" else "StageName": stage})

    def set_amount(self, deal: str, amount: str) -> None:
        """Write an opportunity's amount, as decimal text."""
        self.edit(deal, Amount=amount)

    def open_deal(self, person: str, *, name: str = "A deal", stage: str = "Prospecting", **raw: Any) -> str:
        """Open an opportunity for a contact by hand, without any id of ours; a lead is converted without one first."""
        with self.lock:
            row = self.live(person)
            if row.kind == "Lead" and not row.get("IsConverted"):
                person = self.convert_lead(person, opportunity=False).contact
            elif row.kind == "Lead":
                person = row.text("ConvertedContactId")
            commit = self.commit_by_hand()
            fields = self.schema.objects["Opportunity"].fields
            close = commit.at.date() + _TO_CLOSE
            values: Values = {"Name": name, "StageName": stage, "CloseDate": close, "ContactId": person}
            values |= {key: read(fields[key], value) for key, value in raw.items()}
            return self.save("Opportunity", None, values, commit).id

    def convert_lead(self, lead: str, *, opportunity: bool = True, stage: str = "Prospecting") -> Converted:
        """Turn a lead into an account, a contact and, unless told otherwise, an opportunity."""
        with self.lock, self.all_or_nothing():
            row, commit = self.live(lead), self.commit_by_hand()
            if row.get("IsConverted"):
                raise not_saved("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
            account = self.save("Account", None, {"Name": row.get("Company")}, commit)
            person: Values = {name: row.get(name) for name in _COPIED}
            person |= {"AccountId": account.id, **self._mapped(row, "Contact")}
            contact = self.save("Contact", None, person, commit)
            deal = self._convert_deal(row, account, contact, stage, commit) if opportunity else None
            status = next(it.name for it in self.schema.statuses.values() if it.converted)
            converted: Values = {"Status": status, "IsConverted": True, "ConvertedDate": commit.at.date()}
            converted |= {"ConvertedAccountId": account.id, "ConvertedContactId": contact.id}
            self.put("Lead", row, {**converted, "ConvertedOpportunityId": deal.id if deal else None}, commit)
            return Converted(account=account.id, contact=contact.id, opportunity=deal.id if deal else None)

    def merge(self, kind: str, primary: str, other: str, *, take: Iterable[str] = ()) -> str:
        """Merge `other` into `primary` and give the latter's id; of the fields in `take` the other's values win."""
        with self.lock, self.all_or_nothing():
            first, second, commit = self.live(primary), self.live(other), self.commit_by_hand()
            if first is second or {first.kind, second.kind} != {kind} or kind == "Opportunity":
                raise KeyError(f"{primary} and {other} are no two records of {kind} that can be merged")
            taken = {name: second.get(name) for name in take}
            self._reparent(second.id, first.id, commit)
            self.delete(second, commit, master=first.id)
            self.save(kind, first, taken, commit) if taken else self.put(kind, first, {}, commit)
            return first.id

    def archive(self, kind: str, id_: str) -> None:
        """Put a record into the bin; a second time changes nothing."""
        with self.lock:
            row = self._any(kind, id_)
            if not row.deleted:
                self.delete(row, self.commit_by_hand())

    def restore(self, kind: str, id_: str) -> None:
        """Take a record out of the bin. Raises Refusal if one of its unique values has a new owner."""
        with self.lock:
            row = self._any(kind, id_)
            if row.deleted:
                self.undelete(row, self.commit_by_hand())

    def empty_bin(self) -> None:
        """Remove for good what is in the bin."""
        with self.lock:
            for rows in self.rows.values():
                for row in [row for row in rows.values() if row.deleted]:
                    self.purge(row)

    def rename_stage(self, stage: str, label: str) -> None:
        """Give a stage another label; the name that records carry stays."""
        with self.lock:
            self.schema.stages[stage] = replace(self.schema.stages[stage], label=label)
            [row] = [row for row in self.rows["OpportunityStage"].values() if row.get("ApiName") == stage]
            self.put("OpportunityStage", row, {"MasterLabel": label}, self.commit_by_hand())

    # --- what they see ---

    def stages(self) -> Sequence[DealStage]:
        """List the statuses of leads, all of them open, and the stages of opportunities."""
        statuses = [
            DealStage(pipeline="Lead", id=it.name, label=it.name, outcome="open")
            for it in self.schema.statuses.values()
        ]
        return statuses + [
            DealStage(pipeline="Opportunity", id=it.name, label=it.label, outcome=it.outcome)
            for it in self.schema.stages.values()
        ]

    def label(self, stage: str) -> str:
        """Tell what people call a stage."""
        return next(it.label for it in self.stages() if it.id == stage)

    def is_open(self, deal: str) -> bool:
        """Tell whether an opportunity is not closed, or a lead not converted."""
        with self.lock:
            row = self.live(deal)
            return row.get("IsConverted" if row.kind == "Lead" else "IsClosed") is False

    def of_referral(self, referral: str) -> Sequence[Found]:
        """Find every record that carries a referral's id, also in the bin: leads and contacts first."""
        if self.referral is None:
            return []
        name = self.referral.name
        with self.lock:
            kinds = [kind for kind in ("Lead", "Contact", "Opportunity") if kind in self.referral.on]
            return [self._found(row) for kind in kinds for row in self.rows[kind].values() if row.get(name) == referral]

    # --- inside ---

    def _any(self, kind: str, id_: str) -> Row:
        if (row := self.find(kind, id_)) is None:
            raise KeyError(f"there is no {kind} {id_}")
        return row

    def _mapped(self, lead: Row, kind: str) -> Values:
        """Give what the admin's field mapping copies at conversion."""
        fields = self.schema.objects[kind].fields
        own = [name for name, it in self.schema.objects["Lead"].fields.items() if it.custom and name in fields]
        if self.referral and kind not in self.referral.mapped:
            own = [name for name in own if name != self.referral.name]
        return {name: lead.get(name) for name in own}

    def _convert_deal(self, lead: Row, account: Row, contact: Row, stage: str, commit: Commit) -> Row:
        values: Values = {"Name": f"{lead.text('Company')[:119]}-", "StageName": stage, "AccountId": account.id}
        values |= {"CloseDate": commit.at.date() + _TO_CLOSE, "ContactId": contact.id}
        return self.save("Opportunity", None, {**values, **self._mapped(lead, "Opportunity")}, commit)

    def _reparent(self, old: str, new: str, commit: Commit) -> None:
        for kind, definition in self.schema.objects.items():
            for name in ("ContactId", "AccountId"):
                for row in self.under(kind, name, old) if name in definition.fields else ():
                    self.put(kind, row, {name: new}, commit)

    def _found(self, row: Row) -> Found:
        person = row.kind != "Opportunity"
        parts = ("OpportunityId", "ContactId") if person else ("ContactId", "OpportunityId")
        roles = self.under("OpportunityContactRole", parts[1], row.id)
        linked = {role.text(parts[0]) for role in roles} | {row.text("ConvertedOpportunityId")}
        amount = row.get("Amount")
        return Found(
            role="person" if person else "deal",
            type=row.kind,
            id=row.id,
            archived=row.deleted,
            merged_into=row.text("MasterRecordId") or None,
            pipeline=row.kind if row.kind != "Contact" else None,
            stage=row.text("Status" if row.kind == "Lead" else "StageName") or None,
            amount=None if amount is None else str(amount),
            linked=tuple(sorted(linked - {""})),
        )
