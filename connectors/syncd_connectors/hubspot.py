"""HubSpot: leads become contacts, or contacts with a deal; deal stages come back.

Our id of a lead lives in a custom property that HubSpot keeps unique (`push.referral_id`), on contacts and on deals.
Every write goes by it, so that a repeated push finds what an earlier one made. The official SDK writes the requests;
they travel through our session, and we read the answers, as the SDK drops half of what they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from syncd.contract import (
    Account,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    Http,
    Lead,
    Misconfigured,
    Outcome,
    Page,
    Parked,
    Pushed,
    PushSettings,
    Rejected,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Transient,
    Unauthorized,
    status_error,
)

if TYPE_CHECKING:
    import requests

VERSION = "2026-09"
"""Of HubSpot's API; the SDK's own v3 and v4 end in 2027. https://developers.hubspot.com/docs/api-reference/overview"""

_BATCH, _BATCH_WITH_HISTORY, _BATCH_OF_ASSOCIATIONS, _PAGE = 100, 50, 1_000, 200
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
_Row = TypeVar("_Row")
_Body = dict[str, Any]

# --- settings --------------------------------------------------------------------------------------------------------


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("write the address as https://host, with a path if need be, and nothing else")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("the address must begin with https://; http:// is for loopback addresses only")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class HubSpotPush(PushSettings):
    """What a lead becomes in HubSpot. Fields are the contact's; a deal's are written with `deal.` before them."""

    kind: Literal["contact", "deal"] = Field(default="deal", alias="as")
    """contact, or deal: a contact and a deal that is associated with it."""
    pipeline: str = "default"
    """The id of the pipeline in which a new deal starts."""
    stage: str = "appointmentscheduled"
    """The id of the stage in which a new deal starts; a deal that exists is never moved."""


class HubSpotSettings(ConnectorSettings):
    """How to reach a HubSpot account."""

    token: SecretStr
    """A service key, or another static token, with the scopes that connectors/README.md lists."""
    base_url: Annotated[str, AfterValidator(_base_url)] = "https://api.hubapi.com"
    """Where HubSpot's API is; plain http is accepted for loopback addresses only."""
    push: HubSpotPush = HubSpotPush()
    """What is written to HubSpot."""


# --- the connector ---------------------------------------------------------------------------------------------------


class HubSpot:
    """One HubSpot account, as `syncd.contract.Connector` and `KeepsHistory` describe it. Safe in several threads."""

    Settings: ClassVar[type[ConnectorSettings]] = HubSpotSettings
    batch_size: ClassVar[int] = _BATCH

    def __init__(self, settings: HubSpotSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._key = settings.push.referral_id
        self._http = http
        self._sdk = _open_sdk(settings, http)
        self._details: _Body = {}  # of the account; asked once
        self._stages: dict[tuple[str, str], Stage] = {}

    @classmethod
    def open(cls, settings: HubSpotSettings, http: Http) -> Self:
        """Build the connector; HubSpot is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the token, its reading scopes, the unique property, the mapped fields and the stages."""
        details = self._account()
        checked = ["token"]
        kinds = ["contacts"] if self._push.kind == "contact" else ["contacts", "deals"]
        for kind in kinds:
            self._check_properties(kind, self._ask(self._sdk.properties.get_all, kind))
            self._read(kind, ["syncd-check"], [], by=self._key)
            checked += [f"{kind} can be read", f"{kind} have the unique property {self._key}", f"{kind}: fields"]
        _check_stages(self._settings, self.stages())
        portal = str(details.get("portalId", ""))
        return Account(
            name=f"HubSpot account {portal}",
            id=portal,
            checked=(*checked, "pipeline and stages"),
            warnings=("that the token may write contacts and deals shows only when the first lead is pushed",),
        )

    def stages(self) -> Sequence[Stage]:
        """List the stages of every deal pipeline."""
        body = self._ask(self._sdk.pipelines.get_all, "deals")
        try:
            stages = [_stage(pipeline, stage) for pipeline in body["results"] for stage in pipeline["stages"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise Transient("HubSpot's list of pipelines has not the form that its API describes") from error
        self._stages = {(stage.pipeline, stage.id): stage for stage in stages}
        return stages

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in, in three writing calls: contacts, the deals that are missing, their associations.

        Each of the three can be repeated. A deal is created once and never written again: whatever sales has done to
        it since, a repeated push leaves it where it is.
        """
        contacts, refused = self._push_contacts(leads)
        wants_deal = [it for it in leads if it.id in contacts and self._push.kind == "deal" and it.role == "friend"]
        deals, more = self._push_deals(wants_deal)
        pairs = {it.id: (deals[it.id].id, contacts[it.id].id) for it in wants_deal if it.id in deals}
        refused = refused | more | self._associate(pairs)
        site = self._site() if contacts else None
        return [refused.get(it.id) or _pushed(it.id, contacts[it.id], deals.get(it.id), site) for it in leads]

    def _push_contacts(self, leads: Iterable[Lead]) -> _Written:
        rows = {lead.id: self._row(lead.id, _contact_properties(lead)) for lead in leads}
        written, complaints = self._write("contacts", self._sdk.contacts.upsert, rows)
        conflicts = {lead: it.existing for lead, it in complaints.items() if it.existing}
        adopted, refused = self._adopt(conflicts, {lead.id: lead for lead in leads})
        rest = {lead: it for lead, it in complaints.items() if lead not in conflicts}
        return written | adopted, refused | self._verdicts(rest, rows)

    def _push_deals(self, leads: Sequence[Lead]) -> _Written:
        # To upsert a deal that exists would put it back to its first stage. So only those that a consistent read does
        # not find are sent, and that call is the one that is not repeated by itself: its lost answer is followed by
        # another read.
        found = self._find_deals(leads)
        rows = {
            lead.id: self._row(lead.id, _deal_properties(lead, self._push)) for lead in leads if lead.id not in found
        }
        written, complaints = self._write("deals", self._sdk.new_deals.upsert, rows)
        existing = {lead: _Place(id=deal, created=False) for lead, deal in found.items()}
        return existing | written, self._verdicts(complaints, rows)

    def _find_deals(self, leads: Sequence[Lead]) -> dict[str, str]:
        records, _ = self._read("deals", [lead.id for lead in leads], [self._key], by=self._key)
        found = {record.properties[self._key]: record.id for record in records if self._key in record.properties}
        # A deal that was merged into another may have lost our id; its own id still leads to the survivor.
        known = {it.id: it.known.deal.id for it in leads if it.id not in found and it.known and it.known.deal}
        survivors = _by_any_id(self._read("deals", list(dict.fromkeys(known.values())), [])[0])
        return found | {lead: survivors[deal].id for lead, deal in known.items() if deal in survivors}

    def _adopt(self, conflicts: Mapping[str, str], leads: Mapping[str, Lead]) -> _Written:
        """Link leads whose e-mail address belongs to a contact already; mark it with our id if it has none."""
        properties = ["email", "hs_additional_emails", self._key]
        holders = _by_any_id(self._read("contacts", list(dict.fromkeys(conflicts.values())), properties)[0])
        placed: dict[str, _Place] = {}
        refused: dict[str, ConnectorError] = {}
        rows: dict[str, _Body] = {}
        for lead, contact in conflicts.items():
            holder = holders.get(contact)
            if holder is None:
                refused[lead] = Transient("the contact that holds this e-mail address could not be read")
            elif not _has_email(holder, leads[lead].person.email):
                refused[lead] = Rejected(f"HubSpot names contact {contact} as the holder of this e-mail; it is not")
            elif holder.properties.get(self._key) or holder.id in {row["id"] for row in rows.values()}:
                placed[lead] = _Place(id=holder.id, created=False)  # another lead's: linked, not written to
            else:
                rows[lead] = {"id": holder.id, "properties": {self._key: lead}, "objectWriteTraceId": lead}
        marked, complaints = self._write("contacts", self._sdk.contacts.update, rows)
        known = {lead: _Place(id=it.id, created=False) for lead, it in marked.items()}
        return placed | known, refused | self._verdicts(complaints, rows)

    def _associate(self, pairs: Mapping[str, tuple[str, str]]) -> dict[str, ConnectorError]:
        def send(rows: Mapping[str, tuple[str, str]]) -> tuple[dict[str, None], dict[str, _Complaint]]:
            inputs = [{"from": {"id": deal}, "to": {"id": contact}} for deal, contact in rows.values()]
            body = self._ask(self._sdk.associations.create_default, "deals", "contacts", {"inputs": inputs})
            if not (errors := _list(body, "errors", optional=True)):
                return dict.fromkeys(rows), {}
            # The errors do not name the row, but what went well does.
            done = {(_end(it, "from"), _end(it, "to")) for it in _list(body, "results")}
            failed = {lead: _complaint(errors[0]) for lead, pair in rows.items() if pair not in done}
            return dict.fromkeys(rows.keys() - failed.keys()), failed

        _, complaints = _in_halves(pairs, send)
        return {
            lead: Transient(f"contact and deal could not be associated: {it.text}") for lead, it in complaints.items()
        }

    def _write(self, kind: str, call: Callable[..., Any], rows: Mapping[str, _Body]) -> _Answers:
        def send(part: Mapping[str, _Body]) -> _Answers:
            body = self._ask(call, {"inputs": list(part.values())})
            complaints = {lead: it for it in map(_complaint, _list(body, "errors", optional=True)) for lead in it.rows}
            placed = {
                record.trace or record.properties.get(self._key, ""): _Place(id=record.id, created=record.new)
                for record in _records(body)
            }
            if silent := [lead for lead in part if lead not in placed and lead not in complaints]:
                placed |= self._find(kind, silent)
            return placed, complaints

        return _in_halves(rows, send)

    def _find(self, kind: str, leads: Sequence[str]) -> dict[str, _Place]:
        """Look for what an answer passed over in silence. What is not there may still come: the push is repeated."""
        records, missing = self._read(kind, leads, [self._key], by=self._key)
        found = {record.properties.get(self._key, ""): _Place(id=record.id, created=False) for record in records}
        if missing or not found.keys() >= set(leads):
            raise Transient(f"HubSpot's answer to a batch of {kind} says nothing of some of them")
        return found

    def _row(self, lead: str, properties: Mapping[str, str]) -> _Body:
        # The trace id is what makes HubSpot judge each row alone, and name it in `errors`.
        values = {**properties, self._key: lead}
        return {"id": lead, "idProperty": self._key, "objectWriteTraceId": lead, "properties": values}

    def _verdicts(self, complaints: Mapping[str, _Complaint], rows: Mapping[str, _Body]) -> dict[str, ConnectorError]:
        """Turn complaints about rows into their verdicts; raise what would befall every row."""
        verdicts = {lead: _verdict(it, self._push, rows[lead]["properties"]) for lead, it in complaints.items()}
        for verdict in verdicts.values():
            if isinstance(verdict, Misconfigured):
                raise verdict
        return verdicts

    def _site(self) -> str | None:
        """Where people see the records of this account; a kindness, for the want of which no lead fails."""
        try:
            details = self._account()
        except ConnectorError:
            return None
        return f"https://{details.get('uiDomain')}/contacts/{details.get('portalId')}/record"

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": _ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window, by id: a sort by time never ends if many share one.

        One call when nothing changed. The cursor moves with the last page only; a reading that broke off starts anew.
        """
        overlap = self._settings.poll.overlap // timedelta(milliseconds=1)
        low, high, last = json.loads(since)["until"] - overlap, _ms(until), "0"
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

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, and the deals of contacts by theirs; 100 a call."""
        asked = list(dict.fromkeys(ref.deal.id for ref in refs if ref.deal))
        people: dict[str, dict[str, None]] = {}  # deal id -> the contacts that led to it
        for ref in refs:
            if ref.person and ref.deal:
                people.setdefault(ref.deal.id, {})[ref.person.id] = None
        linked, gone = self._deals_of(list(dict.fromkeys(ref.person.id for ref in refs if ref.person)))
        for contact, deals in linked.items():
            for deal in deals:
                people.setdefault(deal, {})[contact] = None
        records, missing = self._read("deals", list(dict.fromkeys([*asked, *people])), [*_DEAL, self._key])
        survivors = _by_any_id(records)
        gone += [fate for deal in asked if (fate := _fate("deal", deal, survivors.get(deal), missing))]
        whose: dict[str, dict[str, None]] = {}
        for deal, contacts in people.items():
            if deal in survivors:
                whose.setdefault(survivors[deal].id, {}).update(contacts)
        return [*gone, *self._facts(records, whose)]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time; 50 deals a call."""
        ids = list(dict.fromkeys(deal.id for deal in deals))
        records, _ = self._read("deals", ids, [*_DEAL, self._key], history=("dealstage", "pipeline"))
        if any((past.pipeline, past.stage) not in self._stages for record in records for past in _past(record)):
            self.stages()
        currency = self._currency_for(records)
        return [self._entered(record, past, currency) for record in records for past in _past(record)]

    def _entered(self, record: _Record, past: _Past, currency: str) -> StageFact:
        stage = self._stages.get((past.pipeline, past.stage))
        outcome = stage.outcome if stage else _outcome(record.properties) if past.is_present else None
        fact = _fact(record, lead=self._key, person=None, currency=currency)
        return StageFact(
            ref=fact.ref,
            lead=fact.lead,
            pipeline=past.pipeline,
            stage=past.stage,
            outcome=outcome,
            amount=fact.amount,
            currency=fact.currency,
            at=_time(past.at),
            version=past.at,
        )

    def _search(self, low: int, high: int, after: str) -> list[_Record]:
        def condition(name: str, operator: str, value: str) -> dict[str, str]:
            return {"propertyName": name, "operator": operator, "value": value}

        filters = [
            condition("hs_lastmodifieddate", "GTE", str(low)),
            condition("hs_lastmodifieddate", "LTE", str(high)),
            condition("hs_object_id", "GT", after),
        ]
        query = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": [*_DEAL, self._key],
            "limit": _PAGE,
        }
        records = _records(self._ask(self._sdk.search.do_search, query))
        order = [_order(after), *(_order(record.id) for record in records)]
        if any(later <= earlier for earlier, later in pairwise(order)):
            raise Transient("HubSpot's search gave a page that is not in the order asked for")  # or we would never end
        return records

    def _changed(self, records: Sequence[_Record]) -> Sequence[StageFact | Gone]:
        """Facts of a page; deals that carry no id of ours name the contacts through whom they may be ours."""
        strangers = [record.id for record in records if not record.properties.get(self._key)]
        whose = {deal: dict.fromkeys(people) for deal, people in self._linked("deals", "contacts", strangers).items()}
        merged = [fate for it in records for old in it.merged if (fate := _fate("deal", old, it, frozenset()))]
        return [*merged, *self._facts(records, whose)]

    def _deals_of(self, contacts: Sequence[str]) -> tuple[dict[str, list[str]], list[StageFact | Gone]]:
        """Find the deals of contacts. One without any may have been merged or deleted, so those are read."""
        linked = self._linked("contacts", "deals", contacts)
        silent = [contact for contact in contacts if contact not in linked]
        records, missing = self._read("contacts", silent, [])
        survivors = _by_any_id(records)
        gone: list[StageFact | Gone] = [
            fate for contact in silent if (fate := _fate("contact", contact, survivors.get(contact), missing))
        ]
        moved = list(
            dict.fromkeys(it.into.person.id for it in gone if isinstance(it, Gone) and it.into and it.into.person)
        )
        return linked | self._linked("contacts", "deals", [it for it in moved if it not in linked]), gone

    def _facts(self, records: Sequence[_Record], whose: Mapping[str, Iterable[str]]) -> list[StageFact | Gone]:
        currency = self._currency_for(records)
        facts: list[StageFact | Gone] = []
        for record in records:
            if not (record.properties.get("pipeline") and record.properties.get("dealstage")):
                continue  # between two stages there is nothing to tell
            people: list[str | None] = list(whose.get(record.id, ())) or [None]
            if record.properties.get(self._key):
                people = people[:1]  # our id says whose it is
            facts += [_fact(record, lead=self._key, person=it, currency=currency) for it in people]
        return facts

    # --- asking HubSpot ---

    def _ask(self, call: Callable[..., Any], *args: Any) -> _Body:
        """Send a call of the SDK and read its answer; raise what its status or its body means."""
        answer: requests.Response = call(*args, _preload_content=False).answer
        try:
            return _read_answer(answer, self._details.get("utcOffsetMilliseconds", 0))
        except _Refused as refused:
            verdict = _verdict(refused.complaint, self._push, {})
            if isinstance(verdict, Misconfigured):
                raise verdict from None
            raise

    def _read(
        self, kind: str, ids: Sequence[str], properties: Sequence[str], *, by: str = "", history: Sequence[str] = ()
    ) -> tuple[list[_Record], frozenset[str]]:
        """Read records by their ids or by a unique property; give them, and the ids that HubSpot says are not there."""
        api = self._sdk.contacts if kind == "contacts" else self._sdk.deals
        size = _BATCH_WITH_HISTORY if history else _BATCH
        records: dict[str, _Record] = {}
        missing: set[str] = set()
        for part in _parts(ids, size):
            query = {"inputs": [{"id": id_} for id_ in part], "propertiesWithHistory": [*history]}
            query["properties"] = list(dict.fromkeys([*properties, "hs_merged_object_ids"]))  # names whom it stands for
            body = self._ask(api.read, query | ({"idProperty": by} if by else {}))
            records |= {record.id: record for record in _records(body)}
            for error in _list(body, "errors", optional=True):
                if error.get("category") != "OBJECT_NOT_FOUND":
                    raise Transient(f"HubSpot could not read some {kind}: {_complaint(error).text}")
                missing |= {str(id_) for id_ in _context(error).get("ids", ())}
        return list(records.values()), frozenset(missing)

    def _linked(self, start: str, end: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """Give the records of the other type that each of these is associated with; those without any are left out."""
        found: dict[str, list[str]] = {}
        inputs: list[dict[str, str]] = [{"id": id_} for id_ in ids]
        while inputs:
            part, inputs = inputs[:_BATCH_OF_ASSOCIATIONS], inputs[_BATCH_OF_ASSOCIATIONS:]
            body = self._ask(self._sdk.associations.get_page, start, end, {"inputs": part})
            for result in _list(body, "results"):
                id_ = _end(result, "from")
                found.setdefault(id_, []).extend(_id(to.get("toObjectId")) for to in _list(result, "to"))
                if after := ((result.get("paging") or {}).get("next") or {}).get("after"):
                    inputs.append({"id": id_, "after": str(after)})
        return {id_: others for id_, others in found.items() if others}

    def _account(self) -> _Body:
        if not self._details:
            # The SDK does not know this one. https://developers.hubspot.com/docs/api-reference/account-account-info-v3
            answer = self._http.request(
                "GET",
                f"{self._settings.base_url}/account-info/v3/details",
                headers={"Authorization": f"Bearer {self._settings.token.get_secret_value()}"},
                idempotent=True,
            )
            self._details = _read_answer(answer, 0)
        return self._details

    def _currency_for(self, records: Iterable[_Record]) -> str:
        """Give the account's own currency if one of these deals has an amount and names none."""
        if any(it.properties.get("amount") and not it.properties.get("deal_currency_code") for it in records):
            return str(self._account().get("companyCurrency") or "")
        return ""

    def _check_properties(self, kind: str, body: _Body) -> None:
        known = {str(it.get("name")): it for it in _list(body, "results")}
        if not known.get(self._key, {}).get("hasUniqueValue"):
            what = f"is not unique on {kind}" if self._key in known else f"does not exist on {kind}"
            raise Misconfigured(
                f"the property {self._key} {what}",
                yaml_path="push.referral_id",
                hint=f"create it in HubSpot: {kind}, single-line text, with the rule that values are unique",
            )
        for field in self._push.fields:
            object_type, name = _split_field(field)
            if object_type != kind:
                continue
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "create it in HubSpot, or take it out of the mapping"
                raise Misconfigured(f"{kind} have no property {name}", yaml_path=f"push.fields.{field}", hint=hint)
            if (known[name].get("modificationMetadata") or {}).get("readOnlyValue"):
                raise Misconfigured(
                    f"{name} can only be read", yaml_path=f"push.fields.{field}", hint="map another one"
                )


connector = HubSpot

# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A record that a lead has, and whether this call made it."""

    id: str
    created: bool


_Written = tuple[dict[str, _Place], dict[str, ConnectorError]]
_Answers = tuple[dict[str, _Place], dict[str, "_Complaint"]]


def _split_field(field: str) -> tuple[str, str]:
    """Tell whose property a mapped field is: `deal.dealname` the deal's, `firstname` and `contact.firstname` not."""
    owner, dot, name = field.partition(".")
    if dot and owner in {"deal", "contact"}:
        return f"{owner}s", name
    return "contacts", field


def _mapped(lead: Lead, kind: str) -> dict[str, str]:
    # An empty text would clear what HubSpot knows already.
    split = ((_split_field(field), text) for field, text in lead.fields.items() if text)
    return {name: text for (owner, name), text in split if owner == kind}


def _contact_properties(lead: Lead) -> dict[str, str]:
    email = {"email": lead.person.email} if lead.person.email else {}
    return email | _mapped(lead, "contacts")


def _deal_properties(lead: Lead, push: HubSpotPush) -> dict[str, str]:
    name = f"Referral {lead.referral_code or lead.id}"
    return {"dealname": name, "pipeline": push.pipeline, "dealstage": push.stage} | _mapped(lead, "deals")


def _pushed(lead: str, contact: _Place, deal: _Place | None, site: str | None) -> Pushed:
    page = f"0-3/{deal.id}" if deal else f"0-1/{contact.id}"  # HubSpot's numbers of the two object types
    ref = RemoteRef(
        person=RemoteId(type="contact", id=contact.id),
        deal=RemoteId(type="deal", id=deal.id) if deal else None,
        url=f"{site}/{page}" if site else None,
    )
    return Pushed(lead=lead, ref=ref, created=(deal or contact).created)


def _in_halves(
    rows: Mapping[str, _Row], send: Callable[[Mapping[str, _Row]], tuple[dict[str, Any], dict[str, _Complaint]]]
) -> tuple[dict[str, Any], dict[str, _Complaint]]:
    """Send rows together. A batch that is refused without naming a row is sent in halves, down to the one at fault."""
    if not rows:
        return {}, {}
    try:
        return send(rows)
    except _Refused as refused:
        if len(rows) == 1:
            return {}, dict.fromkeys(rows, refused.complaint)
    items = list(rows.items())
    first, second = (_in_halves(dict(half), send) for half in (items[: len(items) // 2], items[len(items) // 2 :]))
    return first[0] | second[0], first[1] | second[1]


def _has_email(record: _Record, email: str | None) -> bool:
    held = [record.properties.get("email", ""), *record.properties.get("hs_additional_emails", "").split(";")]
    return bool(email) and str(email).strip().casefold() in {it.strip().casefold() for it in held}


# --- what comes back -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A contact or a deal as an answer shows it. Properties without a value are left out."""

    id: str
    properties: Mapping[str, str]
    history: Mapping[str, Sequence[tuple[int, str]]]  # property -> (time in ms, value), the newest first
    trace: str
    new: bool

    @property
    def merged(self) -> Sequence[str]:
        """The ids that lead here since a merge; the record that a merge makes has a new one."""
        old = re.split(r"[;,\s]+", self.properties.get("hs_merged_object_ids", ""))
        return [id_ for id_ in old if id_ and id_ != self.id]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Past:
    """A stage that a deal entered."""

    pipeline: str
    stage: str
    at: int
    is_present: bool


def _records(body: _Body) -> list[_Record]:
    return [_record(it) for it in _list(body, "results")]


def _record(it: _Body) -> _Record:
    try:
        history = {
            name: [(_read_ms(past["timestamp"]), str(past["value"] or "")) for past in entries]
            for name, entries in (it.get("propertiesWithHistory") or {}).items()
        }
        return _Record(
            id=_id(it["id"]),
            properties={name: str(value) for name, value in it["properties"].items() if value not in (None, "")},
            history=history,
            trace=str(it.get("objectWriteTraceId") or ""),
            new=it.get("new") is True,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Transient("HubSpot's answer shows a record in another form than its API describes") from error


def _by_any_id(records: Iterable[_Record]) -> dict[str, _Record]:
    """Give each record under its id and under the ids that were merged into it."""
    found: dict[str, _Record] = {}
    for record in records:
        found |= dict.fromkeys((*record.merged, record.id), record)
    return found


def _fate(kind: str, id_: str, found: _Record | None, missing: frozenset[str]) -> Gone | None:
    def ref(name: str) -> RemoteRef:
        it = RemoteId(type=kind, id=name)
        return RemoteRef(deal=it) if kind == "deal" else RemoteRef(person=it)

    if found is None:
        # Only what HubSpot says is not there counts as deleted; a gap in an answer does not.
        return Gone(ref=ref(id_), why="deleted" if id_ in missing else "invisible")
    return Gone(ref=ref(id_), why="merged", into=ref(found.id)) if found.id != id_ else None


def _fact(record: _Record, *, lead: str, person: str | None, currency: str) -> StageFact:
    values = record.properties
    currency = values.get("deal_currency_code") or currency
    try:
        at = _read_ms(values["hs_lastmodifieddate"])
    except (KeyError, ValueError) as error:
        raise Transient("HubSpot's answer shows a deal without the time of its last change") from error
    amount = _minor_units(values.get("amount", ""), currency)
    return StageFact(
        ref=RemoteRef(
            person=RemoteId(type="contact", id=person) if person else None, deal=RemoteId(type="deal", id=record.id)
        ),
        lead=values.get(lead),
        pipeline=values.get("pipeline", ""),
        stage=values.get("dealstage", ""),
        outcome=_outcome(values),
        amount=amount,
        currency=currency if amount is not None else None,
        at=_time(at),
        version=at,
    )


def _outcome(values: Mapping[str, str]) -> Outcome | None:
    if values.get("hs_is_closed_won") == "true":
        return "won"
    closed = values.get("hs_is_closed")
    return None if closed is None else "lost" if closed == "true" else "open"


def _past(record: _Record) -> list[_Past]:
    """List the stages that a deal entered, the oldest first, each with the pipeline of that moment."""
    pipelines = sorted(record.history.get("pipeline", ())) or [(0, record.properties.get("pipeline", ""))]
    stages = sorted((at, stage) for at, stage in record.history.get("dealstage", ()) if stage)
    past = []
    for at, stage in stages:
        known = [name for since, name in pipelines if since <= at] or [pipelines[0][1]]
        past.append(_Past(pipeline=known[-1], stage=stage, at=at, is_present=(at, stage) == stages[-1]))
    return past


def _stage(pipeline: _Body, stage: _Body) -> Stage:
    # Never by the label: accounts have a "Closed lost" that is open. The metadata are texts.
    metadata = stage.get("metadata") or {}
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    is_won = re.fullmatch(r"1(\.0+)?", str(metadata.get("probability", ""))) is not None
    outcome: Outcome = "open" if not closed else "won" if is_won else "lost"
    return Stage(
        pipeline=_id(pipeline["id"]), id=_id(stage["id"]), label=str(stage.get("label") or stage["id"]), outcome=outcome
    )


# ISO 4217: these have no smaller unit, or a thousandth; all others a hundredth.
_WHOLE = re.compile("BIF|CLP|DJF|GNF|ISK|JPY|KMF|KRW|PYG|RWF|UGX|UYI|VND|VUV|XAF|XOF|XPF")
_THOUSANDTHS = re.compile("BHD|IQD|JOD|KWD|LYD|OMR|TND")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")


def _minor_units(text: str, currency: str) -> int | None:
    """Read decimal text as an integer of the currency's smallest unit; None if it is no amount of a known currency."""
    if not _NUMBER.fullmatch(text) or not re.fullmatch(r"[A-Z]{3}", currency):
        return None
    digits = 0 if _WHOLE.fullmatch(currency) else 3 if _THOUSANDTHS.fullmatch(currency) else 2
    amount = Decimal(text).scaleb(digits)
    return int(amount.to_integral_value(ROUND_HALF_UP)) if abs(amount) < 10**18 else None


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _read_ms(text: object) -> int:
    """Read one of HubSpot's two forms of a time: milliseconds since 1970, or ISO 8601."""
    if re.fullmatch(r"[0-9]{1,14}", str(text)):
        return int(str(text))
    at = datetime.fromisoformat(str(text))
    return _ms(at.replace(tzinfo=at.tzinfo or UTC))


def _order(id_: str) -> tuple[int, str]:
    return len(id_), id_  # as numbers are ordered, without reading an id as one


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


# --- judging answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Complaint:
    """What HubSpot found fault with, in a whole request or in the rows `rows`. Each part of it may be missing."""

    text: str  # may repeat values that were sent
    category: str
    codes: frozenset[str]
    names: frozenset[str]  # of properties
    rows: Sequence[str]
    existing: str  # the id of the contact that holds the e-mail address already


class _Refused(Misconfigured):
    """A 400 or 409 for a whole request; where no row can be at fault, it is ours."""

    def __init__(self, complaint: _Complaint) -> None:
        hint = "HubSpot's API may have changed; look for a newer version"
        super().__init__(f"HubSpot refuses a request: {_veiled(complaint.text, ())}", yaml_path="type", hint=hint)
        self.complaint = complaint


def _read_answer(answer: requests.Response, utc_offset: int) -> _Body:
    """Read an answer's JSON object, or raise what its status means. A 2xx says nothing of rows: see `errors`.

    https://developers.hubspot.com/docs/api-reference/error-handling
    """
    status = answer.status_code
    if 200 <= status < 300:
        return json_object(answer)
    try:
        body = json_object(answer)
    except Transient:
        body = {}
    complaint = _complaint(body)
    if status in {400, 409}:
        raise _Refused(complaint)
    raise _failure(answer, body, _brief(complaint), utc_offset)


def _failure(answer: requests.Response, body: _Body, said: str, utc_offset: int) -> ConnectorError:
    status = answer.status_code
    wait = _retry_after(answer)
    match status:
        case 401:
            return Unauthorized("HubSpot refuses the token", yaml_path="token", hint="create a new service key")
        case 403:
            scopes = ", ".join(sorted(_scopes(body))) or "see the app's settings"
            return Misconfigured(f"the token lacks a scope{said}", yaml_path="token", hint=f"needed: {scopes}")
        case 404 | 410:
            hint = f"is it HubSpot's address, and does HubSpot still serve version {VERSION}?"
            return Misconfigured("HubSpot has no such path", yaml_path="base_url", hint=hint)
        case 423:
            return Transient("HubSpot holds a lock on this record", retry_after=max(wait or 0, 2.0))
        case 429:
            return _too_many(answer, str(body.get("policyName", "")), wait, utc_offset)
        case 477:  # the account is being moved to another data centre; up to a day
            return _parked("HubSpot moves this account", answer, timedelta(seconds=wait or 3600))
        case _:
            error = status_error(status, f"HubSpot answers with status {status}{said}", retry_after=wait)
            return error or Transient("HubSpot gives no answer")


def _too_many(answer: requests.Response, policy: str, wait: float | None, utc_offset: int) -> ConnectorError:
    """https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines"""
    if policy == "DAILY":  # ends at midnight where the account is
        now = _date(answer) or datetime(1970, 1, 1, tzinfo=UTC)
        local = now + timedelta(milliseconds=utc_offset)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return _parked("the account's daily limit of API calls is spent", answer, midnight - local)
    seconds = wait or (1.0 if policy == "SECONDLY" else 10.0)
    return Transient("HubSpot asks for fewer calls", retry_after=min(seconds, 3600.0))


def _parked(why: str, answer: requests.Response, duration: timedelta) -> ConnectorError:
    now = _date(answer)  # HubSpot's clock, not ours
    if now is None:
        return Transient(why, retry_after=3600.0)
    until = now + min(duration, timedelta(days=1))
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


def _date(answer: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _retry_after(answer: requests.Response) -> float | None:
    text = answer.headers.get("Retry-After", "").strip()
    return float(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


_TRY_AGAIN = frozenset({"INTERNAL_ERROR", "RATE_LIMITS", "RATE_LIMIT", "TIMEOUT", "SERVICE_UNAVAILABLE"})


def _verdict(complaint: _Complaint, push: HubSpotPush, sent: Mapping[str, str]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values."""
    text = _veiled(complaint.text, sent.values())
    if "non-unique property" in complaint.text:
        hint = "its values must be unique, on contacts and on deals"
        return Misconfigured(f"the property {push.referral_id} is not unique", yaml_path="push.referral_id", hint=hint)
    if complaint.codes & {"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"}:
        name = min(complaint.names, default="")
        hint = "correct the mapping, or create the property in HubSpot"
        return Misconfigured(f"HubSpot cannot take {name or 'a field'}: {text}", yaml_path=_path(name, push), hint=hint)
    if at_fault := complaint.names & {"dealstage", "pipeline"}:
        return Misconfigured(text, yaml_path=_path(max(at_fault), push), hint="ids of HubSpot are needed, not labels")
    if complaint.category in _TRY_AGAIN:
        return Transient(text)
    return Rejected(text)


def _path(name: str, push: HubSpotPush) -> str:
    """Name the setting through which a property came to be written."""
    for field in push.fields:
        if _split_field(field)[1] == name:
            return f"push.fields.{field}"
    own = {push.referral_id: "push.referral_id", "dealstage": "push.stage", "pipeline": "push.pipeline"}
    return own.get(name, "push.fields")


_DOES_NOT_EXIST = re.compile(r'property "?(\w+)"? does not exist', re.IGNORECASE)
_EXISTING = re.compile(r"Existing ID: ?([0-9]{1,20})")
_EMAIL = re.compile(r"[\w.+'-]{1,64}@[\w.-]{1,255}")


def _complaint(error: _Body) -> _Complaint:
    """Read an error, of a request or of a row. "All should be treated as optional in any error parsing." """
    message, details = str(error.get("message") or ""), _details(error)
    context = _context(error)
    unknown = _DOES_NOT_EXIST.findall(message)
    text = "; ".join(f"{name}: {said or code}" if name else said or code for name, code, said in details)
    codes = {code for _, code, _ in details} | {str(error.get("subCategory") or "")}
    names = {name for name, _, _ in details} | {str(name) for name in context.get("properties", ())} | set(unknown)
    existing = _EXISTING.search(message)
    correlation = f" (correlation id {error['correlationId']})" if error.get("correlationId") else ""
    return _Complaint(
        text=(text or message or "no reason given")[:300] + correlation,
        category=str(error.get("category") or ""),
        codes=frozenset(codes | ({"PROPERTY_DOESNT_EXIST"} if unknown else set())) - {""},
        names=frozenset(names) - {""},
        rows=tuple(str(row) for row in context.get("objectWriteTraceId", ())),
        existing=existing[1] if existing else "",
    )


def _details(error: _Body) -> list[tuple[str, str, str]]:
    """Find (property, code, message) of each fault: in `errors`, or as JSON inside the message."""
    found = []
    for it in error.get("errors") or ():
        if isinstance(it, dict):
            names = _context(it).get("propertyName") or [""]
            found.append((str(names[0]), str(it.get("code") or ""), str(it.get("message") or "")))
    message = str(error.get("message") or "")
    if not found and (start := message.find("[{")) >= 0:
        try:
            faults = json.loads(message[start:])
        except (ValueError, RecursionError):
            return []
        found = [(str(it.get("name", "")), str(it.get("error", "")), str(it.get("message", ""))) for it in faults]
    return found


def _context(error: _Body) -> Mapping[str, Sequence[Any]]:
    context = error.get("context")
    return {k: v for k, v in context.items() if isinstance(v, list)} if isinstance(context, dict) else {}


def _scopes(body: _Body) -> set[str]:
    # HubSpot puts them into a list, a text or the message, by the kind of token.
    return set(re.findall(r"\bcrm\.[a-z_]+(?:\.[a-z_]+)+", json.dumps(body, default=str)))


def _brief(complaint: _Complaint) -> str:
    return f" ({complaint.category})" if complaint.category else ""


def _veiled(text: str, values: Iterable[str]) -> str:
    """Hide in an error's text what was sent: it is shown to people and kept in logs."""
    sent = sorted({value for value in values if len(value) > 1}, key=len, reverse=True)
    if sent:
        text = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, sent))})(?!\w)", "…", text, flags=re.IGNORECASE)
    return _EMAIL.sub("…", text)


def _list(body: _Body, name: str, *, optional: bool = False) -> list[_Body]:
    items = body.get(name, [] if optional else None)
    if not isinstance(items, list) or not all(isinstance(it, dict) for it in items):
        raise Transient(f"HubSpot's answer has no list of {name}; it is not what its API describes")
    return items


def _id(value: object) -> str:
    """Take an id as text; HubSpot writes some as numbers."""
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    raise Transient("HubSpot's answer names a record without its id")


def _end(association: _Body, side: str) -> str:
    it = association.get(side)
    return _id(it.get("id") if isinstance(it, dict) else None)


def json_object(answer: requests.Response) -> _Body:
    """Read an answer that must be one JSON object; raise `Transient` for anything else.

    A maintenance page, a captive portal and a body that was cut off come with a 200 too. Numbers with a fraction
    become `Decimal`; NaN, a repeated key and a wrong content type are refused.
    """
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not kind.endswith("json"):
        raise Transient(f"the answer (status {answer.status_code}) is not JSON but {kind or 'of no type'}")
    try:
        body = json.loads(
            answer.content.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_repeated,
        )
    except (ValueError, RecursionError):  # not `from`: its text holds the whole body
        raise Transient(f"the answer (status {answer.status_code}) is not whole, valid JSON") from None
    if not isinstance(body, dict):
        raise Transient(f"the answer (status {answer.status_code}) is not a JSON object")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> _Body:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ValueError("a key is repeated")
    return body


# --- settings against the account ------------------------------------------------------------------------------------


def _check_stages(settings: HubSpotSettings, stages: Sequence[Stage]) -> None:
    """Raise for the first pipeline or stage of the settings that the account has not."""
    known: dict[str, list[str]] = {}
    for it in stages:
        known.setdefault(it.pipeline, []).append(it.id)
    wanted = [(p, f"stages.{p}", stage, f"stages.{p}.{stage}") for p, map_ in settings.stages.items() for stage in map_]
    if settings.push.kind == "deal":
        wanted.append((settings.push.pipeline, "push.pipeline", settings.push.stage, "push.stage"))
    for pipeline, pipeline_path, stage, stage_path in wanted:
        if pipeline not in known:
            raise _unknown("pipeline", pipeline, pipeline_path, known)
        if stage not in known[pipeline]:
            raise _unknown(f"stage in pipeline {pipeline}", stage, stage_path, known[pipeline])


def _unknown(what: str, id_: str, path: str, known: Iterable[str]) -> Misconfigured:
    return Misconfigured(f"HubSpot has no {what} with the id {id_}", yaml_path=path, hint=f"it has {', '.join(known)}")


# --- the SDK, tamed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sdk:
    """The SDK's API objects. Built once: each access through its client would open a connection pool of its own."""

    contacts: Any
    deals: Any
    new_deals: Any  # the same as `deals`, for the one call that must not be repeated by itself
    search: Any
    associations: Any
    pipelines: Any
    properties: Any


def _open_sdk(settings: HubSpotSettings, http: Http) -> _Sdk:
    client, once = (_client(settings, _Wire(http, idempotent=idempotent)) for idempotent in (True, False))
    return _Sdk(
        contacts=client.crm.contacts.batch_api,
        deals=client.crm.deals.batch_api,
        new_deals=once.crm.deals.batch_api,
        search=client.crm.deals.search_api,
        associations=client.crm.associations.v4.batch_api,
        pipelines=client.crm.pipelines.pipelines_api,
        properties=client.crm.properties.core_api,
    )


def _client(settings: HubSpotSettings, wire: _Wire) -> Any:
    from hubspot import HubSpot as Client
    from hubspot.discovery.discovery_base import DiscoveryBase

    def api_factory(package: Any, name: str, config: Any) -> Any:
        # `api_factory` is the SDK's own hook; the private names below hold for its version 12, and a test says so.
        api = DiscoveryBase._default_api_factory(package, name, config)
        api.api_client.rest_client.pool_manager = wire
        call = api.api_client.call_api
        api.api_client.call_api = lambda path, *args, **kwargs: call(_dated(path), *args, **kwargs)
        return api

    return Client(access_token=settings.token.get_secret_value(), host=settings.base_url, api_factory=api_factory)


def _dated(path: str) -> str:
    return re.sub(r"^/crm/v[34]/(objects|associations|pipelines|properties)/", rf"/crm/\1/{VERSION}/", path)


class _Wire:
    """Stands in for the SDK's pool of connections and sends through our session: one deadline, one count, one log."""

    def __init__(self, http: Http, *, idempotent: bool) -> None:
        self._http = http
        self._idempotent = idempotent

    def request(
        self, method: str, url: str, *, body: str | None = None, fields: Any = None, headers: Any = None, **_: Any
    ) -> _Untouched:
        answer = self._http.request(
            method,
            f"{url}?{urlencode(fields)}" if fields else url,
            headers=headers,
            data=None if body is None else body.encode(),
            idempotent=self._idempotent,
        )
        return _Untouched(answer=answer)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Untouched:
    """An answer that the SDK hands on as it came. It must see a 2xx, or it raises one of its dozen exceptions."""

    answer: requests.Response
    status: int = 200
