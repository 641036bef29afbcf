"""The route for COQL.

https://www.zoho.com/crm/developer/docs/api/v8/COQL-Overview.html
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call
from syncd.sandbox.crm.zoho.coql.plan import Column, Follow, Plan, plan, sort_key
from syncd.sandbox.crm.zoho.coql.syntax import parse
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.record import State
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid
from syncd.sandbox.crm.zoho.schema import REFERENCES
from syncd.sandbox.crm.zoho.values import Value, show


def coql(call: Call) -> Reply:
    """Answer a query; its price depends on its limit. Converted leads are not found."""
    call.query()
    body = call.json()
    if "select_query" not in body:
        details = {"api_name": "select_query"}
        raise Refusal("MANDATORY_NOT_FOUND", "mandatory key not found", details=details)
    if body.keys() != {"select_query"} or not isinstance(body["select_query"], str):
        raise invalid(next((name for name in body if name != "select_query"), "select_query"))
    query = parse(body["select_query"])
    call.spend(query.cost)
    made = plan(call.org.schema, query)
    call.account.tokens.need(f"ZohoCRM.modules.{made.module.name.lower()}.READ")
    follow = _follower(call.org)
    states = _rows(call.org, made, follow)
    page = states[query.offset : query.offset + query.limit]
    if not page:
        return Reply(code=204)
    more = len(states) > query.offset + query.limit
    data = [_row(call.org, made, state, follow) for state in page]
    return Reply(code=200, body={"data": data, "info": {"count": len(data), "more_records": more}})


def _rows(org: ZohoOrg, it: Plan, follow: Follow) -> list[State]:
    now = org.now()
    seen = [record.seen(now) for record in org.records[it.module.name].values()]
    live = [state for state in seen if state and not state.gone and state.values.get("Converted__s") is not True]
    states = [state for state in live if it.test(state, follow)]
    states.sort(key=lambda state: int(str(state.values["id"])))
    for column, descending in reversed(it.order):
        states.sort(key=sort_key(column, follow), reverse=descending)
    return states


def _follower(org: ZohoOrg) -> Follow:
    """Give what finds the record that a lookup leads to, as queries see it."""
    now = org.now()

    def follow(module: str, id_: Value) -> State | None:
        record = org.find(module, str(id_)) if id_ is not None else None
        return record.seen(now) if record else None

    return follow


def _row(org: ZohoOrg, it: Plan, state: State, follow: Follow) -> dict[str, Any]:
    found = {column.name: _value(org, column, column.value(state, follow)) for column in it.columns}
    return {**found, "id": state.values["id"]}


def _value(org: ZohoOrg, column: Column, value: Value) -> Any:
    """A lookup shows no more than an id here."""
    return {"id": value} if column.field.type in REFERENCES and value is not None else show(value, org.zone)
