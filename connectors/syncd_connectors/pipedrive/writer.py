"""Leads go out: looked for first, and created where nothing is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from syncd.contract import (
    ConnectorError,
    Lead,
    Pushed,
    Rejected,
    RemoteId,
    RemoteRef,
    Transient,
    json_objects,
    read_id,
)
from syncd_connectors.pipedrive.answers import Missing, Refused, verdict_on
from syncd_connectors.pipedrive.client import Client
from syncd_connectors.pipedrive.company import Company
from syncd_connectors.pipedrive.fields import Kind, Owner, values_of, without_hope
from syncd_connectors.pipedrive.records import Record, as_object
from syncd_connectors.pipedrive.schema import Schema
from syncd_connectors.pipedrive.settings import PipedriveSettings

_IDS = 100  # persons that one search shows
_MOST_RECENT = 10  # pages of the persons that were changed last; an import may have changed many


class Writer:
    """Writes leads, each of them once, however often it is pushed."""

    def __init__(self, client: Client, schema: Schema, company: Company, settings: PipedriveSettings) -> None:
        self._client = client
        self._v1, self._v2 = client.v1, client.v2
        self._schema = schema
        self._company = company
        self._settings = settings
        self._push = settings.push
        self._pushing = threading.Lock()  # nothing unique tells two pushes of one lead apart: one after the other

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 20 leads in: three calls for each of which nothing is there, and one for all of them.

        None of the creating calls is repeated by itself. After a lost answer the next push finds what was created.
        """
        with self._pushing:
            recent = cache(self._recent)
            verdicts: list[Pushed | ConnectorError] = []
            for lead in leads:
                verdicts.append(without_hope(verdicts) or self._attempt(lead, recent))
            first = next((it for it in verdicts if isinstance(it, ConnectorError)), None)
            if first and not any(isinstance(it, Pushed | Rejected) for it in verdicts):
                raise first
            return verdicts

    def _attempt(self, lead: Lead, recent: Callable[[], Mapping[str, str]]) -> Pushed | ConnectorError:
        try:
            return self._bring(lead, recent)
        except ConnectorError as error:
            return error

    def _bring(self, lead: Lead, recent: Callable[[], Mapping[str, str]]) -> Pushed:
        known = lead.known or RemoteRef()
        is_friend = lead.role == "friend"
        person = self._find_person(lead.id, known.person, recent)
        deal = self._find_deal(lead.id, known.deal, person) if is_friend else None
        if (is_friend and known.deal and not deal) or (known.person and not (person or deal)):
            # It was deleted, or merged into a record that Pipedrive does not name: a second one might be a double.
            what = known.deal or known.person
            assert what
            raise Rejected(
                f"needs review: {what.type} {what.id}, in which this lead was, is not there any more; restore it, or "
                f"write our id {lead.id} into {self._push.referral_id} of the record that stands for it now"
            )
        created = False
        if not person and not deal:
            person, created = self._make(lead, "person", {}), True
        if is_friend and not deal:
            assert person  # found or made
            kind = self._push.kind
            deal, created = RemoteId(type=kind, id=self._make(lead, kind, {"person_id": int(person)})), True
        at = RemoteId(type="person", id=person) if person else None
        return Pushed(lead=lead.id, ref=RemoteRef(person=at, deal=deal, url=self._page_of(deal or at)), created=created)

    def _find_person(self, lead: str, known: RemoteId | None, recent: Callable[[], Mapping[str, str]]) -> str | None:
        if known and known.id in self._company.persons([known.id]):
            return known.id
        query = {"term": lead, "fields": "custom_fields", "exact_match": "true", "limit": str(_IDS)}
        found = as_object(self._client.ask(self._v2.persons.search_persons, params=query).body.get("data"))
        ids = [read_id(as_object(it.get("item")).get("id")) for it in json_objects(found, "items")]
        # Another field may hold the same text, and the case of letters is nothing to a search.
        ours = [it for it, person in self._company.persons(ids).items() if person.lead == lead]
        return min(ours, key=int) if ours else recent().get(lead)

    def _recent(self) -> Mapping[str, str]:
        """Find the persons that were changed of late and carry an id of ours: lead -> person.

        This list shows at once what the search may not know yet, so that a lead whose creation lost its answer is
        found however soon it is pushed again.
        """
        query = {"sort_by": "update_time", "sort_direction": "desc", "custom_fields": self._schema.key("person")}
        found: dict[str, str] = {}
        for number, (rows, at) in enumerate(self._client.pages(self._v2.persons.get_all_persons, query)):
            if number == _MOST_RECENT:
                raise Transient("so many persons are being changed that nobody can tell whether this lead is there yet")
            if at is None:
                raise Transient("Pipedrive's answers bear no date, so that nobody knows how far back they reach")
            persons = [self._company.person(it) for it in rows]
            found |= {it.lead: it.id for it in persons if it.lead and not it.deleted}
            if persons and persons[-1].updated < at - self._settings.poll.overlap:
                break
        return found

    def _find_deal(self, lead: str, known: RemoteId | None, person: str | None) -> RemoteId | None:
        """Find the deal or lead of a lead of ours, converted and archived ones too."""
        if known:
            read = self._company.read_deals if known.type == "deal" else self._company.read_leads
            records = read([known.id])
            if known.id in records and not records[known.id].deleted:
                return known
        if not person:
            return None
        deals, leads = self._v2.deals.get_all_deals, self._v1.leads.get_all_leads
        lists: list[Iterator[Record]] = [self._company.deals(deals, person_id=person)]
        if self._push.kind == "lead":
            lists = [
                self._company.leads(leads, person_id=person),
                *lists,
                self._company.leads(self._client.archived("leads"), person_id=person),
            ]
        lists.append(self._company.deals(self._client.archived("deals"), person_id=person))
        for records_of in lists:
            for it in records_of:
                if it.lead == lead:
                    return it.remote
        return None

    def _make(self, lead: Lead, kind: Kind, link: Mapping[str, Any]) -> str:
        owner: Owner = "person" if kind == "person" else "deal"
        own, custom = self._schema.mapped(owner, lead)
        values = {**values_of(lead, kind, self._push), **own, **link}
        custom |= {self._schema.key(owner): lead.id}
        create: Callable[..., Any] = {
            "person": self._v2.persons.create_person,
            "deal": self._v2.deals.create_deal,
            "lead": self._v1.leads.create_lead,
        }[kind]
        body = {**values, **custom} if kind == "lead" else {**values, "custom_fields": custom}
        try:
            return read_id(as_object(self._client.ask(create, body).body.get("data")).get("id"))
        except Refused as refused:
            fields = self._schema.pop(owner)  # one may have been deleted, or made anew under another key
            if self._schema.key(owner) not in custom:
                raise Transient("a field was made anew while this lead was pushed") from None
            raise verdict_on(refused, kind, lead, body, fields) from None
        except Missing:
            raise Transient("the person of this lead went away while it was pushed; it is looked for anew") from None

    def _page_of(self, record: RemoteId | None) -> str | None:
        if not record or not self._settings.company_domain:
            return None
        path = {"person": "person/", "deal": "deal/", "lead": "leads/inbox/"}[record.type]
        return f"https://{self._settings.company_domain}.pipedrive.com/{path}{record.id}"
