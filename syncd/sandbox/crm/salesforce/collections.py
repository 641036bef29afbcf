"""Routes for up to 200 records at once. The answer is 200 and a list in the order of the request, whatever failed.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.salesforce import ids, values
from syncd.sandbox.crm.salesforce.call import Call, external_id, read_values, shape, unreadable
from syncd.sandbox.crm.salesforce.refusal import Refusal, Several, not_saved
from syncd.sandbox.crm.salesforce.row import Row
from syncd.sandbox.crm.salesforce.rows import locate, show_row, writable
from syncd.sandbox.crm.salesforce.schema import Field, Object
from syncd.sandbox.crm.salesforce.store import Commit

MOST = 200
MOST_READ = 2_000

Result = dict[str, Any]
Write = Callable[[Any, Commit], Result]
"""Writes one record, or raises Refusal."""


def upsert(call: Call) -> Reply:
    """Answer PATCH by an external id: records of one object, each with its external id among its fields."""
    call.query()
    kind = writable(call)
    field = external_id(kind, call.names["field"])
    records, whole = _records(call)
    for record in records:
        if _type(record).lower() != kind.name.lower():
            raise Refusal("INVALID_TYPE", f"all records are to be of type {kind.name}")
    twice = _repeated(field, records)

    def write(record: Any, commit: Commit) -> Result:
        changes = read_values(kind, record)
        if field.name != "Id" and "Id" in changes:
            raise not_saved("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        value = changes.get(field.name)
        if value is None:
            raise not_saved("MISSING_ARGUMENT", f"{field.name} not specified")
        if value in twice:
            raise not_saved("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", field.name)
        row = _locate(call, kind, field, value)
        kept = {name: it for name, it in changes.items() if name != field.name or row is None}
        saved = call.org.save(kind.name, row, kept, commit)
        return {"id": saved.id, "success": True, "errors": [], "created": row is None}

    return Reply(code=200, body=_write(call, records, write, whole=whole))


def create(call: Call) -> Reply:
    """Answer POST of new records, of one object or of several."""
    call.query()
    records, whole = _records(call)

    def write(record: Any, commit: Commit) -> Result:
        kind = _kind(call, record)
        saved = call.org.save(kind.name, None, read_values(kind, record), commit)
        return {"id": saved.id, "success": True, "errors": []}

    return Reply(code=200, body=_write(call, records, write, whole=whole))


def update(call: Call) -> Reply:
    """Answer PATCH of records by their ids."""
    call.query()
    records, whole = _records(call)

    def write(record: Any, commit: Commit) -> Result:
        kind = _kind(call, record)
        given = {name: value for name, value in record.items() if name.lower() != "id"}
        id_ = next((value for name, value in record.items() if name.lower() == "id"), None)
        if not isinstance(id_, str):
            raise not_saved("MISSING_ARGUMENT", "Id not specified in an update call")
        row = _by_id(call, kind, id_)
        saved = call.org.save(kind.name, row, read_values(kind, given), commit)
        return {"id": saved.id, "success": True, "errors": []}

    return Reply(code=200, body=_write(call, records, write, whole=whole))


def delete(call: Call) -> Reply:
    """Answer DELETE of records by their ids."""
    query = call.query("ids", "allOrNone")
    wanted = [id_ for id_ in query.get("ids", "").split(",") if id_]
    _count(wanted, MOST)

    def write(id_: Any, commit: Commit) -> Result:
        kind = call.org.schema.object(ids.kind_of(id_) or "")
        if kind is None:
            raise not_saved("MALFORMED_ID", f"malformed id {id_}")
        row = _by_id(call, kind, id_)
        call.org.delete(row, commit)
        return {"id": row.id, "success": True, "errors": []}

    return Reply(code=200, body=_write(call, wanted, write, whole=query.get("allOrNone") == "true"))


def read(call: Call) -> Reply:
    """Answer POST of ids and field names: the records in the order of the ids, null for what is not there."""
    call.query()
    kind = call.kind
    body = shape(call.json(), needs={"ids": list, "fields": list})
    _count(body["ids"], MOST_READ)
    if not all(isinstance(item, str) for item in [*body["ids"], *body["fields"]]):
        raise unreadable("ids and fields are lists of texts")
    now = call.org.now()
    shown: list[Any] = []
    for id_ in body["ids"]:
        row = call.org.find(kind.name, id_)
        state = row.seen(now) if row else None
        visible = state is not None and not state.deleted
        shown.append(show_row(call, kind, state, ",".join(body["fields"])) if state and visible else None)
    return Reply(code=200, body=shown)


def _write(call: Call, records: Sequence[Any], write: Write, *, whole: bool) -> list[Result]:
    """Write the records: each alone, or all or none of them."""
    results: list[Result] = []
    failed = False
    with call.org.transaction() as undo:
        commit = call.commit()
        for number, record in enumerate(records, 1):
            try:
                call.check_lock(number)
                results.append(write(record, commit))
            except Refusal as refusal:
                if refusal.code == "JSON_PARSER_ERROR":
                    undo()
                    raise  # what cannot be read fails the request, not the row
                results.append({"success": False, "errors": [refusal.row()]})
                failed = True
        if not whole or not failed:
            return results
        undo()
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    rolled_back = not_saved("ALL_OR_NONE_OPERATION_ROLLED_BACK", message)
    return [{"success": False, "errors": [rolled_back.row()]} if it["success"] else it for it in results]


def _records(call: Call) -> tuple[list[Any], bool]:
    body = shape(call.json(), needs={"records": list}, may={"allOrNone": bool})
    records: list[Any] = body["records"]
    _count(records, MOST)
    for record in records:
        if not isinstance(record, dict):
            raise unreadable("an object was expected")
        _type(record)
    return records, body.get("allOrNone", False)


def _count(items: Sequence[Any], most: int) -> None:
    if len(items) > most:
        raise Refusal("EXCEEDED_MAX_SIZE_REQUEST", f"record limit reached. cannot submit more than {most} records")
    if not items:
        raise Refusal("INVALID_INPUT", "the request has no records")


def _type(record: dict[str, Any]) -> str:
    kind = shape(record.get("attributes"), needs={"type": str}, may={"url": str})["type"]
    return str(kind)


def _kind(call: Call, record: dict[str, Any]) -> Object:
    kind = call.org.schema.object(_type(record))
    if kind is None or not kind.writable:
        raise Refusal("INVALID_TYPE", f"sObject type '{_type(record)}' is not supported.")
    return kind


def _by_id(call: Call, kind: Object, id_: str) -> Row:
    if ids.read(id_) is None:
        raise not_saved("MALFORMED_ID", f"malformed id {id_}")
    row = call.org.find(kind.name, id_)
    if row is None:
        raise not_saved("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return row


def _locate(call: Call, kind: Object, field: Field, value: Any) -> Row | None:
    try:
        row = locate(call, kind, field, value)
    except Several as several:
        found = ", ".join(several.ids)
        message = f"{field.name}: more than one record found for external id field: [{found}]"
        raise not_saved("DUPLICATE_EXTERNAL_ID", message, field.name) from None
    if row is None and field.name == "Id":
        raise not_saved("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return row


def _repeated(field: Field, records: Sequence[dict[str, Any]]) -> set[Any]:
    """Give the external ids that come more than once: the vendor refuses every one of their rows."""
    names = {field.name.lower()}
    given = [value for record in records for name, value in record.items() if name.lower() in names]
    count = Counter(values.fold(field, value.strip()) for value in given if isinstance(value, str))
    return {value.strip() for value in given if isinstance(value, str) and count[values.fold(field, value.strip())] > 1}
