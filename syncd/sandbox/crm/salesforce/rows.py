"""Routes for single records, by id or by an external id.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_retrieve.htm and
https://developer.salesforce.com/docs/platform/api-rest/guide/dome-upsert.html
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.salesforce import ids, values
from syncd.sandbox.crm.salesforce.call import Call, external_id, read_values
from syncd.sandbox.crm.salesforce.queries import attributes
from syncd.sandbox.crm.salesforce.refusal import Refusal, Several, not_found
from syncd.sandbox.crm.salesforce.row import Row, State
from syncd.sandbox.crm.salesforce.schema import Field, Object
from syncd.sandbox.crm.salesforce.values import show

TELLS_CREATED = 46.0
"""The API version from which an upsert says whether it created the record, and an update has a body."""


def create(call: Call) -> Reply:
    """Answer POST of a new record."""
    call.query()
    kind = writable(call)
    changes = read_values(kind, call.json())
    call.check_lock(1)
    row = call.org.save(kind.name, None, changes, call.commit())
    location = {"Location": f"{call.base}/sobjects/{kind.name}/{row.id}"}
    return Reply(code=201, body={"id": row.id, "success": True, "errors": []}, headers=location)


def read(call: Call) -> Reply:
    """Answer GET of a record by its id."""
    row = _by_id(call)
    return _shown(call, row)


def update(call: Call) -> Reply:
    """Answer PATCH of a record by its id."""
    call.query()
    kind = writable(call)
    changes = read_values(kind, call.json())
    row = _by_id(call, for_write=True)
    if "Id" in changes:
        raise Refusal("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    call.check_lock(1)
    call.org.save(kind.name, row, changes, call.commit())
    return Reply(code=204)


def delete(call: Call) -> Reply:
    """Answer DELETE of a record by its id."""
    call.query()
    writable(call)
    row = _by_id(call, for_write=True)
    call.check_lock(1)
    call.org.delete(row, call.commit())
    return Reply(code=204)


def read_by(call: Call) -> Reply:
    """Answer GET of a record by an external id."""
    return _shown(call, _by_external_id(call))


def delete_by(call: Call) -> Reply:
    """Answer DELETE of a record by an external id."""
    call.query()
    writable(call)
    row = _by_external_id(call)
    call.check_lock(1)
    call.org.delete(row, call.commit())
    return Reply(code=204)


def upsert(call: Call) -> Reply:
    """Answer PATCH of a record by an external id: 201 if it made one, 200 or, before 46.0, 204 if it changed one."""
    only = call.query("updateOnly").get("updateOnly", "false") == "true"
    kind = writable(call)
    field = external_id(kind, call.names["field"])
    changes = read_values(kind, call.json())
    if barred := [name for name in (field.name, "Id") if name in changes]:
        raise Refusal("INVALID_FIELD", f"The {barred[0]} field should not be specified in the sobject data.")
    row = locate(call, kind, field, call.names["value"])
    if row is None and (only or field.name == "Id"):
        raise not_found()
    call.check_lock(1)
    made = {} if row else {field.name: values.read(field, call.names["value"])}
    saved = call.org.save(kind.name, row, {**made, **changes}, call.commit())
    created = {"created": row is None} if float(call.version) >= TELLS_CREATED else {}
    if row is not None and not created:
        return Reply(code=204)
    body = {"id": saved.id, "success": True, "errors": [], **created}
    return Reply(code=201 if row is None else 200, body=body)


def locate(call: Call, kind: Object, field: Field, value: Any) -> Row | None:
    """Find the record with an external id, or None. Raises Several if there are more."""
    if field.name == "Id":
        return call.org.find(kind.name, str(value))
    rows = call.org.holding(kind.name, field.name, values.read(field, value))
    if len(rows) > 1:
        raise Several(ids=[row.id for row in rows])
    return rows[0] if rows else None


def writable(call: Call) -> Object:
    """Give the object of the path if its records can be written."""
    kind = call.kind
    if not kind.writable:
        raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be written: {kind.name}")
    return kind


def show_row(call: Call, kind: Object, state: State, names: str) -> dict[str, Any]:
    """Show the fields of a record that `names` lists, separated by commas, or all of them."""
    fields = list(kind.fields.values())
    if names:
        fields = []
        for name in names.split(","):
            if (field := kind.field(name.strip())) is None:
                raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
            fields.append(field)
    return {"attributes": attributes(call, state), **{it.name: show(state.values[it.name]) for it in fields}}


def _shown(call: Call, row: Row) -> Reply:
    names = call.query("fields").get("fields", "")
    state = row.seen(call.org.now())
    if state is None or state.deleted:
        raise not_found()
    return Reply(code=200, body=show_row(call, call.kind, state, names))


def _by_id(call: Call, *, for_write: bool = False) -> Row:
    id_ = call.names["id"]
    if ids.read(id_) is None:
        raise Refusal("MALFORMED_ID", f"malformed id {id_}")
    row = call.org.find(call.kind.name, id_)
    if row is None or (row.deleted and not for_write):
        raise not_found()
    return row


def _by_external_id(call: Call) -> Row:
    kind = call.kind
    row = locate(call, kind, external_id(kind, call.names["field"]), call.names["value"])
    if row is None or row.deleted:
        raise not_found()
    return row
