"""Routes for notification channels.

https://www.zoho.com/crm/developer/docs/api/v8/notifications/enable.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call, shape, whole
from syncd.sandbox.crm.zoho.channels import Channel, Selection, lasting
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid, mandatory, missing_param
from syncd.sandbox.crm.zoho.values import read_time, show

_MOST_TOKEN = 50
_MOST_FIELDS = 10
_MOST_PER_CALL = 10
_MOST_PER_PAGE = 200
_OPERATIONS = ("create", "edit", "delete", "all")
_OPTIONS = {
    "notify_url": str,
    "events": list,
    "channel_expiry": str,
    "token": str,
    "notification_condition": list,
    "return_affected_field_values": bool,
    "notify_on_related_action": bool,
}


def enable(call: Call) -> Reply:
    """Answer POST of channels, each with its own outcome."""

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        _whole_item(raw)
        now = call.org.now()
        bare = Channel(id=str(raw["channel_id"]), url="", events=frozenset(), expiry=lasting(None, now))
        return _subscribed(call, _changed(call, bare, raw))

    return _each(call, one, 201)


def replace_details(call: Call) -> Reply:
    """Answer PUT of channels: what is not said is gone."""

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        _whole_item(raw)
        known = call.account.channels.find(str(raw["channel_id"]))
        bare = Channel(id=known.id, url="", events=frozenset(), expiry=lasting(None, call.org.now()))
        return _subscribed(call, _changed(call, bare, raw))

    return _each(call, one, 200)


def update_details(call: Call) -> Reply:
    """Answer PATCH of channels: what is not said stays; with `_delete_events` the events end."""

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        shape(raw, needs={"channel_id": object}, may={**_OPTIONS, "_delete_events": bool})
        channel = call.account.channels.find(str(raw["channel_id"]))
        if not raw.get("_delete_events"):
            return _subscribed(call, _changed(call, channel, raw))
        left = channel.events - _events(call, raw.get("events", list(channel.events)))
        if not left:
            return _unsubscribed(call, call.account.channels.close(channel.id), channel.modules[0])
        return _subscribed(call, replace(channel, events=left))

    return _each(call, one, 200)


def details(call: Call) -> Reply:
    """Answer GET of the open channels, an entry for each of their modules."""
    query = call.query("channel_id", "module", "page", "per_page")
    size, number = whole(query, "per_page", _MOST_PER_PAGE, _MOST_PER_PAGE), whole(query, "page", 1, 100)
    call.spend()
    found = [
        _details(call, channel, module)
        for channel in call.account.channels.listed()
        for module in channel.modules
        if query.get("channel_id", channel.id) == channel.id and query.get("module", module) == module
    ]
    page = found[(number - 1) * size : number * size]
    if not page:
        return Reply(code=204)
    info = {"per_page": size, "count": len(page), "page": number, "more_records": len(found) > number * size}
    return Reply(code=200, body={"watch": page, "info": info})


def disable(call: Call) -> Reply:
    """Answer DELETE of channels by `channel_ids`."""
    query = call.query("channel_ids")
    if "channel_ids" not in query:
        raise missing_param("channel_ids")
    call.spend()
    closed = [call.account.channels.close(id_) for id_ in query["channel_ids"].split(",")]
    rows = [_unsubscribed(call, channel, module) for channel in closed for module in channel.modules]
    return Reply(code=200, body={"watch": rows})


def _each(call: Call, one: Callable[[dict[str, Any]], dict[str, Any]], code: int) -> Reply:
    call.query()
    items = shape(call.json(), needs={"watch": list})["watch"]
    if not 1 <= len(items) <= _MOST_PER_CALL:
        raise invalid("watch", maximum_length=_MOST_PER_CALL)
    call.spend()
    rows, failed = [], 0
    for place, raw in enumerate(items):
        try:
            if not isinstance(raw, dict):
                raise invalid("watch", expected_data_type="jsonobject")
            rows.append(one(raw))
        except Refusal as refusal:
            failed += 1
            row = refusal.body()
            row["details"].setdefault("json_path", f"$.watch[{place}].{row['details'].get('api_name', '')}")
            rows.append(row)
    mixed = 207 if failed < len(rows) else 400
    return Reply(code=mixed if failed else code, body={"watch": rows})


def _whole_item(raw: dict[str, Any]) -> None:
    needs = {"channel_id": object, "events": list, "notify_url": str}
    shape(raw, needs=needs, may=_OPTIONS)


def _changed(call: Call, channel: Channel, raw: dict[str, Any]) -> Channel:
    """Give a channel the details that a request names."""
    if not channel.id.isdigit():
        raise invalid("channel_id", expected_data_type="long")
    if len(raw.get("token", "")) > _MOST_TOKEN:
        raise invalid("token", maximum_length=_MOST_TOKEN)
    now = call.org.now()
    changed = replace(
        channel,
        url=raw.get("notify_url", channel.url),
        token=raw.get("token", channel.token),
        with_values=raw.get("return_affected_field_values", channel.with_values),
        on_related=raw.get("notify_on_related_action", channel.on_related),
    )
    if "events" in raw:
        changed = replace(changed, events=_events(call, raw["events"]))
    if "channel_expiry" in raw:
        changed = replace(changed, expiry=lasting(_expiry(raw["channel_expiry"], now), now))
    if "notification_condition" in raw:
        condition = raw["notification_condition"]
        selections = tuple(_selection(call, it) for it in condition)
        changed = replace(changed, selections=selections, raw_condition=condition)
    return changed


def _events(call: Call, raw: list[Any]) -> frozenset[str]:
    known = {f"{module}.{operation}" for module in call.org.schema.modules for operation in _OPERATIONS}
    if not raw or not all(isinstance(it, str) and it in known for it in raw):
        raise invalid("events")
    return frozenset(raw)


def _expiry(text: str, now: datetime) -> datetime:
    try:
        at = read_time(text)
    except ValueError:
        raise invalid("channel_expiry", expected_data_type="datetime") from None
    if at <= now:
        raise invalid("channel_expiry")
    return at


def _selection(call: Call, raw: Any) -> tuple[str, Selection]:
    if not isinstance(raw, dict):
        raise invalid("notification_condition")
    shape(raw, needs={"type": str, "module": dict, "field_selection": dict})
    if raw["type"] != "field_selection":
        raise invalid("type", supported_values=["field_selection"])
    module = raw["module"].get("api_name")
    if module not in call.org.schema.modules:
        raise invalid("module")
    names = list(call.org.schema.modules[module].fields)
    part = _fields(raw["field_selection"], names, deepest=3)
    selection = part if isinstance(part, Selection) else Selection(every=True, parts=(part,))
    return module, selection


def _fields(raw: Any, names: list[str], *, deepest: int) -> str | Selection:
    """Read one field, or a group of fields and groups."""
    if not isinstance(raw, dict) or deepest < 1:
        raise invalid("field_selection", expected_data_type="jsonobject")
    if raw.get("group") is None:
        name = (raw.get("field") or {}).get("api_name")
        if name is None:
            raise mandatory("field")
        if name not in names:
            raise invalid("field")
        return str(name)
    if raw.get("group_operator") not in {"and", "or"}:
        raise invalid("group_operator", supported_values=["or", "and"])
    if not 1 <= len(raw["group"]) <= _MOST_FIELDS:
        raise invalid("field_selection", maximum_length=_MOST_FIELDS)
    parts = tuple(_fields(it, names, deepest=deepest - 1) for it in raw["group"])
    return Selection(every=raw["group_operator"] == "and", parts=parts)


def _resource(call: Call, channel: Channel, module: str) -> dict[str, Any]:
    uri = f"https://www.zohoapis.com/crm/v8/{module}"
    id_ = call.org.schema.modules[module].id
    return {"resource_uri": uri, "resource_id": id_, "resource_name": module, "channel_id": channel.id}


def _subscribed(call: Call, channel: Channel) -> dict[str, Any]:
    call.account.channels.put(channel)
    expiry = show(channel.expiry, call.org.zone)
    events = [{"channel_expiry": expiry, **_resource(call, channel, module)} for module in channel.modules]
    message = "Successfully subscribed for actions-watch of the given module"
    return {"code": "SUCCESS", "details": {"events": events}, "message": message, "status": "success"}


def _unsubscribed(call: Call, channel: Channel, module: str) -> dict[str, Any]:
    message = "Successfully un-subscribed from actions-watch"
    where = _resource(call, channel, module)
    return {"code": "SUCCESS", "details": where, "message": message, "status": "success"}


def _details(call: Call, channel: Channel, module: str) -> dict[str, Any]:
    return {
        **_resource(call, channel, module),
        "channel_expiry": show(channel.expiry, call.org.zone),
        "events": sorted(it for it in channel.events if it.startswith(f"{module}.")),
        "notify_url": channel.url,
        "token": channel.token,
        "notify_on_related_action": channel.on_related,
        "return_affected_field_values": channel.with_values,
        "notification_condition": channel.raw_condition,
        "fields": None,
    }
