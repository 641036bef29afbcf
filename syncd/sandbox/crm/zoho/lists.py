"""The route for lists of records, and how their pages follow each other.

https://www.zoho.com/crm/developer/docs/api/v8/get-records.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call, read_fields, whole
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.pages import LIFETIME, Place
from syncd.sandbox.crm.zoho.record import State
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid_param, missing_param
from syncd.sandbox.crm.zoho.schema import Module
from syncd.sandbox.crm.zoho.values import show
from syncd.sandbox.crm.zoho.views import shown

MOST_PER_PAGE = 200
MOST_BY_PAGE = 2_000
MOST_BY_TOKEN = 100_000
MOST_IDS = 100
SORTS = ("id", "Created_Time", "Modified_Time")
_PARAMETERS = ("fields", "ids", "page", "page_token", "per_page", "sort_by", "sort_order", "converted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sort:
    """The order of a list; records of one second follow each other by id."""

    by: str
    descending: bool

    def key(self, state: State) -> tuple[Any, int]:
        """Give what two records are compared by."""
        id_ = int(str(state.values["id"]))
        return (id_ if self.by == "id" else state.values[self.by], id_)

    def comes_after(self, state: State, key: Any) -> bool:
        """Tell whether a record follows another one, of which this is the key."""
        own = self.key(state)
        return bool(own < key if self.descending else own > key)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cut:
    begin: int
    passed: int
    number: int


def many(call: Call) -> Reply:
    """Answer GET of a module's records: 204 if there are none, 304 if none is newer than `If-Modified-Since`."""
    query, module = call.query(*_PARAMETERS), call.module
    if "fields" not in query:
        raise missing_param("fields")
    names = read_fields(module, query["fields"])
    size = whole(query, "per_page", MOST_PER_PAGE, MOST_PER_PAGE)
    since, sort = call.time_header("If-Modified-Since"), _sort(query)
    states = sorted(_chosen(call.org, module, query, since), key=sort.key, reverse=sort.descending)
    bound = {name: value for name, value in query.items() if name not in {"page", "page_token"}}
    bound |= {"module": module.name, "since": since.isoformat() if since else ""}
    cut = _cut(call, query, bound, states, sort, size)
    call.spend()
    page = states[cut.begin : cut.begin + size]
    if not page:
        return Reply(code=304 if since else 204)
    info: dict[str, Any] = {"call": False, "email": False, "per_page": size, "count": len(page), "page": cut.number}
    info |= {"sort_by": sort.by, "sort_order": "desc" if sort.descending else "asc", "more_records": False}
    info |= {"next_page_token": None, "previous_page_token": None, "page_token_expiry": None}
    if len(states) > cut.begin + size:
        passed, expiry = cut.passed + len(page), call.org.now() + LIFETIME
        place = Place(after=sort.key(page[-1]), passed=passed, number=cut.number + 1, bound=bound, expiry=expiry)
        token = call.account.pages.keep(place)
        info |= {"more_records": True, "next_page_token": token, "page_token_expiry": show(expiry, call.org.zone)}
    return Reply(code=200, body={"data": [shown(call.org, module, it.values, names) for it in page], "info": info})


def wanted(query: Mapping[str, str]) -> Callable[[bool], bool]:
    """Read the parameter `converted`; give what tells whether a record is asked for by whether it is converted."""
    choice = query.get("converted", "false")
    if choice not in {"true", "false", "both"}:
        raise invalid_param("converted", supported_values=["false", "true", "both"])
    return lambda converted: choice == "both" or converted is (choice == "true")


def _sort(query: Mapping[str, str]) -> Sort:
    by, order = query.get("sort_by", "id"), query.get("sort_order", "desc")
    if by not in SORTS:
        raise invalid_param("sort_by", supported_values=list(SORTS))
    if order not in {"asc", "desc"}:
        raise invalid_param("sort_order", supported_values=["desc", "asc"])
    return Sort(by=by, descending=order == "desc")


def _chosen(org: ZohoOrg, module: Module, query: Mapping[str, str], since: datetime | None) -> list[State]:
    keep, now, records = wanted(query), org.now(), org.records[module.name]
    ids = query["ids"].split(",") if "ids" in query else None
    if ids is not None and len(ids) > MOST_IDS:
        details = {"limit": MOST_IDS, "param_name": "ids"}
        raise Refusal("LIMIT_EXCEEDED", "limit exceeded", details=details)
    chosen = records.values() if ids is None else [records[id_] for id_ in dict.fromkeys(ids) if id_ in records]
    # Who names ids is answered from the records themselves, everybody else from an index that may be late.
    states = (record.seen(now) if ids is None else record.states[-1] for record in chosen)
    seen = [state for state in states if state and not state.gone]
    kept = [state for state in seen if keep(state.values.get("Converted__s") is True)]
    return [state for state in kept if since is None or _modified(state) > since]


def _modified(state: State) -> datetime:
    at = state.values["Modified_Time"]
    assert isinstance(at, datetime)
    return at


def _cut(
    call: Call, query: Mapping[str, str], bound: Mapping[str, str], states: list[State], sort: Sort, size: int
) -> _Cut:
    """Find where a page begins: by its number, which changes with the list, or by a token, which does not."""
    if "page" in query and "page_token" in query:
        both = [{"param_name": "page"}, {"param_name": "page_token"}]
        details = {"ambiguity_due_to": both}
        raise Refusal("AMBIGUITY_DURING_PROCESSING", "ambiguity while processing the request", details=details)
    if "page_token" not in query:
        number = whole(query, "page", 1, MOST_BY_TOKEN)
        if number * size > MOST_BY_PAGE:
            message = f"You can only get the first {MOST_BY_PAGE} records without using page_token param"
            raise Refusal("DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, details={"limit": MOST_BY_PAGE})
        return _Cut(begin=(number - 1) * size, passed=(number - 1) * size, number=number)
    place = call.account.pages.find(query["page_token"], bound, call.org.now())
    if place.passed >= MOST_BY_TOKEN:
        message = f"You can only get upto {MOST_BY_TOKEN} records using page_token param"
        raise Refusal("PAGINATION_LIMIT_EXCEEDED", message, details={"param_name": "page_token"})
    ahead = (number for number, state in enumerate(states) if sort.comes_after(state, place.after))
    return _Cut(begin=next(ahead, len(states)), passed=place.passed, number=place.number)
