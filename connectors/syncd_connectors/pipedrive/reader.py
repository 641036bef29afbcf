"""Stages come back: what changed, what is asked for by its id, and what a deal went through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from syncd.contract import Cursor, Gone, Page, RemoteId, RemoteRef, StageFact, Transient, to_ms
from syncd_connectors.pipedrive.answers import Missing
from syncd_connectors.pipedrive.client import Client
from syncd_connectors.pipedrive.company import Company
from syncd_connectors.pipedrive.records import (
    MOVING,
    Move,
    Record,
    facts_of,
    fate,
    has_more,
    read_move,
    rows_of,
    steps_of,
    to_second,
)
from syncd_connectors.pipedrive.settings import PipedriveSettings

_ROWS = 100  # of a page of leads, and of a changelog
_HOUR = timedelta(hours=1)


class Reader:
    """Reads where deals and leads stand, and what became of them."""

    def __init__(self, client: Client, company: Company, settings: PipedriveSettings) -> None:
        self._client = client
        self._v1, self._v2 = client.v1, client.v2
        self._company = company
        self._settings = settings
        self._push = settings.push

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window, and the leads where they are pushed: one call, or two.

        Once an hour also what the ordinary lists leave out: deals and leads that were archived, and deleted deals.
        The cursor moves with the last page only; a reading that broke off starts anew.
        https://developers.pipedrive.com/changelog/post/breaking-change-archived-deals-and-leads-will-not-be-returned-in-existing-endpoints-and-will-not-be-editable
        """
        mark, overlap = json.loads(since), self._settings.poll.overlap // timedelta(milliseconds=1)
        low, high, rest = mark["until"] - overlap, to_ms(until), mark["rest"]
        if low > high:
            yield Page(facts=(), cursor=since)
            return
        lists = [self._changed_deals(self._v2.deals.get_all_deals, low, high)]
        if self._push.kind == "lead":
            lists.append(self._changed_leads(low))
        if high - rest >= _HOUR // timedelta(milliseconds=1):
            lists += self._rest(rest - overlap, high)
            rest = high
        for records in (it for pages in lists for it in pages):
            if records:
                yield Page(facts=facts_of(records), cursor=since)
        yield Page(facts=(), cursor=json.dumps({"until": high, "rest": rest}))

    def _rest(self, low: int, high: int) -> list[Iterator[list[Record]]]:
        lists = [
            self._changed_deals(self._client.archived("deals"), low, high),
            self._changed_deals(self._v2.deals.get_all_deals, low, high, status="deleted"),
        ]
        return [*lists, self._archived_leads(low)] if self._push.kind == "lead" else lists

    def _changed_deals(self, call: Callable[..., Any], low: int, high: int, **filters: str) -> Iterator[list[Record]]:
        # Without milliseconds, which version 2 refuses. The window ends before this second, so that it is settled.
        window = {"updated_since": to_second(low), "updated_until": to_second(high)}
        order = {"sort_by": "update_time", "sort_direction": "asc"}
        for rows, _ in self._client.pages(call, {**self._company.deal_query(), **window, **order, **filters}):
            yield [self._company.deal(it, is_settled=True) for it in rows]

    def _changed_leads(self, low: int) -> Iterator[list[Record]]:
        """Read leads by the time of their change, never by a position in the list, which moves while it is read."""
        since, start, shown = to_second(low), 0, set[str]()
        while True:
            query = {"updated_since": since, "sort": "update_time ASC", "start": str(start), "limit": str(_ROWS)}
            answer = self._client.ask(self._v1.leads.get_all_leads, params=query)
            records = [self._company.lead(it) for it in rows_of(answer.body)]
            yield records
            if not has_more(answer.body):
                return
            ids = {it.id for it in records}
            if not ids or ids == shown:
                raise Transient("Pipedrive's list of leads gives the same page again")  # or we would never end
            last, shown = to_second(to_ms(records[-1].updated)), ids
            since, start = (last, 0) if last > since else (since, start + len(records))

    def _archived_leads(self, low: int) -> Iterator[list[Record]]:
        # This list knows no "since", but its order.
        for records in self._company.lead_pages(self._client.archived("leads"), sort="update_time DESC"):
            yield [it for it in records if to_ms(it.updated) >= low]
            if not records or to_ms(records[-1].updated) < low:
                return

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, 100 a call, leads by theirs, and the deals of persons that have more than those."""
        parts_of = [it for ref in refs for it in (ref.deal, ref.person) if it]
        deals, leads, persons = (
            list(dict.fromkeys(it.id for it in parts_of if it.type == kind)) for kind in ("deal", "lead", "person")
        )
        records = self._company.read_deals(deals)
        there = self._company.read_leads(leads)
        people = self._company.persons(persons, counted=True)
        gone: list[StageFact | Gone] = [fate("deal", it, "invisible") for it in deals if it not in records]
        gone += [fate("person", it, "invisible") for it in persons if it not in people]
        vanished: dict[str, RemoteId | None] = {}
        for ref in refs:
            if ref.deal and ref.deal.type == "lead" and ref.deal.id not in there:
                vanished[ref.deal.id] = ref.person or vanished.get(ref.deal.id)
        shown = Counter(it.person for it in records.values() if not (it.deleted or it.archived))
        more = [it.id for it in people.values() if it.deals is None or it.deals > shown[it.id]]
        more += [it.id for it in vanished.values() if it and it.id in people]
        for person in dict.fromkeys(more):
            for it in self._company.deals(self._v2.deals.get_all_deals, person_id=person):
                records.setdefault(it.id, it)
        became = {it.source for it in records.values()}
        for lead, owner in vanished.items():
            if lead not in became:  # the deal that a lead became hangs on the lead's person
                gone.append(fate("lead", lead, "deleted" if owner and owner.id in people else "invisible"))
        return [*gone, *facts_of([*records.values(), *there.values()])]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time: a call for each deal that ever changed.

        Pipedrive keeps no such list of leads.
        """
        records = self._company.read_deals([it.id for it in deals if it.type == "deal"])
        return [
            step
            for it in records.values()
            if not it.deleted
            for step in steps_of(it, self._moves(it.id) if it.has_changed else [])
        ]

    def _moves(self, deal: str) -> list[Move]:
        """Read what a deal's changelog says of stage, pipeline and status, the oldest first."""
        call = partial(self._v1._get, f"{self._v1.BASE_URL}deals/{deal}/changelog")
        try:
            rows = [it for page, _ in self._client.pages(call, {}, limit=_ROWS) for it in page]
        except Missing:  # deleted since its present state was read
            return []
        moves = [read_move(it) for it in rows if it.get("field_key") in MOVING]
        return sorted(reversed(moves), key=lambda move: move.at)  # it comes newest first, also within one second
