"""What an account holds: its Leads, Contacts and Deals, read by their ids, by a query or from lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from syncd.contract import json_objects, parts, read_id, read_time
from syncd_connectors.zoho.answers import scope_of
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.records import CONVERTED, Became, Record, as_object, id_of, in_list, read_record
from syncd_connectors.zoho.schema import Schema

_IDS, _VALUES = 100, 50  # ids of a read, values of a query's `in`


class Modules:
    """The Leads, Contacts and Deals of an account."""

    def __init__(self, client: Client, schema: Schema, key: str) -> None:
        self._client = client
        self._schema = schema
        self._key = key

    def read(self, kind: str, ids: Iterable[str]) -> dict[str, Record]:
        """Read records by their ids: as they are now, whatever queries show."""
        found: dict[str, Record] = {}
        wanted = list(dict.fromkeys(ids))
        names = [*self._schema.columns(kind), *(CONVERTED if kind == "Leads" else ())] if wanted else []
        for some in parts(wanted, _IDS):
            params = {"ids": ",".join(some), "fields": ",".join(names)}
            params |= {"converted": "both"} if kind == "Leads" else {}
            body = self._client.ask("GET", kind, scope=scope_of(kind, "READ"), params=params)
            records = [read_record(kind, it, self._key) for it in json_objects(body, "data", optional=True)]
            found |= {it.id: it for it in records if it.id in some}
        return found

    def select(self, kind: str, where: str) -> Iterator[list[Record]]:
        """Query the records that fit a condition; a query does not know what Leads were converted to."""
        for rows in self._client.query(kind, ["id", *self._schema.columns(kind)], where):
            yield [read_record(kind, it, self._key) for it in rows]

    def carrying(self, kind: str, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Find the records that carry our ids of these leads, as (lead, record)."""
        for some in parts(leads, _VALUES):
            for rows in self._client.query(kind, ["id", self._key], f"{self._key} in {in_list(some)}"):
                yield from ((str(it[self._key]), read_id(it.get("id"))) for it in rows if it.get(self._key) in some)

    def deals_of(self, contacts: Collection[str]) -> dict[str, str]:
        """Give the deals of contacts, each with its contact."""
        found: dict[str, str] = {}
        for some in parts(list(contacts), _VALUES):
            for rows in self._client.query("Deals", ["id", "Contact_Name"], f"Contact_Name in {in_list(some)}"):
                found |= {read_id(it.get("id")): id_of(it.get("Contact_Name")) or "" for it in rows}
        return {deal: contact for deal, contact in found.items() if contact in contacts}

    def conversions(self, since: datetime) -> Iterator[list[Record]]:
        """Read the Leads that were converted, or changed after it, since a time."""
        names = [*self._schema.columns("Leads"), *CONVERTED]
        params = {"fields": ",".join(names), "converted": "true", "sort_by": "Modified_Time", "sort_order": "asc"}
        for rows in self._client.pages("Leads", "modules.leads.READ", params, since=since, by_token=True):
            yield [read_record("Leads", it, self._key) for it in rows]

    def deleted(self, kind: str, since: datetime | None = None) -> Iterator[list[str]]:
        """List the ids of what was deleted, the pages as Zoho gives them."""
        for rows in self._client.pages(f"{kind}/deleted", scope_of(kind, "READ"), {"type": "all"}, since=since):
            yield [read_id(it.get("id")) for it in rows]

    def became(self, lead: Record) -> Became:
        """Tell what a Lead was converted to; where a list does not show it, the single record does."""
        contact, deal = (id_of(lead.values.get(name)) for name in ("Converted_Contact", "Converted_Deal"))
        if contact is None and deal is None:
            body = self._client.ask("GET", f"Leads/{lead.id}", scope="modules.leads.READ", params={"converted": "true"})
            [one] = json_objects(body, "data", optional=True)[:1] or [{}]
            detail = as_object(one.get("$converted_detail"))
            contact, deal = id_of(detail.get("contact")), id_of(detail.get("deal"))
        return Became(contact=contact, deal=deal)

    def entered(self, deal: str) -> list[tuple[datetime, str]]:
        """Give when which stage was entered, the oldest first; a new amount makes a line too."""
        lines: list[tuple[datetime, str]] = []
        params = {"fields": "Stage,Modified_Time"}
        for rows in self._client.pages(f"Deals/{deal}/Stage_History", "modules.deals.READ", params):
            lines += [(read_time(it.get("Modified_Time")), str(it["Stage"])) for it in rows if it.get("Stage")]
        lines = lines[::-1]  # the newest comes first, and those of one second keep their order
        lines.sort(key=lambda line: line[0])
        return [line for number, line in enumerate(lines) if number == 0 or lines[number - 1][1] != line[1]]
