"""Leads go out: contacts, the deals that are missing, and what associates them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Lead,
    Misconfigured,
    Pushed,
    Rejected,
    RemoteId,
    RemoteRef,
    Transient,
    in_halves,
    json_objects,
)
from syncd_connectors.hubspot.answers import Refused, read_complaint, verdict_on
from syncd_connectors.hubspot.client import Client
from syncd_connectors.hubspot.leads import Place, contact_properties, deal_properties, has_email
from syncd_connectors.hubspot.records import by_any_id, end_of, read_records
from syncd_connectors.hubspot.settings import HubSpotSettings

_Answers = dict[str, Place | Refused]
_Verdicts = dict[str, Place | ConnectorError]


class Writer:
    """Writes leads, each of them once, however often it is pushed."""

    def __init__(self, client: Client, settings: HubSpotSettings) -> None:
        self._client = client
        self._push = settings.push
        self._key = settings.push.referral_id
        self._portal = settings.portal

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in, in three writing calls: contacts, the deals that are missing, their associations.

        Each of the three can be repeated. A deal is created once and never written again: whatever sales has done to
        it since, a repeated push leaves it where it is.
        """
        contacts = self._push_contacts(leads)
        people = _placed(contacts)
        wants_deal = [it for it in leads if it.id in people and self._push.kind == "deal" and it.role == "friend"]
        deals = self._push_deals(wants_deal)
        opened = _placed(deals)
        unlinked = self._associate({lead: (deal.id, people[lead].id) for lead, deal in opened.items()})
        verdicts = contacts | deals | unlinked
        refused = {lead: it for lead, it in verdicts.items() if isinstance(it, ConnectorError)}
        return [refused.get(it.id) or self._pushed(it.id, people[it.id], opened.get(it.id)) for it in leads]

    def _push_contacts(self, leads: Sequence[Lead]) -> _Verdicts:
        rows = {lead.id: self._row(lead.id, contact_properties(lead)) for lead in leads}
        answers = self._write("contacts", self._client.sdk.contacts.upsert, rows)
        conflicts = {
            lead: it.complaint.existing
            for lead, it in answers.items()
            if isinstance(it, Refused) and it.complaint.existing
        }
        return self._verdicts(answers, rows) | self._adopt(conflicts, {lead.id: lead for lead in leads})

    def _push_deals(self, leads: Sequence[Lead]) -> _Verdicts:
        # To upsert a deal that exists would put it back to its first stage. So only those that a consistent read does
        # not find are sent, and that call is the one that is not repeated by itself: its lost answer is followed by
        # another read.
        found = self._find_deals(leads)
        rows = {it.id: self._row(it.id, deal_properties(it, self._push)) for it in leads if it.id not in found}
        return found | self._verdicts(self._write("deals", self._client.sdk.new_deals.upsert, rows), rows)

    def _find_deals(self, leads: Sequence[Lead]) -> dict[str, Place]:
        found = self._carrying("deals", [lead.id for lead in leads])
        # A deal that was merged into another may have lost our id; its own id still leads to the survivor.
        known = {it.id: it.known.deal.id for it in leads if it.id not in found and it.known and it.known.deal}
        survivors = by_any_id(self._client.read("deals", known.values(), [])[0])
        return found | {lead: Place(id=survivors[deal].id) for lead, deal in known.items() if deal in survivors}

    def _adopt(self, conflicts: Mapping[str, str], leads: Mapping[str, Lead]) -> _Verdicts:
        """Link leads whose e-mail address belongs to a contact already; mark it with our id if it has none."""
        properties = ["email", "hs_additional_emails", self._key]
        holders = by_any_id(self._client.read("contacts", conflicts.values(), properties)[0])
        verdicts: _Verdicts = {}
        rows: dict[str, JsonObject] = {}
        for lead, contact in conflicts.items():
            holder = holders.get(contact)
            if holder is None:
                verdicts[lead] = Transient("the contact that holds this e-mail address could not be read")
            elif not has_email(holder, leads[lead].person.email):
                verdicts[lead] = Rejected(f"HubSpot names contact {contact} as the holder of this e-mail; it is not")
            elif holder.properties.get(self._key) or holder.id in {row["id"] for row in rows.values()}:
                verdicts[lead] = Place(id=holder.id)  # another lead's: linked, not written to
            else:
                rows[lead] = {"id": holder.id, "properties": {self._key: lead}, "objectWriteTraceId": lead}
        return verdicts | self._verdicts(self._write("contacts", self._client.sdk.contacts.update, rows), rows)

    def _associate(self, pairs: Mapping[str, tuple[str, str]]) -> _Verdicts:
        """Associate deals with contacts; give only what went wrong."""

        def send(rows: Mapping[str, tuple[str, str]]) -> dict[str, Refused]:
            inputs = [{"from": {"id": deal}, "to": {"id": contact}} for deal, contact in rows.values()]
            body = self._client.ask(
                self._client.sdk.associations.create_default, "deals", "contacts", {"inputs": inputs}
            )
            if not (errors := json_objects(body, "errors", optional=True)):
                return {}
            # The errors do not name the row, but what went well does.
            done = {(end_of(it, "from"), end_of(it, "to")) for it in json_objects(body, "results")}
            return {lead: Refused(read_complaint(errors[0])) for lead, pair in rows.items() if pair not in done}

        refused = in_halves(pairs, send, Refused)
        return {lead: Transient(f"contact and deal could not be associated: {it}") for lead, it in refused.items()}

    def _write(self, kind: str, call: Callable[..., Any], rows: Mapping[str, JsonObject]) -> _Answers:
        """Send rows; what the answer passes over in silence is looked for."""

        def send(part: Mapping[str, JsonObject]) -> _Answers:
            body = self._client.ask(call, {"inputs": list(part.values())})
            answers: _Answers = {
                record.trace or record.properties.get(self._key, ""): Place(id=record.id, created=record.new)
                for record in read_records(body)
            }
            for complaint in map(read_complaint, json_objects(body, "errors", optional=True)):
                answers |= dict.fromkeys(complaint.rows, Refused(complaint))
            answers |= self._carrying(kind, [lead for lead in part if lead not in answers])
            if not answers.keys() >= part.keys():  # what is not there may still come: the push is repeated
                raise Transient(f"HubSpot's answer to a batch of {kind} says nothing of some of them")
            return {lead: answers[lead] for lead in part}

        return in_halves(rows, send, Refused)

    def _carrying(self, kind: str, leads: Collection[str]) -> dict[str, Place]:
        """Find the records that carry our ids of these leads, by a consistent read."""
        records, _ = self._client.read(kind, leads, [self._key], by=self._key)
        return {it.properties[self._key]: Place(id=it.id) for it in records if self._key in it.properties}

    def _row(self, lead: str, properties: Mapping[str, str]) -> JsonObject:
        # The trace id is what makes HubSpot judge each row alone, and name it in `errors`.
        values = {**properties, self._key: lead}
        return {"id": lead, "idProperty": self._key, "objectWriteTraceId": lead, "properties": values}

    def _verdicts(self, answers: _Answers, rows: Mapping[str, JsonObject]) -> _Verdicts:
        """Turn complaints about rows into their verdicts; raise what would befall every row."""
        verdicts: _Verdicts = {}
        for lead, it in answers.items():
            if isinstance(it, Refused):
                verdict = verdict_on(it.complaint, self._push, rows[lead]["properties"].values())
                if isinstance(verdict, Misconfigured):
                    raise verdict
                verdicts[lead] = verdict
            else:
                verdicts[lead] = it
        return verdicts

    def _pushed(self, lead: str, contact: Place, deal: Place | None) -> Pushed:
        page = f"0-3/{deal.id}" if deal else f"0-1/{contact.id}"  # HubSpot's numbers of the two object types
        ref = RemoteRef(
            person=RemoteId(type="contact", id=contact.id),
            deal=RemoteId(type="deal", id=deal.id) if deal else None,
            url=f"https://app.hubspot.com/contacts/{self._portal}/record/{page}" if self._portal else None,
        )
        return Pushed(lead=lead, ref=ref, created=(deal or contact).created)


def _placed(verdicts: _Verdicts) -> dict[str, Place]:
    return {lead: it for lead, it in verdicts.items() if isinstance(it, Place)}
