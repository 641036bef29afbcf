"""Stages come back: what changed, what is asked for by its id, and what a Deal went through."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.contract import (
    Cursor,
    Gone,
    Page,
    RemoteId,
    RemoteRef,
    StageFact,
    minor_units,
    to_ms,
)
from syncd_connectors.zoho.leads import kinds_of
from syncd_connectors.zoho.modules import Modules
from syncd_connectors.zoho.org import Org
from syncd_connectors.zoho.records import (
    SLOW_LISTS,
    Became,
    Record,
    conversion,
    cursor_of,
    id_of,
    lead_fact,
    literal,
    marks_of,
    ref_to,
    remote_id,
)
from syncd_connectors.zoho.settings import ZohoSettings
from syncd_connectors.zoho.stages import Stages

_DELETED_PAGES = 10  # in which a look-up searches for a record that is missing


class Reader:
    """Reads where Leads and Deals stand, and what became of them."""

    def __init__(self, modules: Modules, stages: Stages, org: Org, settings: ZohoSettings) -> None:
        self._modules = modules
        self._stages = stages
        self._org = org
        self._settings = settings
        self._kinds = kinds_of(settings.push)

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the Deals that were modified in the window, and one of the slower lists: two calls if nothing was.

        Leads, conversions and deletions are lists of their own, each with its own mark in the cursor: every poll
        reads the one that was read longest ago, and deletions every ten minutes. A mark moves when its list has been
        read to the end; a reading that broke off starts anew.
        """
        marks = marks_of(since)
        for name in ("Deals", *self._slow_list(marks, until)):
            mark = marks[name]
            low, high = mark - self._settings.poll.overlap, max(until.replace(microsecond=0), mark)
            for facts in self._changed(name, low, high):
                if facts:
                    yield Page(facts=facts, cursor=cursor_of(marks))
            marks = {**marks, name: high}
        yield Page(facts=(), cursor=cursor_of(marks))

    def _slow_list(self, marks: Mapping[str, datetime], until: datetime) -> list[str]:
        due = [
            name
            for name, (kind, pause) in SLOW_LISTS.items()
            if kind in {*self._kinds, "Deals"} and until - marks[name] >= pause
        ]
        return sorted(due, key=lambda name: marks[name])[:1]

    def _changed(self, name: str, low: datetime, high: datetime) -> Iterator[list[StageFact | Gone]]:
        kind, _ = SLOW_LISTS.get(name, ("Deals", None))
        if name.startswith("deleted"):
            for it in self._modules.deleted(kind, low):
                yield [Gone(ref=ref_to(kind, id_), why="deleted") for id_ in it]
        elif name == "converted":
            for records in self._modules.conversions(low):
                yield self._of_leads(records)
        else:
            window = f"(Modified_Time >= '{literal(low)}' and Modified_Time <= '{literal(high)}')"
            for records in self._modules.select(kind, window):
                yield self._of_leads(records) if kind == "Leads" else self._of_deals(records)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read records by their ids, 100 a call, and the deals of contacts; conversions are followed."""
        asked: dict[str, dict[str, None]] = {"Leads": {}, "Contacts": {}, "Deals": {}}
        for ref in refs:
            for it in (ref.person, ref.deal):
                if it and it.type in asked:
                    asked[it.type][it.id] = None
        leads = self._modules.read("Leads", asked["Leads"])
        linked = self._modules.deals_of(asked["Contacts"])
        silent = asked["Contacts"].keys() - linked.values()  # one without deals may be gone
        contacts = self._modules.read("Contacts", silent)
        deals = self._modules.read("Deals", [*asked["Deals"], *linked])
        gone = self._gone("Leads", asked["Leads"].keys() - leads.keys())
        gone += self._gone("Contacts", silent - contacts.keys())
        gone += self._gone("Deals", asked["Deals"].keys() - deals.keys())
        told = self._of_leads(leads.values())
        seen = {it.ref.deal.id for it in told if isinstance(it, StageFact) and it.ref.deal}
        return [*gone, *told, *self._of_deals(it for it in deals.values() if it.id not in seen)]

    def _gone(self, kind: str, ids: Collection[str]) -> list[StageFact | Gone]:
        """Say of records that are missing whether they were deleted, or are only kept from us."""
        missing, deleted = set(ids), set[str]()
        pages = self._modules.deleted(kind) if missing else iter(())
        for _, page in zip(range(_DELETED_PAGES), pages, strict=False):
            deleted |= missing & set(page)
            if deleted == missing:
                break
        return [
            Gone(ref=ref_to(kind, id_), why="deleted" if id_ in deleted else "invisible") for id_ in sorted(missing)
        ]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Deals entered, a call for each; of Leads Zoho keeps no such list."""
        records = self._modules.read("Deals", [deal.id for deal in deals if deal.type == "Deals"])
        return [step for it in records.values() for step in self._steps(it, self._modules.entered(it.id))]

    def _steps(self, record: Record, past: list[tuple[datetime, str]]) -> Iterator[StageFact]:
        now = self._deal_fact(record, None)
        if not past or past[-1][1] != now.stage:  # the history may be kept from us, or newer than the record
            past = [*past, (record.at, now.stage)]
        version = 0
        for at, stage in past:
            version = max(to_ms(at), version + 1)  # Zoho's stamps are whole seconds, and a deal may be faster
            yield replace(now, stage=stage, outcome=self._stages.outcome(now.pipeline, stage), at=at, version=version)

    def _of_leads(self, records: Iterable[Record]) -> list[StageFact | Gone]:
        """Say where Leads stand, and of converted ones what they became and where that stands."""
        facts: list[StageFact | Gone] = []
        whose: dict[str, str | None] = {}
        contacts: dict[str, str | None] = {}
        for it in records:
            became = self._modules.became(it) if it.is_converted else Became()
            if it.is_converted:
                facts.append(conversion(it, became))
                contacts |= {became.contact: it.lead} if became.contact and it.lead else {}
            if became.deal:
                whose[became.deal] = it.lead
            else:
                facts.append(lead_fact(it, became.contact))
        whose = {deal: contacts[contact] for deal, contact in self._modules.deals_of(contacts).items()} | whose
        deals = self._modules.read("Deals", whose)
        # Nobody knows yet that these deals are the lead's, so that the facts have to say it.
        return facts + [self._deal_fact(it, it.lead or whose[it.id]) for it in deals.values()]

    def _of_deals(self, records: Iterable[Record]) -> list[StageFact | Gone]:
        return [self._deal_fact(it, it.lead) for it in records]

    def _deal_fact(self, record: Record, lead: str | None) -> StageFact:
        values, amount, currency = record.values, None, ""
        if values.get("Amount") is not None:
            currency = str(values.get("Currency") or self._org.currency())
            amount = minor_units(str(values["Amount"]), currency)
        pipeline, stage = str(values.get("Pipeline") or ""), str(values.get("Stage") or "")
        person = None if lead else remote_id("Contacts", id_of(values.get("Contact_Name")))  # our id says whose it is
        return StageFact(
            ref=RemoteRef(person=person, deal=RemoteId(type="Deals", id=record.id)),
            lead=lead,
            pipeline=pipeline,
            stage=stage,
            outcome=self._stages.outcome(pipeline, stage),
            amount=amount,
            currency=currency if amount is not None else None,
            at=record.at,
            version=to_ms(record.at),
        )
