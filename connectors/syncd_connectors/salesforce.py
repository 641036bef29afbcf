"""Salesforce: leads become Leads, or a Contact with an Opportunity; statuses and stages come back.

Our id of a lead lives in a custom field that is an external id and unique (`push.referral_id`). A record that carries
it already is left alone: from its creation on it belongs to sales. A Lead is person and deal in one until sales
converts it; from then on its Contact is the person and its Opportunity the deal.

The SDK signs in, writes URLs and pages. It is given `_Wire` for a session, so that every request goes through ours and
every refusal is judged here, before the SDK's own error classes and its sign-ins without end.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote_plus, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.json_schema import SkipJsonSchema

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
    RemoteId,
    RemoteRef,
    Section,
    Stage,
    StageFact,
    Transient,
    Unauthorized,
    answered_at,
    check_stages,
    in_halves,
    json_objects,
    minor_units,
    read_id,
    read_time,
    retry_after,
    status_error,
    to_ms,
    veiled,
)

if TYPE_CHECKING:
    import requests

_NO_NAME, _NO_COMPANY = "Unknown", "[not provided]"  # Salesforce requires both; sales sees that nobody told us
_BATCH = 200  # records in one collections call
_ROOM = 14_000  # bytes of an encoded list of ids; the whole URI may have 16,384
_MERGES = 5  # how often the survivor of a merge may have been merged itself
_QUOTA_WAIT = timedelta(minutes=15)  # the daily limit counts the last 24 hours, so some of it comes back at any time

# --- settings --------------------------------------------------------------------------------------------------------


def _domain(host: str) -> str:
    host = host.strip().lower().removesuffix(".salesforce.com")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?){0,3}", host):
        raise ValueError("write your My Domain without https://, such as acme.my or acme--dev.sandbox.my")
    return host


def _retired(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        raise ValueError(
            "Salesforce retires signing in by user name, password and security token with the release Summer '27; "
            "make an External Client App, and give its client_id and client_secret, or jwt"
        )
    return value


def _pem(key: SecretStr) -> SecretStr:
    if "PRIVATE KEY-----" not in key.get_secret_value():
        raise ValueError("the key must be a private key in PEM form, such as ${file:secrets/salesforce.pem}")
    return key


_ApiName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
_Retired = Annotated[SkipJsonSchema[SecretStr | None], AfterValidator(_retired)]


class Jwt(Section):
    """Signing in by a certificate: the OAuth 2.0 JWT bearer flow."""

    username: str
    """The user as whom we act; the app must be approved for them in advance."""
    client_id: str
    """The consumer key of the External Client App."""
    key: Annotated[SecretStr, AfterValidator(_pem)]
    """The private RSA key, in PEM form, whose certificate the app has."""


class SalesforcePush(PushSettings):
    """What a lead becomes in Salesforce. A field's object may be written before it, as in `Opportunity.Description`."""

    kind: Literal["lead", "contact_opportunity"] = Field(default="lead", alias="as")
    """lead, or contact_opportunity: a Contact and an Opportunity with that contact in a role."""
    referral_id: _ApiName = "Referral_Id__c"
    """A custom text field, external id and unique, on every object that is written."""
    stage: str = "Prospecting"
    """The stage in which a new Opportunity starts; one that exists is never moved."""
    close_in: Annotated[Interval, Field(ge=timedelta(), le=timedelta(days=3650))] = timedelta(days=30)
    """How long after its creation an Opportunity is expected to close; Salesforce requires a date."""
    duplicates: Literal["report", "allow"] = "report"
    """Whether a lead that a duplicate rule alerts to is given up and reported, or saved all the same."""


class SalesforcePoll(PollSettings):
    """When and how far back Salesforce is read."""

    overlap: Annotated[Interval, Field(ge=timedelta(seconds=30), le=timedelta(days=2))] = timedelta(minutes=15)
    """How far each reading goes back; a long transaction shows its records late, under the time at which it began."""


class SalesforceSettings(ConnectorSettings):
    """How to reach a Salesforce org."""

    domain: Annotated[str, AfterValidator(_domain)]
    """The org's My Domain, such as acme.my; with jwt also login or test."""
    client_id: str | None = None
    """The consumer key of an External Client App with the client credentials flow."""
    client_secret: SecretStr | None = None
    """The consumer secret of that app."""
    jwt: Jwt | None = None
    """In place of client_id and client_secret: signing in by a certificate."""
    username: _Retired = None
    """Refused: it belongs to a way of signing in that ends in 2027."""
    password: _Retired = None
    """Refused, like username."""
    security_token: _Retired = None
    """Refused, like username."""
    api_version: Annotated[str, Field(pattern=r"^(4[6-9]|[5-9]\d|1\d\d)\.0$")] = "66.0"
    """The version of the API, such as 66.0; Salesforce serves each for three years at least."""
    base_url: BaseUrl | None = None
    """Where Salesforce is, if not at https://<domain>.salesforce.com; plain http is for loopback addresses only."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """The org's currency, if it has only one: its API does not tell. Without it amounts are left out."""
    push: SalesforcePush = SalesforcePush()
    """What is written to Salesforce."""
    poll: SalesforcePoll = SalesforcePoll()
    """How Salesforce is read."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        given = [self.client_id is not None, self.client_secret is not None]
        if any(given) if self.jwt else not all(given):
            raise ValueError("give client_id and client_secret, or jwt")
        if self.jwt is None and self.domain in {"login", "test"}:
            raise ValueError("client_id and client_secret need your own My Domain as domain, not login or test")
        return self


# --- the connector ---------------------------------------------------------------------------------------------------


class Salesforce:
    """One Salesforce org, as `syncd.contract.Connector` and `KeepsHistory` describe it. Safe in several threads."""

    Settings: ClassVar[type[ConnectorSettings]] = SalesforceSettings
    batch_size: ClassVar[int] = _BATCH

    def __init__(self, settings: SalesforceSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._key = settings.push.referral_id
        self._kinds = _kinds(settings.push)
        self._wire = _Wire(settings, http)
        self._door = _Door(settings, self._wire)
        self._has_currencies: bool | None = None  # whether records name their currency; asked once
        self._stages: dict[tuple[str, str], Stage] = {}

    @classmethod
    def open(cls, settings: SalesforceSettings, http: Http) -> Self:
        """Build the connector; Salesforce is not called."""
        import simple_salesforce  # noqa: F401  a missing SDK shows here, not in the middle of the work

        return cls(settings, http)

    @property
    def usage(self) -> tuple[int, int] | None:
        """Tell how many calls the whole org has made in the last 24 hours, and how many it may make."""
        return self._wire.usage

    def check(self) -> Account:
        """Prove credentials, API version, objects, the unique field, mapped fields and stages."""
        self._door.client()
        _check_version(self._settings.api_version, self._wire.versions(self._door.instance()))
        checked, warnings = ["credentials", "API version"], []
        _check_prefixes(self._push)
        for kind in dict.fromkeys([*self._kinds, "Opportunity"]):  # which is read in any case
            object_ = self._describe(kind)
            if kind == "Opportunity":
                self._has_currencies = "CurrencyIsoCode" in _fields_of(object_)
            if kind in self._kinds:
                warnings += _check_object(kind, object_, self._push)
                checked += [f"{kind} can be written", f"{kind} has the unique field {self._key}", f"{kind}: fields"]
        opens_deals = "Opportunity" in self._kinds
        check_stages(self._settings, self.stages(), first=("Opportunity", self._push.stage) if opens_deals else None)
        org = next(self._all("SELECT Id, Name FROM Organization LIMIT 1"), {})
        name, id_ = (str(org.get(field) or "") for field in ("Name", "Id"))
        return Account(name=name or "Salesforce", id=id_, checked=(*checked, "stages"), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the statuses of Leads and the stages of Opportunities, as two pipelines named like their objects."""
        statuses = self._all("SELECT ApiName, MasterLabel FROM LeadStatus ORDER BY SortOrder")
        stages = self._all("SELECT ApiName, MasterLabel, IsClosed, IsWon FROM OpportunityStage ORDER BY SortOrder")
        found = [_stage("Lead", it, "open") for it in statuses]
        found += [_stage("Opportunity", it, _outcome(it)) for it in stages]
        self._stages = {(stage.pipeline, stage.id): stage for stage in found}
        return found

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 200 leads in: one reading and one writing call for each object.

        What carries our id is left as it is; the rest is upserted by it. None of the writing calls is repeated by
        itself, since a repetition could undo what sales did in between; a lost answer is followed by another read.
        """
        places: dict[str, _Place] = {}
        refused: dict[str, ConnectorError] = {}
        for kind in dict.fromkeys(_person_kind(it, self._push) for it in leads):
            found, failed = self._bring(kind, [it for it in leads if _person_kind(it, self._push) == kind])
            places, refused = places | found, refused | failed
        if self._push.kind == "contact_opportunity":
            wants_deal = [it for it in leads if it.id in places and it.role == "friend"]
            deals, failed = self._bring("Opportunity", wants_deal)
            places |= {lead: replace(deal, contact=places[lead].record) for lead, deal in deals.items()}
            refused |= failed | self._give_roles({lead: places[lead] for lead in deals})
        verdicts = [refused.get(it.id) or _pushed(it.id, places[it.id], self._door.site()) for it in leads]
        faults = [it for it in verdicts if isinstance(it, Misconfigured)]
        if faults and len(faults) == len(leads):
            raise faults[0]
        return verdicts

    def _bring(self, kind: str, leads: Sequence[Lead]) -> tuple[dict[str, _Place], dict[str, ConnectorError]]:
        """Find or make the record of each lead; give where they are, and why the others are not."""
        places = self._find(kind, leads)
        rows = {it.id: self._row(kind, it) for it in leads if it.id not in places}
        complaints: dict[str, _Complaint] = {}
        for lead, verdict in in_halves(rows, lambda part: self._upsert(kind, part), _Refused).items():
            if isinstance(verdict, _Place):
                places[lead] = verdict
            else:
                complaints[lead] = _why(verdict)
        # Made by somebody else between our reading and writing, or converted: it has arrived.
        places |= self._find(kind, [it for it in leads if it.id in complaints and complaints[it.id].code in _ARRIVED])
        rest = {lead: it for lead, it in complaints.items() if lead not in places}
        return places, {lead: _verdict(it, kind, self._push, rows[lead]) for lead, it in rest.items()}

    def _find(self, kind: str, leads: Sequence[Lead]) -> dict[str, _Place]:
        by_key = {it.id: it for it in leads}
        records = [it for it in self._records(kind, self._key, list(by_key)) if it.lead in by_key]
        found = {str(it.lead): _place(it) for it in records}
        # One that was merged into another has lost our id; its own id still leads to the survivor.
        known = {it.id: id_ for it in leads if it.id not in found if (id_ := _known(it, kind))}
        old = self._read(kind, known.values())
        survivors = {lead: survivor for lead, id_ in known.items() if (survivor := _survivor(old, id_))}
        return found | {lead: _place(it) for lead, it in survivors.items() if not it.deleted}

    def _row(self, kind: str, lead: Lead) -> dict[str, Any]:
        values = _person_values(kind, lead) if kind != "Opportunity" else self._deal_values(lead)
        values |= {name: text for name, text in _mapped(kind, lead, self._push).items() if text}
        return {"attributes": {"type": kind}, **values, self._key: lead.id}

    def _deal_values(self, lead: Lead) -> dict[str, str]:
        now = self._wire.date
        if now is None:
            raise Transient("Salesforce's answers bear no date, so that no close date can be reckoned")
        name = f"Referral {lead.referral_code or lead.id}"
        return {
            "Name": name,
            "StageName": self._push.stage,
            "CloseDate": (now + self._push.close_in).date().isoformat(),
        }

    def _upsert(self, kind: str, rows: Mapping[str, JsonObject]) -> dict[str, _Place | _Complaint]:
        results = self._write("PATCH", f"composite/sobjects/{kind}/{self._key}", list(rows.values()))
        return {
            lead: _Place(kind=kind, record=read_id(it.get("id")), created=it.get("created") is True)
            if it.get("success") is True
            else _complaint(it)
            for lead, it in zip(rows, results, strict=True)
        }

    def _give_roles(self, places: Mapping[str, _Place]) -> dict[str, ConnectorError]:
        """Let each Opportunity name its Contact. Nothing keeps a second role from being made, so we look first."""
        kind = "OpportunityContactRole"
        there = set(self._roles("OpportunityId", [it.record for it in places.values()]))
        rows = {
            lead: {"attributes": {"type": kind}, "OpportunityId": it.record, "ContactId": it.contact}
            for lead, it in places.items()
            if (it.record, it.contact) not in there
        }

        def send(part: Mapping[str, JsonObject]) -> dict[str, _Complaint]:
            results = zip(part, self._write("POST", "composite/sobjects", list(part.values())), strict=True)
            return {lead: _complaint(it) for lead, it in results if it.get("success") is not True}

        verdicts = in_halves(rows, send, _Refused)
        return {lead: _verdict(_why(it), kind, self._push, rows[lead]) for lead, it in verdicts.items()}

    def _write(self, method: str, path: str, rows: Sequence[JsonObject]) -> list[JsonObject]:
        """Send a collection; a 200 says nothing of its rows. Results come in the order of the rows."""
        headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if self._push.duplicates == "allow" else {}
        body = {"allOrNone": False, "records": rows}
        results = self._ask("restful", path, method=method, json=body, headers=headers)
        if not isinstance(results, list) or len(results) != len(rows):
            raise Transient("Salesforce's answer to a collection has not one result for each record")
        return _listed(results)

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read what was modified in the window, two calls if nothing was.

        The cursor moves at the end only; a reading that broke off starts anew. The window is of `SystemModstamp`:
        `LastModifiedDate` can be set to a past time.
        https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
        """
        before = int(json.loads(since)["until"])
        low, high = _time(before) - self._settings.poll.overlap, max(until, _time(before))
        window = f"SystemModstamp >= {_literal(low)} AND SystemModstamp <= {_literal(high)}"
        if self._push.kind == "lead":
            yield from self._changed("Lead", window, since)
        else:
            yield from self._changed("Contact", f"IsDeleted = true AND {window}", since)
        yield from self._changed("Opportunity", window, since)
        yield Page(facts=(), cursor=json.dumps({"until": to_ms(high)}))

    def _changed(self, kind: str, where: str, cursor: Cursor) -> Iterator[Page]:
        soql = _soql(self._columns(kind), kind, where, order="SystemModstamp, Id")
        for rows in self._pages(soql, deleted=True):
            if facts := self._tell(kind, [self._record(kind, it) for it in rows]):
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
            records = self._read(kind, [*ids, *more])
            facts += [Gone(ref=_ref(kind, id_), why="invisible") for id_ in ids if id_ not in records]
            facts += self._tell(kind, _led_to_survivors(records))
            contacts = [it.id for it in records.values() if not it.deleted]
        return facts

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Opportunities entered; Salesforce keeps no such list of a Lead."""
        ids = list(dict.fromkeys(deal.id for deal in deals if deal.type == "Opportunity"))
        entered: dict[str, list[tuple[datetime, str]]] = {}
        for part in _lists(ids):
            columns, where = "OpportunityId, StageName, CreatedDate", f"OpportunityId IN {part}"
            for it in self._all(_soql(columns, "OpportunityHistory", where, order="CreatedDate, Id")):
                past = entered.setdefault(read_id(it.get("OpportunityId")), [])
                stage = str(it.get("StageName") or "")
                if stage and (not past or past[-1][1] != stage):  # a row also tells of a new amount or close date
                    past.append((read_time(it.get("CreatedDate")), stage))
        present = [it for it in self._read("Opportunity", ids).values() if not it.deleted]
        if any(("Opportunity", stage) not in self._stages for past in entered.values() for _, stage in past):
            self.stages()
        return [step for it in present for step in self._steps(it, entered.get(it.id, []))]

    def _steps(self, record: _Record, past: Sequence[tuple[datetime, str]]) -> Iterator[StageFact]:
        now = self._deal_fact(record, record.lead, None)
        # The history is read first, and may be kept from us; but a record that is no newer than it knows no better.
        if not past or (past[-1][1] != now.stage and past[-1][0] < record.at):
            past = [*past, (record.at, now.stage)]
        version = 0
        for at, stage in past:
            version = max(to_ms(at), version + 1)  # Salesforce's stamps are whole seconds, and a deal may be faster
            known = self._stages.get(("Opportunity", stage))
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

    def _tell(self, kind: str, records: Sequence[_Record]) -> list[StageFact | Gone]:
        """Say of records of one object what is to be said: where they stand, what became of them."""
        gone: list[StageFact | Gone] = [_gone(it) for it in records if it.deleted]
        there = [it for it in records if not it.deleted]
        if kind == "Lead":
            return [*gone, *self._of_leads(there)]
        return [*gone, *self._of_deals(there)] if kind == "Opportunity" else gone

    def _of_leads(self, records: Sequence[_Record]) -> list[StageFact | Gone]:
        facts: list[StageFact | Gone] = []
        for it in records:
            if it.is_converted:
                facts.append(_converted(it))
            if not it.deal:
                facts.append(_lead_fact(it))
        ours = [it for it in records if it.is_converted and it.lead]
        deals = [it.deal for it in ours if it.deal] + self._deals_of([it.contact for it in ours if it.contact])
        return facts + self._tell("Opportunity", list(self._read("Opportunity", deals).values()))

    def _of_deals(self, records: Sequence[_Record]) -> list[StageFact | Gone]:
        """Say where deals stand, each for whoever it may belong to: sales opens deals that carry no id of ours."""
        strangers = [it.id for it in records if not it.lead]
        contacts: dict[str, list[str]] = {}
        for deal, contact in self._roles("OpportunityId", strangers):
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

    def _leads_behind(self, deals: Sequence[str], contacts: Mapping[str, Sequence[str]]) -> dict[str, list[_Record]]:
        """Find the Leads of ours out of which these deals were made, or the contacts in them; by the id of either."""
        found: dict[str, list[_Record]] = {}
        if self._push.kind == "lead":
            people = [it for some in contacts.values() for it in some]
            for it in self._records("Lead", "ConvertedOpportunityId", deals):
                found.setdefault(it.deal or "", []).append(it)
            for it in self._records("Lead", "ConvertedContactId", people):
                found.setdefault(it.contact or "", []).append(it)
        return {id_: [it for it in leads if it.lead] for id_, leads in found.items()}

    def _deals_of(self, contacts: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(deal for deal, _ in self._roles("ContactId", contacts)))

    def _roles(self, by: Literal["OpportunityId", "ContactId"], ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Give (Opportunity, Contact) of each role in which one of these takes part."""
        for part in _lists(ids):
            for it in self._all(_soql("OpportunityId, ContactId", "OpportunityContactRole", f"{by} IN {part}")):
                yield read_id(it.get("OpportunityId")), read_id(it.get("ContactId"))

    def _deal_fact(self, record: _Record, lead: str | None, contact: str | None) -> StageFact:
        values = record.values
        currency = str(values.get("CurrencyIsoCode") or self._settings.currency or "")
        amount = minor_units(str(values.get("Amount")), currency)
        return StageFact(
            ref=RemoteRef(person=_remote("Contact", contact), deal=RemoteId(type="Opportunity", id=record.id)),
            lead=lead,
            pipeline="Opportunity",
            stage=str(values.get("StageName") or ""),
            outcome=_outcome(values),
            amount=amount,
            currency=currency if amount is not None else None,
            at=record.at,
            version=to_ms(record.at),
        )

    # --- asking Salesforce ---

    def _read(self, kind: str, ids: Iterable[str]) -> dict[str, _Record]:
        """Read records by their ids, deleted ones too, and the survivors of those that were merged."""
        records: dict[str, _Record] = {}
        wanted = [it for it in dict.fromkeys(ids) if _ID.fullmatch(it)]
        for _ in range(_MERGES):
            records |= {it.id: it for it in self._records(kind, "Id", wanted, deleted=True)}
            masters = {it.master for it in records.values() if it.master}
            if not (wanted := sorted(masters - records.keys())):
                break
        return records

    def _records(self, kind: str, by: str, ids: Iterable[str], *, deleted: bool = False) -> Iterator[_Record]:
        for part in _lists(ids):
            soql = _soql(self._columns(kind), kind, f"{by} IN {part}")
            for rows in self._pages(soql, deleted=deleted):
                yield from (self._record(kind, it) for it in rows)

    def _columns(self, kind: str) -> str:
        columns = [*_COLUMNS[kind], *([self._key] if kind in self._kinds else [])]
        if kind == "Opportunity":
            if self._has_currencies is None:
                self._has_currencies = "CurrencyIsoCode" in _fields_of(self._describe(kind))
            columns += ["CurrencyIsoCode"] if self._has_currencies else []
        return ", ".join(columns)

    def _record(self, kind: str, it: JsonObject) -> _Record:
        flags = [name for name in _COLUMNS[kind] if name.startswith("Is")]
        if not all(isinstance(it.get(name), bool) for name in flags):
            raise Transient(f"Salesforce's answer shows a {kind} without what was asked of it")
        return _Record(
            kind=kind,
            id=read_id(it.get("Id")),
            at=read_time(it.get("SystemModstamp")),
            lead=str(it.get(self._key) or "") or None,
            values=it,
        )

    def _describe(self, kind: str) -> JsonObject:
        object_ = self._ask("restful", f"sobjects/{kind}/describe")
        if not isinstance(object_, dict):
            raise Transient(f"Salesforce's description of {kind} is empty")
        return object_

    def _all(self, soql: str) -> Iterator[JsonObject]:
        for rows in self._pages(soql, deleted=False):
            yield from rows

    def _pages(self, soql: str, *, deleted: bool) -> Iterator[list[JsonObject]]:
        """Send a query and follow its pages. Deleted records show only where they are asked for."""
        body, seen = self._ask("query", soql, include_deleted=deleted), 0
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
            body = self._ask("query_more", following, identifier_is_url=True)

    def _ask(self, name: Literal["restful", "query", "query_more"], *args: Any, **kwargs: Any) -> Any:
        """Let the SDK make a call; sign in once more if the session has ended, and no more than once."""
        client = self._door.client()
        try:
            try:
                return getattr(client, name)(*args, **kwargs)
            except _Expired:
                client = self._door.client(instead_of=client)
                return getattr(client, name)(*args, **kwargs)
        except _Refused as refused:
            verdict = _verdict(refused.complaint, "", self._push, {})
            if isinstance(verdict, Misconfigured):
                raise verdict from None
            raise


connector = Salesforce

# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """The record that a lead has; of a converted Lead also what it became."""

    kind: str
    record: str
    created: bool
    contact: str | None = None
    deal: str | None = None


def _kinds(push: SalesforcePush) -> list[str]:
    """Name the objects that carry our id."""
    if push.kind == "contact_opportunity":
        return ["Contact", "Opportunity"]
    return ["Lead", "Contact"] if push.advocates else ["Lead"]


def _person_kind(lead: Lead, push: SalesforcePush) -> str:
    return "Lead" if push.kind == "lead" and lead.role == "friend" else "Contact"


def _split_field(field: str, push: SalesforcePush) -> tuple[str, str]:
    """Tell whose field is mapped: `Opportunity.Name` the Opportunity's, `Phone` that of what a friend becomes."""
    owner, dot, name = field.rpartition(".")
    return (owner, name) if dot else ("Lead" if push.kind == "lead" else "Contact", field)


def _mapped(kind: str, lead: Lead, push: SalesforcePush) -> dict[str, str]:
    split = ((_split_field(field, push), text) for field, text in lead.fields.items())
    return {name: text for (owner, name), text in split if owner == kind}


def _person_values(kind: str, lead: Lead) -> dict[str, str]:
    person = lead.person
    values = {
        "Email": person.email,
        "FirstName": person.first_name,
        "LastName": person.last_name or _NO_NAME,
        "Phone": person.phone,
    }
    if kind == "Lead":
        values["Company"] = person.company or _NO_COMPANY
    return {name: value for name, value in values.items() if value}


def _known(lead: Lead, kind: str) -> str | None:
    ids = [it for it in (lead.known.person, lead.known.deal) if it and it.type == kind] if lead.known else []
    return ids[0].id if ids else None


def _place(record: _Record) -> _Place:
    return _Place(kind=record.kind, record=record.id, created=False, contact=record.contact, deal=record.deal)


def _pushed(lead: str, place: _Place, site: str) -> Pushed:
    own = RemoteId(type=place.kind, id=place.record)
    ref = RemoteRef(
        person=_remote("Contact", place.contact) or own,
        deal=_remote("Opportunity", place.deal) or (own if place.kind != "Contact" else None),
        url=f"{site}/{place.deal or place.record}",
    )
    return Pushed(lead=lead, ref=ref, created=place.created)


# --- what comes back -------------------------------------------------------------------------------------------------

_EVERY = ("Id", "SystemModstamp", "IsDeleted")
_COLUMNS = {
    "Lead": (*_EVERY, "MasterRecordId", "Status", "IsConverted", "ConvertedContactId", "ConvertedOpportunityId"),
    "Contact": (*_EVERY, "MasterRecordId"),
    "Opportunity": (*_EVERY, "StageName", "IsClosed", "IsWon", "Amount"),
}
_NEXT_PAGE = re.compile(r"/services/data/v[0-9.]{4,5}/query(All)?/[\w-]{1,100}")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A Lead, Contact or Opportunity as a query shows it."""

    kind: str
    id: str
    at: datetime
    lead: str | None  # our id
    values: Mapping[str, Any]

    @property
    def deleted(self) -> bool:
        return self.values["IsDeleted"] is True

    @property
    def master(self) -> str | None:
        """The survivor, if this one was merged into another."""
        return self.values.get("MasterRecordId") or None

    @property
    def is_converted(self) -> bool:
        return self.values.get("IsConverted") is True

    @property
    def contact(self) -> str | None:
        return self.values.get("ConvertedContactId") or None

    @property
    def deal(self) -> str | None:
        """The Opportunity that a Lead became; sales may convert without one."""
        return self.values.get("ConvertedOpportunityId") or None


def _remote(kind: str, id_: str | None) -> RemoteId | None:
    return RemoteId(type=kind, id=id_) if id_ else None


def _ref(kind: str, id_: str) -> RemoteRef:
    """Name a record in the part, or the parts, that its object plays."""
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(person=it if kind != "Opportunity" else None, deal=it if kind != "Contact" else None)


def _survivor(records: Mapping[str, _Record], id_: str) -> _Record | None:
    for _ in range(_MERGES):
        record = records.get(id_)
        if record is None or record.master not in records:
            return record
        id_ = str(record.master)
    return None


def _led_to_survivors(records: Mapping[str, _Record]) -> list[_Record]:
    """Let every record that was merged name the last survivor, so that a merge of a merge is one step."""
    led = []
    for it in records.values():
        last = _survivor(records, it.id)
        values = {**it.values, "MasterRecordId": last.id} if last and last.id != it.id else it.values
        led.append(replace(it, values=values))
    return led


def _gone(it: _Record) -> Gone:
    if it.master:
        return Gone(ref=_ref(it.kind, it.id), why="merged", into=_ref(it.kind, it.master))
    return Gone(ref=_ref(it.kind, it.id), why="deleted")


def _converted(it: _Record) -> Gone:
    """Say what a Lead became. Without an Opportunity only its person has moved; the Lead remains the deal."""
    own = RemoteId(type="Lead", id=it.id)
    into = RemoteRef(person=_remote("Contact", it.contact), deal=_remote("Opportunity", it.deal))
    return Gone(ref=RemoteRef(person=own, deal=own if it.deal else None), why="merged", into=into)


def _lead_fact(it: _Record) -> StageFact:
    own = RemoteId(type="Lead", id=it.id)
    return StageFact(
        ref=RemoteRef(person=_remote("Contact", it.contact) or own, deal=own),
        lead=it.lead,
        pipeline="Lead",
        stage=str(it.values.get("Status") or ""),
        outcome="open",  # Salesforce wins and loses Opportunities only; `stages` may say what a status means
        at=it.at,
        version=to_ms(it.at),
    )


def _outcome(values: Mapping[str, Any]) -> Outcome:
    return "won" if values.get("IsWon") is True else "lost" if values.get("IsClosed") is True else "open"


def _stage(pipeline: str, it: JsonObject, outcome: Outcome) -> Stage:
    id_ = read_id(it.get("ApiName"))
    return Stage(pipeline=pipeline, id=id_, label=str(it.get("MasterLabel") or id_), outcome=outcome)


def _soql(columns: str, kind: str, where: str, *, order: str = "") -> str:
    # Names are ours or match `_ApiName`; ids are quoted by `_lists`.
    return f"SELECT {columns} FROM {kind} WHERE {where}" + (f" ORDER BY {order}" if order else "")  # noqa: S608


def _literal(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _lists(ids: Iterable[str]) -> Iterator[str]:
    """Write ids as SOQL lists, each short enough for a URI."""
    some: list[str] = []
    room = _ROOM
    for id_ in dict.fromkeys(ids):
        text = "'" + id_.replace("\\", "\\\\").replace("'", "\\'") + "'"
        size = len(quote_plus(text + ","))
        if some and size > room:
            yield f"({','.join(some)})"
            some, room = [], _ROOM
        some.append(text)
        room -= size
    if some:
        yield f"({','.join(some)})"


def _count(body: JsonObject) -> int:
    total = body.get("totalSize")
    return total if isinstance(total, int) else 0


def _listed(items: object) -> list[JsonObject]:
    if not isinstance(items, list) or not all(isinstance(it, dict) for it in items):
        raise Transient("Salesforce's answer holds something else than the objects that its API describes")
    return items


# --- judging answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Complaint:
    """What Salesforce found fault with, in a request or in a row."""

    code: str
    text: str  # may repeat values that were sent
    fields: tuple[str, ...] = ()


class _Refused(Misconfigured):
    """A request that was refused as a whole; where no row can be at fault, it is ours."""

    def __init__(self, complaint: _Complaint) -> None:
        hint = "Salesforce's API may have changed; look for a newer version"
        super().__init__(f"Salesforce refuses a request: {_said(complaint, ())}", yaml_path="type", hint=hint)
        self.complaint = complaint


class _Expired(Unauthorized):
    """The session has ended, which is daily life; if a new one is refused too, it is what its base class says."""


_ARRIVED = frozenset({"DUPLICATE_VALUE", "CANNOT_UPDATE_CONVERTED_LEAD"})
_TRY_AGAIN = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "UNKNOWN_EXCEPTION",
        "SERVER_UNAVAILABLE",
        "QUERY_TIMEOUT",
        "INVALID_QUERY_LOCATOR",
        "REQUEST_RUNNING_TOO_LONG",
    }
)
_SETTINGS = frozenset(
    {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "NOT_FOUND", "STORAGE_LIMIT_EXCEEDED"}
)
_SPENT = "REQUEST_LIMIT_EXCEEDED"
_COLUMN = re.compile(r"No such column '?(\w+)'? on (?:sobject of type|entity) '?(\w+)")


def _complaint(body: object) -> _Complaint:
    """Read the first error of a refused request, which is a list, or of a failed row, which has one."""
    errors = body.get("errors") if isinstance(body, dict) else body
    it = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    fields = it.get("fields")
    return _Complaint(
        code=str(it.get("statusCode") or it.get("errorCode") or ""),  # the one of a row, the other of a request
        text=str(it.get("message") or "no reason given")[:4000],
        fields=tuple(str(name) for name in fields) if isinstance(fields, list) else (),
    )


def _why(verdict: _Complaint | _Refused) -> _Complaint:
    return verdict.complaint if isinstance(verdict, _Refused) else verdict


def _said(complaint: _Complaint, sent: Iterable[str]) -> str:
    names = f" ({', '.join(complaint.fields)})" if complaint.fields else ""
    return f"{complaint.code or 'no code'}{names}: {veiled(complaint.text, sent)[:300]}"


def _verdict(complaint: _Complaint, kind: str, push: SalesforcePush, row: Mapping[str, Any]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values.

    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
    """
    harmless = {push.stage, _NO_NAME, _NO_COMPANY, row.get(push.referral_id)}
    text = _said(complaint, {value for value in row.values() if isinstance(value, str)} - harmless)
    if complaint.code in _TRY_AGAIN:
        return Transient(text)
    if complaint.code in _SETTINGS or complaint.code.startswith("INSUFFICIENT_ACCESS"):
        path, hint = _at_fault(complaint, kind, push)
        return Misconfigured(text, yaml_path=path, hint=hint)
    if complaint.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" and "StageName" in complaint.fields:
        return Misconfigured(text, yaml_path="push.stage", hint="Salesforce's own name of a stage is needed")
    if complaint.code == "DUPLICATES_DETECTED":
        return Rejected(f"{text}; a duplicate rule finds this person in Salesforce already (see push.duplicates)")
    if complaint.code == "CANNOT_UPDATE_CONVERTED_LEAD":
        return Transient(f"{text}; the converted Lead could not be read")
    return Rejected(text)


def _at_fault(complaint: _Complaint, kind: str, push: SalesforcePush) -> tuple[str, str]:
    """Name the setting behind a refusal, and what can be done."""
    column = _COLUMN.search(complaint.text)
    kind, names = (column[2], (column[1],)) if column else (kind, complaint.fields)
    for name in names:
        if path := _path(kind, name, push):
            return path, "correct the setting, or create the field and let the user of the credential write it"
    if "external id" in complaint.text.lower():
        return "push.referral_id", "create it: a text field, external id and unique, visible to the user"
    if complaint.code == "STORAGE_LIMIT_EXCEEDED":
        return "type", "the org's storage is full"
    if complaint.code in {"INVALID_TYPE", "NOT_FOUND"} or complaint.code.startswith("INSUFFICIENT_ACCESS"):
        return "push.as", "give the user of the credential a permission set with these objects and fields"
    return "push.fields", "correct the mapping"


def _path(kind: str, name: str, push: SalesforcePush) -> str | None:
    """Name the setting through which a field came to be written."""
    for written in push.fields:
        owner, mapped = _split_field(written, push)
        if mapped.lower() == name.lower() and owner == (kind or owner):
            return f"push.fields.{written}"
    own = {push.referral_id.lower(): "push.referral_id", "stagename": "push.stage", "closedate": "push.close_in"}
    return own.get(name.lower())


def _json(answer: requests.Response) -> Any:
    """Read an answer's JSON, strictly: a maintenance page and a body that was cut off come with a 200 too."""
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not kind.endswith("json"):
        raise Transient(f"Salesforce's answer (status {answer.status_code}) is not JSON but {kind or 'of no type'}")
    try:
        return json.loads(answer.content.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # not `from`: its text holds the whole body
        raise Transient(f"Salesforce's answer (status {answer.status_code}) is not whole, valid JSON") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _failure(answer: requests.Response, credential: str) -> ConnectorError:
    """Tell what an answer that is no 2xx means.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
    """
    status = answer.status_code
    try:
        body = _json(answer)
    except Transient:
        body = []
    said = _complaint(body)
    text = f"Salesforce answers with status {status}" + (f" ({said.code})" if said.code else "")
    if status == 401:
        hint = "it gives a session and refuses it: is the app allowed to use the API, and from this address?"
        return _Expired("Salesforce refuses our session", yaml_path=credential, hint=hint)
    if said.code == _SPENT:
        return _spent(answer, said)
    if status == 410 or said.code == "UNSUPPORTED_API_VERSION":
        return Misconfigured(f"{text}: this version is retired", yaml_path="api_version", hint="write a newer one")
    if status in {409, 420} or said.code in _TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    if status == 300:  # a list of the records, in the place of complaints
        several = "several records carry the same id of a lead; delete all but one, and make the field unique"
        return _Refused(_Complaint(code="DUPLICATE_EXTERNAL_ID", text=several))
    if status in {400, 404} and said.code:
        return _Refused(said)
    if status == 403:
        hint = f"the user of the credential lacks a permission, such as API Enabled: {veiled(said.text, ())}"
        return Misconfigured(text, yaml_path=credential, hint=hint)
    if status == 404:
        return Misconfigured(text, yaml_path="base_url", hint="is it Salesforce's address?")
    error = status_error(status, text, retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(text, yaml_path="type", hint="Salesforce's API may have changed; look for a newer version")
    return error


def _spent(answer: requests.Response, said: _Complaint) -> ConnectorError:
    """Tell the two limits apart: of calls in 24 hours, and of calls that run at the same moment."""
    if "concurrent" in said.text.lower():
        return Transient("too many calls to this org are running", retry_after=retry_after(answer) or 20.0)
    why, now = "the org's daily limit of API calls is spent", answered_at(answer)
    if now is None:
        return Transient(why, retry_after=_QUOTA_WAIT.total_seconds())
    until = now + _QUOTA_WAIT
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


_LOGIN_TRY_AGAIN = frozenset({"server_error", "temporarily_unavailable", "unknown_error", "login_rate_exceeded"})


def _login_failure(answer: requests.Response, settings: SalesforceSettings) -> ConnectorError:
    """Tell what a refused sign-in means. A maintenance page is no refusal; the SDK takes it for one.

    https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
    """
    status = answer.status_code
    try:
        body = _json(answer)
    except Transient:
        body = {}
    code = str(body.get("error") or "") if isinstance(body, dict) else ""
    text = f"Salesforce's sign-in answers with status {status}" + (f" ({code})" if code else "")
    if 300 <= status < 400:
        return Misconfigured(text, yaml_path="domain", hint="it leads elsewhere; write the My Domain that it leads to")
    if status == 429 or status >= 500 or not code or code.lower() in _LOGIN_TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    paths = {"invalid_client_id": "client_id", "invalid_client": "client_secret"}
    path = paths.get(code, "client_secret")
    if settings.jwt:
        path = {"invalid_client_id": "jwt.client_id", "invalid_client": "jwt.client_id"}.get(code, "jwt")
    told = veiled(str(body.get("error_description") or "")[:200], _secrets(settings))
    return Unauthorized(text, yaml_path=path, hint=told or "create the credential anew")


def _secrets(settings: SalesforceSettings) -> list[str]:
    jwt = settings.jwt
    hidden = [settings.client_secret.get_secret_value()] if settings.client_secret else []
    return hidden + ([jwt.username] if jwt else [])


# --- settings against the org ----------------------------------------------------------------------------------------


def _check_version(wanted: str, served: Sequence[str]) -> None:
    if wanted not in served:
        hint = f"it serves {', '.join(served[-5:])}" if served else "it names none"
        raise Misconfigured(f"Salesforce does not serve version {wanted}", yaml_path="api_version", hint=hint)


def _fields_of(object_: JsonObject) -> dict[str, JsonObject]:
    return {str(it.get("name")): it for it in json_objects(object_, "fields")}


def _check_object(kind: str, object_: JsonObject, push: SalesforcePush) -> list[str]:
    """Raise for the first setting that does not fit the object; give what every lead may be refused for."""
    if not (object_.get("createable") and object_.get("queryable") and object_.get("updateable")):
        raise Misconfigured(
            f"the user of the credential may not read, create and edit {kind} records",
            yaml_path="push.as",
            hint="give them a permission set that allows it",
        )
    fields = _fields_of(object_)
    key = fields.get(push.referral_id)
    if not key or not (key.get("externalId") and key.get("unique") and key.get("createable")):
        what = "is not visible or does not exist" if not key else "is not an external id, unique and writable"
        hint = f"create it on {kind}: text, external id, unique, and let the user of the credential write it"
        raise Misconfigured(f"{kind}.{push.referral_id} {what}", yaml_path="push.referral_id", hint=hint)
    mapped = {it: name for it in push.fields for owner, name in [_split_field(it, push)] if owner == kind}
    for written, name in mapped.items():
        _check_field(kind, name, f"push.fields.{written}", fields)
    own = {"LastName", "Company"} if kind != "Opportunity" else {"Name", "StageName", "CloseDate"}
    needed = [
        name
        for name, it in fields.items()
        if it.get("createable") and it.get("nillable") is False and not it.get("defaultedOnCreate")
    ]
    return [
        f"{kind}.{name} is required and nothing is mapped to it: every lead may be refused"
        for name in needed
        if name not in own and name not in mapped.values()
    ]


def _check_field(kind: str, name: str, path: str, fields: Mapping[str, JsonObject]) -> None:
    if name not in fields:
        near = get_close_matches(name, fields, 1)
        hint = f"did you mean {near[0]}?" if near else "create it in Salesforce, or take it out of the mapping"
        raise Misconfigured(f"{kind} has no field {name}", yaml_path=path, hint=hint)
    if not fields[name].get("createable"):
        raise Misconfigured(f"{kind}.{name} can only be read", yaml_path=path, hint="map another one")
    if (type_ := str(fields[name].get("type"))) in {"boolean", "int", "double", "currency", "percent"}:
        hint = "Salesforce takes no text for it; map a text field"
        raise Misconfigured(f"{kind}.{name} is of type {type_}", yaml_path=path, hint=hint)


def _check_prefixes(push: SalesforcePush) -> None:
    known = _kinds(push)
    for written in push.fields:
        owner, _ = _split_field(written, push)
        if owner not in known:
            told = f"nothing is written to {owner}"
            raise Misconfigured(told, yaml_path=f"push.fields.{written}", hint=f"write to {' or '.join(known)}")


# --- the SDK, tamed --------------------------------------------------------------------------------------------------


class _Door:
    """Signs in, once for everybody: whoever finds a session ended waits for the one that renews it."""

    def __init__(self, settings: SalesforceSettings, wire: _Wire) -> None:
        self._settings = settings
        self._wire = wire
        self._lock = threading.Lock()
        self._client: Any = None

    def client(self, instead_of: Any = None) -> Any:
        """Give the SDK's client of the present session, or of a new one in place of `instead_of`."""
        with self._lock:
            if self._client is None or self._client is instead_of:
                self._client = self._sign_in()
            return self._client

    def instance(self) -> str:
        """Name the host on which the org lives."""
        return str(self.client().sf_instance)

    def site(self) -> str:
        """Tell where people see the records of this org."""
        return f"https://{self.instance()}"

    def _sign_in(self) -> Any:
        from simple_salesforce.api import Salesforce as Client
        from simple_salesforce.login import SalesforceLogin

        settings, jwt = self._settings, self._settings.jwt
        if jwt:
            key = jwt.key.get_secret_value()
            given: dict[str, Any] = {"username": jwt.username, "consumer_key": jwt.client_id, "privatekey": key}
        else:
            secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
            given = {"consumer_key": settings.client_id or "", "consumer_secret": secret}
        session: Any = self._wire
        try:
            token, host = SalesforceLogin(domain=settings.domain, session=session, **given)
        except ConnectorError:
            raise
        except Exception:  # the JWT library's, or the cryptography's below it; their texts may hold the key
            if not jwt:
                raise
            hint = "it must be an RSA key in PEM form, without a passphrase"
            raise Misconfigured("the key cannot sign", yaml_path="jwt.key", hint=hint) from None
        # A client that was given a session cannot renew it by itself. With credentials it would: up to 969 times
        # for one call. And it is built anew, since after a renewal it would go on calling the old instance.
        return Client(session_id=token, instance=host.rstrip("/"), version=settings.api_version, session=session)


class _Wire:
    """Stands in for the SDK's session and sends through ours: one deadline, one count, no .netrc, no redirect."""

    def __init__(self, settings: SalesforceSettings, http: Http) -> None:
        self.proxies: dict[str, str] = {}  # the SDK looks for it
        self.usage: tuple[int, int] | None = None
        self.date: datetime | None = None  # of the newest answer, by Salesforce's clock
        self._settings = settings
        self._http = http

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], params: Any = None, json: Any = None, **_: Any
    ) -> _Answer:
        """Send a request of the SDK's; raise whatever is not a 2xx."""
        answer = self._http.request(
            method, self._at(url), headers=headers, params=params, json=json, idempotent=method == "GET"
        )
        self._note(answer)
        if not 200 <= answer.status_code < 300:
            raise _failure(answer, "jwt" if self._settings.jwt else "client_id")
        return _Answer(status_code=answer.status_code, body=None if answer.status_code == 204 else _json(answer))

    def post(self, url: str, data: Mapping[str, str], *, headers: Mapping[str, str] | None = None, **_: Any) -> _Answer:
        """Send a sign-in of the SDK's; raise whatever is not a session."""
        answer = self._http.request("POST", self._at(url), data=data, headers=headers, idempotent=True)
        self._note(answer)
        if answer.status_code != 200:
            raise _login_failure(answer, self._settings)
        body = _json(answer)
        if not isinstance(body, dict) or not re.fullmatch(r"[\x21-\x7e]+", str(body.get("access_token") or "")):
            raise Transient("Salesforce's answer to the sign-in holds no session")
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", str(body.get("instance_url"))):
            raise Transient("Salesforce's answer to the sign-in names no instance")
        return _Answer(status_code=200, body=body)

    def versions(self, instance: str) -> list[str]:
        """List the versions of the API that an instance serves, the oldest first."""
        answer = self._http.request("GET", self._at(f"https://{instance}/services/data/"), idempotent=True)
        self._note(answer)
        if answer.status_code != 200:
            raise _failure(answer, "client_id")
        return [str(it.get("version")) for it in _listed(_json(answer))]

    def _at(self, url: str) -> str:
        # The SDK writes https:// and the org's host; `base_url` may be elsewhere and may have a path of its own.
        return f"{self._settings.base_url}{urlsplit(url).path}" if self._settings.base_url else url

    def _note(self, answer: requests.Response) -> None:
        self.date = answered_at(answer) or self.date
        if used := re.search(r"\bapi-usage=(\d{1,12})/(\d{1,12})", answer.headers.get("Sforce-Limit-Info", "")):
            self.usage = int(used[1]), int(used[2])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """As much of an answer as the SDK looks at, read already."""

    status_code: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)  # the SDK's own account of usage; ours is `_Wire.usage`

    def json(self, **_: Any) -> Any:
        return self.body
