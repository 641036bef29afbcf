"""Routes that run SOQL, a page at a time.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.call import Call
from syncd.sandbox.crm.salesforce.org import Org
from syncd.sandbox.crm.salesforce.refusal import Refusal
from syncd.sandbox.crm.salesforce.row import State
from syncd.sandbox.crm.salesforce.soql.plan import Follow, Plan, plan, sort_key
from syncd.sandbox.crm.salesforce.soql.syntax import parse
from syncd.sandbox.crm.salesforce.values import Value, show

LEAST_PER_PAGE, MOST_PER_PAGE = 200, 2_000


def query(call: Call) -> Reply:
    """Answer GET query: what is not in the bin."""
    return _answer(call, with_deleted=False)


def query_all(call: Call) -> Reply:
    """Answer GET queryAll: also what is in the bin."""
    return _answer(call, with_deleted=True)


def more(call: Call) -> Reply:
    """Answer GET of the next page of an open query."""
    call.query()
    size = _size(call)
    name, place, records = call.account.locators.find(call.names["locator"])
    return Reply(code=200, body=_page(call, records, name, place, size))


def _answer(call: Call, *, with_deleted: bool) -> Reply:
    text = call.query("q").get("q")
    if not text:
        raise Refusal("MALFORMED_QUERY", "A query string has to be specified")
    size, parsed = _size(call), parse(text)
    it = plan(call.org.schema, parsed)
    states = _find(call, it, with_deleted=with_deleted)
    if not parsed.fields:
        return Reply(code=200, body={"totalSize": len(states), "done": True, "records": []})
    follow = _follower(call.org)
    records = [_record(call, it, state, follow) for state in states]
    name = call.account.locators.keep(records) if len(records) > size else ""
    return Reply(code=200, body=_page(call, records, name, 0, size))


def _find(call: Call, it: Plan, *, with_deleted: bool) -> list[State]:
    now, follow = call.org.now(), _follower(call.org)
    seen = [row.seen(now) for row in call.org.rows[it.kind.name].values()]
    states = [s for s in seen if s and (with_deleted or not s.deleted) and it.test(s, follow)]
    call.account.rng.shuffle(states)  # a query that does not say an order has none
    for path, order in reversed(it.order):
        states.sort(key=sort_key(path, order, follow), reverse=order.descending)
    return states[: it.limit]


def _follower(org: Org) -> Follow:
    """Give what finds the record that a reference leads to, as committed; in the bin it is found too."""
    now = org.now()

    def follow(kind: str, id_: Value) -> State | None:
        row = org.find(kind, str(id_)) if id_ is not None else None
        return row.seen(now) if row else None

    return follow


def _record(call: Call, it: Plan, state: State, follow: Follow) -> dict[str, Any]:
    shown: dict[str, Any] = {"attributes": attributes(call, state)}
    for path in it.paths:
        if path.through is None:
            shown[path.field.name] = show(state.values[path.field.name])
            continue
        there = follow(path.through.to, state.values[path.through.name])
        if there is None:
            shown[path.through.relationship] = None
        else:
            inner = shown.setdefault(path.through.relationship, {"attributes": attributes(call, there)})
            inner[path.field.name] = show(there.values[path.field.name])
    return shown


def attributes(call: Call, state: State) -> dict[str, str]:
    """Give the attributes by which every record says what it is."""
    id_ = str(state.values["Id"])
    kind = ids.kind_of(id_) or ""
    return {"type": kind, "url": f"{call.base}/sobjects/{kind}/{id_}"}


def _page(call: Call, records: Sequence[Any], name: str, place: int, size: int) -> dict[str, Any]:
    end = place + size
    body: dict[str, Any] = {"totalSize": len(records), "done": end >= len(records)}
    if not body["done"]:
        body["nextRecordsUrl"] = f"{call.base}/query/{name}-{end}"
    return {**body, "records": records[place:end]}


def _size(call: Call) -> int:
    """Read how many rows a client would like; the vendor takes it for a hint, and so does an account with a `page`."""
    header = call.request.headers.get("sforce-query-options", "")
    if not header:
        return min(MOST_PER_PAGE, call.account.page)
    found = re.fullmatch(r"\s*batchSize\s*=\s*(\d{1,6})\s*", header, re.IGNORECASE)
    if not found or not LEAST_PER_PAGE <= int(found[1]) <= MOST_PER_PAGE:
        message = f"batchSize is a number from {LEAST_PER_PAGE} to {MOST_PER_PAGE}"
        raise Refusal("INVALID_BATCH_SIZE", message)
    return min(int(found[1]), call.account.page)
