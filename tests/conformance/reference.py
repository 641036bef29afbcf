"""A connector written to be read, and to be broken on purpose: it speaks HubSpot's HTTP with no SDK.

Each step is a method of a few lines, so that a planted fault replaces one of them and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Self

from syncd.contract import (
    Account,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    Http,
    JsonObject,
    Lead,
    Misconfigured,
    Outcome,
    Page,
    Pushed,
    Rejected,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Transient,
    check_stages,
    json_objects,
    read_id,
    to_ms,
)
from tests.conformance.asking import MERGED, ReferenceSettings, Refused
from tests.conformance.hearing import Hearing
from tests.conformance.telling import DEAL, MODIFIED, names, ref


@dataclass(frozen=True, kw_only=True)
class Place:
    """A record that a lead has, and whether this push made it."""

    id: str
    created: bool


Verdict = Place | ConnectorError


class Reference(Hearing):
    """One account; leads become a contact and a deal."""

    Settings: ClassVar[type[ConnectorSettings]] = ReferenceSettings
    batch_size: ClassVar[int] = 10
    page_size: ClassVar[int] = 5

    @classmethod
    def open(cls, settings: ReferenceSettings, http: Http) -> Self:
        """Build the connector without a call."""
        return cls(settings, http)

    # --- what the account is ---

    def check(self) -> Account:
        """Prove the token, the unique property, the mapped fields and stages."""
        for kind in ("contacts", "deals"):
            known = {it["name"]: it for it in json_objects(self.get(f"properties/2026-09/{kind}"), "results")}
            self.check_key(known.get(self.key), kind)
            self.check_fields(known if kind == "contacts" else {})
        self.check_stages()
        return Account(name="Reference", id="", checked=("token", "properties", "stages"))

    def check_key(self, known: JsonObject | None, kind: str) -> None:
        """Want our id's property to be there and unique."""
        if not known or not known["hasUniqueValue"]:
            raise Misconfigured(f"{kind} have no unique property {self.key}", yaml_path="push.referral_id")

    def check_fields(self, known: Mapping[str, Any]) -> None:
        """Want the mapped fields to be there."""
        for field in self.settings.push.fields:
            if known and field not in known:
                raise Misconfigured(f"contacts have no property {field}", yaml_path=f"push.fields.{field}")

    def check_stages(self) -> None:
        """Want the mapped stages to be there."""
        check_stages(self.settings, self.stages())

    def stages(self) -> Sequence[Stage]:
        """List the stages."""
        pipelines = json_objects(self.get("pipelines/2026-09/deals"), "results")
        return [self.stage(it["id"], stage) for it in pipelines for stage in it["stages"]]

    def stage(self, pipeline: str, it: JsonObject) -> Stage:
        """Read one stage; it is won or lost by its numbers."""
        closed, certain = it["metadata"]["isClosed"] == "true", float(it["metadata"]["probability"]) == 1
        outcome: Outcome = "open" if not closed else "won" if certain else "lost"
        return Stage(pipeline=pipeline, id=it["id"], label=it["label"], outcome=outcome)

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring contacts, then the deals that are missing, then what links them."""
        contacts = self.push_contacts(leads)
        wanted = [it for it in leads if self.wants_deal(it) and isinstance(contacts[it.id], Place)]
        found = self.find_deals(wanted)
        rows = [self.deal_row(it) for it in wanted if it.id not in found]
        deals = {**found, **self.write("deals", rows, idempotent=False)}
        self.link({it.id: where(contacts[lead]) for lead, it in deals.items() if isinstance(it, Place)})
        return [self.verdict(it.id, contacts[it.id], deals.get(it.id)) for it in leads]

    def wants_deal(self, lead: Lead) -> bool:
        """Nobody sells to who invites."""
        return lead.role == "friend"

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        """Say how a lead fared."""
        if isinstance(contact, ConnectorError):
            return contact
        if isinstance(deal, ConnectorError):
            return deal
        return Pushed(
            lead=lead, ref=ref(contact=contact.id, deal=deal.id if deal else None), created=(deal or contact).created
        )

    def push_contacts(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        """Upsert contacts by our id; link those whose address another contact has."""
        written = self.write("contacts", [self.contact_row(lead) for lead in leads])
        for lead in leads:
            if isinstance(written[lead.id], Rejected) and (
                holder := re.search(r"ing ID: (\d+)", str(written[lead.id]))
            ):
                written[lead.id] = self.adopt(holder[1], lead)
        return written

    def adopt(self, holder: str, lead: Lead) -> Place:
        """Take over a contact that sales had before; one that is another lead's is linked and not written to."""
        [record], _ = self.read("contacts", [holder], (self.key,))
        if not record["properties"].get(self.key):
            row = {"id": holder, "properties": {self.key: lead.id}}
            self.post("objects/2026-09/contacts/batch/update", {"inputs": [row]})
        return Place(id=holder, created=False)

    def contact_row(self, lead: Lead) -> JsonObject:
        """Say what a contact is to hold; an empty text would clear a value."""
        fields = {"email": lead.person.email or "", **lead.fields}
        return self.row(lead.id, {name: text for name, text in fields.items() if text})

    def deal_row(self, lead: Lead) -> JsonObject:
        """Say what a new deal is to hold."""
        name = f"Referral {lead.referral_code}"
        return self.row(lead.id, {"dealname": name, "dealstage": "appointmentscheduled", "pipeline": "default"})

    def row(self, lead: str, properties: Mapping[str, str]) -> JsonObject:
        """Name a row by our id; the trace lets each row stand or fall alone."""
        return {"id": lead, "idProperty": self.key, "objectWriteTraceId": lead, "properties": {**properties}}

    def find_deals(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        """Find the deals that leads have: by our id, or by where they were put before a merge."""
        records, _ = self.read("deals", [lead.id for lead in leads], (self.key,), by=self.key)
        found: dict[str, Verdict] = {it["properties"][self.key]: Place(id=it["id"], created=False) for it in records}
        known = {it.known.deal.id: it.id for it in leads if it.id not in found and it.known and it.known.deal}
        for record in self.read("deals", list(known))[0]:
            found |= {known[it]: Place(id=record["id"], created=False) for it in names(record) if it in known}
        return found

    def write(self, kind: str, rows: Sequence[JsonObject], *, idempotent: bool = True) -> dict[str, Verdict]:
        """Upsert rows; give each lead's record or its refusal. A batch that is refused as a whole goes row by row."""
        if not rows:
            return {}
        try:
            body = self.post(f"objects/2026-09/{kind}/batch/upsert", {"inputs": rows}, idempotent=idempotent)
        except Refused as refused:
            if len(rows) == 1:
                return {rows[0]["id"]: Rejected(str(refused))}
            return {lead: it for row in rows for lead, it in self.write(kind, [row], idempotent=idempotent).items()}
        placed = self.places(rows, json_objects(body, "results"))
        return {**placed, **self.refusals(json_objects(body, "errors", optional=True))}

    def places(self, rows: Sequence[JsonObject], results: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        """Read where the rows are; the results come in an order of their own."""
        return {it["objectWriteTraceId"]: Place(id=read_id(it["id"]), created=it["new"]) for it in results}

    def refusals(self, errors: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        """Read which rows were refused."""
        return {it["context"]["objectWriteTraceId"][0]: Rejected(self.reason(it)) for it in errors}

    def link(self, pairs: Mapping[str, str]) -> None:
        """Associate deals with contacts; again and again if need be."""
        if pairs:
            inputs = [{"from": {"id": deal}, "to": {"id": contact}} for deal, contact in pairs.items()]
            self.post("associations/2026-09/deals/contacts/batch/associate/default", {"inputs": inputs})

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Write a cursor."""
        return json.dumps({"until": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read a window by id; its cursor moves with the last page."""
        low, high, last = self.low(since), to_ms(until), "0"
        while low <= high:
            records = self.search(low, high, last)
            full = len(records) == self.page_size
            yield Page(facts=self.changed(records), cursor=since if full else self.start(until))
            if not full:
                return
            last = records[-1]["id"]
        yield Page(facts=(), cursor=since)

    def low(self, since: Cursor) -> int:
        """Tell where a window begins."""
        return int(json.loads(since)["until"]) - self.settings.poll.overlap // timedelta(milliseconds=1)

    def search(self, low: int, high: int, after: str) -> Sequence[JsonObject]:
        """Read a page; refuse one that is not what was asked for, or it would go on for ever."""
        records = json_objects(self.post("objects/2026-09/deals/search", self.query(low, high, after)), "results")
        if any(int(b) <= int(a) for a, b in pairwise([after, *(it["id"] for it in records)])):
            raise Transient("the search lost its place")
        return records

    def query(self, low: int, high: int, after: str) -> JsonObject:
        """Ask for what was modified in the window, by id."""
        bounds = ((MODIFIED, "GTE", str(low)), (MODIFIED, "LTE", str(high)), ("hs_object_id", "GT", after))
        filters = [{"propertyName": name, "operator": operator, "value": value} for name, operator, value in bounds]
        sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        properties = [*DEAL, self.key, MERGED]
        return {
            "filterGroups": [{"filters": filters}],
            "sorts": sorts,
            "properties": properties,
            "limit": self.page_size,
        }

    def changed(self, records: Sequence[JsonObject]) -> Sequence[StageFact | Gone]:
        """Give facts; a deal without our id names the people it hangs on."""
        strangers = [it["id"] for it in records if not it["properties"].get(self.key)]
        return self.facts(records, self.linked("deals", "contacts", strangers))

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals, and the deals of persons, by their ids."""
        told: list[StageFact | Gone] = []
        persons = self.persons(dict.fromkeys(it.person.id for it in refs if it.person), told)
        people: dict[str, list[str]] = {}
        for contact, theirs in self.linked("contacts", "deals", list(persons)).items():
            for deal in theirs:
                people.setdefault(deal, []).append(contact)
        asked = list(dict.fromkeys(it.deal.id for it in refs if it.deal))
        records, missing = self.read("deals", list(dict.fromkeys([*asked, *people])), (*DEAL, self.key))
        told += self.fates("deal", asked, records, missing)
        return [*told, *self.facts(records, people)]

    def persons(self, ids: Iterable[str], told: list[StageFact | Gone]) -> Iterable[str]:
        """Follow persons to where they are now, and tell what became of the others."""
        ids = list(ids)
        records, missing = self.read("contacts", ids)
        told += self.fates("contact", ids, records, missing)
        return dict.fromkeys(it["id"] for it in records)

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that deals entered."""
        told = []
        for record in self.read("deals", [it.id for it in deals], (*DEAL, self.key), past=("dealstage",))[0]:
            outcomes = {stage.id: stage.outcome for stage in self.stages()}
            for past in record["propertiesWithHistory"]["dealstage"]:
                told.append(self.entered(record, past, outcomes[past["value"]]))
        return told


def where(verdict: Verdict) -> str:
    """Give the record of a lead that has one."""
    assert isinstance(verdict, Place)
    return verdict.id
