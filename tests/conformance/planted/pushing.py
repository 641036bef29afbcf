"""Faults in bringing leads into the CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Lead,
    Misconfigured,
    Pushed,
    Rejected,
    Transient,
    json_objects,
)
from tests.conformance.asking import Refused
from tests.conformance.planted import caught_by
from tests.conformance.reference import Place, Reference, Verdict

Verdicts = Sequence[Pushed | ConnectorError]


@caught_by(
    "a_friend_becomes_one_person_and_one_deal",
    "a_repeated_push_makes_nothing_new",
    "a_repeated_push_in_another_batch_makes_nothing_new",
    "a_lead_that_two_threads_push_is_made_once",
)
class CreatesDeals(Reference):
    """Creates deals without our id, and so again and again."""

    def write(self, kind: str, rows: Sequence[JsonObject], *, idempotent: bool = True) -> dict[str, Verdict]:
        if kind == "contacts" or not rows:
            return super().write(kind, rows, idempotent=idempotent)
        new = [{"objectWriteTraceId": it["id"], "properties": {**it["properties"]}} for it in rows]
        for it in new:
            it["properties"].pop(self.key, None)
        body = self.post("objects/2026-09/deals/batch/create", {"inputs": new}, idempotent=False)
        return {it["objectWriteTraceId"]: Place(id=it["id"], created=True) for it in json_objects(body, "results")}


@caught_by("the_deal_hangs_on_the_person", "one_bad_lead_fails_alone")
class LeavesDealsAlone(Reference):
    """Makes a deal that hangs on nobody."""

    def link(self, pairs: Mapping[str, str]) -> None:
        pass


@caught_by("a_new_deal_starts_in_the_first_stage")
class StartsHalfway(Reference):
    """Opens deals in a later stage."""

    def deal_row(self, lead: Lead) -> JsonObject:
        row = super().deal_row(lead)
        return {**row, "properties": {**row["properties"], "dealstage": "contractsent"}}


@caught_by("the_verdict_tells_the_records_that_were_made")
class TellsNoPerson(Reference):
    """Ignores the person in what it tells of a push."""

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        told = super().verdict(lead, contact, deal)
        return replace(told, ref=replace(told.ref, person=None)) if isinstance(told, Pushed) else told


@caught_by("the_verdict_tells_the_records_that_were_made", "the_deal_hangs_on_the_person")
class MixesUpIds(Reference):
    """Takes the id of a deal for that of a contact, and the other way round."""

    def link(self, pairs: Mapping[str, str]) -> None:
        super().link({contact: deal for deal, contact in pairs.items()})

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        return super().verdict(lead, deal or contact, contact)


@caught_by("an_advocate_becomes_a_person_without_a_deal")
class SellsToAdvocates(Reference):
    """Opens a deal for an advocate too."""

    def wants_deal(self, lead: Lead) -> bool:
        return True


@caught_by("a_mapped_field_arrives_letter_for_letter")
class SpeaksAscii(Reference):
    """Drops every letter that is not ASCII."""

    def row(self, lead: str, properties: Mapping[str, str]) -> JsonObject:
        return super().row(lead, {name: text.encode("ascii", "ignore").decode() for name, text in properties.items()})


@caught_by("an_empty_text_clears_nothing")
class ClearsFields(Reference):
    """Writes empty texts over what sales found out."""

    def contact_row(self, lead: Lead) -> JsonObject:
        return self.row(lead.id, {"email": lead.person.email or "", **lead.fields})


@caught_by("created_tells_whether_this_push_made_it")
class AlwaysFirst(Reference):
    """Calls every record its own."""

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        told = super().verdict(lead, contact, deal)
        return replace(told, created=True) if isinstance(told, Pushed) else told


@caught_by("a_full_batch_is_taken_in_one_push")
class TakesFive(Reference):
    """Pushes the first five leads of a batch and forgets the others."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        return super().push(leads[:5])


@caught_by("a_batch_costs_far_fewer_calls_than_it_has_leads")
class OneByOne(Reference):
    """Makes the calls of a batch for each lead."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        return [verdict for lead in leads for verdict in super(OneByOne, self).push([lead])]


@caught_by("verdicts_come_in_the_order_of_the_leads")
class CountsPlaces(Reference):
    """Takes the order of the answers for the order of the leads."""

    def places(self, rows: Sequence[JsonObject], results: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        pairs = zip(rows, results, strict=False)
        return {row["id"]: Place(id=it["id"], created=it["new"]) for row, it in pairs}


@caught_by("verdicts_come_in_the_order_of_the_leads")
class SortsVerdicts(Reference):
    """Gives the verdicts in the order of the ids."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        return super().push(sorted(leads, key=lambda lead: lead.id))


@caught_by("one_bad_lead_fails_alone", "a_bad_lead_is_rejected")
class FailsTogether(Reference):
    """Fails the whole batch for one bad row."""

    def refusals(self, errors: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        if errors:
            raise Rejected("a row was refused")
        return {}


@caught_by("one_bad_lead_fails_alone", "a_bad_lead_is_rejected")
class BelievesTheStatus(Reference):
    """Takes a 2xx for the success of every row."""

    def refusals(self, errors: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        return {it["context"]["objectWriteTraceId"][0]: Place(id="0", created=True) for it in errors}


@caught_by("a_bad_lead_is_rejected")
class NeverGivesUp(Reference):
    """Tries a row that was refused again and again."""

    def refusals(self, errors: Sequence[JsonObject]) -> Mapping[str, Verdict]:
        return {lead: Transient(str(it)) for lead, it in super().refusals(errors).items()}


@caught_by("what_befalls_every_lead_is_raised_and_names_its_setting")
class BlamesTheLeads(Reference):
    """Rejects every lead for the sake of a wrong setting."""

    def refused(self, body: JsonObject) -> ConnectorError:
        return Refused(self.reason(body), yaml_path="type")


@caught_by("a_lead_with_the_address_of_another_does_not_take_its_person")
class UpsertsByEmail(Reference):
    """Writes contacts by their e-mail address, and so takes another lead's."""

    def contact_row(self, lead: Lead) -> JsonObject:
        row = super().contact_row(lead)
        return {**row, "id": lead.person.email, "idProperty": "email"} | {
            "properties": {**row["properties"], self.key: lead.id}
        }


@caught_by("a_lead_with_the_address_of_another_does_not_take_its_person")
class TakesOver(Reference):
    """Writes our id over another lead's when they share an address."""

    def adopt(self, holder: str, lead: Lead) -> Place:
        row = {"id": holder, "properties": {self.key: lead.id}}
        self.post("objects/2026-09/contacts/batch/update", {"inputs": [row]})
        return Place(id=holder, created=False)


@caught_by("a_person_whom_the_crm_knows_already_is_linked")
class MakesATwin(Reference):
    """Makes a second contact, without the address, of a person whom sales knew before."""

    def adopt(self, holder: str, lead: Lead) -> Place:
        row = self.row(lead.id, {name: text for name, text in lead.fields.items() if text})
        twin = self.write("contacts", [row])[lead.id]
        assert isinstance(twin, Place)
        return twin


@caught_by("pushing_nothing_calls_nobody")
class AsksFirst(Reference):
    """Asks for the stages before it looks whether there is anything to do."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        self.stages()
        return super().push(leads)


@caught_by("what_concerns_every_lead_is_raised_and_not_a_verdict")
class VerdictsForAll(Reference):
    """Gives each lead a verdict on the credential."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        try:
            return super().push(leads)
        except Misconfigured as error:
            return [error for _ in leads]


@caught_by("a_page_for_people_is_a_web_address")
class HalfAnAddress(Reference):
    """Links to a page without saying on which host."""

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        told = super().verdict(lead, contact, deal)
        return replace(told, ref=replace(told.ref, url="/deal/1")) if isinstance(told, Pushed) else told
