"""Zoho CRM: leads become Leads, or a Contact with a Deal; statuses and stages come back.

Our id of a lead lives in a custom field that Zoho keeps unique (`push.referral_id`). Records are *inserted*, never
upserted: an insert whose id is taken is refused with the name of the record that has it, so that a repeated push finds
what an earlier one made and changes nothing of it. An upsert would put a deal back to its first stage, and where the
e-mail address is a unique field as well it would write our id over somebody else's.
https://www.zoho.com/crm/developer/docs/api/v8/insert-records.html

A Lead is person and deal in one until sales converts it; from then on its Contact is the person and its Deal the deal.
We speak HTTP ourselves: the official SDK keeps one account for the whole process and hides what Zoho answers.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from syncd.contract import (
    Account,
    BaseUrl,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    Http,
    JsonObject,
    Lead,
    Misconfigured,
    Outcome,
    Page,
    Parked,
    Pushed,
    PushSettings,
    Rejected,
    RemoteField,
    RemoteId,
    RemoteRef,
    Section,
    Stage,
    StageFact,
    Transient,
    Unauthorized,
    answered_at,
    check_stages,
    is_loopback,
    json_object,
    json_objects,
    minor_units,
    parts,
    read_id,
    read_time,
    retry_after,
    status_error,
    to_ms,
    veiled,
)

if TYPE_CHECKING:
    import requests

_BATCH, _IDS, _VALUES = 100, 100, 50  # records of a write, ids of a read, values of a query's `in`
_FIRST_ROWS, _ROWS = (
    200,
    2_000,
)  # a query costs 1 credit up to 200 rows, 3 up to 2,000, by its limit and not by its rows
_PAGE, _MOST_PAGES = 200, 500  # Zoho gives 100,000 records of a list and no more
_DELETED_PAGES = 10  # in which a look-up searches for a record that is missing
_NO_NAME = "Unknown"  # a last name is required; sales sees that nobody told us
_NO_STATUS = "-None-"  # Zoho's own name for an empty picklist

_HOSTS = {
    "us": ("accounts.zoho.com", "zohoapis.com", "crm.zoho.com"),
    "eu": ("accounts.zoho.eu", "zohoapis.eu", "crm.zoho.eu"),
    "in": ("accounts.zoho.in", "zohoapis.in", "crm.zoho.in"),
    "au": ("accounts.zoho.com.au", "zohoapis.com.au", "crm.zoho.com.au"),
    "jp": ("accounts.zoho.jp", "zohoapis.jp", "crm.zoho.jp"),
    "cn": ("accounts.zoho.com.cn", "zohoapis.com.cn", "crm.zoho.com.cn"),
    "sa": ("accounts.zoho.sa", "zohoapis.sa", "crm.zoho.sa"),
    "ca": ("accounts.zohocloud.ca", "zohoapis.ca", "crm.zohocloud.ca"),
}
"""Where a data centre signs in, answers and shows itself. https://www.zoho.com/crm/developer/docs/api/v8/multi-dc.html"""

# --- settings --------------------------------------------------------------------------------------------------------

_ApiName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


class OAuth(Section):
    """A self client of Zoho's API console, and the refresh token that it was given."""

    client_id: str
    """The client's id."""
    client_secret: SecretStr
    """The client's secret."""
    refresh_token: SecretStr
    """The refresh token, with the scopes that connectors/README.md lists."""


class ZohoPush(PushSettings):
    """What a lead becomes in Zoho. Another module's field is written with its module, as in `Deals.Description`."""

    kind: Literal["lead", "deal"] = Field(default="lead", alias="as")
    """lead, or deal: a Contact and a Deal of that contact."""
    referral_id: _ApiName = "Referral_ID"
    """The API name of a single-line field that allows no duplicate values, in every module that is written."""
    pipeline: str = "Standard (Standard)"
    """The pipeline in which a new Deal starts."""
    stage: str = "Qualification"
    """The stage in which a new Deal starts; one that exists is never moved."""
    trigger: list[Literal["workflow", "approval", "blueprint", "pathfinder", "orchestration"]] = Field(
        default_factory=list
    )
    """Which of your automations our writes set off; none unless it says so."""


class ZohoSettings(ConnectorSettings):
    """How to reach a Zoho CRM account."""

    data_center: Literal["us", "eu", "in", "au", "jp", "cn", "sa", "ca"] | None = None
    """Where the account lives, as the address of its pages says: zoho.eu is eu."""
    oauth: OAuth
    """As whom we come."""
    accounts_url: BaseUrl | None = None
    """Where to sign in, if not at the data centre's own address; plain http is for loopback addresses only."""
    base_url: BaseUrl | None = None
    """Where the API is, if not where the sign-in says; plain http is for loopback addresses only."""
    push: ZohoPush = ZohoPush()
    """What is written to Zoho."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.data_center is None and not (self.accounts_url and (self.base_url or _is_local(self.accounts_url))):
            raise ValueError("give data_center, or accounts_url and base_url for one that is not in its list")
        return self


# --- the connector ---------------------------------------------------------------------------------------------------


class Zoho:
    """One Zoho CRM account, as `syncd.contract` describes a connector that keeps history and lists fields.

    Safe in several threads.
    """

    Settings: ClassVar[type[ConnectorSettings]] = ZohoSettings
    batch_size: ClassVar[int] = _BATCH

    def __init__(self, settings: ZohoSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._key = settings.push.referral_id
        self._kinds = _kinds(settings.push)
        self._client = _Client(settings, http)
        self._known_fields: dict[str, dict[str, JsonObject]] = {}
        self._stages: dict[tuple[str, str], Stage] = {}
        self._home: str | None = None

    @classmethod
    def open(cls, settings: ZohoSettings, http: Http) -> Self:
        """Build the connector; Zoho is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the credentials, their scopes for reading, the unique field, the mapped fields and the stages."""
        org = self._org()
        checked, warnings = ["credentials"], []
        self._known_fields = {}
        _check_owners(self._push)
        for kind in self._kinds:
            self._prove_unique(kind)
            warnings += _check_fields(kind, self._fields(kind), self._push)
            checked += [f"{kind} have the unique field {self._key}", f"{kind}: fields"]
        for kind in dict.fromkeys([*self._kinds, "Deals"]):
            list(self._query(kind, ["id"], "id = '0'"))
            checked.append(f"{kind} can be read")
        first = (self._push.pipeline, self._push.stage) if self._push.kind == "deal" else None
        check_stages(self._settings, self.stages(), first=first)
        warnings.append(f"that {' and '.join(self._kinds)} may be written shows only when the first lead is pushed")
        name, id_ = str(org.get("company_name") or "Zoho CRM"), str(org.get("id") or "")
        return Account(name=name, id=id_, checked=(*checked, "pipelines and stages"), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the stages of every pipeline of Deals and, where Leads are written, their statuses as a pipeline."""
        layouts = self._client.ask("GET", "settings/layouts", scope="settings.layouts.READ", params={"module": "Deals"})
        found = [self._status(it) for it in self._statuses()] if "Leads" in self._kinds else []
        for layout in json_objects(layouts, "layouts"):
            params = {"layout_id": read_id(layout.get("id"))}
            body = self._client.ask("GET", "settings/pipeline", scope="settings.pipeline.READ", params=params)
            for pipeline in json_objects(body, "pipeline", optional=True):
                found += [_stage(pipeline, it) for it in json_objects(pipeline, "maps")]
        self._stages = {(stage.pipeline, stage.id): stage for stage in found}
        return list(self._stages.values())

    def fields(self) -> Sequence[RemoteField]:
        """List the fields that take text and can be written, of each module that is."""
        listed = []
        for kind in self._kinds:
            prefix = "" if kind == _own_kind(self._push) else f"{kind}."
            listed += [
                RemoteField(
                    of=kind,
                    name=f"{prefix}{name}",
                    label=str(it.get("field_label") or name),
                    type=str(it.get("data_type") or ""),
                )
                for name, it in sorted(self._fields(kind).items())
                if name != self._key and _is_writable(it) and it.get("data_type") in _TEXTS
            ]
        return listed

    def _statuses(self) -> list[JsonObject]:
        return json_objects(self._fields("Leads").get("Lead_Status", {}), "pick_list_values", optional=True)

    def _status(self, it: JsonObject) -> Stage:
        # Zoho wins and loses Deals only; what a status of a Lead means, `stages` of the settings may say.
        id_ = str(it.get("actual_value") or _NO_STATUS)
        return Stage(pipeline="Leads", id=id_, label=str(it.get("display_value") or id_), outcome="open")

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in: two queries and one writing call for each module.

        What is there already is left as it is. A writing call is not repeated by itself; after a lost answer the next
        push finds what it made, at the latest when Zoho refuses to make it again.
        """
        places: dict[str, _Place] = {}
        refused: dict[str, ConnectorError] = {}
        for kind in dict.fromkeys(_person_kind(it, self._push) for it in leads):
            self._bring(kind, [it for it in leads if _person_kind(it, self._push) == kind], places, refused)
        people = dict(places)
        if self._push.kind == "deal":
            self._bring("Deals", [it for it in leads if it.id in people and it.role == "friend"], places, refused)
        return [refused.get(it.id) or self._pushed(it.id, people[it.id], places[it.id]) for it in leads]

    def _bring(
        self, kind: str, leads: Sequence[Lead], places: dict[str, _Place], refused: dict[str, ConnectorError]
    ) -> None:
        """Find or make the record of each lead; write down where it is, or why it is not."""
        if not leads:
            return
        self._prove_unique(kind)
        found = self._find(kind, leads)
        rows = {it.id: self._row(kind, it, places.get(it.id)) for it in leads if it.id not in found}
        made, taken, failed = self._insert(kind, rows)
        held, complaints = self._link(kind, taken)
        places.update(found | made | held)
        for lead, complaint in (failed | complaints).items():
            verdict = _verdict(complaint, kind, self._push, rows[lead])
            if isinstance(verdict, Misconfigured):
                raise verdict
            refused[lead] = verdict

    def _find(self, kind: str, leads: Sequence[Lead]) -> dict[str, _Place]:
        """Find the records of leads that were pushed before; those of converted Leads among the Contacts."""
        found: dict[str, _Place] = {}
        for there in ("Leads", "Contacts") if kind == "Leads" else (kind,):
            known = {it.id: id_ for it in leads if it.id not in found and (id_ := _known(it, there))}
            records = self._read(there, known.values())
            deals = {it.id: it.known.deal for it in leads if it.known and it.known.deal and it.known.deal.type != there}
            for lead, id_ in known.items():
                if id_ in records:
                    found[lead] = self._place(records[id_], deal=deals.get(lead))
            if self._key in self._fields(there):
                rest = [it.id for it in leads if it.id not in found]
                found |= {lead: _Place(kind=there, id=id_) for lead, id_ in self._carrying(there, rest)}
        return found

    def _carrying(self, kind: str, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
        for some in parts(leads, _VALUES):
            for rows in self._query(kind, ["id", self._key], f"{self._key} in {_listed(some)}"):
                yield from ((str(it[self._key]), read_id(it.get("id"))) for it in rows if it.get(self._key) in some)

    def _place(self, record: _Record, *, deal: RemoteId | None = None) -> _Place:
        if record.kind == "Leads" and record.is_converted and (it := self._became(record)).contact:
            return _Place(kind="Contacts", id=it.contact, deal=_remote("Deals", it.deal))
        return _Place(kind=record.kind, id=record.id, deal=deal)

    def _row(self, kind: str, lead: Lead, person: _Place | None) -> JsonObject:
        if kind == "Deals":
            values: JsonObject = {
                "Deal_Name": f"Referral {lead.referral_code or lead.id}",
                "Pipeline": self._push.pipeline,
                "Stage": self._push.stage,
            }
            if person and person.kind == "Contacts":
                values["Contact_Name"] = {"id": person.id}
        else:
            values = _person_values(kind, lead)
        return {**values, **_mapped(kind, lead, self._push), self._key: lead.id}

    def _insert(
        self, kind: str, rows: Mapping[str, JsonObject]
    ) -> tuple[dict[str, _Place], dict[str, _Holder], dict[str, _Complaint]]:
        """Make records; give what was made, what is there already, and what was refused."""
        made: dict[str, _Place] = {}
        taken: dict[str, _Holder] = {}
        failed: dict[str, _Complaint] = {}
        for lead, result in zip(rows, self._write("POST", kind, "CREATE", list(rows.values())), strict=True):
            if result.get("code") == "SUCCESS":
                made[lead] = _Place(kind=kind, id=read_id(_object(result.get("details")).get("id")), created=True)
            elif holder := _holder(result, kind):
                taken[lead] = holder
            else:
                failed[lead] = _complaint(result)
        return made, taken, failed

    def _link(self, kind: str, taken: Mapping[str, _Holder]) -> tuple[dict[str, _Place], dict[str, _Complaint]]:
        """Link leads to the records that stand in their way, and mark one that carries no id of ours with it.

        Such a record has our id from an earlier push, or another unique value of the lead's, as its e-mail address.
        """
        places: dict[str, _Place] = {}
        marks: dict[str, JsonObject] = {}
        for there in dict.fromkeys(it.kind for it in taken.values()):
            records = self._read(there, [it.id for it in taken.values() if it.kind == there])
            for lead, holder in taken.items():
                if holder.kind != there:
                    continue
                record = records.get(holder.id)
                if record is None and holder.name != self._key:
                    raise Transient(f"the record of {there} that Zoho takes for the same could not be read")
                places[lead] = self._place(record) if record else _Place(kind=there, id=holder.id)
                if record is None:
                    continue
                is_free = not (record.lead or record.is_converted or there != kind)
                if is_free and record.id not in {row["id"] for row in marks.values()}:
                    marks[lead] = {"id": record.id, self._key: lead}
        results = zip(marks, self._write("PUT", kind, "UPDATE", list(marks.values())), strict=True)
        failed = {lead: _complaint(it) for lead, it in results if it.get("code") != "SUCCESS"}
        return {lead: it for lead, it in places.items() if lead not in failed}, failed

    def _write(self, method: str, kind: str, right: str, rows: Sequence[JsonObject]) -> list[JsonObject]:
        """Send records; the results come in their order, each with a code of its own, whatever the status is."""
        if not rows:
            return []
        body = {"data": rows, "trigger": list(self._push.trigger)}
        cost = -(-len(rows) // 10)
        answer = self._client.ask(method, kind, scope=_scope(kind, right), body=body, cost=cost, results=len(rows))
        return json_objects(answer, "data")

    def _pushed(self, lead: str, person: _Place, place: _Place) -> Pushed:
        own = RemoteId(type=place.kind, id=place.id)
        deal = place.deal or (own if place.kind != "Contacts" else None)
        page = deal or own
        site = self._client.site
        ref = RemoteRef(
            person=RemoteId(type=person.kind, id=person.id),
            deal=deal,
            url=f"https://{site}/crm/tab/{page.type}/{page.id}" if site else None,
        )
        return Pushed(lead=lead, ref=ref, created=place.created)

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"Deals": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the Deals that were modified in the window, and one of the slower lists: two calls if nothing was.

        Leads, conversions and deletions are lists of their own, each with its own mark in the cursor: every poll
        reads the one that was read longest ago, and deletions every ten minutes. A mark moves when its list has been
        read to the end; a reading that broke off starts anew.
        """
        marks = _marks(since)
        for name in ("Deals", *self._slow_list(marks, until)):
            mark = marks[name]
            low, high = mark - self._settings.poll.overlap, max(until.replace(microsecond=0), mark)
            for facts in self._changed(name, low, high):
                if facts:
                    yield Page(facts=facts, cursor=_cursor(marks))
            marks = {**marks, name: high}
        yield Page(facts=(), cursor=_cursor(marks))

    def _slow_list(self, marks: Mapping[str, datetime], until: datetime) -> list[str]:
        due = [
            name
            for name, (kind, pause) in _SLOW_LISTS.items()
            if kind in {*self._kinds, "Deals"} and until - marks[name] >= pause
        ]
        return sorted(due, key=lambda name: marks[name])[:1]

    def _changed(self, name: str, low: datetime, high: datetime) -> Iterator[list[StageFact | Gone]]:
        kind, _ = _SLOW_LISTS.get(name, ("Deals", None))
        if name.startswith("deleted"):
            for it in self._deleted(kind, low):
                yield [Gone(ref=_ref(kind, id_), why="deleted") for id_ in it]
        elif name == "converted":
            for records in self._conversions(low):
                yield self._of_leads(records)
        else:
            window = f"(Modified_Time >= '{_literal(low)}' and Modified_Time <= '{_literal(high)}')"
            for rows in self._query(kind, ["id", *self._columns(kind)], window):
                records = [self._record(kind, it) for it in rows]
                yield self._of_leads(records) if kind == "Leads" else self._of_deals(records)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read records by their ids, 100 a call, and the deals of contacts; conversions are followed."""
        asked: dict[str, dict[str, None]] = {"Leads": {}, "Contacts": {}, "Deals": {}}
        for ref in refs:
            for it in (ref.person, ref.deal):
                if it and it.type in asked:
                    asked[it.type][it.id] = None
        leads = self._read("Leads", asked["Leads"])
        linked = self._deals_of(asked["Contacts"])
        silent = asked["Contacts"].keys() - linked.values()  # one without deals may be gone
        contacts = self._read("Contacts", silent)
        deals = self._read("Deals", [*asked["Deals"], *linked])
        gone = self._gone("Leads", asked["Leads"].keys() - leads.keys())
        gone += self._gone("Contacts", silent - contacts.keys())
        gone += self._gone("Deals", asked["Deals"].keys() - deals.keys())
        told = self._of_leads(leads.values())
        seen = {it.ref.deal.id for it in told if isinstance(it, StageFact) and it.ref.deal}
        return [*gone, *told, *self._of_deals(it for it in deals.values() if it.id not in seen)]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Deals entered, a call for each; of Leads Zoho keeps no such list."""
        records = self._read("Deals", [deal.id for deal in deals if deal.type == "Deals"])
        return [step for it in records.values() for step in self._steps(it, self._entered(it.id))]

    def _entered(self, deal: str) -> list[tuple[datetime, str]]:
        """Give when which stage was entered, the oldest first; a new amount makes a line too."""
        lines: list[tuple[datetime, str]] = []
        params = {"fields": "Stage,Modified_Time"}
        for rows in self._list(f"Deals/{deal}/Stage_History", "modules.deals.READ", params):
            lines += [(read_time(it.get("Modified_Time")), str(it["Stage"])) for it in rows if it.get("Stage")]
        lines = lines[::-1]  # the newest comes first, and those of one second keep their order
        lines.sort(key=lambda line: line[0])
        return [line for number, line in enumerate(lines) if number == 0 or lines[number - 1][1] != line[1]]

    def _steps(self, record: _Record, past: list[tuple[datetime, str]]) -> Iterator[StageFact]:
        now = self._deal_fact(record, None)
        if not past or past[-1][1] != now.stage:  # the history may be kept from us, or newer than the record
            past = [*past, (record.at, now.stage)]
        version = 0
        for at, stage in past:
            version = max(to_ms(at), version + 1)  # Zoho's stamps are whole seconds, and a deal may be faster
            yield replace(now, stage=stage, outcome=self._outcome(now.pipeline, stage), at=at, version=version)

    def _of_leads(self, records: Iterable[_Record]) -> list[StageFact | Gone]:
        """Say where Leads stand, and of converted ones what they became and where that stands."""
        facts: list[StageFact | Gone] = []
        whose: dict[str, str | None] = {}
        contacts: dict[str, str | None] = {}
        for it in records:
            became = self._became(it) if it.is_converted else _Became()
            if it.is_converted:
                facts.append(_converted(it, became))
                contacts |= {became.contact: it.lead} if became.contact and it.lead else {}
            if became.deal:
                whose[became.deal] = it.lead
            else:
                facts.append(_lead_fact(it, became.contact))
        whose = {deal: contacts[contact] for deal, contact in self._deals_of(contacts).items()} | whose
        deals = self._read("Deals", whose)
        # Nobody knows yet that these deals are the lead's, so that the facts have to say it.
        return facts + [self._deal_fact(it, it.lead or whose[it.id]) for it in deals.values()]

    def _of_deals(self, records: Iterable[_Record]) -> list[StageFact | Gone]:
        return [self._deal_fact(it, it.lead) for it in records]

    def _deal_fact(self, record: _Record, lead: str | None) -> StageFact:
        values, amount, currency = record.values, None, ""
        if values.get("Amount") is not None:
            currency = str(values.get("Currency") or self._home_currency())
            amount = minor_units(str(values["Amount"]), currency)
        pipeline, stage = str(values.get("Pipeline") or ""), str(values.get("Stage") or "")
        person = None if lead else _remote("Contacts", _id_of(values.get("Contact_Name")))  # our id says whose it is
        return StageFact(
            ref=RemoteRef(person=person, deal=RemoteId(type="Deals", id=record.id)),
            lead=lead,
            pipeline=pipeline,
            stage=stage,
            outcome=self._outcome(pipeline, stage),
            amount=amount,
            currency=currency if amount is not None else None,
            at=record.at,
            version=to_ms(record.at),
        )

    def _outcome(self, pipeline: str, stage: str) -> Outcome | None:
        """Tell what Zoho forecasts for a stage; records do not say whether they are won."""
        if (pipeline, stage) not in self._stages:
            self.stages()
        known = self._stages.get((pipeline, stage))
        return known.outcome if known else None

    def _became(self, lead: _Record) -> _Became:
        """Tell what a Lead was converted to; where a list does not show it, the single record does."""
        contact, deal = (_id_of(lead.values.get(name)) for name in ("Converted_Contact", "Converted_Deal"))
        if contact is None and deal is None:
            body = self._client.ask("GET", f"Leads/{lead.id}", scope="modules.leads.READ", params={"converted": "true"})
            [one] = json_objects(body, "data", optional=True)[:1] or [{}]
            detail = _object(one.get("$converted_detail"))
            contact, deal = _id_of(detail.get("contact")), _id_of(detail.get("deal"))
        return _Became(contact=contact, deal=deal)

    # --- asking Zoho ---

    def _read(self, kind: str, ids: Iterable[str]) -> dict[str, _Record]:
        """Read records by their ids: as they are now, whatever queries show."""
        found: dict[str, _Record] = {}
        wanted = list(dict.fromkeys(ids))
        names = [*self._columns(kind), *(_CONVERTED if kind == "Leads" else ())] if wanted else []
        for some in parts(wanted, _IDS):
            params = {"ids": ",".join(some), "fields": ",".join(names)}
            params |= {"converted": "both"} if kind == "Leads" else {}
            body = self._client.ask("GET", kind, scope=_scope(kind, "READ"), params=params)
            records = [self._record(kind, it) for it in json_objects(body, "data", optional=True)]
            found |= {it.id: it for it in records if it.id in some}
        return found

    def _conversions(self, since: datetime) -> Iterator[list[_Record]]:
        names = [*self._columns("Leads"), *_CONVERTED]
        params = {"fields": ",".join(names), "converted": "true", "sort_by": "Modified_Time", "sort_order": "asc"}
        for rows in self._list("Leads", "modules.leads.READ", params, since=since, by_token=True):
            yield [self._record("Leads", it) for it in rows]

    def _deleted(self, kind: str, since: datetime | None = None) -> Iterator[list[str]]:
        for rows in self._list(f"{kind}/deleted", _scope(kind, "READ"), {"type": "all"}, since=since):
            yield [read_id(it.get("id")) for it in rows]

    def _gone(self, kind: str, ids: Collection[str]) -> list[StageFact | Gone]:
        """Say of records that are missing whether they were deleted, or are only kept from us."""
        missing, deleted = set(ids), set[str]()
        pages = self._deleted(kind) if missing else iter(())
        for _, page in zip(range(_DELETED_PAGES), pages, strict=False):
            deleted |= missing & set(page)
            if deleted == missing:
                break
        return [Gone(ref=_ref(kind, id_), why="deleted" if id_ in deleted else "invisible") for id_ in sorted(missing)]

    def _deals_of(self, contacts: Collection[str]) -> dict[str, str]:
        """Give the deals of contacts, each with its contact."""
        found: dict[str, str] = {}
        for some in parts(list(contacts), _VALUES):
            for rows in self._query("Deals", ["id", "Contact_Name"], f"Contact_Name in {_listed(some)}"):
                found |= {read_id(it.get("id")): _id_of(it.get("Contact_Name")) or "" for it in rows}
        return {deal: contact for deal, contact in found.items() if contact in contacts}

    def _query(self, kind: str, columns: Sequence[str], where: str) -> Iterator[list[JsonObject]]:
        """Ask in the order of ids, each page after the last id of the one before.

        https://www.zoho.com/crm/developer/docs/api/v8/COQL-Limitations.html
        """
        after, limit = "0", _FIRST_ROWS
        while True:
            condition = where if after == "0" else f"({where} and id > '{after}')"
            # Names are ours or match `_ApiName`; values are quoted by `_listed`, or are times and ids.
            text = f"select {', '.join(columns)} from {kind} where {condition} order by id asc limit {limit}"  # noqa: S608
            cost = 1 if limit <= _FIRST_ROWS else 3
            body = self._client.ask("POST", "coql", scope="coql.READ", body={"select_query": text}, cost=cost)
            rows = json_objects(body, "data", optional=not body)
            ids = [after, *(read_id(it.get("id")) for it in rows)]
            if not all(it.isdigit() for it in ids) or any(int(it) >= int(later) for it, later in pairwise(ids)):
                raise Transient("Zoho gave a page that is not in the order asked for")  # or we would never end
            if rows:
                yield rows
            if not rows or _object(body.get("info")).get("more_records") is not True:
                return
            after, limit = ids[-1], _ROWS

    def _list(
        self,
        path: str,
        scope: str,
        params: Mapping[str, str],
        *,
        since: datetime | None = None,
        by_token: bool = False,
    ) -> Iterator[list[JsonObject]]:
        """Follow the pages of a list; `since` leaves out what was not modified after it."""
        headers = {"If-Modified-Since": _literal(since)} if since else {}
        place: dict[str, str] = {}
        for number in range(2, _MOST_PAGES + 2):
            asked = {**params, "per_page": str(_PAGE), **place}
            body = self._client.ask("GET", path, scope=scope, params=asked, headers=headers)
            yield json_objects(body, "data", optional=not body)
            info = _object(body.get("info"))
            if info.get("more_records") is not True:
                return
            following = {"page_token": str(info.get("next_page_token"))} if by_token else {"page": str(number)}
            if following == place:
                break
            place = following
        raise Transient("Zoho's list does not end")

    def _columns(self, kind: str) -> list[str]:
        names = [*_COLUMNS[kind]]
        if kind == "Deals" and "Currency" in self._fields(kind):
            names.append("Currency")
        return [*names, self._key] if self._key in self._fields(kind) else names

    def _record(self, kind: str, it: JsonObject) -> _Record:
        return _Record(
            kind=kind,
            id=read_id(it.get("id")),
            at=read_time(it.get("Modified_Time")),
            lead=str(it.get(self._key) or "") or None,
            values=it,
        )

    def _fields(self, kind: str) -> dict[str, JsonObject]:
        """Give a module's fields by their API names; asked once."""
        known = self._known_fields.get(kind)
        if known is None:
            body = self._client.ask("GET", "settings/fields", scope="settings.fields.READ", params={"module": kind})
            known = {str(it.get("api_name")): it for it in json_objects(body, "fields")}
            self._known_fields[kind] = known
        return known

    def _prove_unique(self, kind: str) -> None:
        """Without a unique field a repeated push would make a second record: then nothing is written at all."""
        known = self._fields(kind).get(self._key)
        if known is None or not known.get("unique"):
            what = "does not exist" if known is None else "allows duplicate values"
            hint = f"create it in Zoho: {kind}, single line, with 'Do not allow duplicate values'"
            self._known_fields.pop(kind, None)  # look again once the admin has done so
            raise Misconfigured(f"{kind}.{self._key} {what}", yaml_path="push.referral_id", hint=hint)

    def _org(self) -> JsonObject:
        body = self._client.ask("GET", "org", scope="org.READ")
        [org] = json_objects(body, "org")[:1] or [{}]
        self._home = str(org.get("iso_code") or "")
        return org

    def _home_currency(self) -> str:
        """Give the account's own currency, in which amounts are where records name none."""
        if self._home is None:
            self._org()
        return self._home or ""


connector = Zoho

# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """The record that a lead has, and whether this push made it."""

    kind: str
    id: str
    created: bool = False
    deal: RemoteId | None = None  # of a Contact that was a Lead


@dataclass(frozen=True, kw_only=True, slots=True)
class _Holder:
    """The record that has a unique value already, and in which field."""

    kind: str
    id: str
    name: str


def _kinds(push: ZohoPush) -> list[str]:
    """Name the modules that are written, so that each needs the field with our id."""
    if push.kind == "deal":
        return ["Contacts", "Deals"]
    return ["Leads", "Contacts"] if push.advocates else ["Leads"]


def _own_kind(push: ZohoPush) -> str:
    return "Leads" if push.kind == "lead" else "Contacts"


def _person_kind(lead: Lead, push: ZohoPush) -> str:
    return _own_kind(push) if lead.role == "friend" else "Contacts"


def _split_field(written: str, push: ZohoPush) -> tuple[str, str]:
    """Tell whose field is mapped: `Deals.Description` the Deal's, `Phone` that of what a friend becomes."""
    owner, dot, name = written.rpartition(".")
    return (owner, name) if dot else (_own_kind(push), written)


def _mapped(kind: str, lead: Lead, push: ZohoPush) -> dict[str, str]:
    split = ((_split_field(written, push), text) for written, text in lead.fields.items())
    return {name: text for (owner, name), text in split if owner == kind and text}


def _person_values(kind: str, lead: Lead) -> JsonObject:
    person = lead.person
    values = {
        "Email": person.email,
        "First_Name": person.first_name,
        "Last_Name": person.last_name or _NO_NAME,
        "Phone": person.phone,
    }
    if kind == "Leads":
        values["Company"] = person.company
    return {name: value for name, value in values.items() if value}


def _known(lead: Lead, kind: str) -> str | None:
    if lead.known is None:
        return None
    it = lead.known.deal if kind == "Deals" else lead.known.person
    return it.id if it and it.type == kind else None


# --- what comes back -------------------------------------------------------------------------------------------------

_COLUMNS = {
    "Leads": ("Modified_Time", "Lead_Status"),
    "Contacts": ("Modified_Time",),
    "Deals": ("Modified_Time", "Stage", "Pipeline", "Amount", "Contact_Name"),
}
_CONVERTED = ("Converted__s", "Converted_Contact", "Converted_Deal")  # queries do not know them
_SLOW_LISTS = {
    "Leads": ("Leads", timedelta()),
    "converted": ("Leads", timedelta()),
    "deleted Leads": ("Leads", timedelta(minutes=10)),
    "deleted Deals": ("Deals", timedelta(minutes=10)),
}
_OUTCOMES: dict[str, Outcome] = {"closed won": "won", "closed lost": "lost"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A Lead, Contact or Deal as an answer shows it."""

    kind: str
    id: str
    at: datetime
    lead: str | None  # our id
    values: Mapping[str, Any] = field(repr=False)

    @property
    def is_converted(self) -> bool:
        return self.values.get("Converted__s") is True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Became:
    """What a Lead was converted to; sales may convert without a Deal."""

    contact: str | None = None
    deal: str | None = None


def _remote(kind: str, id_: str | None) -> RemoteId | None:
    return RemoteId(type=kind, id=id_) if id_ else None


def _ref(kind: str, id_: str) -> RemoteRef:
    """Name a record in the part, or the parts, that its module plays."""
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(person=it if kind != "Deals" else None, deal=it if kind != "Contacts" else None)


def _id_of(value: object) -> str | None:
    """Read the id of a lookup, which is an object here and a text there."""
    id_ = value.get("id") if isinstance(value, dict) else value
    return None if id_ in (None, "") else read_id(id_)


def _converted(it: _Record, became: _Became) -> Gone:
    """Say what a Lead became. Without a Deal only its person has moved; the Lead remains the deal."""
    own = RemoteId(type="Leads", id=it.id)
    into = RemoteRef(person=_remote("Contacts", became.contact), deal=_remote("Deals", became.deal))
    return Gone(ref=RemoteRef(person=own, deal=own if became.deal else None), why="merged", into=into)


def _lead_fact(it: _Record, contact: str | None) -> StageFact:
    own = RemoteId(type="Leads", id=it.id)
    return StageFact(
        ref=RemoteRef(person=_remote("Contacts", contact) or own, deal=own),
        lead=it.lead,
        pipeline="Leads",
        stage=str(it.values.get("Lead_Status") or _NO_STATUS),
        outcome="open",
        at=it.at,
        version=to_ms(it.at),
    )


def _stage(pipeline: JsonObject, it: JsonObject) -> Stage:
    # Never by the label: it is the admin's to change, and the actual value is what records carry.
    id_ = read_id(it.get("actual_value"))
    forecast = str(it.get("forecast_type") or "").lower()
    return Stage(
        pipeline=read_id(pipeline.get("actual_value")),
        id=id_,
        label=str(it.get("display_value") or id_),
        outcome=_OUTCOMES.get(forecast, "open"),
    )


def _marks(cursor: Cursor) -> dict[str, datetime]:
    """Read how far each list has been read; one that was never read begins where the first reading began."""
    ms = json.loads(cursor)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return {name: epoch + timedelta(milliseconds=int(ms.get(name, ms["Deals"]))) for name in ("Deals", *_SLOW_LISTS)}


def _cursor(marks: Mapping[str, datetime]) -> Cursor:
    return json.dumps({name: to_ms(at) for name, at in marks.items()})


def _literal(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"


def _listed(values: Iterable[str]) -> str:
    quoted = ("'" + it.replace("\\", "\\\\").replace("'", "\\'") + "'" for it in values)
    return f"({', '.join(quoted)})"


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


# --- settings against the account ------------------------------------------------------------------------------------

_TEXTS = frozenset({"text", "textarea", "email", "phone", "website", "picklist", "date", "datetime"})
_OWN = {
    "Leads": {"Last_Name"},
    "Contacts": {"Last_Name"},
    "Deals": {"Deal_Name", "Pipeline", "Stage", "Contact_Name"},
}


def _is_writable(definition: JsonObject) -> bool:
    may = _object(definition.get("operation_type")).get("api_create", True)
    return may is not False and definition.get("read_only") is not True


def _check_owners(push: ZohoPush) -> None:
    known = _kinds(push)
    for written in push.fields:
        owner, _ = _split_field(written, push)
        if owner not in known:
            told = f"nothing is written to {owner}"
            raise Misconfigured(told, yaml_path=f"push.fields.{written}", hint=f"write to {' or '.join(known)}")


def _check_fields(kind: str, fields: Mapping[str, JsonObject], push: ZohoPush) -> list[str]:
    """Raise for the first mapped field that does not fit; give what every lead may be refused for."""
    mapped = {
        name: written for written in push.fields for owner, name in [_split_field(written, push)] if owner == kind
    }
    for name, written in mapped.items():
        path = f"push.fields.{written}"
        if name not in fields:
            near = get_close_matches(name, fields, 1)
            hint = f"did you mean {near[0]}?" if near else "create it in Zoho, or take it out of the mapping"
            raise Misconfigured(f"{kind} have no field {name}", yaml_path=path, hint=hint)
        if not _is_writable(fields[name]):
            raise Misconfigured(f"{kind}.{name} can only be read", yaml_path=path, hint="map another one")
        if (type_ := str(fields[name].get("data_type"))) not in _TEXTS:
            hint = "Zoho takes no text for it; map a text field"
            raise Misconfigured(f"{kind}.{name} is of type {type_}", yaml_path=path, hint=hint)
    return [
        f"{kind}.{name} is required and nothing is mapped to it: every lead may be refused"
        for name, it in fields.items()
        if it.get("system_mandatory") is True and _is_writable(it) and name not in _OWN[kind] | mapped.keys()
    ]


# --- judging answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Complaint:
    """What Zoho found fault with, in a request or in a record. Its message may repeat values that were sent."""

    code: str
    name: str  # of the field, column or parameter
    message: str = field(repr=False)
    permissions: str = ""


_CODE, _NAME = re.compile(r"[A-Z][A-Z_]{1,60}"), re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,99}")
_TRY_AGAIN = frozenset(
    {"INTERNAL_ERROR", "RECORD_LOCKED", "EXPIRED_VALUE", "TOKEN_BOUND_DATA_MISMATCH", "RECORD_IN_BLUEPRINT"}
)
_FORBIDDEN = frozenset({"NO_PERMISSION", "AUTHORIZATION_FAILED", "NOT_SUPPORTED", "FEATURE_NOT_SUPPORTED"})
_QUOTA_WAIT = timedelta(minutes=15)  # credits are counted over the last 24 hours, so some come back at any time


class _Expired(Unauthorized):
    """The access token has ended, which is daily life; if a new one is refused too, it is what its base class says."""


def _complaint(body: JsonObject) -> _Complaint:
    """Read a refusal, of a request or of a record; some requests are refused in the form of a record."""
    data = body.get("data")
    it = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else body
    details = _object(it.get("details"))
    names = (str(details.get(key) or "") for key in ("api_name", "column_name", "param_name"))
    code, permissions = str(it.get("code") or ""), details.get("permissions")
    return _Complaint(
        code=code if _CODE.fullmatch(code) else "",
        name=next((name for name in names if _NAME.fullmatch(name)), ""),
        message=str(it.get("message") or "")[:300],
        permissions=", ".join(str(it) for it in permissions[:5]) if isinstance(permissions, list) else "",
    )


def _holder(result: JsonObject, kind: str) -> _Holder | None:
    """Read which record has a unique value already."""
    details = _object(result.get("details"))
    record = _object(details.get("duplicate_record"))
    id_ = _id_of(record) or _id_of(details.get("id"))
    if result.get("code") != "DUPLICATE_DATA" or id_ is None:
        return None
    there = str(_object(record.get("module")).get("api_name") or kind)
    return _Holder(kind=there, id=id_, name=_complaint(result).name) if there in _COLUMNS else None


def _verdict(complaint: _Complaint, kind: str, push: ZohoPush, row: Mapping[str, Any]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values.

    https://www.zoho.com/crm/developer/docs/api/v8/status-codes.html
    """
    code, name = complaint.code, complaint.name
    sent = {str(value) for key, value in row.items() if key not in {"Stage", "Pipeline"}}
    text = f"{kind}{f'.{name}' if name else ''}: {veiled(complaint.message, sent)} ({code or 'no code'})"
    if code in _TRY_AGAIN:
        return Transient(text)
    if code == "DUPLICATE_DATA":
        return Transient(f"{text}; Zoho does not name the record that is there")
    if code in _FORBIDDEN:
        return _forbidden(text, complaint)
    if kind == "Deals" and name in {"Stage", "Pipeline"}:
        hint = "the actual values are needed, as `syncd connectors discover` shows them"
        return Misconfigured(text, yaml_path=f"push.{name.lower()}", hint=hint)
    if code == "INVALID_DATA" and "field api name" in complaint.message:
        return Misconfigured(text, yaml_path=_path(name, push) or "push.fields", hint="correct the mapping")
    return Rejected(text)


def _path(name: str, push: ZohoPush) -> str | None:
    """Name the setting through which a field came to be written or read."""
    if name == push.referral_id:
        return "push.referral_id"
    return next((f"push.fields.{it}" for it in push.fields if _split_field(it, push)[1] == name), None)


def _forbidden(text: str, complaint: _Complaint) -> Misconfigured:
    wanted = complaint.permissions or "to read and write the modules of push.as"
    return Misconfigured(text, yaml_path="oauth.refresh_token", hint=f"its user lacks a permission: {wanted}")


def _failure(answer: requests.Response, complaint: _Complaint, push: ZohoPush, scope: str) -> ConnectorError:
    """Tell what an answer that is neither a success nor a list of results means."""
    status, code = answer.status_code, complaint.code
    text = f"Zoho answers with status {status}" + (f" ({code})" if code else "")
    if code == "OAUTH_SCOPE_MISMATCH":
        hint = f"make a new refresh token, with the scope {scope} among the others that are needed"
        told = f"the refresh token lacks the scope {scope}"
        return Misconfigured(told, yaml_path="oauth.refresh_token", hint=hint)
    if status == 401:
        hint = "it gives an access token and refuses it: is data_center right, and is the account active?"
        return _Expired("Zoho refuses our access token", yaml_path="oauth.refresh_token", hint=hint)
    if code in _FORBIDDEN or status == 403:
        return _forbidden(text, complaint)
    if code in _TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    if code == "INVALID_MODULE":
        hint = "does the account have it, and is its user allowed to see it?"
        return Misconfigured(f"{text}: a module is not there", yaml_path="push.as", hint=hint)
    if complaint.name and status == 400:
        told = f"{text}: {complaint.name} is not there or cannot be used so"
        hint = "correct the setting, or create the field in Zoho and let the user of the token see it"
        return Misconfigured(told, yaml_path=_path(complaint.name, push) or "type", hint=hint)
    if status == 404:
        return Misconfigured(text, yaml_path="base_url", hint="is it Zoho's address?")
    error = status_error(status, text, retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(text, yaml_path="type", hint="Zoho's API may have changed; look for a newer version")
    return error


def _scope(kind: str, right: str) -> str:
    return f"modules.{kind.lower()}.{right}"


# --- the client ------------------------------------------------------------------------------------------------------

_MOST_TOKENS, _TOKEN_WINDOW = 10, timedelta(minutes=10)
_EARLY = timedelta(minutes=5)  # between two answers, by which we know the time, a poll's pause may lie
_MOST_AT_ONCE = 3  # Zoho's smallest edition takes 5 calls at a time, and we are not alone


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    """An access token, where it is valid, and until when."""

    text: str = field(repr=False)
    api: str
    until: datetime | None


class _Client:
    """Speaks to Zoho: one access token for everybody, renewed before it ends, and every answer judged."""

    def __init__(self, settings: ZohoSettings, http: Http) -> None:
        self._settings, self._http = settings, http
        self._accounts, self._apis, self.site = _addresses(settings)
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._token: _Token | None = None
        self._renewals: deque[datetime] = deque(maxlen=_MOST_TOKENS)
        self._now: datetime | None = None  # by Zoho's clock, as the newest answer tells it
        self._credits: int | None = None  # what is left; Zoho says it once half of them are spent

    def ask(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        cost: int = 1,
        results: int = 0,
    ) -> JsonObject:
        """Send a call and read its answer; an empty one where Zoho has nothing. Raise what any other answer means.

        `scope` is what the call needs and `cost` its credits. With `results` the answer is a list of so many, each of
        which may have failed: with 200, 201, 202, 207 or 400, so that the status says nothing.
        """

        def send(token: _Token) -> JsonObject:
            with self._slots:
                answer = self._http.request(
                    method,
                    f"{token.api}/crm/v8/{path}",
                    params=params,
                    headers={**(headers or {}), "Authorization": f"Zoho-oauthtoken {token.text}"},
                    json=body,
                    idempotent=method == "GET" or path == "coql",
                )
            return self._read(answer, f"ZohoCRM.{scope}", cost, results)

        token = self._access()
        try:
            return send(token)
        except _Expired:
            return send(self._access(instead_of=token))

    def _read(self, answer: requests.Response, scope: str, cost: int, results: int) -> JsonObject:
        before = self._note(answer)
        status = answer.status_code
        if status in {204, 304} and not results:
            return {}
        if 200 <= status < 300:
            body = json_object(answer)
        else:
            try:
                body = json_object(answer)
            except Transient:
                body = {}
        data = body.get("data")
        if results and status < 500 and isinstance(data, list) and len(data) == results:
            return body
        if status == 429:
            raise self._throttled(answer, before, cost)
        if not 200 <= status < 300:
            raise _failure(answer, _complaint(body), self._settings.push, scope)
        if results:
            raise Transient("Zoho's answer has not one result for each record")
        return body

    def _note(self, answer: requests.Response) -> int | None:
        """Keep what an answer says of time and credits; give the credits that were left before it."""
        self._now = answered_at(answer) or self._now
        left = answer.headers.get("X-API-CREDITS-REMAINING", "")
        before = int(left) if left.isdigit() else self._credits
        if left.isdigit() or answer.ok:
            self._credits = int(left) if left.isdigit() else None
        return before

    def _throttled(self, answer: requests.Response, left: int | None, cost: int) -> ConnectorError:
        """Tell the two limits apart, which Zoho does not: of credits in 24 hours, and of calls at the same moment.

        https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html
        """
        why = "the account's API credits of 24 hours are spent"
        if left is None or left >= cost:
            return Transient("Zoho asks for fewer calls", retry_after=retry_after(answer) or 30.0)
        now = answered_at(answer)
        return _parked(why, now and now + _QUOTA_WAIT, _QUOTA_WAIT)

    # --- signing in ---

    def _access(self, instead_of: _Token | None = None) -> _Token:
        """Give the access token, or a new one in place of `instead_of`; whoever finds it old waits for one renewal."""
        with self._lock:
            token = self._token
            if token is None or token is instead_of or self._is_old(token):
                self._token = None
                token = self._token = self._renew()
            return token

    def _is_old(self, token: _Token) -> bool:
        return token.until is not None and self._now is not None and self._now >= token.until

    def _renew(self) -> _Token:
        """Trade the refresh token for an access token; 10 in 10 minutes is all that Zoho gives.

        https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html
        """
        now, first = self._now, self._renewals[0] if len(self._renewals) == _MOST_TOKENS else None
        if now and first and now - first < _TOKEN_WINDOW:
            self._renewals.clear()  # when the wait is over, Zoho is asked: we know no other clock
            raise _parked(_TOO_MANY_TOKENS, first + _TOKEN_WINDOW, _TOKEN_WINDOW)
        oauth = self._settings.oauth
        form = {
            "grant_type": "refresh_token",
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret.get_secret_value(),
            "refresh_token": oauth.refresh_token.get_secret_value(),
        }
        answer = self._http.request("POST", f"{self._accounts}/oauth/v2/token", data=form)  # not in the URL, as in logs
        self._now = answered_at(answer) or self._now
        body = _read_sign_in(answer)
        if self._now:
            self._renewals.append(self._now)
        lifetime = body.get("expires_in")
        seconds = lifetime if isinstance(lifetime, int) and 0 < lifetime <= 86_400 else 3_600
        until = self._now and self._now + timedelta(seconds=seconds) - _EARLY
        return _Token(text=body["access_token"], api=self._api(str(body.get("api_domain") or "")), until=until)

    def _api(self, domain: str) -> str:
        """Give where the API is. The answer to a sign-in names it; the token goes there only if we know the place."""
        if self._settings.base_url:
            return self._settings.base_url
        if domain in self._apis or (_is_local(self._accounts) and _is_local(domain)):
            return domain.rstrip("/")
        host = urlsplit(domain).hostname or ""
        hint = f"the refresh token belongs to {host}" if re.fullmatch(r"[a-z0-9.-]{1,100}", host) else "is it right?"
        raise Misconfigured("Zoho's sign-in names another data centre", yaml_path="data_center", hint=hint)


_TOO_MANY_TOKENS = "too many access tokens were asked for with this refresh token"
_SIGN_IN_PATHS = {
    "invalid_client": "oauth.client_id",
    "invalid_client_id": "oauth.client_id",
    "invalid_client_secret": "oauth.client_secret",
}


def _read_sign_in(answer: requests.Response) -> JsonObject:
    """Read the answer to a sign-in. A refusal comes with a 200 as well, so that the status says nothing.

    https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token-expiry.html
    """
    status = answer.status_code
    if 300 <= status < 400:
        hint = "the sign-in leads elsewhere; write the data centre in which the account lives"
        raise Misconfigured(f"Zoho's sign-in answers with status {status}", yaml_path="data_center", hint=hint)
    if status == 429 or status >= 500:
        raise Transient(f"Zoho's sign-in answers with status {status}", retry_after=retry_after(answer))
    body = json_object(answer)
    error = str(body.get("error") or "")
    if error.lower() == "access denied":
        now = answered_at(answer)
        raise _parked(_TOO_MANY_TOKENS, now and now + _TOKEN_WINDOW, _TOKEN_WINDOW)
    if re.fullmatch(r"(invalid|unauthorized|unsupported)_[a-z_]{1,40}", error):
        hint = "make the refresh token anew, in the data centre of the account and with this client"
        path = _SIGN_IN_PATHS.get(error, "oauth.refresh_token")
        raise Unauthorized(f"Zoho's sign-in answers {error}", yaml_path=path, hint=hint)
    if error or status >= 400 or not re.fullmatch(r"[\x21-\x7e]{1,2048}", str(body.get("access_token") or "")):
        raise Transient(f"Zoho's sign-in (status {status}) gives no access token")
    return body


def _parked(why: str, until: datetime | None, wait: timedelta) -> ConnectorError:
    """Wait until a time by Zoho's clock, not ours; for as long where its answer told none."""
    if until is None:
        return Transient(why, retry_after=wait.total_seconds())
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


def _addresses(settings: ZohoSettings) -> tuple[str, frozenset[str], str]:
    """Give where to sign in, where the API may be, and the host of the pages for people, if it is known."""
    accounts, api, site = _HOSTS[settings.data_center] if settings.data_center else ("", "", "")
    apis = frozenset(f"https://{name}.{api}" for name in ("www", "sandbox", "developer")) if api else frozenset[str]()
    return settings.accounts_url or f"https://{accounts}", apis, site


def _is_local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
