"""Leads: API v1 but for their conversion. Custom fields stand at the top level, under the keys of deals.

https://developers.pipedrive.com/docs/api/v1/Leads
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import moments, values, views
from syncd.sandbox.crm.pipedrive.call import Call, limit, number, ok
from syncd.sandbox.crm.pipedrive.record import Record
from syncd.sandbox.crm.pipedrive.refusal import invalid, not_found, wrong_field

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SORTS = ("id", "title", "owner_id", "add_time", "update_time", "person_id")


def create(call: Call) -> Reply:
    """Answer POST of a new lead, of a person that exists. The vendor looks for no doubles."""
    call.query()
    own, custom = _read(call)
    if "title" not in own:
        raise wrong_field("title", "required")
    made = call.company.write("lead", None, {"value": None, **own}, custom, source="api")
    return ok(views.lead(made), code=201)


def get(call: Call) -> Reply:
    """Answer GET of a lead by its id; one that was converted or deleted is not found."""
    call.query()
    return ok(views.lead(_target(call)))


def update(call: Call) -> Reply:
    """Answer PATCH of a lead."""
    call.query()
    record = _target(call)
    own, custom = _read(call)
    call.company.write("lead", record, own, custom, source="api")
    return ok(views.lead(record))


def delete(call: Call) -> Reply:
    """Answer DELETE of a lead."""
    call.query()
    record = _target(call)
    call.company.delete(record, source="api")
    return ok({"id": record.id})


def current(call: Call) -> Reply:
    """Answer GET of the leads that are not archived, oldest first."""
    return _listed(call, archived=False)


def archived(call: Call) -> Reply:
    """Answer GET of the archived leads."""
    return _listed(call, archived=True)


def convert(call: Call) -> Reply:
    """Answer POST of a conversion into a deal: it is done later."""
    call.query()
    record = _target(call)
    body = call.json() if call.request.body else {}
    if wrong := sorted(body.keys() - {"stage_id", "pipeline_id"}):
        raise wrong_field(wrong[0], "unknown field")
    read = values.read("deal", body)
    schema = call.company.schema
    if read.get("stage_id") is None and (pipeline := read.get("pipeline_id")) is not None:
        if pipeline not in schema.pipelines:
            raise wrong_field("pipeline_id", "pipeline not found")
        read["stage_id"] = schema.first_stage(pipeline).id
    stage = read.get("stage_id")
    if stage is not None and stage not in schema.stages:
        raise wrong_field("stage_id", "stage not found")
    id_ = call.account.conversions.ask(record.id, None if stage is None else str(stage))
    return ok({"conversion_id": id_})


def conversion(call: Call) -> Reply:
    """Answer GET of how far a conversion is."""
    call.query()
    return ok(call.account.conversions.told(call.names["lead"], call.names["conversion"]).body())


def _read(call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    body, known = call.json(), call.company.schema.custom("lead")
    custom = {code: value for code, value in body.items() if code in known}
    own = {code: value for code, value in body.items() if code not in known}
    return values.read("lead", own), values.read_custom(known, custom)


def _target(call: Call) -> Record:
    if not _UUID.fullmatch(call.names["lead"]):
        raise invalid("id: expected a UUID")
    if (record := call.company.find("lead", call.names["lead"])) is None:
        raise not_found("Lead")
    return record


def _listed(call: Call, *, archived: bool) -> Reply:
    extra = () if archived else ("updated_since",)
    query = call.query("limit", "start", "owner_id", "person_id", "organization_id", "sort", *extra)
    wanted = {name: number(query, name) for name in ("owner_id", "person_id", "organization_id") if name in query}
    found = [it for it in call.company.listed("lead") if it.archived == archived]
    found = [it for it in found if all(it.values.get(name) == value for name, value in wanted.items())]
    if "updated_since" in query:
        try:
            since = moments.read(query["updated_since"])
        except ValueError as problem:
            raise invalid(f"updated_since: {problem}") from None
        found = [it for it in found if it.updated >= since]
    _sort(query, found)
    start, most = number(query, "start", 0) or 0, limit(query)
    paging: dict[str, Any] = {"start": start, "limit": most, "more_items_in_collection": start + most < len(found)}
    if call.account.nested_pages:
        following = {"next_start": start + most} if paging["more_items_in_collection"] else {}
        paging = {"pagination": {**paging, **following}}
    return ok([views.lead(it) for it in found[start : start + most]], more=paging)


def _sort(query: Mapping[str, str], found: list[Record]) -> None:
    found.sort(key=lambda it: it.added)
    for part in reversed(query.get("sort", "").split(",")):
        name, _, direction = part.strip().partition(" ")
        if not name:
            continue
        if name not in _SORTS or direction.upper() not in {"", "ASC", "DESC"}:
            raise invalid(f"sort: expected {', '.join(_SORTS)}, each with ASC or DESC")
        found.sort(key=lambda it, name=name: _value(it, name), reverse=direction.upper() == "DESC")  # type: ignore[misc]


def _value(it: Record, name: str) -> Any:
    times = {"add_time": it.added, "update_time": it.updated, "id": it.id}
    return times[name] if name in times else (it.values.get(name) or 0)
