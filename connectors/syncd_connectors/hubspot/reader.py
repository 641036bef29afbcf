"""Stages come back: what changed, what is asked for by its id, and what a deal went through."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from syncd.contract import (
    Cursor,
    Gone,
    Page,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Transient,
    minor_units,
    read_time,
    to_ms,
)
from syncd_connectors.hubspot.client import Client
from syncd_connectors.hubspot.records import Past, Record, by_any_id, fate_of, outcome_of, past_of, read_records
from syncd_connectors.hubspot.settings import HubSpotSettings
from syncd_connectors.hubspot.stages import Stages

_PAGE = 200
_DEAL = (
    "dealstage",
    "pipeline",
    "amount",
    "deal_currency_code",
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_lastmodifieddate",
    "hs_merged_object_ids",
)


class Reader:
    """Reads where deals stand, and whose they are."""

    def __init__(self, client: Client, stages: Stages, settings: HubSpotSettings) -> None:
        self._client = client
        self._stages = stages
        self._settings = settings
        self._key = settings.push.referral_id

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window, by id: a sort by time never ends if many share one.

        One call when nothing changed. The cursor moves with the last page only; a reading that broke off starts anew.
        """
        overlap = self._settings.poll.overlap // timedelta(milliseconds=1)
        low, high, last = json.loads(since)["until"] - overlap, to_ms(until), "0"
        if low > high:
            yield Page(facts=(), cursor=since)
            return
        while True:
            records = self._search(low, high, last)
            is_last = len(records) < _PAGE
            yield Page(facts=self._changed(records), cursor=json.dumps({"until": high}) if is_last else since)
            if is_last:
                return
            last = records[-1].id

    def _search(self, low: int, high: int, after: str) -> list[Record]:
        modified, id_ = "hs_lastmodifieddate", "hs_object_id"
        conditions = [(modified, "GTE", str(low)), (modified, "LTE", str(high)), (id_, "GT", after)]
        filters = [{"propertyName": name, "operator": sign, "value": value} for name, sign, value in conditions]
        query = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": id_, "direction": "ASCENDING"}],
            "properties": [*_DEAL, self._key],
            "limit": _PAGE,
        }
        records = read_records(self._client.ask(self._client.sdk.search.do_search, query))
        order = [(len(it), it) for it in (after, *(record.id for record in records))]  # as numbers are ordered
        if any(later <= earlier for earlier, later in pairwise(order)):
            raise Transient("HubSpot's search gave a page that is not in the order asked for")  # or we would never end
        return records

    def _changed(self, records: Sequence[Record]) -> Sequence[StageFact | Gone]:
        """Facts of a page; deals that carry no id of ours name the contacts through whom they may be ours."""
        strangers = [record.id for record in records if not record.properties.get(self._key)]
        merged = [fate for it in records for old in it.merged if (fate := fate_of("deal", old, it, frozenset()))]
        return [*merged, *self._facts(records, self._client.linked("deals", "contacts", strangers))]

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, and the deals of contacts by theirs; 100 a call."""
        asked = dict.fromkeys(ref.deal.id for ref in refs if ref.deal)
        linked, gone = self._deals_of(dict.fromkeys(ref.person.id for ref in refs if ref.person))
        pairs = [(ref.deal.id, ref.person.id) for ref in refs if ref.deal and ref.person] + linked
        records, missing = self._client.read("deals", [*asked, *(deal for deal, _ in pairs)], [*_DEAL, self._key])
        survivors = by_any_id(records)
        gone += [fate for deal in asked if (fate := fate_of("deal", deal, survivors.get(deal), missing))]
        return [*gone, *self._facts(records, [(survivors[it].id, who) for it, who in pairs if it in survivors])]

    def _deals_of(self, contacts: Collection[str]) -> tuple[list[tuple[str, str]], list[StageFact | Gone]]:
        """Find the deals of contacts, as (deal, contact). One without any may have been merged or deleted: read it."""
        linked = self._client.linked("contacts", "deals", contacts)
        with_deals = {contact for contact, _ in linked}
        silent = [contact for contact in contacts if contact not in with_deals]
        records, missing = self._client.read("contacts", silent, [])
        survivors = by_any_id(records)
        gone: list[StageFact | Gone] = [
            fate for contact in silent if (fate := fate_of("contact", contact, survivors.get(contact), missing))
        ]
        moved = dict.fromkeys(survivors[contact].id for contact in silent if contact in survivors)
        linked += self._client.linked("contacts", "deals", [contact for contact in moved if contact not in contacts])
        return [(deal, contact) for contact, deal in linked], gone

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time; 50 deals a call."""
        ids = [deal.id for deal in deals]
        records, _ = self._client.read("deals", ids, [*_DEAL, self._key], history=("dealstage", "pipeline"))
        entered = [(record, past) for record in records for past in past_of(record)]
        known = self._stages.known((past.pipeline, past.stage) for _, past in entered)
        return [self._entered(record, past, known.get((past.pipeline, past.stage))) for record, past in entered]

    def _entered(self, record: Record, past: Past, known: Stage | None) -> StageFact:
        outcome = known.outcome if known else outcome_of(record.properties) if past.is_present else None
        now = self._fact(record, person=None)
        then, version = past.at, to_ms(past.at)
        return replace(now, pipeline=past.pipeline, stage=past.stage, outcome=outcome, at=then, version=version)

    def _facts(self, records: Iterable[Record], pairs: Iterable[tuple[str, str]]) -> list[StageFact | Gone]:
        """Tell where deals stand; `pairs` are (deal, contact), and each contact of a stranger's deal gets a fact."""
        whose: dict[str, list[str | None]] = {}
        for deal, person in dict.fromkeys(pairs):
            whose.setdefault(deal, []).append(person)
        facts: list[StageFact | Gone] = []
        for record in records:
            if not (record.properties.get("pipeline") and record.properties.get("dealstage")):
                continue  # between two stages there is nothing to tell
            people = whose.get(record.id, [None])
            if record.properties.get(self._key):
                people = people[:1]  # our id says whose it is
            facts += [self._fact(record, person=it) for it in people]
        return facts

    def _fact(self, record: Record, *, person: str | None) -> StageFact:
        values = record.properties
        at = read_time(values.get("hs_lastmodifieddate"))
        currency = values.get("deal_currency_code") or self._settings.currency or ""
        amount = minor_units(values.get("amount", ""), currency)
        return StageFact(
            ref=RemoteRef(
                person=RemoteId(type="contact", id=person) if person else None, deal=RemoteId(type="deal", id=record.id)
            ),
            lead=values.get(self._key),
            pipeline=values.get("pipeline", ""),
            stage=values.get("dealstage", ""),
            outcome=outcome_of(values),
            amount=amount,
            currency=currency if amount is not None else None,
            at=at,
            version=to_ms(at),
        )
