"""Routes for the unlabelled association of a contact with a deal.

https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot.call import Call, shape
from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.refusal import Refusal, invalid, not_found
from syncd.sandbox.crm.hubspot.schema import ALIASES, OTHER, SINGULAR, ObjectType
from syncd.sandbox.crm.hubspot.views import ASSOCIATION_TYPE

MOST_READ = 1_000
MOST_CREATE = 2_000
PAGE = 500


def associate(call: Call) -> Reply:
    """Answer batch/associate/default. Associating again changes nothing; a row that fails is listed in `errors`."""
    start, end = _ends(call)
    inputs = _inputs(call, MOST_CREATE)
    pairs = []
    for item in inputs:
        shape(item, needs={"from": dict, "to": dict})
        pairs.append(tuple(shape(item[side], needs={"id": str})["id"] for side in ("from", "to")))
    results: list[Any] = []
    errors: list[Any] = []
    for from_id, to_id in pairs:
        first, second = call.model.find(start, from_id), call.model.find(end, to_id)
        if first is None or second is None:
            errors.append(_absent(start, from_id) if first is None else _absent(end, to_id))
        else:
            results += _link(call, first, second)
    return Reply(code=200, body=_body(call, results, errors))


def associate_one(call: Call) -> Reply:
    """Answer PUT associations/default of one pair."""
    start, end = _ends(call)
    call.query()
    first, second = (call.model.find(start, call.names["from_id"]), call.model.find(end, call.names["to_id"]))
    if first is None or second is None:
        raise not_found()
    return Reply(code=200, body=_body(call, _link(call, first, second), []))


def read(call: Call) -> Reply:
    """Answer batch/read: for each record the live ones associated with it; none of them is an entry of `errors`."""
    start, end = _ends(call)
    results, errors = [], []
    for item in _inputs(call, MOST_READ):
        shape(item, needs={"id": str}, may={"after": str})
        it = call.model.find(start, item["id"])
        others = call.model.linked(it) if it else []
        if not others:
            errors.append(_none(start, end, item["id"]))
            continue
        results.append(_page(item, start, others))
    return Reply(code=207 if errors else 200, body=_body(call, results, errors))


def _page(item: dict[str, str], start: ObjectType, others: list[Record]) -> dict[str, Any]:
    after = item.get("after", "0")
    if not after.isdigit():
        raise invalid("after must be an integer")
    later = [other for other in others if int(other.id) > int(after)]
    spec = {"category": "HUBSPOT_DEFINED", "typeId": ASSOCIATION_TYPE[start]}
    shown: dict[str, Any] = {
        "from": {"id": item["id"]},
        "to": [{"toObjectId": other.id, "associationTypes": [spec]} for other in later[:PAGE]],
    }
    if len(later) > PAGE:
        shown["paging"] = {"next": {"after": later[PAGE - 1].id}}
    return shown


def _ends(call: Call) -> tuple[ObjectType, ObjectType]:
    start, end = ALIASES[call.names["from"]], ALIASES[call.names["to"]]
    if OTHER[start] != end:
        raise invalid(f"The sandbox associates contacts with deals, not {start} with {end}")
    return start, end


def _inputs(call: Call, most: int) -> list[Any]:
    call.query()
    items: list[Any] = shape(call.json(), needs={"inputs": list})["inputs"]
    if not 1 <= len(items) <= most:
        raise invalid(f"A batch has between 1 and {most} inputs")
    return items


def _link(call: Call, first: Record, second: Record) -> list[dict[str, Any]]:
    contact, deal = (first, second) if first.type == "contacts" else (second, first)
    call.model.link(contact, deal)
    return [
        {
            "from": {"id": one.id},
            "to": {"id": two.id},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": ASSOCIATION_TYPE[one.type],
            },
        }
        for one, two in ((first, second), (second, first))
    ]


def _absent(kind: ObjectType, id_: str) -> dict[str, Any]:
    message = f"No {SINGULAR[kind]} with ID {id_} exists"
    return Refusal(404, "OBJECT_NOT_FOUND", message).row({"id": [id_]})


def _none(start: ObjectType, end: ObjectType, id_: str) -> dict[str, Any]:
    refusal = Refusal(
        404,
        "OBJECT_NOT_FOUND",
        f"No {SINGULAR[end]} is associated with {SINGULAR[start]} {id_}.",
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
    )
    return refusal.row({"fromObjectId": [id_], "fromObjectType": [SINGULAR[start]], "toObjectType": [SINGULAR[end]]})


def _body(call: Call, results: list[Any], errors: list[Any]) -> dict[str, Any]:
    at = times.iso(call.model.now())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    return {**body, "numErrors": len(errors), "errors": errors} if errors else body
