"""What became of a deal, API v1: the changelog of its fields, and the flow in which the app shows it.

https://developers.pipedrive.com/docs/api/v1/Deals (getDealChangelog, getDealUpdates)
"""

from __future__ import annotations

import json
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.call import Call, limit, number, ok, sliced
from syncd.sandbox.crm.pipedrive.record import Change
from syncd.sandbox.crm.pipedrive.refusal import invalid, not_found


def changelog(call: Call) -> Reply:
    """Answer GET of a deal's changelog, newest first."""
    query = call.query("cursor", "limit")
    page, more = sliced(query, list(_changes(call)))
    return ok([_entry(call, it) for it in page], more=more)


def flow(call: Call) -> Reply:
    """Answer GET of a deal's updates, newest first; those of custom fields if `all_changes` is 1."""
    query = call.query("start", "limit", "all_changes", "items")
    if query.get("items", "dealChange") not in {"dealChange", "change"}:
        raise invalid("items: the sandbox shows dealChange only")
    custom = call.company.schema.custom("deal") if query.get("all_changes") != "1" else {}
    entries = [it for it in _changes(call) if it.key not in custom]
    start, most = number(query, "start", 0) or 0, limit(query)
    shown = [_update(call, it) for it in entries[start : start + most]]
    paging = {"start": start, "limit": most, "more_items_in_collection": start + most < len(entries)}
    return ok(shown, more={"pagination": paging})


def _changes(call: Call) -> Any:
    record = call.company.find("deal", call.names["id"])
    if record is None:
        raise not_found("Deal")
    return record.changes


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _entry(call: Call, it: Change) -> dict[str, Any]:
    return {
        "field_key": it.key,
        "old_value": _text(it.old),
        "new_value": _text(it.new),
        "actor_user_id": call.company.user.id,
        "time": moments.naive(it.at),
        "change_source": it.source,
        "change_source_user_agent": None,
        "is_bulk_update_flag": False,
    }


def _update(call: Call, it: Change) -> dict[str, Any]:
    return {
        "object": "dealChange",
        "timestamp": moments.naive(it.at),
        "data": {
            "id": it.id,
            "item_id": int(call.names["id"]),
            "user_id": call.company.user.id,
            "field_key": it.key,
            "old_value": _text(it.old),
            "new_value": _text(it.new),
            "is_bulk_update_flag": None,
            "log_time": moments.naive(it.at),
            "change_source": it.source,
        },
    }
