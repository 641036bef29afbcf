"""The search route: strict about its limits, and always a little behind.

https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot import views
from syncd.sandbox.crm.hubspot.call import Call, shape, texts
from syncd.sandbox.crm.hubspot.filters import Filter, read_filter, sort_key
from syncd.sandbox.crm.hubspot.record import Snapshot
from syncd.sandbox.crm.hubspot.refusal import invalid
from syncd.sandbox.crm.hubspot.schema import OTHER

MOST_RESULTS = 10_000
MOST_PER_PAGE = 200
MOST_GROUPS, MOST_IN_GROUP, MOST_FILTERS = 5, 6, 18
MOST_CHARACTERS = 3_000
_SEARCHED = ("firstname", "lastname", "email", "phone", "company", "dealname", "description")


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search that was read and found valid."""

    groups: tuple[tuple[Filter, ...], ...]
    words: tuple[str, ...]
    order: Callable[[Snapshot], Any]
    descending: bool
    limit: int
    after: int
    properties: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record as the index shows it."""

    snapshot: Snapshot
    created: datetime


def answer(call: Call) -> Reply:
    """Answer POST search: the records as the index shows them now, a page of them."""
    query = _read(call)
    now = call.model.now()
    hits = []
    for it in call.model.records[call.kind].values():
        snapshot = it.indexed(now)
        if snapshot and not snapshot.gone and _matches(query, snapshot):
            hits.append(Hit(snapshot=snapshot, created=it.created))
    hits.sort(key=lambda hit: query.order(hit.snapshot), reverse=query.descending)
    page = hits[query.after : query.after + query.limit]
    body: dict[str, Any] = {"total": len(hits), "results": [_view(call, hit, query.properties) for hit in page]}
    if query.after + query.limit < len(hits):
        body["paging"] = {"next": {"after": str(query.after + query.limit)}}
    return Reply(code=200, body=body)


def _view(call: Call, hit: Hit, asked: tuple[str, ...]) -> dict[str, Any]:
    values = hit.snapshot.values
    modified = values["hs_lastmodifieddate" if call.kind == "deals" else "lastmodifieddate"]
    return {
        "id": values["hs_object_id"],
        "properties": views.chosen(call.model, call.kind, values, asked),
        "createdAt": times.iso(hit.created),
        "updatedAt": modified,
        "archived": False,
    }


def _matches(query: Query, snapshot: Snapshot) -> bool:
    """Groups are alternatives, the filters of one hold together; without groups everything matches."""
    if query.groups and not any(all(one.matches(snapshot) for one in group) for group in query.groups):
        return False
    text = " ".join(snapshot.values.get(name, "") for name in _SEARCHED).lower()
    return all(word in text for word in query.words)


def _read(call: Call) -> Query:
    call.query()
    if len(call.request.body.decode("utf-8", "replace")) > MOST_CHARACTERS:
        raise invalid(f"The request body may have {MOST_CHARACTERS} characters at most")
    kinds: Mapping[str, type] = {
        "filterGroups": list,
        "sorts": list,
        "query": str,
        "properties": list,
        "limit": int,
        "after": object,
    }
    body = shape(call.json(), may=kinds)
    order, descending = _read_sort(call, body.get("sorts", []))
    limit, after = body.get("limit", 10), _read_after(body.get("after", "0"))
    if not 1 <= limit <= MOST_PER_PAGE:
        raise invalid(f"limit must be between 1 and {MOST_PER_PAGE}")
    if after + limit > MOST_RESULTS:
        raise invalid(f"The search API pages through {MOST_RESULTS} results at most")
    return Query(
        groups=_read_groups(call, body.get("filterGroups", [])),
        words=tuple(body.get("query", "").lower().split()),
        order=order,
        descending=descending,
        limit=limit,
        after=after,
        properties=tuple(texts(body.get("properties", []), "properties")),
    )


def _read_groups(call: Call, groups: list[Any]) -> tuple[tuple[Filter, ...], ...]:
    filters = [shape(group, needs={"filters": list})["filters"] for group in groups]
    if len(groups) > MOST_GROUPS:
        raise invalid(f"There may be {MOST_GROUPS} filterGroups at most")
    if any(len(group) > MOST_IN_GROUP for group in filters) or sum(map(len, filters)) > MOST_FILTERS:
        raise invalid(f"There may be {MOST_IN_GROUP} filters a group and {MOST_FILTERS} in all")
    if not all(filters):
        raise invalid("A filter group needs a filter")
    known = call.model.schema.properties[call.kind]
    other = OTHER[call.kind]
    return tuple(tuple(read_filter(one, known, other) for one in group) for group in filters)


def _read_after(value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise invalid("after must be an integer")
    return int(text)


def _read_sort(call: Call, sorts: list[Any]) -> tuple[Callable[[Snapshot], Any], bool]:
    """Read the one sort there may be: {propertyName, direction} or a name, with "-" before it for descending."""
    if len(sorts) > 1:
        raise invalid("Only one sort is supported")
    known = call.model.schema.properties[call.kind]
    if not sorts:
        return sort_key(known["createdate"]), False
    sort = sorts[0]
    if isinstance(sort, str):
        sort = {"propertyName": sort.removeprefix("-"), "direction": "DESCENDING" if sort[:1] == "-" else "ASCENDING"}
    shape(sort, needs={"propertyName": str}, may={"direction": str})
    direction = sort.get("direction", "ASCENDING")
    if sort["propertyName"] not in known or direction not in {"ASCENDING", "DESCENDING"}:
        raise invalid("sorts: unknown property or direction")
    return sort_key(known[sort["propertyName"]]), direction == "DESCENDING"
