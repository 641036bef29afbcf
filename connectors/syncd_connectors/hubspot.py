"""HubSpot: leads become contacts, or contacts with a deal; deal stages come back.

Our id of a lead lives in a custom property that HubSpot keeps unique (`push.referral_id`), on contacts and on deals.
Every write goes by it, so that a repeated push finds what an earlier one made. The official SDK writes the requests;
they travel through our session, and we read the answers, as the SDK drops half of what they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, SecretStr

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
    Stage,
    StageFact,
    Transient,
    Unauthorized,
    answered_at,
    check_stages,
    in_halves,
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

VERSION = "2026-09"
"""Of HubSpot's API; the SDK's own v3 and v4 end in 2027. https://developers.hubspot.com/docs/api-reference/overview"""

_HOUR = timedelta(hours=1)
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

# --- settings --------------------------------------------------------------------------------------------------------


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
    portal: Annotated[str | None, Field(pattern=r"^[0-9]{1,20}$")] = None
    """The account's id (Hub ID), for links to records."""
    currency: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$")] = None
    """The account's own currency, in which an amount is that names none; without it such an amount is not told."""
    base_url: BaseUrl = "https://api.hubapi.com"
    """Where HubSpot's API is; plain http is accepted for loopback addresses only."""
    push: HubSpotPush = HubSpotPush()
    """What is written to HubSpot."""


# --- the connector ---------------------------------------------------------------------------------------------------


class HubSpot:
    """One HubSpot account, as `syncd.contract` describes a connector that keeps history, lists fields and provisions.

    Safe in several threads.
    """

    Settings: ClassVar[type[ConnectorSettings]] = HubSpotSettings
    batch_size: ClassVar[int] = _BATCH

    def __init__(self, settings: HubSpotSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._key = settings.push.referral_id
        self._kinds = ("contacts", "deals") if settings.push.kind == "deal" else ("contacts",)
        self._sdk = _open_sdk(settings, http)
        self._stages: dict[tuple[str, str], Stage] = {}

    @classmethod
    def open(cls, settings: HubSpotSettings, http: Http) -> Self:
        """Build the connector; HubSpot is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the token, its reading scopes, the unique property, the mapped fields and the stages."""
        checked = ["token"]
        for kind in self._kinds:
            self._check_properties(kind)
            self._read(kind, ["syncd-check"], [], by=self._key)
            checked += [f"{kind} can be read", f"{kind} have the unique property {self._key}", f"{kind}: fields"]
        first = (self._push.pipeline, self._push.stage) if self._push.kind == "deal" else None
        check_stages(self._settings, self.stages(), first=first)
        portal = self._settings.portal
        return Account(
            name=f"HubSpot account {portal}" if portal else "HubSpot",
            id=portal or "",
            checked=(*checked, "pipeline and stages"),
            warnings=("that the token may write contacts and deals shows only when the first lead is pushed",),
        )

    def stages(self) -> Sequence[Stage]:
        """List the stages of every deal pipeline."""
        pipelines = json_objects(self._ask(self._sdk.pipelines.get_all, "deals"), "results")
        stages = [_stage(pipeline, stage) for pipeline in pipelines for stage in json_objects(pipeline, "stages")]
        self._stages = {(stage.pipeline, stage.id): stage for stage in stages}
        return stages

    def fields(self) -> Sequence[RemoteField]:
        """List the properties that can be written, of contacts and, where they are pushed, of deals."""
        fields = []
        for kind in self._kinds:
            prefix = "deal." if kind == "deals" else ""
            fields += [
                RemoteField(
                    of=kind.removesuffix("s"),
                    name=f"{prefix}{name}",
                    label=str(it.get("label") or name),
                    type=str(it.get("type") or ""),
                )
                for name, it in sorted(self._properties(kind).items())
                if name != self._key and not _is_read_only(it)
            ]
        return fields

    def provision(self) -> Sequence[str]:
        """Create the unique property that carries our id, wherever it is missing; needs `crm.schemas.*.write`.

        One that is there stays as it is: HubSpot makes no property unique later on.
        https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
        """
        missing = [kind for kind in self._kinds if self._key not in self._properties(kind)]
        for kind in missing:
            self._create_key(kind)
        return [f"the unique property {self._key} on {kind}" for kind in missing]

    def _create_key(self, kind: str) -> None:
        definition = {
            "name": self._key,
            "label": "Referral id",
            "description": "Written by syncd; it tells which referral this record is",
            "groupName": f"{kind.removesuffix('s')}information",
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": True,
        }
        try:
            self._ask(self._sdk.properties.create, kind, definition)
        except _Refused as refused:
            # After a lost answer the repetition is refused, as the property is there: only looking tells.
            if self._key in self._properties(kind):
                return
            why = veiled(refused.complaint.text, ())
            told = f"the property {self._key} could not be created on {kind}: {why}"
            raise Misconfigured(told, yaml_path="push.referral_id", hint=_by_hand(kind)) from None

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in, in three writing calls: contacts, the deals that are missing, their associations.

        Each of the three can be repeated. A deal is created once and never written again: whatever sales has done to
        it since, a repeated push leaves it where it is.
        """
        contacts = self._push_contacts(leads)
        people = _placed(contacts)
        wants_deal = [it for it in leads if it.id in people and self._push.kind == "deal" and it.role == "friend"]
        deals = self._push_deals(wants_deal)
        opened = _placed(deals)
        unlinked = self._associate({lead: (deal.id, people[lead].id) for lead, deal in opened.items()})
        verdicts = contacts | deals | unlinked
        refused = {lead: it for lead, it in verdicts.items() if isinstance(it, ConnectorError)}
        return [refused.get(it.id) or self._pushed(it.id, people[it.id], opened.get(it.id)) for it in leads]

    def _push_contacts(self, leads: Sequence[Lead]) -> _Verdicts:
        rows = {lead.id: self._row(lead.id, _contact_properties(lead)) for lead in leads}
        answers = self._write("contacts", self._sdk.contacts.upsert, rows)
        conflicts = {
            lead: it.complaint.existing
            for lead, it in answers.items()
            if isinstance(it, _Refused) and it.complaint.existing
        }
        return self._verdicts(answers, rows) | self._adopt(conflicts, {lead.id: lead for lead in leads})

    def _push_deals(self, leads: Sequence[Lead]) -> _Verdicts:
        # To upsert a deal that exists would put it back to its first stage. So only those that a consistent read does
        # not find are sent, and that call is the one that is not repeated by itself: its lost answer is followed by
        # another read.
        found = self._find_deals(leads)
        rows = {it.id: self._row(it.id, _deal_properties(it, self._push)) for it in leads if it.id not in found}
        return found | self._verdicts(self._write("deals", self._sdk.new_deals.upsert, rows), rows)

    def _find_deals(self, leads: Sequence[Lead]) -> dict[str, _Place]:
        found = self._carrying("deals", [lead.id for lead in leads])
        # A deal that was merged into another may have lost our id; its own id still leads to the survivor.
        known = {it.id: it.known.deal.id for it in leads if it.id not in found and it.known and it.known.deal}
        survivors = _by_any_id(self._read("deals", known.values(), [])[0])
        return found | {lead: _Place(id=survivors[deal].id) for lead, deal in known.items() if deal in survivors}

    def _adopt(self, conflicts: Mapping[str, str], leads: Mapping[str, Lead]) -> _Verdicts:
        """Link leads whose e-mail address belongs to a contact already; mark it with our id if it has none."""
        properties = ["email", "hs_additional_emails", self._key]
        holders = _by_any_id(self._read("contacts", conflicts.values(), properties)[0])
        verdicts: _Verdicts = {}
        rows: dict[str, JsonObject] = {}
        for lead, contact in conflicts.items():
            holder = holders.get(contact)
            if holder is None:
                verdicts[lead] = Transient("the contact that holds this e-mail address could not be read")
            elif not _has_email(holder, leads[lead].person.email):
                verdicts[lead] = Rejected(f"HubSpot names contact {contact} as the holder of this e-mail; it is not")
            elif holder.properties.get(self._key) or holder.id in {row["id"] for row in rows.values()}:
                verdicts[lead] = _Place(id=holder.id)  # another lead's: linked, not written to
            else:
                rows[lead] = {"id": holder.id, "properties": {self._key: lead}, "objectWriteTraceId": lead}
        return verdicts | self._verdicts(self._write("contacts", self._sdk.contacts.update, rows), rows)

    def _associate(self, pairs: Mapping[str, tuple[str, str]]) -> _Verdicts:
        """Associate deals with contacts; give only what went wrong."""

        def send(rows: Mapping[str, tuple[str, str]]) -> dict[str, _Refused]:
            inputs = [{"from": {"id": deal}, "to": {"id": contact}} for deal, contact in rows.values()]
            body = self._ask(self._sdk.associations.create_default, "deals", "contacts", {"inputs": inputs})
            if not (errors := json_objects(body, "errors", optional=True)):
                return {}
            # The errors do not name the row, but what went well does.
            done = {(_end(it, "from"), _end(it, "to")) for it in json_objects(body, "results")}
            return {lead: _Refused(_complaint(errors[0])) for lead, pair in rows.items() if pair not in done}

        refused = in_halves(pairs, send, _Refused)
        return {lead: Transient(f"contact and deal could not be associated: {it}") for lead, it in refused.items()}

    def _write(self, kind: str, call: Callable[..., Any], rows: Mapping[str, JsonObject]) -> _Answers:
        """Send rows; what the answer passes over in silence is looked for."""

        def send(part: Mapping[str, JsonObject]) -> _Answers:
            body = self._ask(call, {"inputs": list(part.values())})
            answers: _Answers = {
                record.trace or record.properties.get(self._key, ""): _Place(id=record.id, created=record.new)
                for record in _records(body)
            }
            for complaint in map(_complaint, json_objects(body, "errors", optional=True)):
                answers |= dict.fromkeys(complaint.rows, _Refused(complaint))
            answers |= self._carrying(kind, [lead for lead in part if lead not in answers])
            if not answers.keys() >= part.keys():  # what is not there may still come: the push is repeated
                raise Transient(f"HubSpot's answer to a batch of {kind} says nothing of some of them")
            return {lead: answers[lead] for lead in part}

        return in_halves(rows, send, _Refused)

    def _carrying(self, kind: str, leads: Collection[str]) -> dict[str, _Place]:
        """Find the records that carry our ids of these leads, by a consistent read."""
        records, _ = self._read(kind, leads, [self._key], by=self._key)
        return {it.properties[self._key]: _Place(id=it.id) for it in records if self._key in it.properties}

    def _row(self, lead: str, properties: Mapping[str, str]) -> JsonObject:
        # The trace id is what makes HubSpot judge each row alone, and name it in `errors`.
        values = {**properties, self._key: lead}
        return {"id": lead, "idProperty": self._key, "objectWriteTraceId": lead, "properties": values}

    def _verdicts(self, answers: _Answers, rows: Mapping[str, JsonObject]) -> _Verdicts:
        """Turn complaints about rows into their verdicts; raise what would befall every row."""
        verdicts: _Verdicts = {}
        for lead, it in answers.items():
            if isinstance(it, _Refused):
                verdict = _verdict(it.complaint, self._push, rows[lead]["properties"].values())
                if isinstance(verdict, Misconfigured):
                    raise verdict
                verdicts[lead] = verdict
            else:
                verdicts[lead] = it
        return verdicts

    def _pushed(self, lead: str, contact: _Place, deal: _Place | None) -> Pushed:
        page = f"0-3/{deal.id}" if deal else f"0-1/{contact.id}"  # HubSpot's numbers of the two object types
        portal = self._settings.portal
        ref = RemoteRef(
            person=RemoteId(type="contact", id=contact.id),
            deal=RemoteId(type="deal", id=deal.id) if deal else None,
            url=f"https://app.hubspot.com/contacts/{portal}/record/{page}" if portal else None,
        )
        return Pushed(lead=lead, ref=ref, created=(deal or contact).created)

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at)})

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

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, and the deals of contacts by theirs; 100 a call."""
        asked = dict.fromkeys(ref.deal.id for ref in refs if ref.deal)
        linked, gone = self._deals_of(dict.fromkeys(ref.person.id for ref in refs if ref.person))
        pairs = [(ref.deal.id, ref.person.id) for ref in refs if ref.deal and ref.person] + linked
        records, missing = self._read("deals", [*asked, *(deal for deal, _ in pairs)], [*_DEAL, self._key])
        survivors = _by_any_id(records)
        gone += [fate for deal in asked if (fate := _fate("deal", deal, survivors.get(deal), missing))]
        return [*gone, *self._facts(records, [(survivors[it].id, who) for it, who in pairs if it in survivors])]

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time; 50 deals a call."""
        ids = [deal.id for deal in deals]
        records, _ = self._read("deals", ids, [*_DEAL, self._key], history=("dealstage", "pipeline"))
        entered = [(record, past) for record in records for past in _past(record)]
        if any((past.pipeline, past.stage) not in self._stages for _, past in entered):
            self.stages()
        return [self._entered(record, past) for record, past in entered]

    def _entered(self, record: _Record, past: _Past) -> StageFact:
        known = self._stages.get((past.pipeline, past.stage))
        outcome = known.outcome if known else _outcome(record.properties) if past.is_present else None
        now = self._fact(record, person=None)
        then, version = past.at, to_ms(past.at)
        return replace(now, pipeline=past.pipeline, stage=past.stage, outcome=outcome, at=then, version=version)

    def _search(self, low: int, high: int, after: str) -> list[_Record]:
        modified, id_ = "hs_lastmodifieddate", "hs_object_id"
        conditions = [(modified, "GTE", str(low)), (modified, "LTE", str(high)), (id_, "GT", after)]
        filters = [{"propertyName": name, "operator": sign, "value": value} for name, sign, value in conditions]
        query = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": id_, "direction": "ASCENDING"}],
            "properties": [*_DEAL, self._key],
            "limit": _PAGE,
        }
        records = _records(self._ask(self._sdk.search.do_search, query))
        order = [(len(it), it) for it in (after, *(record.id for record in records))]  # as numbers are ordered
        if any(later <= earlier for earlier, later in pairwise(order)):
            raise Transient("HubSpot's search gave a page that is not in the order asked for")  # or we would never end
        return records

    def _changed(self, records: Sequence[_Record]) -> Sequence[StageFact | Gone]:
        """Facts of a page; deals that carry no id of ours name the contacts through whom they may be ours."""
        strangers = [record.id for record in records if not record.properties.get(self._key)]
        merged = [fate for it in records for old in it.merged if (fate := _fate("deal", old, it, frozenset()))]
        return [*merged, *self._facts(records, self._linked("deals", "contacts", strangers))]

    def _deals_of(self, contacts: Collection[str]) -> tuple[list[tuple[str, str]], list[StageFact | Gone]]:
        """Find the deals of contacts, as (deal, contact). One without any may have been merged or deleted: read it."""
        linked = self._linked("contacts", "deals", contacts)
        with_deals = {contact for contact, _ in linked}
        silent = [contact for contact in contacts if contact not in with_deals]
        records, missing = self._read("contacts", silent, [])
        survivors = _by_any_id(records)
        gone: list[StageFact | Gone] = [
            fate for contact in silent if (fate := _fate("contact", contact, survivors.get(contact), missing))
        ]
        moved = dict.fromkeys(survivors[contact].id for contact in silent if contact in survivors)
        linked += self._linked("contacts", "deals", [contact for contact in moved if contact not in contacts])
        return [(deal, contact) for contact, deal in linked], gone

    def _facts(self, records: Iterable[_Record], pairs: Iterable[tuple[str, str]]) -> list[StageFact | Gone]:
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

    def _fact(self, record: _Record, *, person: str | None) -> StageFact:
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
            outcome=_outcome(values),
            amount=amount,
            currency=currency if amount is not None else None,
            at=at,
            version=to_ms(at),
        )

    # --- asking HubSpot ---

    def _ask(self, call: Callable[..., Any], *args: Any) -> JsonObject:
        """Send a call of the SDK and read its answer; raise what its status or its body means."""
        answer: requests.Response = call(*args, _preload_content=False).answer
        try:
            return _read_answer(answer)
        except _Refused as refused:
            verdict = _verdict(refused.complaint, self._push, ())
            if isinstance(verdict, Misconfigured):
                raise verdict from None
            raise

    def _read(
        self, kind: str, ids: Iterable[str], properties: Iterable[str], *, by: str = "", history: Sequence[str] = ()
    ) -> tuple[list[_Record], frozenset[str]]:
        """Read records by their ids or by a unique property; give them, and the ids that HubSpot says are not there."""
        api = self._sdk.contacts if kind == "contacts" else self._sdk.deals
        records: dict[str, _Record] = {}
        missing: set[str] = set()
        for part in parts(list(dict.fromkeys(ids)), _BATCH_WITH_HISTORY if history else _BATCH):
            query = {"inputs": [{"id": id_} for id_ in part], "propertiesWithHistory": [*history]}
            query["properties"] = list(dict.fromkeys([*properties, "hs_merged_object_ids"]))  # names whom it stands for
            body = self._ask(api.read, query | ({"idProperty": by} if by else {}))
            records |= {record.id: record for record in _records(body)}
            for error in json_objects(body, "errors", optional=True):
                if error.get("category") != "OBJECT_NOT_FOUND":
                    raise Transient(f"HubSpot could not read some {kind}: {veiled(_complaint(error).text, ())}")
                missing |= {str(id_) for id_ in _context(error).get("ids", ())}
        return list(records.values()), frozenset(missing)

    def _linked(self, start: str, end: str, ids: Iterable[str]) -> list[tuple[str, str]]:
        """Give the associations of these records, as (record, record of the other type)."""
        found: list[tuple[str, str]] = []
        inputs: list[dict[str, str]] = [{"id": id_} for id_ in ids]
        while inputs:
            part, inputs = inputs[:_BATCH_OF_ASSOCIATIONS], inputs[_BATCH_OF_ASSOCIATIONS:]
            body = self._ask(self._sdk.associations.get_page, start, end, {"inputs": part})
            for result in json_objects(body, "results"):
                id_ = _end(result, "from")
                found += [(id_, read_id(to.get("toObjectId"))) for to in json_objects(result, "to")]
                if after := _object(_object(result.get("paging")).get("next")).get("after"):
                    inputs.append({"id": id_, "after": str(after)})
        return found

    def _properties(self, kind: str) -> dict[str, JsonObject]:
        body = self._ask(self._sdk.properties.get_all, kind)
        return {str(it.get("name")): it for it in json_objects(body, "results")}

    def _check_properties(self, kind: str) -> None:
        known = self._properties(kind)
        if not known.get(self._key, {}).get("hasUniqueValue"):
            what = f"is not unique on {kind}" if self._key in known else f"does not exist on {kind}"
            raise Misconfigured(f"the property {self._key} {what}", yaml_path="push.referral_id", hint=_by_hand(kind))
        for field in self._push.fields:
            owner, name = _split_field(field)
            if owner != kind:
                continue
            path = f"push.fields.{field}"
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "create it in HubSpot, or take it out of the mapping"
                raise Misconfigured(f"{kind} have no property {name}", yaml_path=path, hint=hint)
            if _is_read_only(known[name]):
                raise Misconfigured(f"{name} can only be read", yaml_path=path, hint="map another one")


connector = HubSpot

# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A record that a lead has, and whether this call made it."""

    id: str
    created: bool = False


_Answers = dict[str, "_Place | _Refused"]
_Verdicts = dict[str, _Place | ConnectorError]


def _placed(verdicts: _Verdicts) -> dict[str, _Place]:
    return {lead: it for lead, it in verdicts.items() if isinstance(it, _Place)}


def _split_field(field: str) -> tuple[str, str]:
    """Tell whose property a mapped field is: `deal.dealname` the deal's, `firstname` and `contact.firstname` not."""
    owner, dot, name = field.partition(".")
    if dot and owner in {"deal", "contact"}:
        return f"{owner}s", name
    return "contacts", field


def _is_read_only(definition: JsonObject) -> bool:
    return _object(definition.get("modificationMetadata")).get("readOnlyValue") is True


def _by_hand(kind: str) -> str:
    return f"create it in HubSpot: {kind}, single-line text, with the rule that values are unique"


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


def _has_email(record: _Record, email: str | None) -> bool:
    held = [record.properties.get("email", ""), *record.properties.get("hs_additional_emails", "").split(";")]
    return bool(email) and str(email).strip().casefold() in {it.strip().casefold() for it in held}


# --- what comes back -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A contact or a deal as an answer shows it. Properties without a value are left out."""

    id: str
    properties: Mapping[str, str]
    history: Mapping[str, Sequence[tuple[datetime, str]]]  # property -> (since when, value), the newest first
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
    at: datetime
    is_present: bool


def _records(body: JsonObject) -> list[_Record]:
    return [_record(it) for it in json_objects(body, "results")]


def _record(it: JsonObject) -> _Record:
    try:
        history = {
            name: [(read_time(past["timestamp"]), str(past["value"] or "")) for past in entries]
            for name, entries in (it.get("propertiesWithHistory") or {}).items()
        }
        return _Record(
            id=read_id(it["id"]),
            properties={name: str(value) for name, value in it["properties"].items() if value not in (None, "")},
            history=history,
            trace=str(it.get("objectWriteTraceId") or ""),
            new=it.get("new") is True,
        )
    except (KeyError, TypeError, AttributeError) as error:
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


def _outcome(values: Mapping[str, str]) -> Outcome | None:
    if values.get("hs_is_closed_won") == "true":
        return "won"
    closed = values.get("hs_is_closed")
    return None if closed is None else "lost" if closed == "true" else "open"


def _past(record: _Record) -> list[_Past]:
    """List the stages that a deal entered, the oldest first, each with the pipeline of that moment."""
    stages = sorted((at, stage) for at, stage in record.history.get("dealstage", ()) if stage)
    pipelines = sorted(record.history.get("pipeline", ()))
    first = pipelines[0][1] if pipelines else record.properties.get("pipeline", "")
    past = []
    for at, stage in stages:
        known = [name for since, name in pipelines if since <= at]
        past.append(_Past(pipeline=[first, *known][-1], stage=stage, at=at, is_present=(at, stage) == stages[-1]))
    return past


def _stage(pipeline: JsonObject, stage: JsonObject) -> Stage:
    # Never by the label: accounts have a "Closed lost" that is open. The metadata are texts.
    id_, metadata = read_id(stage.get("id")), _object(stage.get("metadata"))
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    is_won = re.fullmatch(r"1(\.0+)?", str(metadata.get("probability", ""))) is not None
    outcome: Outcome = "open" if not closed else "won" if is_won else "lost"
    return Stage(pipeline=read_id(pipeline.get("id")), id=id_, label=str(stage.get("label") or id_), outcome=outcome)


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
        super().__init__(f"HubSpot refuses a request: {veiled(complaint.text, ())}", yaml_path="type", hint=hint)
        self.complaint = complaint


def _read_answer(answer: requests.Response) -> JsonObject:
    """Read an answer's JSON object, or raise what its status means. A 2xx says nothing of rows: see `errors`.

    https://developers.hubspot.com/docs/api-reference/error-handling
    """
    if 200 <= answer.status_code < 300:
        return json_object(answer)
    try:
        body = json_object(answer)
    except Transient:
        body = {}
    if answer.status_code in {400, 409}:
        raise _Refused(_complaint(body))
    raise _failure(answer, body)


def _failure(answer: requests.Response, body: JsonObject) -> ConnectorError:
    status, wait, now = answer.status_code, retry_after(answer), answered_at(answer)
    said = f" ({body['category']})" if body.get("category") else ""
    match status:
        case 401:
            return Unauthorized("HubSpot refuses the token", yaml_path="token", hint="create a new service key")
        case 403:
            # In a list, a text or the message, by the kind of token.
            scopes = sorted(set(re.findall(r"\bcrm\.[a-z_]+(?:\.[a-z_]+)+", json.dumps(body, default=str))))
            hint = f"needed: {', '.join(scopes) or 'see the settings of the key'}"
            return Misconfigured(f"the token lacks a scope{said}", yaml_path="token", hint=hint)
        case 404 | 410:
            hint = f"is it HubSpot's address, and does HubSpot still serve version {VERSION}?"
            return Misconfigured("HubSpot has no such path", yaml_path="base_url", hint=hint)
        case 423:
            return Transient("HubSpot holds a lock on this record", retry_after=max(wait or 0, 2.0))
        case 429 if body.get("policyName") == "DAILY":
            # No answer tells the account's time zone, so its midnight is found by asking.
            why = "the daily limit of API calls is spent, and resets at midnight of the account's time zone"
            next_hour = now and now.replace(minute=0, second=0) + _HOUR
            return _parked(f"{why}; HubSpot is asked again each hour", next_hour)
        case 429:  # https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
            seconds = wait or (1.0 if body.get("policyName") == "SECONDLY" else 10.0)
            return Transient("HubSpot asks for fewer calls", retry_after=min(seconds, 3600.0))
        case 477:  # the account is being moved to another data centre; up to a day
            pause = timedelta(seconds=min(wait, 86400)) if wait else _HOUR
            return _parked("HubSpot moves this account", now and now + pause)
        case _:
            error = status_error(status, f"HubSpot answers with status {status}{said}", retry_after=wait)
            return error or Transient("HubSpot gives no answer")


def _parked(why: str, until: datetime | None) -> ConnectorError:
    """Wait until a time by HubSpot's clock, not ours; an hour where its answer told none."""
    if until is None:
        return Transient(why, retry_after=_HOUR.total_seconds())
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


_TRY_AGAIN = frozenset({"INTERNAL_ERROR", "RATE_LIMITS", "RATE_LIMIT", "TIMEOUT", "SERVICE_UNAVAILABLE"})


def _verdict(complaint: _Complaint, push: HubSpotPush, sent: Iterable[str]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values."""
    text = veiled(complaint.text, sent)
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


def _complaint(error: JsonObject) -> _Complaint:
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


def _details(error: JsonObject) -> list[tuple[str, str, str]]:
    """Find (property, code, message) of each fault: in `errors`, or as JSON inside the message."""
    found = []
    for it in _objects(error.get("errors")):
        names = _context(it).get("propertyName") or [""]
        found.append((str(names[0]), str(it.get("code") or ""), str(it.get("message") or "")))
    message = str(error.get("message") or "")
    if not found and (start := message.find("[{")) >= 0:
        try:
            faults = _objects(json.loads(message[start:]))
        except (ValueError, RecursionError):
            return []
        found = [(str(it.get("name", "")), str(it.get("error", "")), str(it.get("message", ""))) for it in faults]
    return found


def _context(error: JsonObject) -> Mapping[str, Sequence[Any]]:
    return {name: value for name, value in _object(error.get("context")).items() if isinstance(value, list)}


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []


def _end(association: JsonObject, side: str) -> str:
    return read_id(_object(association.get(side)).get("id"))


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
