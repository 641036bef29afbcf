"""Lists of deals and persons, API v2: read from the records themselves, page by page behind a cursor.

https://pipedrive.readme.io/docs/core-api-concepts-pagination
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.call import Call, cursor, limit, listed, number, ok, read_cursor
from syncd.sandbox.crm.pipedrive.objects import show
from syncd.sandbox.crm.pipedrive.record import Record
from syncd.sandbox.crm.pipedrive.refusal import invalid
from syncd.sandbox.crm.pipedrive.schema import Kind

MOST_IDS = 100
_PAGING = ("sort_by", "sort_direction", "limit", "cursor", "include_fields", "custom_fields")
_FILTERS: Mapping[Kind, tuple[str, ...]] = {
    "deal": ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id"),
    "person": ("owner_id", "org_id"),
}
_SORTS = ("id", "update_time", "add_time")
_STATUSES = {"open", "won", "lost", "deleted"}
_PLACE = frozenset({"field", "fieldValue", "sortDirection", "id"})


def current(call: Call) -> Reply:
    """Answer GET of the records that are not archived."""
    return _answer(call, archived=False)


def archived(call: Call) -> Reply:
    """Answer GET of the archived deals, which no other list shows."""
    return _answer(call, archived=True)


def _answer(call: Call, *, archived: bool) -> Reply:
    kind = call.kind
    extra = ("status",) if kind == "deal" else ()
    query = call.query("ids", *extra, *_FILTERS[kind], "updated_since", "updated_until", *_PAGING)
    fits = _filter(query, kind)
    found = [it for it in _of_status(call, kind, query) if it.archived == archived and fits(it)]
    page, at = _paged(query, found)
    return ok([show(call, it, query) for it in page], more={"next_cursor": at})


def _of_status(call: Call, kind: Kind, query: Mapping[str, str]) -> Iterable[Record]:
    """Give what a status asks for: all that is not deleted unless it names something else."""
    asked = set(listed(query, "status"))
    if asked - _STATUSES:
        raise invalid(f"status: expected {', '.join(sorted(_STATUSES))}")
    if not asked or asked - {"deleted"}:
        for it in call.company.listed(kind):
            if not asked or it.values["status"] in asked:
                yield it
    if "deleted" in asked:
        yield from call.company.listed(kind, deleted=True)


def _filter(query: Mapping[str, str], kind: Kind) -> Callable[[Record], bool]:
    """Read what a list is narrowed to."""
    ids = frozenset(listed(query, "ids", most=MOST_IDS))
    if not all(id_.isdigit() for id_ in ids):
        raise invalid("ids: expected numbers")
    since, until = _time(query, "updated_since"), _time(query, "updated_until")
    wanted = {name: number(query, name) for name in _FILTERS[kind] if name in query}

    def fits(it: Record) -> bool:
        return (
            (not ids or it.id in ids)
            and (since is None or it.updated >= since)
            and (until is None or it.updated < until)
            and all(it.values.get(name) == value for name, value in wanted.items())
        )

    return fits


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        return moments.read(query[name])
    except ValueError as problem:
        raise invalid(f"{name}: {problem}") from None


def _paged(query: Mapping[str, str], found: list[Record]) -> tuple[list[Record], str | None]:
    """Sort, go to where the cursor points, and cut a page. A record that changes moves: it may come twice."""
    by, direction = query.get("sort_by", "id"), query.get("sort_direction", "asc")
    if by not in _SORTS or direction not in {"asc", "desc"}:
        raise invalid(f"sort_by: expected {', '.join(_SORTS)}; sort_direction: asc or desc")
    at, most = read_cursor(query, _PLACE), limit(query)
    if at and (at["field"], at["sortDirection"]) != (by, direction):
        raise invalid("cursor: belongs to another sorting")

    def place(it: Record) -> tuple[Any, int]:
        return (_value(it, by), int(it.id))

    found.sort(key=place, reverse=direction == "desc")
    if at:
        start = (at["fieldValue"], at["id"])
        found = [it for it in found if (place(it) >= start if direction == "asc" else place(it) <= start)]
    if len(found) <= most:
        return found, None
    following = found[most]
    return found[:most], cursor(
        {"field": by, "fieldValue": _value(following, by), "sortDirection": direction, "id": int(following.id)}
    )


def _value(it: Record, by: str) -> int | str:
    return int(it.id) if by == "id" else moments.rfc3339(it.updated if by == "update_time" else it.added)
