"""The searches of API v2: words in an index, which is a little behind the records.

https://developers.pipedrive.com/docs/api/v1/Deals (searchDeals), .../Persons (searchPersons), .../Leads (searchLeads)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive.call import Call, listed, number, ok, sliced, yes
from syncd.sandbox.crm.pipedrive.record import Record, Snapshot
from syncd.sandbox.crm.pipedrive.refusal import invalid
from syncd.sandbox.crm.pipedrive.schema import SEARCHABLE, Kind, Schema

_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "deal": ("custom_fields", "notes", "title"),
    "lead": ("custom_fields", "notes", "title"),
    "person": ("custom_fields", "email", "notes", "phone", "name"),
}
_FILTERS: Mapping[Kind, tuple[str, ...]] = {
    "deal": ("person_id", "organization_id", "status"),
    "lead": ("person_id", "organization_id"),
    "person": ("organization_id",),
}


def answer(call: Call) -> Reply:
    """Answer GET of a search: what the index has of a term, in any case; archived records too."""
    kind = call.kind
    query = call.query("term", "fields", "exact_match", "limit", "cursor", *_FILTERS[kind])
    term, exact = query.get("term", "").strip().lower(), yes(query, "exact_match")
    if len(term) < (1 if exact else 2):
        raise invalid("term: expected 2 characters at least, or 1 with exact_match")
    fields = listed(query, "fields") or list(_FIELDS[kind])
    if wrong := sorted(set(fields) - set(_FIELDS[kind])):
        raise invalid(f"fields: {wrong[0]} is not one of {', '.join(_FIELDS[kind])}")
    hits = []
    for it in call.company.records[kind].values():
        snapshot = it.indexed(call.company.now())
        if snapshot is None or snapshot.gone or it.hidden or not _fits(query, snapshot):
            continue
        words = [text.lower() for text in _texts(call.company.schema, it, snapshot, fields)]
        if any(term == text if exact else term in text for text in words):
            hits.append({"result_score": 1.0 if exact else 0.5, "item": _item(call, it, snapshot)})
    page, more = sliced(query, hits)
    return ok({"items": page}, more=more)


def _fits(query: Mapping[str, str], snapshot: Snapshot) -> bool:
    person, organization = number(query, "person_id"), number(query, "organization_id")
    if query.get("status", "open") not in {"open", "won", "lost"}:
        raise invalid("status: expected open, won or lost")
    return (
        person in {None, snapshot.values.get("person_id")}
        and organization is None
        and query.get("status") in {None, snapshot.values.get("status")}
    )


def _texts(schema: Schema, it: Record, snapshot: Snapshot, fields: Iterable[str]) -> Iterable[str]:
    values, custom = snapshot.values, schema.custom(it.kind)
    for name in fields:
        if name in {"title", "name"}:
            yield str(values[name])
        elif name in {"email", "phone"}:
            yield from (point["value"] for point in values[f"{name}s"])
        elif name == "custom_fields":
            for key, value in snapshot.custom.items():
                if custom[key].type in SEARCHABLE:
                    yield str(value["value"] if isinstance(value, dict) else value)


def _item(call: Call, it: Record, snapshot: Snapshot) -> dict[str, Any]:
    values, schema = snapshot.values, call.company.schema
    texts = list(_texts(schema, it, snapshot, ["custom_fields"]))
    owner = {"id": values["owner_id"]}
    item: dict[str, Any] = {"id": it.id if it.kind == "lead" else int(it.id), "type": it.kind}
    if it.kind == "person":
        emails, phones = ([point["value"] for point in values[name]] for name in ("emails", "phones"))
        item |= {"name": values["name"], "emails": emails, "phones": phones, "primary_email": next(iter(emails), None)}
        return {**item, "visible_to": values["visible_to"], "owner": owner, "custom_fields": texts, "notes": []}
    item |= {"title": values["title"], "owner": owner, "person": _person(call, values.get("person_id"))}
    item |= {"organization": None, "custom_fields": texts, "notes": [], "is_archived": bool(values["is_archived"])}
    if it.kind == "lead":
        worth = values.get("value") or {"amount": None, "currency": None}
        return {**item, "value": worth["amount"], "currency": worth["currency"], "visible_to": values["visible_to"]}
    stage = schema.stages[values["stage_id"]]
    item |= {"stage": {"id": stage.id, "name": stage.name}, "status": values["status"]}
    return {**item, "value": values["value"], "currency": values["currency"], "visible_to": values["visible_to"]}


def _person(call: Call, id_: int | None) -> dict[str, Any] | None:
    it = call.company.find("person", str(id_)) if id_ is not None else None
    return {"id": int(it.id), "name": it.values["name"]} if it else None
