"""Pipedrive: leads become persons with a lead or a deal in Pipedrive; stages, won and lost come back.

Pipedrive keeps no field unique, and takes a request that is sent twice for two. Our id of a lead lives in a custom
field (`push.referral_id`), and is looked for before anything is created: by search, which may lag, and in lists, which
do not. What carries our id is left alone: from its creation on it belongs to sales.

The SDK writes the requests; its transport is replaced, so that they go through our session and that the token stays
out of every URL. It knows version 1 of the API only, most of which Pipedrive has given up; pointed at
version 2 it writes that as well.
https://developers.pipedrive.com/changelog/post/deprecated-apiv1-endpoints-become-out-of-support
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from syncd.contract import (
    Account,
    BaseUrl,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    Http,
    Interval,
    JsonObject,
    Lead,
    Misconfigured,
    Outcome,
    Page,
    Parked,
    PollSettings,
    Pushed,
    PushSettings,
    Rejected,
    RemoteField,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Transient,
    Unauthorized,
    answered_at,
    check_stages,
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

_BATCH = 20  # a lead costs three calls, and a push is one attempt of all its leads
_IDS = 100  # records that one list reads by their ids
_MOST_RECENT = 10  # pages of the persons that were changed last; an import may have changed many
_FEW_LEADS = 20  # up to so many are read one by one; more of them in pages of all that there are
_MOST_LEADS = 40  # and at most so many pages
_HOUR = timedelta(hours=1)
_SETTLED = timedelta(seconds=5)  # after which nothing more happens within a second that is over
_BLOCKED = timedelta(minutes=15)

# --- settings --------------------------------------------------------------------------------------------------------

_Number = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]


class PipedrivePush(PushSettings):
    """What a lead becomes in Pipedrive. Fields are the person's; those of deals and leads have `deal.` before them."""

    kind: Literal["lead", "deal"] = Field(default="lead", alias="as")
    """lead, or deal: what is created for the person of a friend."""
    referral_id: str = "Referral ID"
    """The name of the custom text field that carries our id, on persons and on deals; leads have the deals' fields."""
    owner: Annotated[int, Field(ge=1)] | None = None
    """The id of the user who owns what is created; without it the user of the token does."""
    pipeline: _Number | None = None
    """The id of the pipeline in which a new deal starts; without it the first one."""
    stage: _Number | None = None
    """The id of the stage in which a new deal starts; without it the pipeline's first. No deal is moved later."""

    @model_validator(mode="after")
    def _only_deals_have_stages(self) -> Self:
        if self.kind == "lead" and (self.pipeline or self.stage):
            raise ValueError("pipeline and stage are for `as: deal`; a lead of Pipedrive stands in no pipeline")
        return self


class PipedrivePoll(PollSettings):
    """When and how far back Pipedrive is read."""

    every: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=5)
    """How often to ask what changed; each time costs 10 tokens of the company's daily budget, 30 with leads."""


class PipedriveSettings(ConnectorSettings):
    """How to reach a Pipedrive company."""

    company_domain: Annotated[str | None, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = None
    """The company's domain, such as acme of acme.pipedrive.com."""
    api_token: SecretStr
    """The API token of a user who sees the records of the whole company."""
    base_url: BaseUrl | None = None
    """Where Pipedrive is, if not at https://<company_domain>.pipedrive.com; plain http is for loopback only."""
    push: PipedrivePush = PipedrivePush()
    """What is written to Pipedrive."""
    poll: PipedrivePoll = PipedrivePoll()
    """How Pipedrive is read."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.company_domain or self.base_url):
            raise ValueError("give company_domain, such as acme of acme.pipedrive.com")
        return self


# --- the connector ---------------------------------------------------------------------------------------------------


class Pipedrive:
    """One Pipedrive company, as `syncd.contract` describes a connector that keeps history, lists fields and provisions.

    Safe in several threads.
    """

    Settings: ClassVar[type[ConnectorSettings]] = PipedriveSettings
    batch_size: ClassVar[int] = _BATCH
    page_size: ClassVar[int] = 500  # the most that a list of version 2 gives

    def __init__(self, settings: PipedriveSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._v1, self._v2 = (_client(settings, http, version) for version in ("v1", "v2"))
        self._schemas: dict[_Owner, list[_Field]] = {}
        self._pushing = threading.Lock()  # nothing unique tells two pushes of one lead apart: one after the other

    @classmethod
    def open(cls, settings: PipedriveSettings, http: Http) -> Self:
        """Build the connector; Pipedrive is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the token, the field that carries our id, the mapped fields and the stages."""
        me = _object(self._ask(self._v1.users.get_me).body.get("data"))
        self._schemas = {}
        checked = ["token"]
        for owner in _OWNERS:
            self._key(owner)
            _check_mapped(owner, self._schema(owner), self._push)
            checked += [f"{owner}s have the field {self._push.referral_id}", f"{owner}s: fields"]
        stages = self.stages()
        check_stages(self._settings, stages)
        _check_start(self._push, stages)
        warnings = ["that the token may write shows only when the first lead is pushed"]
        if me.get("is_admin") in (False, 0):
            warnings.append("the token's user is no admin; what that user may not see looks as if nothing had happened")
        name = str(me.get("company_name") or self._settings.company_domain or "Pipedrive")
        checked.append("pipelines and stages")
        return Account(name=name, id=str(me.get("company_id") or ""), checked=tuple(checked), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the stages of every pipeline, and after them "won" and "lost".

        Those two are no stages but the deal's status, whatever stage it stands in: a deal that was won keeps its last
        one. Leads, where they are pushed, are told under a pipeline of their own.
        """
        pipelines = [it for rows, _ in self._pages(self._v2.pipelines.get_all_pipelines, {}) for it in rows]
        stages = [it for rows, _ in self._pages(self._v2.stages.get_all_stages, {}) for it in rows]
        found = [_stage(it) for it in stages if it.get("is_deleted") is not True]
        ends: list[tuple[str, Outcome]] = [("Won", "won"), ("Lost", "lost")]
        for pipeline in pipelines:
            of = read_id(pipeline.get("id"))
            found += [Stage(pipeline=of, id=end, label=label, outcome=end) for label, end in ends]
        if self._push.kind == "lead":
            inbox = {"open": "Leads Inbox", "archived": "Leads Inbox, archived"}
            found += [Stage(pipeline=_INBOX, id=id_, label=label, outcome="open") for id_, label in inbox.items()]
        return found

    def fields(self) -> Sequence[RemoteField]:
        """List the text fields that can be written, of persons and of deals; a lead has the deals' fields."""
        self._schemas = {}
        return [
            RemoteField(of=owner, name=f"{_PREFIX[owner]}{it.name}", label=it.name, type=it.type)
            for owner in _OWNERS
            for it in self._schema(owner)
            if it.is_writable and it.name != self._push.referral_id
        ]

    def provision(self) -> Sequence[str]:
        """Create the custom field that carries our id, on persons and on deals, wherever it is missing."""
        self._schemas = {}
        name = self._push.referral_id
        made = []
        for owner in _OWNERS:
            if any(it.name == name for it in self._schema(owner)):
                continue
            body = {
                "field_name": name,
                "field_type": "varchar",
                "description": "Written by syncd: which referral it is",
            }
            self._ask(self._v2._post, f"{self._v2.BASE_URL}{owner}Fields", json=body)
            made.append(f"the field {name} on {owner}s")
        self._schemas = {}
        return made

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 20 leads in: three calls for each of which nothing is there, and one for all of them.

        None of the creating calls is repeated by itself. After a lost answer the next push finds what was created.
        """
        with self._pushing:
            recent = cache(self._recent)
            verdicts: list[Pushed | ConnectorError] = []
            for lead in leads:
                verdicts.append(_without_hope(verdicts) or self._attempt(lead, recent))
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
        if known and known.id in self._persons([known.id]):
            return known.id
        query = {"term": lead, "fields": "custom_fields", "exact_match": "true", "limit": str(_IDS)}
        found = _object(self._ask(self._v2.persons.search_persons, params=query).body.get("data"))
        ids = [read_id(_object(it.get("item")).get("id")) for it in json_objects(found, "items")]
        # Another field may hold the same text, and the case of letters is nothing to a search.
        ours = [it for it, person in self._persons(ids).items() if person.lead == lead]
        return min(ours, key=int) if ours else recent().get(lead)

    def _recent(self) -> Mapping[str, str]:
        """Find the persons that were changed of late and carry an id of ours: lead -> person.

        This list shows at once what the search may not know yet, so that a lead whose creation lost its answer is
        found however soon it is pushed again.
        """
        query = {"sort_by": "update_time", "sort_direction": "desc", "custom_fields": self._key("person")}
        found: dict[str, str] = {}
        for number, (rows, at) in enumerate(self._pages(self._v2.persons.get_all_persons, query)):
            if number == _MOST_RECENT:
                raise Transient("so many persons are being changed that nobody can tell whether this lead is there yet")
            if at is None:
                raise Transient("Pipedrive's answers bear no date, so that nobody knows how far back they reach")
            persons = [self._person(it) for it in rows]
            found |= {it.lead: it.id for it in persons if it.lead and not it.deleted}
            if persons and persons[-1].updated < at - self._settings.poll.overlap:
                break
        return found

    def _find_deal(self, lead: str, known: RemoteId | None, person: str | None) -> RemoteId | None:
        """Find the deal or lead of a lead of ours, converted and archived ones too."""
        if known:
            records = self._read_deals([known.id]) if known.type == "deal" else self._read_leads([known.id])
            if known.id in records and not records[known.id].deleted:
                return known
        if not person:
            return None
        deals, leads = self._v2.deals.get_all_deals, self._v1.leads.get_all_leads
        lists: list[Iterator[_Record]] = [self._deals(deals, person_id=person)]
        if self._push.kind == "lead":
            lists = [
                self._leads(leads, person_id=person),
                *lists,
                self._leads(self._archived("leads"), person_id=person),
            ]
        lists.append(self._deals(self._archived("deals"), person_id=person))
        for records_of in lists:
            for it in records_of:
                if it.lead == lead:
                    return it.remote
        return None

    def _make(self, lead: Lead, kind: _Kind, link: Mapping[str, Any]) -> str:
        owner: _Owner = "person" if kind == "person" else "deal"
        own, custom = self._mapped(owner, lead)
        values = {**_values(lead, kind, self._push), **own, **link}
        custom |= {self._key(owner): lead.id}
        create: Callable[..., Any] = {
            "person": self._v2.persons.create_person,
            "deal": self._v2.deals.create_deal,
            "lead": self._v1.leads.create_lead,
        }[kind]
        body = {**values, **custom} if kind == "lead" else {**values, "custom_fields": custom}
        try:
            return read_id(_object(self._ask(create, body).body.get("data")).get("id"))
        except _Refused as refused:
            fields = self._schemas.pop(owner)  # one may have been deleted, or made anew under another key
            if self._key(owner) not in custom:
                raise Transient("a field was made anew while this lead was pushed") from None
            raise _verdict(refused, kind, lead, body, fields) from None
        except _Missing:
            raise Transient("the person of this lead went away while it was pushed; it is looked for anew") from None

    def _mapped(self, owner: _Owner, lead: Lead) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the mapped fields of an owner by their codes: Pipedrive's own ones, and the custom ones."""
        own: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for written, text in lead.fields.items():
            of, name = _split_field(written)
            if of == owner and text:
                field = _named(self._schema(owner), name, owner, f"push.fields.{written}")
                (custom if field.is_custom else own)[field.code] = text
        return own, custom

    def _page_of(self, record: RemoteId | None) -> str | None:
        if not record or not self._settings.company_domain:
            return None
        path = {"person": "person/", "deal": "deal/", "lead": "leads/inbox/"}[record.type]
        return f"https://{self._settings.company_domain}.pipedrive.com/{path}{record.id}"

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at), "rest": to_ms(at)})

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
                yield Page(facts=_told(records), cursor=since)
        yield Page(facts=(), cursor=json.dumps({"until": high, "rest": rest}))

    def _rest(self, low: int, high: int) -> list[Iterator[list[_Record]]]:
        lists = [
            self._changed_deals(self._archived("deals"), low, high),
            self._changed_deals(self._v2.deals.get_all_deals, low, high, status="deleted"),
        ]
        return [*lists, self._archived_leads(low)] if self._push.kind == "lead" else lists

    def _changed_deals(self, call: Callable[..., Any], low: int, high: int, **filters: str) -> Iterator[list[_Record]]:
        # Without milliseconds, which version 2 refuses. The window ends before this second, so that it is settled.
        window = {"updated_since": _second(low), "updated_until": _second(high)}
        order = {"sort_by": "update_time", "sort_direction": "asc"}
        for rows, _ in self._pages(call, {**self._deal_query(), **window, **order, **filters}):
            yield [self._deal(it, is_settled=True) for it in rows]

    def _changed_leads(self, low: int) -> Iterator[list[_Record]]:
        """Read leads by the time of their change, never by a position in the list, which moves while it is read."""
        since, start, shown = _second(low), 0, set[str]()
        while True:
            query = {"updated_since": since, "sort": "update_time ASC", "start": str(start), "limit": str(_IDS)}
            answer = self._ask(self._v1.leads.get_all_leads, params=query)
            records = [self._lead(it) for it in _rows(answer.body)]
            yield records
            if not _has_more(answer.body):
                return
            ids = {it.id for it in records}
            if not ids or ids == shown:
                raise Transient("Pipedrive's list of leads gives the same page again")  # or we would never end
            last, shown = _second(to_ms(records[-1].updated)), ids
            since, start = (last, 0) if last > since else (since, start + len(records))

    def _archived_leads(self, low: int) -> Iterator[list[_Record]]:
        # This list knows no "since", but its order.
        for records in self._lead_pages(self._archived("leads"), sort="update_time DESC"):
            yield [it for it in records if to_ms(it.updated) >= low]
            if not records or to_ms(records[-1].updated) < low:
                return

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, 100 a call, leads by theirs, and the deals of persons that have more than those."""
        parts_of = [it for ref in refs for it in (ref.deal, ref.person) if it]
        deals, leads, persons = (
            list(dict.fromkeys(it.id for it in parts_of if it.type == kind)) for kind in ("deal", "lead", "person")
        )
        records = self._read_deals(deals)
        there = self._read_leads(leads)
        people = self._persons(persons, counted=True)
        gone: list[StageFact | Gone] = [_gone("deal", it, "invisible") for it in deals if it not in records]
        gone += [_gone("person", it, "invisible") for it in persons if it not in people]
        vanished: dict[str, RemoteId | None] = {}
        for ref in refs:
            if ref.deal and ref.deal.type == "lead" and ref.deal.id not in there:
                vanished[ref.deal.id] = ref.person or vanished.get(ref.deal.id)
        shown = Counter(it.person for it in records.values() if not (it.deleted or it.archived))
        more = [it.id for it in people.values() if it.deals is None or it.deals > shown[it.id]]
        more += [it.id for it in vanished.values() if it and it.id in people]
        for person in dict.fromkeys(more):
            for it in self._deals(self._v2.deals.get_all_deals, person_id=person):
                records.setdefault(it.id, it)
        became = {it.source for it in records.values()}
        for lead, owner in vanished.items():
            if lead not in became:  # the deal that a lead became hangs on the lead's person
                gone.append(_gone("lead", lead, "deleted" if owner and owner.id in people else "invisible"))
        return [*gone, *_told([*records.values(), *there.values()])]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time: a call for each deal that ever changed.

        Pipedrive keeps no such list of leads.
        """
        records = self._read_deals([it.id for it in deals if it.type == "deal"])
        return [
            step
            for it in records.values()
            if not it.deleted
            for step in _steps(it, self._moves(it.id) if it.has_changed else [])
        ]

    def _moves(self, deal: str) -> list[_Move]:
        """Read what a deal's changelog says of stage, pipeline and status, the oldest first."""
        call = partial(self._v1._get, f"{self._v1.BASE_URL}deals/{deal}/changelog")
        try:
            rows = [it for page, _ in self._pages(call, {}, limit=_IDS) for it in page]
        except _Missing:  # deleted since its present state was read
            return []
        moves = [
            _Move(
                at=read_time(it.get("time")),
                key=str(it["field_key"]),
                old=str(it.get("old_value") or ""),
                new=str(it.get("new_value") or ""),
            )
            for it in rows
            if it.get("field_key") in _MOVING
        ]
        return sorted(moves, key=lambda move: move.at)

    # --- asking Pipedrive ---

    def _ask(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> _Answer:
        """Let the SDK make a call; what is not an answer has been raised by `_send`."""
        answer: _Answer = call(*args, **kwargs)
        return answer

    def _pages(
        self, call: Callable[..., Any], query: Mapping[str, str], *, limit: int | None = None
    ) -> Iterator[tuple[list[JsonObject], datetime | None]]:
        """Read a list page by page: its rows, and when they were read by Pipedrive's clock."""
        query = {**query, "limit": str(limit or self.page_size)}
        cursor, seen = "", set[str]()
        while True:
            answer = self._ask(call, params={**query, **({"cursor": cursor} if cursor else {})})
            yield _rows(answer.body), answer.at
            cursor = str(_object(answer.body.get("additional_data")).get("next_cursor") or "")
            if not cursor:
                return
            if cursor in seen:
                raise Transient("Pipedrive's list leads back to a page that was shown already")  # or we would never end
            seen.add(cursor)

    def _deals(self, call: Callable[..., Any], **filters: str) -> Iterator[_Record]:
        for rows, at in self._pages(call, {**self._deal_query(), **filters}):
            yield from (self._deal(it, read_at=at) for it in rows)

    def _leads(self, call: Callable[..., Any], **filters: str) -> Iterator[_Record]:
        for records in self._lead_pages(call, **filters):
            yield from records

    def _lead_pages(self, call: Callable[..., Any], **filters: str) -> Iterator[list[_Record]]:
        start = 0
        for _ in range(_MOST_LEADS):
            answer = self._ask(call, params={**filters, "start": str(start), "limit": str(self.page_size)})
            records = [self._lead(it) for it in _rows(answer.body)]
            yield records
            start += len(records)
            if not records or not _has_more(answer.body):
                return

    def _archived(self, kind: Literal["deals", "leads"]) -> Callable[..., Any]:
        client = self._v2 if kind == "deals" else self._v1
        return partial(client._get, f"{client.BASE_URL}{kind}/archived")

    def _read_deals(self, ids: Collection[str]) -> dict[str, _Record]:
        """Read deals by their ids, also archived ones, and those that were deleted in the last 30 days."""
        found: dict[str, _Record] = {}
        lists: list[tuple[Callable[..., Any], dict[str, str]]] = [
            (self._v2.deals.get_all_deals, {}),
            (self._archived("deals"), {}),
            (self._v2.deals.get_all_deals, {"status": "deleted"}),
        ]
        for call, filters in lists:
            for part in parts([it for it in dict.fromkeys(ids) if it not in found], _IDS):
                found |= {it.id: it for it in self._deals(call, ids=",".join(part), **filters)}
        return found

    def _read_leads(self, ids: Collection[str]) -> dict[str, _Record]:
        """Read leads by their ids: there is no list by ids, so that many of them are looked for in all that are."""
        found: dict[str, _Record] = {}
        wanted = set(ids)
        for call in (self._v1.leads.get_all_leads, self._archived("leads")):
            if len(wanted - found.keys()) <= _FEW_LEADS:
                break
            for records in self._lead_pages(call):
                found |= {it.id: it for it in records if it.id in wanted}
                if wanted <= found.keys():
                    break
        for id_ in ids:
            if id_ not in found:
                try:
                    found[id_] = self._lead(_object(self._ask(self._v1.leads.get_lead, id_).body.get("data")))
                except _Missing:
                    continue
        return {id_: it for id_, it in found.items() if not it.deleted}

    def _persons(self, ids: Collection[str], *, counted: bool = False) -> dict[str, _Person]:
        """Read persons by their ids; who was deleted, was merged, or is hidden from us, is left out."""
        counts = {"include_fields": "open_deals_count,closed_deals_count"} if counted else {}
        found: dict[str, _Person] = {}
        for part in parts(list(dict.fromkeys(ids)), _IDS):
            query = {"custom_fields": self._key("person"), "ids": ",".join(part), **counts}
            for rows, _ in self._pages(self._v2.persons.get_all_persons, query, limit=_IDS):
                found |= {it.id: it for it in map(self._person, rows) if not it.deleted}
        return found

    def _person(self, row: JsonObject) -> _Person:
        counts = [row.get("open_deals_count"), row.get("closed_deals_count")]
        return _Person(
            id=read_id(row.get("id")),
            lead=_text(_object(row.get("custom_fields")).get(self._key("person"))),
            updated=read_time(row.get("update_time") or row.get("add_time")),
            deals=sum(int(it) for it in counts if it is not None) if None not in counts else None,
            deleted=row.get("is_deleted") is True,
        )

    def _deal_query(self) -> dict[str, str]:
        query = {"custom_fields": self._key("deal")}
        return query | ({"include_fields": "source_lead_id"} if self._push.kind == "lead" else {})

    def _deal(self, row: JsonObject, *, read_at: datetime | None = None, is_settled: bool = False) -> _Record:
        updated = read_time(row.get("update_time") or row.get("add_time"))
        status = str(row.get("status") or "open")
        entered = {"won": row.get("won_time"), "lost": row.get("lost_time")}.get(status, row.get("stage_change_time"))
        # Times are whole seconds, and a deal may change twice in one: what is read after its end is the newer.
        is_settled = is_settled or (read_at is not None and read_at - updated >= _SETTLED)
        return _Record(
            kind="deal",
            id=read_id(row.get("id")),
            person=_text(row.get("person_id")),
            lead=_text(_object(row.get("custom_fields")).get(self._key("deal"))),
            pipeline=read_id(row.get("pipeline_id")),
            place=read_id(row.get("stage_id")),
            status=status,
            value=row.get("value"),
            currency=str(row.get("currency") or ""),
            added=read_time(row.get("add_time")),
            updated=updated,
            entered=read_time(entered or row.get("add_time")),
            version=to_ms(updated) + is_settled,
            deleted=status == "deleted" or row.get("is_deleted") is True,
            archived=row.get("is_archived") is True,
            source=_text(row.get("source_lead_id")),
        )

    def _lead(self, row: JsonObject) -> _Record:
        updated, worth = read_time(row.get("update_time") or row.get("add_time")), _object(row.get("value"))
        archived = row.get("is_archived") is True
        return _Record(
            kind="lead",
            id=read_id(row.get("id")),
            person=_text(row.get("person_id")),
            lead=_text(row.get(self._key("deal"))),
            pipeline=_INBOX,
            place="archived" if archived else "open",
            status="open",  # Pipedrive wins and loses deals only; `stages` may say what an archived lead means
            value=worth.get("amount"),
            currency=str(worth.get("currency") or ""),
            added=read_time(row.get("add_time")),
            updated=updated,
            entered=updated if archived else read_time(row.get("add_time")),
            version=to_ms(updated) + 1,
            deleted=row.get("is_deleted") is True,
            archived=archived,
            source=_text(row.get("source_deal_id")),
        )

    def _schema(self, owner: _Owner) -> list[_Field]:
        if owner not in self._schemas:
            call = self._v2.persons.get_person_fields if owner == "person" else self._v2.deals.get_deal_fields
            self._schemas[owner] = [_field(it) for rows, _ in self._pages(call, {}) for it in rows]
        return self._schemas[owner]

    def _key(self, owner: _Owner) -> str:
        """Give the key, different in each company, of the field that carries our id."""
        name, path = self._push.referral_id, "push.referral_id"
        try:
            field = _named(self._schema(owner), name, owner, path)
        except Misconfigured:
            self._schemas.pop(owner, None)  # whoever creates it now need not restart us
            raise
        if not field.is_custom or field.type not in _SEARCHABLE:
            hint = "make it a custom field of the type text"
            raise Misconfigured(f"the field {name} on {owner}s cannot carry our id", yaml_path=path, hint=hint)
        return field.code


connector = Pipedrive

# --- what goes out ---------------------------------------------------------------------------------------------------

_Owner = Literal["person", "deal"]
_Kind = Literal["person", "deal", "lead"]
_OWNERS: tuple[_Owner, ...] = ("person", "deal")
_PREFIX: Mapping[_Owner, str] = {"person": "", "deal": "deal."}
_SEARCHABLE = frozenset({"varchar", "varchar_auto", "text"})
_WRITABLE = _SEARCHABLE | {"phone", "date"}
_OWN = frozenset({"name", "title"})  # Pipedrive's own text fields; all others of its own take ids, numbers or lists


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """A field of persons, or of deals and leads."""

    code: str  # 40 hexadecimal digits for a custom one
    name: str
    type: str
    is_custom: bool

    @property
    def is_writable(self) -> bool:
        return self.type in _WRITABLE if self.is_custom else self.code in _OWN


def _field(row: JsonObject) -> _Field:
    code = read_id(row.get("field_code"))
    return _Field(
        code=code,
        name=str(row.get("field_name") or code),
        type=str(row.get("field_type") or ""),
        is_custom=row.get("is_custom_field") is True,
    )


def _named(fields: Sequence[_Field], name: str, owner: _Owner, path: str) -> _Field:
    """Find a field by its code or by its name, which need not be unique."""
    found = [it for it in fields if it.code == name] or [it for it in fields if it.name == name]
    if len(found) > 1:
        hint = f"rename all but one, or write one of the keys {', '.join(it.code for it in found)}"
        raise Misconfigured(f"{len(found)} fields on {owner}s are called {name}", yaml_path=path, hint=hint)
    if not found:
        near = get_close_matches(name, [it.name for it in fields], 1)
        hint = f"did you mean {near[0]}?" if near else f"create it in Pipedrive: Data fields, {owner}, text"
        raise Misconfigured(f"{owner}s have no field {name}", yaml_path=path, hint=hint)
    return found[0]


def _split_field(field: str) -> tuple[_Owner, str]:
    """Tell whose field is mapped: `deal.Source` that of deals and leads, `Source` and `person.Source` the person's."""
    owner, dot, name = field.partition(".")
    if dot and owner == "deal":
        return "deal", name
    return "person", name if dot and owner == "person" else field


def _check_mapped(owner: _Owner, fields: Sequence[_Field], push: PipedrivePush) -> None:
    for written in push.fields:
        of, name = _split_field(written)
        if of != owner:
            continue
        field = _named(fields, name, owner, path := f"push.fields.{written}")
        if not field.is_writable:
            hint = "map a custom field of the type text"
            raise Misconfigured(f"{name} is of type {field.type}, and takes no text", yaml_path=path, hint=hint)


def _check_start(push: PipedrivePush, stages: Sequence[Stage]) -> None:
    known = [it for it in stages if push.pipeline in (None, it.pipeline)]
    if not known:
        ids = ", ".join(dict.fromkeys(it.pipeline for it in stages))
        told = f"the CRM has no pipeline with the id {push.pipeline}"
        raise Misconfigured(told, yaml_path="push.pipeline", hint=f"it has {ids}")
    if push.stage and push.stage not in {it.id for it in known}:
        ids = ", ".join(it.id for it in known if it.id.isdigit())
        told = f"the CRM has no stage with the id {push.stage}" + (
            f" in pipeline {push.pipeline}" if push.pipeline else ""
        )
        raise Misconfigured(told, yaml_path="push.stage", hint=f"it has {ids}")


def _values(lead: Lead, kind: _Kind, push: PipedrivePush) -> dict[str, Any]:
    values: dict[str, Any] = {"owner_id": push.owner} if push.owner else {}
    if kind == "person":
        person = lead.person
        name = " ".join(filter(None, (person.first_name, person.last_name)))
        values["name"] = name or person.company or person.email or f"Referral {lead.id}"
        for point, value in (("emails", person.email), ("phones", person.phone)):
            if value:
                values[point] = [{"value": value, "primary": True, "label": "work"}]
        return values
    values["title"] = f"Referral {lead.referral_code or lead.id}"
    places = {"pipeline_id": push.pipeline, "stage_id": push.stage} if kind == "deal" else {}
    return values | {name: int(id_) for name, id_ in places.items() if id_}


def _without_hope(verdicts: Sequence[Pushed | ConnectorError]) -> ConnectorError | None:
    """Give the error with which the rest of a batch need not be tried: it concerns every lead, or came twice."""
    match verdicts:
        case [*_, (Parked() | Misconfigured()) as error] | [*_, Transient(), Transient() as error]:
            return error
    return None


# --- what comes back -------------------------------------------------------------------------------------------------

_INBOX = "leads"  # the pipeline under which leads are told; those of deals have numbers
_MOVING = ("stage_id", "pipeline_id", "status")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Person:
    """A person as a list shows it."""

    id: str
    lead: str | None  # our id
    updated: datetime
    deals: int | None  # how many hang on the person, where Pipedrive says so
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A deal or a lead as a list shows it."""

    kind: Literal["deal", "lead"]
    id: str
    person: str | None
    lead: str | None  # our id
    pipeline: str
    place: str  # the stage; a deal that is won or lost keeps its last one
    status: str
    value: Any
    currency: str
    added: datetime
    updated: datetime
    entered: datetime
    version: int
    deleted: bool
    archived: bool
    source: str | None  # the lead that became this deal, or the deal that became this lead

    @property
    def remote(self) -> RemoteId:
        return RemoteId(type=self.kind, id=self.id)

    @property
    def has_changed(self) -> bool:
        return max(self.updated, self.entered) - self.added > timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Move:
    """A change of a deal's stage, pipeline or status."""

    at: datetime
    key: str
    old: str
    new: str


def _told(records: Iterable[_Record]) -> list[StageFact | Gone]:
    """Say of records what is to be said: what they were made of, where they stand, that they are deleted."""
    facts: list[StageFact | Gone] = []
    for it in records:
        if it.source:
            old = RemoteId(type="lead" if it.kind == "deal" else "deal", id=it.source)
            facts.append(Gone(ref=RemoteRef(deal=old), why="merged", into=RemoteRef(deal=it.remote)))
        if it.deleted:
            facts.append(_gone(it.kind, it.id, "deleted"))
        else:
            facts.append(_fact(it, it.pipeline, it.place, it.status, it.entered, it.version))
    return facts


def _gone(kind: _Kind, id_: str, why: Literal["deleted", "invisible"]) -> Gone:
    it = RemoteId(type=kind, id=id_)
    return Gone(ref=RemoteRef(person=it) if kind == "person" else RemoteRef(deal=it), why=why)


def _fact(it: _Record, pipeline: str, place: str, status: str, at: datetime, version: int) -> StageFact:
    amount = minor_units(str(it.value), it.currency)
    outcome: Outcome = "won" if status == "won" else "lost" if status == "lost" else "open"
    # Our id says whose a deal is; to name the person too would give it to everybody who shares that person.
    person = RemoteId(type="person", id=it.person) if it.person and not it.lead else None
    return StageFact(
        ref=RemoteRef(person=person, deal=it.remote),
        lead=it.lead,
        pipeline=pipeline,
        stage=place if outcome == "open" else outcome,
        outcome=outcome,
        amount=amount,
        currency=it.currency if amount is not None else None,
        at=at,
        version=version,
    )


def _steps(it: _Record, moves: Sequence[_Move]) -> list[StageFact]:
    """Tell the stages of a deal from its present state and its changes, the oldest first."""
    present = {"pipeline_id": it.pipeline, "stage_id": it.place, "status": it.status}
    # A deal begins open. A change from nothing is its creation.
    state = present | {"status": "open"} | {move.key: move.old or move.new for move in reversed(moves)}
    states = [(it.added, dict(state))]
    for at, together in groupby(moves, key=lambda move: move.at):
        state |= {move.key: move.new for move in together}
        states.append((at, dict(state)))
    if state != present and states[-1][0] <= it.updated:  # a part of the past is kept from us
        states.append((it.entered, present))
    steps: list[StageFact] = []
    for at, now in states:
        version = max(to_ms(at), steps[-1].version + 1 if steps else 0)
        fact = _fact(it, now["pipeline_id"], now["stage_id"], now["status"], at, version)
        if not steps or (steps[-1].pipeline, steps[-1].stage) != (fact.pipeline, fact.stage):
            steps.append(fact)
    return steps


def _stage(row: JsonObject) -> Stage:
    id_ = read_id(row.get("id"))
    label = str(row.get("name") or id_)
    return Stage(pipeline=read_id(row.get("pipeline_id")), id=id_, label=label, outcome="open")


def _second(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _rows(body: JsonObject) -> list[JsonObject]:
    if "data" in body and body["data"] is None:  # some lists of version 1 say so that they are empty
        return []
    return json_objects(body, "data")


def _has_more(body: JsonObject) -> bool:
    paging = _object(body.get("additional_data"))
    paging = _object(paging.get("pagination")) or paging  # it is found in either place
    return paging.get("more_items_in_collection") is True


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


# --- judging answers -------------------------------------------------------------------------------------------------


class _Refused(Misconfigured):
    """A request that Pipedrive finds wrong; where no lead can be at fault, it is ours."""

    def __init__(self, text: str) -> None:
        hint = "Pipedrive's API may have changed; look for a newer version"
        super().__init__(f"Pipedrive refuses a request: {veiled(text, ())[:300]}", yaml_path="type", hint=hint)
        self.text = text


class _Missing(Misconfigured):
    """An id, or a path, that Pipedrive does not know."""


def _read_answer(answer: requests.Response) -> _Answer:
    """Read an answer, or raise what its status means. Error pages are HTML, and some come with a 200.

    https://pipedrive.readme.io/docs/core-api-concepts-http-status-codes
    """
    is_good = 200 <= answer.status_code < 300
    try:
        body = json_object(answer)
    except Transient:
        if is_good:
            raise
        body = {}
    if not is_good:
        raise _failure(answer, body)
    if body.get("success") is False:
        raise _Refused(_said(body))
    if body.get("success") is not True:
        raise Transient("Pipedrive's answer does not say that it succeeded")
    return _Answer(body=body, at=answered_at(answer))


def _failure(answer: requests.Response, body: JsonObject) -> ConnectorError:
    status, said, code = answer.status_code, veiled(_said(body), ())[:200], str(body.get("code") or "")
    match status:
        case 400 | 422 if body:
            return _Refused(_said(body))
        case 401:
            hint = "copy the token anew: Personal preferences, API; a new one ends the old one everywhere"
            return Unauthorized("Pipedrive refuses the token", yaml_path="api_token", hint=hint)
        case 402:
            hint = "has its trial ended, or is an invoice open?"
            return Misconfigured("the company's account is not open", yaml_path="api_token", hint=hint)
        case 403 if not body:
            # A page of its gatekeeper, for those who went on calling after they were told to slow down.
            return _parked("Pipedrive's gatekeeper blocks us", answer, _BLOCKED)
        case 403 if code.startswith("feature_capping"):
            hint = "make room in Pipedrive, or have the plan changed"
            return Misconfigured(f"a limit of the plan is reached: {said}", yaml_path="push.as", hint=hint)
        case 403:
            hint = "give the user of the token the right to it, and to use the API"
            return Misconfigured(f"the token lacks a permission: {said}", yaml_path="api_token", hint=hint)
        case 404 | 410:
            hint = "is it the company's address, and does Pipedrive still serve this version of its API?"
            return _Missing("Pipedrive has no such path or record", yaml_path="company_domain", hint=hint)
        case 415:
            hint = "the feature is switched off for this company"
            return Misconfigured(f"Pipedrive takes no such request: {said}", yaml_path="push.as", hint=hint)
        case 429:
            return _too_many(answer, said)
    error = status_error(status, f"Pipedrive answers with status {status}", retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(
            f"Pipedrive answers with status {status}", yaml_path="type", hint="look for a newer version"
        )
    return error


def _too_many(answer: requests.Response, said: str) -> ConnectorError:
    """Tell the two limits apart: of calls in two seconds, and of tokens in a day, which all of the company share.

    https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
    """
    left = [answer.headers.get(name) for name in ("x-daily-ratelimit-token-remaining", "x-daily-requests-left")]
    if "0" in left or re.search(r"\b(day|daily|today)\b", said, re.IGNORECASE):
        # It comes back at midnight of Pipedrive's server, whose zone no answer tells; so it is asked for.
        return _parked("the company's daily budget of API tokens is spent", answer, _HOUR)
    reset = answer.headers.get("x-ratelimit-reset", "")
    seconds = retry_after(answer) or (float(reset) if re.fullmatch(r"[0-9]{1,6}", reset) else 0.0)
    return Transient("Pipedrive asks for fewer calls", retry_after=min(max(seconds, 2.0), 3600.0))


def _parked(why: str, answer: requests.Response, wait: timedelta) -> ConnectorError:
    """Wait by Pipedrive's clock, not ours."""
    now = answered_at(answer)
    if now is None:
        return Transient(why, retry_after=wait.total_seconds())
    until = now + wait
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


def _said(body: JsonObject) -> str:
    return str(body.get("error") or body.get("message") or "no reason given")[:2000]


def _verdict(refused: _Refused, kind: _Kind, lead: Lead, body: JsonObject, fields: Sequence[_Field]) -> ConnectorError:
    """Tell whether a refusal is about the settings, so that it befalls every lead, or about one lead's values."""
    person = lead.person
    sent = [*_texts(body), *filter(None, (person.first_name, person.last_name, person.email, person.phone))]
    text = veiled(refused.text, sent)
    for field in fields:
        text = text.replace(field.code, field.name) if field.is_custom else text  # people know no keys
    text = text[:300]
    for name, path in (("owner_id", "owner"), ("stage_id", "stage"), ("pipeline_id", "pipeline")):
        if name in body and re.search(rf"\b{name}\b", refused.text):
            hint = "correct the setting; ids of Pipedrive are needed"
            return Misconfigured(f"Pipedrive cannot take {name}: {text}", yaml_path=f"push.{path}", hint=hint)
    return Rejected(f"Pipedrive refuses the {kind}: {text}")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for it in value.values():
            yield from _texts(it)
    elif isinstance(value, list):
        for it in value:
            yield from _texts(it)


# --- the SDK, tamed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """What Pipedrive answered, and when by its own clock."""

    body: JsonObject
    at: datetime | None


def _client(settings: PipedriveSettings, http: Http, version: Literal["v1", "v2"]) -> Any:
    """Give the SDK's client for one version of the API.

    Its own transport writes the token into the URL, waits for ever, follows redirects, and hands an error page on as
    if it were data; so `_request` and `_parse`, through which all its methods go, are replaced.
    """
    from pipedrive.client import Client

    def send(
        method: str, url: str, headers: Any = None, params: Mapping[str, str] | None = None, json: Any = None
    ) -> _Answer:
        token = settings.api_token.get_secret_value()
        own = {"x-api-token": token, "Accept": "application/json"}
        verb = method.upper()
        answer = http.request(verb, url, params=params, headers=own, json=json, idempotent=verb == "GET")
        return _read_answer(answer)

    root = settings.base_url or f"https://{settings.company_domain}.pipedrive.com"
    client = Client(domain=root)
    client.BASE_URL = f"{root}/api/{version}/"
    client._request, client._parse = send, _read_answer
    return client
