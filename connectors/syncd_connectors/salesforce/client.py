"""The client: every call goes through it, and records are read page by page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from syncd.contract import JsonObject, Misconfigured, Transient, json_objects, read_id
from syncd_connectors.salesforce.answers import Expired, Refused, verdict_on
from syncd_connectors.salesforce.leads import kinds_of
from syncd_connectors.salesforce.records import COLUMNS, MERGES, Record, fields_of, read_record
from syncd_connectors.salesforce.sdk import Door
from syncd_connectors.salesforce.settings import SalesforcePush
from syncd_connectors.salesforce.soql import lists, select

_NEXT_PAGE = re.compile(r"/services/data/v[0-9.]{4,5}/query(All)?/[\w-]{1,100}")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


class Client:
    """Asks Salesforce by the SDK, within the session that the door gives."""

    def __init__(self, door: Door, push: SalesforcePush) -> None:
        self._door = door
        self._push = push
        self._key = push.referral_id
        self._kinds = kinds_of(push)
        self.has_currencies: bool | None = None  # whether records name their currency; asked once

    def ask(self, name: Literal["restful", "query", "query_more"], *args: Any, **kwargs: Any) -> Any:
        """Let the SDK make a call; sign in once more if the session has ended, and no more than once."""
        client = self._door.client()
        try:
            try:
                return getattr(client, name)(*args, **kwargs)
            except Expired:
                client = self._door.client(instead_of=client)
                return getattr(client, name)(*args, **kwargs)
        except Refused as refused:
            verdict = verdict_on(refused.complaint, "", self._push, {})
            if isinstance(verdict, Misconfigured):
                raise verdict from None
            raise

    def describe(self, kind: str) -> JsonObject:
        """Ask what an object is like: what may be done with it, and its fields."""
        object_ = self.ask("restful", f"sobjects/{kind}/describe")
        if not isinstance(object_, dict):
            raise Transient(f"Salesforce's description of {kind} is empty")
        return object_

    def rows(self, soql: str) -> Iterator[JsonObject]:
        """Send a query and give all of its rows, those of deleted records left out."""
        for rows in self._pages(soql, deleted=False):
            yield from rows

    def _pages(self, soql: str, *, deleted: bool) -> Iterator[list[JsonObject]]:
        """Send a query and follow its pages. Deleted records show only where they are asked for."""
        body, seen = self.ask("query", soql, include_deleted=deleted), 0
        while True:
            rows = json_objects(body, "records") if isinstance(body, dict) else None
            if rows is None or not isinstance(body.get("done"), bool):
                raise Transient("Salesforce's answer to a query is not what its API describes")
            yield rows
            seen += len(rows)
            if body["done"]:
                return
            following = str(body.get("nextRecordsUrl"))
            # The SDK puts a host before it, and the token goes wherever that leads.
            if not rows or seen > _count(body) or not _NEXT_PAGE.fullmatch(following):
                raise Transient("Salesforce's answer names no next page of a query that it says has one")
            body = self.ask("query_more", following, identifier_is_url=True)

    def read(self, kind: str, ids: Iterable[str]) -> dict[str, Record]:
        """Read records by their ids, deleted ones too, and the survivors of those that were merged."""
        records: dict[str, Record] = {}
        wanted = [it for it in dict.fromkeys(ids) if _ID.fullmatch(it)]
        for _ in range(MERGES):
            records |= {it.id: it for it in self.records(kind, "Id", wanted, deleted=True)}
            masters = {it.master for it in records.values() if it.master}
            if not (wanted := sorted(masters - records.keys())):
                break
        return records

    def records(self, kind: str, by: str, ids: Iterable[str], *, deleted: bool = False) -> Iterator[Record]:
        """Read the records in whose field `by` is one of these ids."""
        for part in lists(ids):
            soql = select(self._columns(kind), kind, f"{by} IN {part}")
            for rows in self._pages(soql, deleted=deleted):
                yield from (read_record(kind, it, self._key) for it in rows)

    def changed(self, kind: str, where: str) -> Iterator[list[Record]]:
        """Read the records that fit a condition page by page, deleted ones too, in the order of their changes."""
        soql = select(self._columns(kind), kind, where, order="SystemModstamp, Id")
        for rows in self._pages(soql, deleted=True):
            yield [read_record(kind, it, self._key) for it in rows]

    def roles(self, by: Literal["OpportunityId", "ContactId"], ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Give (Opportunity, Contact) of each role in which one of these takes part."""
        for part in lists(ids):
            for it in self.rows(select("OpportunityId, ContactId", "OpportunityContactRole", f"{by} IN {part}")):
                yield read_id(it.get("OpportunityId")), read_id(it.get("ContactId"))

    def _columns(self, kind: str) -> str:
        columns = [*COLUMNS[kind], *([self._key] if kind in self._kinds else [])]
        if kind == "Opportunity":
            if self.has_currencies is None:
                self.has_currencies = "CurrencyIsoCode" in fields_of(self.describe(kind))
            columns += ["CurrencyIsoCode"] if self.has_currencies else []
        return ", ".join(columns)


def _count(body: JsonObject) -> int:
    total = body.get("totalSize")
    return total if isinstance(total, int) else 0
