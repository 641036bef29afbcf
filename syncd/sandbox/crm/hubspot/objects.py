"""Routes for single contacts and deals.

https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide and .../deals/guide
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot import views
from syncd.sandbox.crm.hubspot.call import Call, properties, shape
from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.refusal import invalid, invalid_json, not_found
from syncd.sandbox.crm.hubspot.schema import OTHER, ObjectType


def read(call: Call) -> Reply:
    """Answer GET of one record, by id or by a unique property; strongly consistent."""
    query = call.query("properties", "propertiesWithHistory", "associations", "archived", "idProperty")
    archived = query.get("archived", ["false"]) == ["true"]
    it = locate(call, query.get("idProperty", [""])[0], archived=archived)
    shown = views.record(call.model, it, query.get("properties", []), query.get("propertiesWithHistory", []))
    if asked := query.get("associations"):
        if bad := [name for name in asked if name not in {"contacts", "deals"}]:
            raise invalid(f"Unable to infer object type from: {bad[0]}")
        if OTHER[call.kind] in asked and (found := views.associated(call.model, it)):
            shown["associations"] = {OTHER[call.kind]: {"results": found}}
    return Reply(code=200, body=shown)


def create(call: Call) -> Reply:
    """Answer POST of a new record."""
    body = shape(call.json(), needs={"properties": dict}, may={"associations": list})
    values = properties(body["properties"])
    others = association_targets(call, body.get("associations", []))
    it = call.model.write(call.kind, None, values)
    link_all(call, it, others)
    return Reply(code=201, body=views.written(call.model, it, values))


def update(call: Call) -> Reply:
    """Answer PATCH of one record; an id that was merged away still leads to it."""
    query = call.query("idProperty")
    values = properties(shape(call.json(), needs={"properties": dict})["properties"])
    it = call.model.write(call.kind, locate(call, query.get("idProperty", [""])[0]), values)
    return Reply(code=200, body=views.written(call.model, it, values))


def archive(call: Call) -> Reply:
    """Answer DELETE: into the recycle bin, again and again if need be."""
    call.query()
    if call.model.find(call.kind, call.names["id"], archived=True) is None:
        call.model.archive(call.kind, locate(call, "").id, origin="INTEGRATION")
    return Reply(code=204)


def merge(call: Call) -> Reply:
    """Answer POST merge: a third record with a new id."""
    body = shape(call.json(), needs={"primaryObjectId": str, "objectIdToMerge": str})
    try:
        new = call.model.merge(call.kind, body["primaryObjectId"], body["objectIdToMerge"], origin="INTEGRATION")
    except KeyError as error:
        raise not_found() from error
    return Reply(code=200, body=views.record(call.model, call.model.records[call.kind][new]))


def locate(call: Call, id_property: str, *, archived: bool = False) -> Record:
    """Find the record that the path names, or refuse."""
    value = call.names["id"]
    if id_property and id_property != "hs_object_id":
        need_unique(call, id_property)
        it = call.model.find_by(call.kind, id_property, value)
    else:
        it = call.model.find(call.kind, value, archived=archived)
    if it is None:
        raise not_found()
    return it


def need_unique(call: Call, name: str) -> None:
    """Refuse a property as an id unless no two records can share its value."""
    definition = call.model.schema.properties[call.kind].get(name)
    if definition is None:
        raise invalid(f'Property "{name}" does not exist')
    if not definition.unique:
        raise invalid(f"Unable to perform update/upsert by non-unique property: {name}")


def association_targets(call: Call, wanted: list[Any]) -> list[Record]:
    """Read the `associations` of a create; refuse an unknown record or association type."""
    found: list[Record] = []
    start: ObjectType = call.kind
    for item in wanted:
        shape(item, needs={"to": dict, "types": list})
        target = shape(item["to"], needs={"id": str})["id"]
        for spec in item["types"]:
            shape(spec, needs={"associationCategory": str, "associationTypeId": int})
            if (spec["associationCategory"], spec["associationTypeId"]) != (
                "HUBSPOT_DEFINED",
                views.ASSOCIATION_TYPE[start],
            ):
                raise invalid(f"association type {spec['associationTypeId']} does not exist for {start}")
        if not item["types"]:
            raise invalid_json('some required fields were not set: ["types"]')
        it = call.model.find(OTHER[start], target)
        if it is None:
            raise not_found(f"No {OTHER[start]} record with id {target}")
        found.append(it)
    return found


def link_all(call: Call, it: Record, others: list[Record]) -> None:
    """Associate a record with others of the other type."""
    for other in others:
        contact, deal = (it, other) if it.type == "contacts" else (other, it)
        call.model.link(contact, deal)
