"""Leads go out: a record of each object that a lead becomes, found or made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncd.contract import ConnectorError, JsonObject, Lead, Misconfigured, Pushed, Transient, in_halves, read_id
from syncd_connectors.salesforce.answers import ARRIVED, Complaint, Refused, listed, read_complaint, verdict_on, why_of
from syncd_connectors.salesforce.client import Client
from syncd_connectors.salesforce.leads import (
    Place,
    known_id,
    mapped_values,
    person_kind,
    person_values,
    place_of,
    pushed,
)
from syncd_connectors.salesforce.records import survivor_of
from syncd_connectors.salesforce.sdk import Door
from syncd_connectors.salesforce.settings import SalesforcePush


class Writer:
    """Writes leads, each of them once, however often it is pushed."""

    def __init__(self, client: Client, door: Door, push: SalesforcePush) -> None:
        self._client = client
        self._door = door
        self._push = push
        self._key = push.referral_id

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 200 leads in: one reading and one writing call for each object.

        What carries our id is left as it is; the rest is upserted by it. None of the writing calls is repeated by
        itself, since a repetition could undo what sales did in between; a lost answer is followed by another read.
        """
        places: dict[str, Place] = {}
        refused: dict[str, ConnectorError] = {}
        for kind in dict.fromkeys(person_kind(it, self._push) for it in leads):
            found, failed = self._bring(kind, [it for it in leads if person_kind(it, self._push) == kind])
            places, refused = places | found, refused | failed
        if self._push.kind == "contact_opportunity":
            wants_deal = [it for it in leads if it.id in places and it.role == "friend"]
            deals, failed = self._bring("Opportunity", wants_deal)
            places |= {lead: replace(deal, contact=places[lead].record) for lead, deal in deals.items()}
            refused |= failed | self._give_roles({lead: places[lead] for lead in deals})
        verdicts = [refused.get(it.id) or pushed(it.id, places[it.id], self._door.site()) for it in leads]
        faults = [it for it in verdicts if isinstance(it, Misconfigured)]
        if faults and len(faults) == len(leads):
            raise faults[0]
        return verdicts

    def _bring(self, kind: str, leads: Sequence[Lead]) -> tuple[dict[str, Place], dict[str, ConnectorError]]:
        """Find or make the record of each lead; give where they are, and why the others are not."""
        places = self._find(kind, leads)
        rows = {it.id: self._row(kind, it) for it in leads if it.id not in places}
        complaints: dict[str, Complaint] = {}
        for lead, verdict in in_halves(rows, lambda part: self._upsert(kind, part), Refused).items():
            if isinstance(verdict, Place):
                places[lead] = verdict
            else:
                complaints[lead] = why_of(verdict)
        # Made by somebody else between our reading and writing, or converted: it has arrived.
        places |= self._find(kind, [it for it in leads if it.id in complaints and complaints[it.id].code in ARRIVED])
        rest = {lead: it for lead, it in complaints.items() if lead not in places}
        return places, {lead: verdict_on(it, kind, self._push, rows[lead]) for lead, it in rest.items()}

    def _find(self, kind: str, leads: Sequence[Lead]) -> dict[str, Place]:
        by_key = {it.id: it for it in leads}
        records = [it for it in self._client.records(kind, self._key, list(by_key)) if it.lead in by_key]
        found = {str(it.lead): place_of(it) for it in records}
        # One that was merged into another has lost our id; its own id still leads to the survivor.
        known = {it.id: id_ for it in leads if it.id not in found if (id_ := known_id(it, kind))}
        old = self._client.read(kind, known.values())
        survivors = {lead: survivor for lead, id_ in known.items() if (survivor := survivor_of(old, id_))}
        return found | {lead: place_of(it) for lead, it in survivors.items() if not it.deleted}

    def _row(self, kind: str, lead: Lead) -> dict[str, Any]:
        values = person_values(kind, lead) if kind != "Opportunity" else self._deal_values(lead)
        values |= {name: text for name, text in mapped_values(kind, lead, self._push).items() if text}
        return {"attributes": {"type": kind}, **values, self._key: lead.id}

    def _deal_values(self, lead: Lead) -> dict[str, str]:
        now = self._door.now
        if now is None:
            raise Transient("Salesforce's answers bear no date, so that no close date can be reckoned")
        name = f"Referral {lead.referral_code or lead.id}"
        return {
            "Name": name,
            "StageName": self._push.stage,
            "CloseDate": (now + self._push.close_in).date().isoformat(),
        }

    def _upsert(self, kind: str, rows: Mapping[str, JsonObject]) -> dict[str, Place | Complaint]:
        results = self._write("PATCH", f"composite/sobjects/{kind}/{self._key}", list(rows.values()))
        return {
            lead: Place(kind=kind, record=read_id(it.get("id")), created=it.get("created") is True)
            if it.get("success") is True
            else read_complaint(it)
            for lead, it in zip(rows, results, strict=True)
        }

    def _give_roles(self, places: Mapping[str, Place]) -> dict[str, ConnectorError]:
        """Let each Opportunity name its Contact. Nothing keeps a second role from being made, so we look first."""
        kind = "OpportunityContactRole"
        there = set(self._client.roles("OpportunityId", [it.record for it in places.values()]))
        rows = {
            lead: {"attributes": {"type": kind}, "OpportunityId": it.record, "ContactId": it.contact}
            for lead, it in places.items()
            if (it.record, it.contact) not in there
        }

        def send(part: Mapping[str, JsonObject]) -> dict[str, Complaint]:
            results = zip(part, self._write("POST", "composite/sobjects", list(part.values())), strict=True)
            return {lead: read_complaint(it) for lead, it in results if it.get("success") is not True}

        verdicts = in_halves(rows, send, Refused)
        return {lead: verdict_on(why_of(it), kind, self._push, rows[lead]) for lead, it in verdicts.items()}

    def _write(self, method: str, path: str, rows: Sequence[JsonObject]) -> list[JsonObject]:
        """Send a collection; a 200 says nothing of its rows. Results come in the order of the rows."""
        headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if self._push.duplicates == "allow" else {}
        body = {"allOrNone": False, "records": rows}
        results = self._client.ask("restful", path, method=method, json=body, headers=headers)
        if not isinstance(results, list) or len(results) != len(rows):
            raise Transient("Salesforce's answer to a collection has not one result for each record")
        return listed(results)
