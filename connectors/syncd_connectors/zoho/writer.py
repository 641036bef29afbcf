"""Leads go out: a record in each module that a lead becomes, found, made, or linked where another stands in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Lead,
    Misconfigured,
    Pushed,
    RemoteId,
    RemoteRef,
    Transient,
    json_objects,
    read_id,
)
from syncd_connectors.zoho.answers import Complaint, read_complaint, read_holder, scope_of, verdict_on
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.leads import Holder, Place, known_id, mapped_values, person_kind, person_values
from syncd_connectors.zoho.modules import Modules
from syncd_connectors.zoho.records import Record, as_object, remote_id
from syncd_connectors.zoho.schema import Schema
from syncd_connectors.zoho.settings import ZohoPush


class Writer:
    """Writes leads, each of them once, however often it is pushed."""

    def __init__(self, client: Client, schema: Schema, modules: Modules, push: ZohoPush) -> None:
        self._client = client
        self._schema = schema
        self._modules = modules
        self._push = push
        self._key = push.referral_id

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in: two queries and one writing call for each module.

        What is there already is left as it is. A writing call is not repeated by itself; after a lost answer the next
        push finds what it made, at the latest when Zoho refuses to make it again.
        """
        places: dict[str, Place] = {}
        refused: dict[str, ConnectorError] = {}
        for kind in dict.fromkeys(person_kind(it, self._push) for it in leads):
            self._bring(kind, [it for it in leads if person_kind(it, self._push) == kind], places, refused)
        people = dict(places)
        if self._push.kind == "deal":
            self._bring("Deals", [it for it in leads if it.id in people and it.role == "friend"], places, refused)
        return [refused.get(it.id) or self._pushed(it.id, people[it.id], places[it.id]) for it in leads]

    def _bring(
        self, kind: str, leads: Sequence[Lead], places: dict[str, Place], refused: dict[str, ConnectorError]
    ) -> None:
        """Find or make the record of each lead; write down where it is, or why it is not."""
        if not leads:
            return
        self._schema.prove_unique(kind)
        found = self._find(kind, leads)
        rows = {it.id: self._row(kind, it, places.get(it.id)) for it in leads if it.id not in found}
        made, taken, failed = self._insert(kind, rows)
        held, complaints = self._link(kind, taken)
        places.update(found | made | held)
        for lead, complaint in (failed | complaints).items():
            verdict = verdict_on(complaint, kind, self._push, rows[lead])
            if isinstance(verdict, Misconfigured):
                raise verdict
            refused[lead] = verdict

    def _find(self, kind: str, leads: Sequence[Lead]) -> dict[str, Place]:
        """Find the records of leads that were pushed before; those of converted Leads among the Contacts."""
        found: dict[str, Place] = {}
        for there in ("Leads", "Contacts") if kind == "Leads" else (kind,):
            known = {it.id: id_ for it in leads if it.id not in found and (id_ := known_id(it, there))}
            records = self._modules.read(there, known.values())
            deals = {it.id: it.known.deal for it in leads if it.known and it.known.deal and it.known.deal.type != there}
            for lead, id_ in known.items():
                if id_ in records:
                    found[lead] = self._place(records[id_], deal=deals.get(lead))
            if self._key in self._schema.of(there):
                rest = [it.id for it in leads if it.id not in found]
                found |= {lead: Place(kind=there, id=id_) for lead, id_ in self._modules.carrying(there, rest)}
        return found

    def _place(self, record: Record, *, deal: RemoteId | None = None) -> Place:
        if record.kind == "Leads" and record.is_converted and (it := self._modules.became(record)).contact:
            return Place(kind="Contacts", id=it.contact, deal=remote_id("Deals", it.deal))
        return Place(kind=record.kind, id=record.id, deal=deal)

    def _row(self, kind: str, lead: Lead, person: Place | None) -> JsonObject:
        if kind == "Deals":
            values: JsonObject = {
                "Deal_Name": f"Referral {lead.referral_code or lead.id}",
                "Pipeline": self._push.pipeline,
                "Stage": self._push.stage,
            }
            if person and person.kind == "Contacts":
                values["Contact_Name"] = {"id": person.id}
        else:
            values = person_values(kind, lead)
        return {**values, **mapped_values(kind, lead, self._push), self._key: lead.id}

    def _insert(
        self, kind: str, rows: Mapping[str, JsonObject]
    ) -> tuple[dict[str, Place], dict[str, Holder], dict[str, Complaint]]:
        """Make records; give what was made, what is there already, and what was refused."""
        made: dict[str, Place] = {}
        taken: dict[str, Holder] = {}
        failed: dict[str, Complaint] = {}
        for lead, result in zip(rows, self._write("POST", kind, "CREATE", list(rows.values())), strict=True):
            if result.get("code") == "SUCCESS":
                made[lead] = Place(kind=kind, id=read_id(as_object(result.get("details")).get("id")), created=True)
            elif holder := read_holder(result, kind):
                taken[lead] = holder
            else:
                failed[lead] = read_complaint(result)
        return made, taken, failed

    def _link(self, kind: str, taken: Mapping[str, Holder]) -> tuple[dict[str, Place], dict[str, Complaint]]:
        """Link leads to the records that stand in their way, and mark one that carries no id of ours with it.

        Such a record has our id from an earlier push, or another unique value of the lead's, as its e-mail address.
        """
        places: dict[str, Place] = {}
        marks: dict[str, JsonObject] = {}
        for there in dict.fromkeys(it.kind for it in taken.values()):
            records = self._modules.read(there, [it.id for it in taken.values() if it.kind == there])
            for lead, holder in taken.items():
                if holder.kind != there:
                    continue
                record = records.get(holder.id)
                if record is None and holder.name != self._key:
                    raise Transient(f"the record of {there} that Zoho takes for the same could not be read")
                places[lead] = self._place(record) if record else Place(kind=there, id=holder.id)
                if record is None:
                    continue
                is_free = not (record.lead or record.is_converted or there != kind)
                if is_free and record.id not in {row["id"] for row in marks.values()}:
                    marks[lead] = {"id": record.id, self._key: lead}
        results = zip(marks, self._write("PUT", kind, "UPDATE", list(marks.values())), strict=True)
        failed = {lead: read_complaint(it) for lead, it in results if it.get("code") != "SUCCESS"}
        return {lead: it for lead, it in places.items() if lead not in failed}, failed

    def _write(self, method: str, kind: str, right: str, rows: Sequence[JsonObject]) -> list[JsonObject]:
        """Send records; the results come in their order, each with a code of its own, whatever the status is."""
        if not rows:
            return []
        body = {"data": rows, "trigger": list(self._push.trigger)}
        cost = -(-len(rows) // 10)
        answer = self._client.ask(method, kind, scope=scope_of(kind, right), body=body, cost=cost, results=len(rows))
        return json_objects(answer, "data")

    def _pushed(self, lead: str, person: Place, place: Place) -> Pushed:
        own = RemoteId(type=place.kind, id=place.id)
        deal = place.deal or (own if place.kind != "Contacts" else None)
        page = deal or own
        site = self._client.site
        ref = RemoteRef(
            person=RemoteId(type=person.kind, id=person.id),
            deal=deal,
            url=f"https://{site}/crm/tab/{page.type}/{page.id}" if site else None,
        )
        return Pushed(lead=lead, ref=ref, created=place.created)
