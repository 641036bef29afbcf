"""Routes that write records, up to 100 at once, each with its own outcome in the order of the request.

https://www.zoho.com/crm/developer/docs/api/v8/upsert-records.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho import values
from syncd.sandbox.crm.zoho.call import Call, shape
from syncd.sandbox.crm.zoho.record import Record
from syncd.sandbox.crm.zoho.refusal import (
    Refusal,
    invalid,
    invalid_param,
    locked,
    mandatory,
    missing_param,
    no_such_record,
)
from syncd.sandbox.crm.zoho.schema import Module
from syncd.sandbox.crm.zoho.values import Values
from syncd.sandbox.crm.zoho.views import written

MOST_RECORDS = 100
WORKFLOWS = frozenset({"approval", "blueprint", "orchestration", "pathfinder", "workflow"})
"""What runs after a write: all of it, unless `trigger` says less."""

Write = Callable[[dict[str, Any]], dict[str, Any]]
"""Writes one record of a request and gives its element of the answer. Raises Refusal."""


def insert(call: Call) -> Reply:
    """Answer POST of new records."""
    module, body = call.module, _body(call)
    workflows = _workflows(body)

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        if "id" in raw:
            raise values.unknown("id")
        changes = _read(call, module, raw)
        record = call.org.write(module, None, changes, by=call.org.client, workflows=workflows)
        return _done(call, record, made=True)

    return _each(call, body["data"], one)


def update(call: Call) -> Reply:
    """Answer PUT of known records, each with its id in the body."""
    return _update(call, _body(call))


def update_one(call: Call) -> Reply:
    """Answer PUT of the record that the path names."""
    body = _body(call)
    if len(body["data"]) != 1 or not isinstance(body["data"][0], dict):
        raise invalid("data", maximum_length=1)
    body["data"][0]["id"] = call.names["id"]
    return _update(call, body)


def upsert(call: Call) -> Reply:
    """Answer POST of records that are found by a unique field, or made.

    Without `duplicate_check_fields` the module's system field is looked at: the e-mail address of a lead. The other
    unique fields are looked at in any case, after those that are named.
    """
    module, body = call.module, _body(call, duplicate_check_fields=list)
    workflows, names = _workflows(body), _check_fields(module, body)

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        changes = _read(call, module, raw)
        record, field = _match(call, module, raw, changes, names)
        if record is not None:
            _may_touch(call, record)
        made = record is None
        record = call.org.write(module, record, changes, by=call.org.client, workflows=workflows)
        action = {"action": "insert" if made else "update", "duplicate_field": field}
        return {**_done(call, record, made=made), **action}

    return _each(call, body["data"], one)


def delete(call: Call) -> Reply:
    """Answer DELETE of records by `ids`."""
    query = call.query("ids", "wf_trigger")
    if "ids" not in query:
        raise missing_param("ids")
    ids = query["ids"].split(",")
    if len(ids) > MOST_RECORDS:
        raise invalid_param("ids", maximum_length=MOST_RECORDS)
    return _each(call, [{"id": id_} for id_ in ids], lambda raw: _delete(call, raw["id"]))


def delete_one(call: Call) -> Reply:
    """Answer DELETE of the record that the path names."""
    call.query("wf_trigger")
    return _each(call, [{"id": call.names["id"]}], lambda raw: _delete(call, raw["id"]))


def _update(call: Call, body: dict[str, Any]) -> Reply:
    module, workflows = call.module, _workflows(body)

    def one(raw: dict[str, Any]) -> dict[str, Any]:
        if "id" not in raw:
            raise mandatory("id")
        changes = _read(call, module, raw)
        record = _by_id(call, module, raw["id"])
        _may_touch(call, record)
        record = call.org.write(module, record, changes, by=call.org.client, workflows=workflows)
        return _done(call, record, made=False)

    return _each(call, body["data"], one)


def _body(call: Call, **may: type) -> dict[str, Any]:
    call.query()
    body = call.json()
    shape(body, needs={"data": list}, may={"trigger": list, **may})
    if not 1 <= len(body["data"]) <= MOST_RECORDS:
        details = {"maximum_length": MOST_RECORDS, "api_name": "data", "json_path": "$.data"}
        raise Refusal("LIMIT_EXCEEDED", "count of records in your request exceeds the limit", details=details)
    return body


def _workflows(body: dict[str, Any]) -> frozenset[str]:
    given = body.get("trigger", list(WORKFLOWS))
    if not all(isinstance(it, str) and it in WORKFLOWS for it in given):
        raise invalid("trigger", json_path="$.trigger[0]", supported_values=sorted(WORKFLOWS))
    return frozenset(given)


def _check_fields(module: Module, body: dict[str, Any]) -> list[str]:
    allowed = [*module.unique, module.system_key]
    given = body.get("duplicate_check_fields", [module.system_key])
    for place, name in enumerate(given):
        if name not in allowed:
            raise invalid("duplicate_check_fields", json_path=f"$.duplicate_check_fields[{place}]")
    return list(dict.fromkeys([*given, *module.unique]))


def _match(
    call: Call, module: Module, raw: dict[str, Any], changes: Values, names: list[str]
) -> tuple[Record | None, str | None]:
    if "id" in raw:
        return _by_id(call, module, raw["id"]), "id"
    for name in names:
        if changes.get(name) is None:
            continue
        if found := call.org.holding(module, name, changes[name]):
            return found[0], name
        if twins := call.org.twins(module, name, changes[name]):
            raise call.org.duplicate(name, twins)
    return None, None


def _read(call: Call, module: Module, raw: dict[str, Any]) -> Values:
    found: Values = {}
    for name, value in raw.items():
        if name == "id":
            continue
        if (field := module.fields.get(name)) is None or field.read_only:
            raise values.unknown(name)
        found[name] = values.read(field, value, call.org.schema.options(field))
    return found


def _by_id(call: Call, module: Module, id_: Any) -> Record:
    record = call.org.find(module.name, id_) if isinstance(id_, str) else None
    if record is None or record.gone:
        raise no_such_record()
    return record


def _may_touch(call: Call, record: Record) -> None:
    if record.converted:
        raise Refusal("CONVERTED_RECORD", "cannot update a converted record", details={"api_name": "id"})
    since = call.time_header("If-Unmodified-Since")
    if since is not None and record.modified > since:
        message = "record updated time has already passed if-unmodified-since time"
        raise Refusal("ALREADY_MODIFIED", message, status=412, details=written(call.org, record))


def _delete(call: Call, id_: str) -> dict[str, Any]:
    record = _by_id(call, call.module, id_)
    call.org.delete(record, by=call.org.client)
    return {"code": "SUCCESS", "details": {"id": record.id}, "message": "record deleted", "status": "success"}


def _done(call: Call, record: Record, *, made: bool) -> dict[str, Any]:
    message = "record added" if made else "record updated"
    return {"code": "SUCCESS", "details": written(call.org, record), "message": message, "status": "success"}


def _each(call: Call, data: list[Any], write: Write) -> Reply:
    """Write record by record. Ten cost a credit."""
    call.spend(-(-len(data) // 10))
    rows, refused = [], []
    for place, raw in enumerate(data):
        try:
            if call.locked_row == place + 1:
                raise locked()
            if not isinstance(raw, dict):
                raise invalid("data", expected_data_type="jsonobject", json_path=f"$.data[{place}]")
            rows.append(write(raw))
        except Refusal as refusal:
            refused.append(refusal)
            rows.append(refusal.row(place))
    return Reply(code=_code(call, rows, refused), body={"data": rows})


def _code(call: Call, rows: list[dict[str, Any]], refused: list[Refusal]) -> int:
    if refused and len(refused) < len(rows):
        return call.account.mixed_code
    if refused:
        return 412 if all(it.status == 412 for it in refused) else call.account.failed_code
    return 201 if all(row["message"] == "record added" for row in rows) else 200
