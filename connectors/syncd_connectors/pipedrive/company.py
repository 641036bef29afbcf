"""What a company holds: its persons, deals and leads, read by their ids or from lists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

from syncd.contract import JsonObject, parts
from syncd_connectors.pipedrive.answers import Missing
from syncd_connectors.pipedrive.client import Client
from syncd_connectors.pipedrive.records import (
    Person,
    Record,
    as_object,
    has_more,
    read_deal,
    read_lead,
    read_person,
    rows_of,
)
from syncd_connectors.pipedrive.schema import Schema
from syncd_connectors.pipedrive.settings import PipedrivePush

_IDS = 100  # records that one list reads by their ids
_FEW_LEADS = 20  # up to so many are read one by one; more of them in pages of all that there are
_MOST_LEADS = 40  # and at most so many pages


class Company:
    """The persons, deals and leads of a company."""

    def __init__(self, client: Client, schema: Schema, push: PipedrivePush) -> None:
        self._client = client
        self._v1, self._v2 = client.v1, client.v2
        self._schema = schema
        self._push = push

    def deals(self, call: Callable[..., Any], **filters: str) -> Iterator[Record]:
        """Read all of a list of deals."""
        for rows, at in self._client.pages(call, {**self.deal_query(), **filters}):
            yield from (self.deal(it, read_at=at) for it in rows)

    def deal_query(self) -> dict[str, str]:
        """Say which fields a list of deals is to show beside its own."""
        query = {"custom_fields": self._schema.key("deal")}
        return query | ({"include_fields": "source_lead_id"} if self._push.kind == "lead" else {})

    def leads(self, call: Callable[..., Any], **filters: str) -> Iterator[Record]:
        """Read all of a list of leads."""
        for records in self.lead_pages(call, **filters):
            yield from records

    def lead_pages(self, call: Callable[..., Any], **filters: str) -> Iterator[list[Record]]:
        """Read a list of leads page by page, by its positions; 40 pages at the most."""
        start = 0
        for _ in range(_MOST_LEADS):
            query = {**filters, "start": str(start), "limit": str(self._client.page_size)}
            answer = self._client.ask(call, params=query)
            records = [self.lead(it) for it in rows_of(answer.body)]
            yield records
            start += len(records)
            if not records or not has_more(answer.body):
                return

    def read_deals(self, ids: Collection[str]) -> dict[str, Record]:
        """Read deals by their ids, also archived ones, and those that were deleted in the last 30 days."""
        found: dict[str, Record] = {}
        lists: list[tuple[Callable[..., Any], dict[str, str]]] = [
            (self._v2.deals.get_all_deals, {}),
            (self._client.archived("deals"), {}),
            (self._v2.deals.get_all_deals, {"status": "deleted"}),
        ]
        for call, filters in lists:
            for part in parts([it for it in dict.fromkeys(ids) if it not in found], _IDS):
                found |= {it.id: it for it in self.deals(call, ids=",".join(part), **filters)}
        return found

    def read_leads(self, ids: Collection[str]) -> dict[str, Record]:
        """Read leads by their ids: there is no list by ids, so that many of them are looked for in all that are."""
        found: dict[str, Record] = {}
        wanted = set(ids)
        for call in (self._v1.leads.get_all_leads, self._client.archived("leads")):
            if len(wanted - found.keys()) <= _FEW_LEADS:
                break
            for records in self.lead_pages(call):
                found |= {it.id: it for it in records if it.id in wanted}
                if wanted <= found.keys():
                    break
        for id_ in ids:
            if id_ not in found:
                try:
                    answer = self._client.ask(self._v1.leads.get_lead, id_)
                    found[id_] = self.lead(as_object(answer.body.get("data")))
                except Missing:
                    continue
        return {id_: it for id_, it in found.items() if not it.deleted}

    def persons(self, ids: Collection[str], *, counted: bool = False) -> dict[str, Person]:
        """Read persons by their ids; who was deleted, was merged, or is hidden from us, is left out."""
        counts = {"include_fields": "open_deals_count,closed_deals_count"} if counted else {}
        found: dict[str, Person] = {}
        for part in parts(list(dict.fromkeys(ids)), _IDS):
            query = {"custom_fields": self._schema.key("person"), "ids": ",".join(part), **counts}
            for rows, _ in self._client.pages(self._v2.persons.get_all_persons, query, limit=_IDS):
                found |= {it.id: it for it in map(self.person, rows) if not it.deleted}
        return found

    def deal(self, row: JsonObject, *, read_at: datetime | None = None, is_settled: bool = False) -> Record:
        """Read a row of a list of deals; `read_at` is the time of the answer."""
        return read_deal(row, self._schema.key("deal"), read_at=read_at, is_settled=is_settled)

    def lead(self, row: JsonObject) -> Record:
        """Read a row of a list of leads."""
        return read_lead(row, self._schema.key("deal"))

    def person(self, row: JsonObject) -> Person:
        """Read a row of a list of persons."""
        return read_person(row, self._schema.key("person"))
