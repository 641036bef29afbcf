"""Stages come back: what changed, what is asked for by its id, and what an Opportunity went through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from syncd.contract import (
    Cursor,
    Gone,
    Page,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    minor_units,
    read_id,
    read_time,
    to_ms,
)
from syncd_connectors.salesforce.client import Client
from syncd_connectors.salesforce.records import (
    Record,
    conversion,
    fate_of,
    lead_fact,
    led_to_survivors,
    outcome_of,
    ref_to,
    remote_id,
)
from syncd_connectors.salesforce.settings import SalesforceSettings
from syncd_connectors.salesforce.soql import lists, literal, select
from syncd_connectors.salesforce.stages import Stages


class Reader:
    """Reads where Leads and Opportunities stand, what became of them, and whose they are."""

    def __init__(self, client: Client, stages: Stages, settings: SalesforceSettings) -> None:
        self._client = client
        self._stages = stages
        self._settings = settings
        self._push = settings.push

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read what was modified in the window, two calls if nothing was.

        The cursor moves at the end only; a reading that broke off starts anew. The window is of `SystemModstamp`:
        `LastModifiedDate` can be set to a past time.
        https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
        """
        before = int(json.loads(since)["until"])
        low, high = _time(before) - self._settings.poll.overlap, max(until, _time(before))
        window = f"SystemModstamp >= {literal(low)} AND SystemModstamp <= {literal(high)}"
        if self._push.kind == "lead":
            yield from self._changed("Lead", window, since)
        else:
            yield from self._changed("Contact", f"IsDeleted = true AND {window}", since)
        yield from self._changed("Opportunity", window, since)
        yield Page(facts=(), cursor=json.dumps({"until": to_ms(high)}))

    def _changed(self, kind: str, where: str, cursor: Cursor) -> Iterator[Page]:
        for records in self._client.changed(kind, where):
            if facts := self._tell(kind, records):
                yield Page(facts=facts, cursor=cursor)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read records by their ids, about 500 a call; conversions and merges are followed."""
        asked: dict[str, dict[str, None]] = {"Lead": {}, "Contact": {}, "Opportunity": {}}
        for ref in refs:
            for it in (ref.person, ref.deal):
                if it and it.type in asked:
                    asked[it.type][it.id] = None
        facts: list[StageFact | Gone] = []
        contacts: list[str] = []
        for kind, ids in asked.items():
            more = self._deals_of(contacts) if kind == "Opportunity" else ()
            records = self._client.read(kind, [*ids, *more])
            facts += [Gone(ref=ref_to(kind, id_), why="invisible") for id_ in ids if id_ not in records]
            facts += self._tell(kind, led_to_survivors(records))
            contacts = [it.id for it in records.values() if not it.deleted]
        return facts

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Opportunities entered; Salesforce keeps no such list of a Lead."""
        ids = list(dict.fromkeys(deal.id for deal in deals if deal.type == "Opportunity"))
        entered: dict[str, list[tuple[datetime, str]]] = {}
        for part in lists(ids):
            columns, where = "OpportunityId, StageName, CreatedDate", f"OpportunityId IN {part}"
            for it in self._client.rows(select(columns, "OpportunityHistory", where, order="CreatedDate, Id")):
                past = entered.setdefault(read_id(it.get("OpportunityId")), [])
                stage = str(it.get("StageName") or "")
                if stage and (not past or past[-1][1] != stage):  # a row also tells of a new amount or close date
                    past.append((read_time(it.get("CreatedDate")), stage))
        present = [it for it in self._client.read("Opportunity", ids).values() if not it.deleted]
        known = self._stages.known(("Opportunity", stage) for past in entered.values() for _, stage in past)
        return [step for it in present for step in self._steps(it, entered.get(it.id, []), known)]

    def _steps(
        self, record: Record, past: Sequence[tuple[datetime, str]], stages: Mapping[tuple[str, str], Stage]
    ) -> Iterator[StageFact]:
        now = self._deal_fact(record, record.lead, None)
        # The history is read first, and may be kept from us; but a record that is no newer than it knows no better.
        if not past or (past[-1][1] != now.stage and past[-1][0] < record.at):
            past = [*past, (record.at, now.stage)]
        version = 0
        for at, stage in past:
            version = max(to_ms(at), version + 1)  # Salesforce's stamps are whole seconds, and a deal may be faster
            known = stages.get(("Opportunity", stage))
            yield StageFact(
                ref=now.ref,
                lead=now.lead,
                pipeline=now.pipeline,
                stage=stage,
                outcome=known.outcome if known else now.outcome if stage == now.stage else None,
                amount=now.amount,
                currency=now.currency,
                at=at,
                version=version,
            )

    def _tell(self, kind: str, records: Sequence[Record]) -> list[StageFact | Gone]:
        """Say of records of one object what is to be said: where they stand, what became of them."""
        gone: list[StageFact | Gone] = [fate_of(it) for it in records if it.deleted]
        there = [it for it in records if not it.deleted]
        if kind == "Lead":
            return [*gone, *self._of_leads(there)]
        return [*gone, *self._of_deals(there)] if kind == "Opportunity" else gone

    def _of_leads(self, records: Sequence[Record]) -> list[StageFact | Gone]:
        facts: list[StageFact | Gone] = []
        for it in records:
            if it.is_converted:
                facts.append(conversion(it))
            if not it.deal:
                facts.append(lead_fact(it))
        ours = [it for it in records if it.is_converted and it.lead]
        deals = [it.deal for it in ours if it.deal] + self._deals_of([it.contact for it in ours if it.contact])
        return facts + self._tell("Opportunity", list(self._client.read("Opportunity", deals).values()))

    def _of_deals(self, records: Sequence[Record]) -> list[StageFact | Gone]:
        """Say where deals stand, each for whoever it may belong to: sales opens deals that carry no id of ours."""
        strangers = [it.id for it in records if not it.lead]
        contacts: dict[str, list[str]] = {}
        for deal, contact in self._client.roles("OpportunityId", strangers):
            contacts.setdefault(deal, []).append(contact)
        leads = self._leads_behind(strangers, contacts)
        facts: list[StageFact | Gone] = []
        for it in records:
            owners: list[tuple[str | None, str | None]] = [(it.lead, None)]  # our id says whose it is
            if not it.lead:
                mine = {lead.id: lead for id_ in (it.id, *contacts.get(it.id, ())) for lead in leads.get(id_, ())}
                named = {lead.contact for lead in mine.values()}
                owners = [(lead.lead, lead.contact) for lead in mine.values()]
                owners += [(None, contact) for contact in contacts.get(it.id, ()) if contact not in named]
            facts += [self._deal_fact(it, lead, contact) for lead, contact in owners or [(None, None)]]
        return facts

    def _leads_behind(self, deals: Sequence[str], contacts: Mapping[str, Sequence[str]]) -> dict[str, list[Record]]:
        """Find the Leads of ours out of which these deals were made, or the contacts in them; by the id of either."""
        found: dict[str, list[Record]] = {}
        if self._push.kind == "lead":
            people = [it for some in contacts.values() for it in some]
            for it in self._client.records("Lead", "ConvertedOpportunityId", deals):
                found.setdefault(it.deal or "", []).append(it)
            for it in self._client.records("Lead", "ConvertedContactId", people):
                found.setdefault(it.contact or "", []).append(it)
        return {id_: [it for it in leads if it.lead] for id_, leads in found.items()}

    def _deals_of(self, contacts: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(deal for deal, _ in self._client.roles("ContactId", contacts)))

    def _deal_fact(self, record: Record, lead: str | None, contact: str | None) -> StageFact:
        values = record.values
        currency = str(values.get("CurrencyIsoCode") or self._settings.currency or "")
        amount = minor_units(str(values.get("Amount")), currency)
        return StageFact(
            ref=RemoteRef(person=remote_id("Contact", contact), deal=RemoteId(type="Opportunity", id=record.id)),
            lead=lead,
            pipeline="Opportunity",
            stage=str(values.get("StageName") or ""),
            outcome=outcome_of(values),
            amount=amount,
            currency=currency if amount is not None else None,
            at=record.at,
            version=to_ms(record.at),
        )


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
