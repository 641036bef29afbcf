"""Routes for up to 100 contacts or deals at once.

A batch is all or nothing, unless every row carries an `objectWriteTraceId`: then each row stands alone and the
failed ones are listed under `errors`. https://developers.hubspot.com/docs/api-reference/error-handling
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot import views
from syncd.sandbox.crm.hubspot.call import Call, properties, shape, texts
from syncd.sandbox.crm.hubspot.objects import association_targets, link_all, need_unique
from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.refusal import Refusal, invalid, not_found
from syncd.sandbox.crm.hubspot.schema import SINGULAR

MOST = 100
MOST_WITH_HISTORY = 50


@dataclass(frozen=True, kw_only=True)
class Row:
    """One input of a batch that writes."""

    values: Mapping[str, str]
    find: Callable[[], Record | None]  # the record to change, None to create one; raises Refusal
    trace: str | None
    others: Sequence[Record] = ()
    upsert: bool = False


def create(call: Call) -> Reply:
    """Answer batch/create."""
    rows = []
    for item in _inputs(call):
        shape(item, needs={"properties": dict}, may={"associations": list, "objectWriteTraceId": str})
        others = association_targets(call, item.get("associations", []))
        values = properties(item["properties"])
        rows.append(Row(values=values, find=lambda: None, trace=item.get("objectWriteTraceId"), others=others))
    return _write(call, rows, code=201)


def update(call: Call) -> Reply:
    """Answer batch/update. Unlike a single PATCH it does not follow ids that were merged away."""
    items, names = _inputs(call), set()
    for item in items:
        shape(item, needs={"id": str, "properties": dict}, may={"idProperty": str, "objectWriteTraceId": str})
        names.add(item.get("idProperty", ""))
    name = _id_property(call, items, names)

    def finder(id_: str) -> Callable[[], Record]:
        def find() -> Record:
            it = call.model.find_by(call.kind, name, id_) if name else call.model.find(call.kind, id_)
            if it is None or (not name and it.id != id_):
                raise not_found()
            return it

        return find

    return _write(call, [_row(item, finder(item["id"])) for item in items], code=200)


def upsert(call: Call) -> Reply:
    """Answer batch/upsert by a unique property. By e-mail it is all or nothing, with trace ids too."""
    items, names = _inputs(call), set()
    for item in items:
        shape(item, needs={"id": str, "properties": dict}, may={"idProperty": str, "objectWriteTraceId": str})
        names.add(item.get("idProperty", ""))
    name = _id_property(call, items, names)
    if not name:
        raise invalid("Unable to perform update/upsert by non-unique property: hs_object_id")

    def finder(id_: str) -> Callable[[], Record | None]:
        return lambda: call.model.find_by(call.kind, name, id_)

    rows = [_row({**i, "properties": {name: i["id"], **i["properties"]}}, finder(i["id"]), upsert=True) for i in items]
    return _write(call, rows, code=200, whole=name == "email")


def archive(call: Call) -> Reply:
    """Answer batch/archive: unknown ids are passed over."""
    for item in _inputs(call):
        id_ = shape(item, needs={"id": str})["id"]
        if call.model.find(call.kind, id_) is not None:
            call.model.archive(call.kind, id_, origin="INTEGRATION")
    return Reply(code=204)


def read(call: Call) -> Reply:
    """Answer batch/read by id or by a unique property; strongly consistent, merges followed."""
    archived = call.query("archived").get("archived", ["false"]) == ["true"]
    body = shape(
        call.json(), needs={"inputs": list}, may={"properties": list, "propertiesWithHistory": list, "idProperty": str}
    )
    history = texts(body.get("propertiesWithHistory", []), "propertiesWithHistory")
    ids = [shape(item, needs={"id": str})["id"] for item in body["inputs"]]
    _count(ids, MOST_WITH_HISTORY if history else MOST, " for property histories" if history else "")
    _distinct(ids)
    name = body.get("idProperty", "")
    if name == "hs_object_id":
        name = ""
    if name:
        need_unique(call, name)
    found, missing = _find_all(call, ids, name, archived)
    asked = texts(body.get("properties", []), "properties")
    results = [views.record(call.model, it, asked, history) for it in found]
    return _reply(call, 200, results, [_missing(call, missing)] if missing else [])


def _find_all(call: Call, ids: list[str], name: str, archived: bool) -> tuple[list[Record], list[str]]:
    found: dict[str, Record] = {}
    missing: list[str] = []
    for id_ in ids:
        by_id = call.model.find(call.kind, id_, archived=archived)
        it = call.model.find_by(call.kind, name, id_) if name else by_id
        if it is None:
            missing.append(id_)
        else:
            found[it.id] = it
    return list(found.values()), missing


def _missing(call: Call, ids: list[str]) -> dict[str, Any]:
    kind = SINGULAR[call.kind].upper()
    message = f"Could not get some {kind} objects, they may be deleted or not exist. Check that ids are valid."
    return Refusal(404, "OBJECT_NOT_FOUND", message).row({"ids": ids})


def _inputs(call: Call) -> list[Any]:
    call.query()
    items: list[Any] = shape(call.json(), needs={"inputs": list})["inputs"]
    _count(items, MOST, "")
    return items


def _count(items: Sequence[Any], most: int, what: str) -> None:
    if len(items) > most:
        raise invalid(f"The maximum number of inputs supported in a batch request{what} is {most}")
    if not items:
        raise invalid("The batch has no inputs")


def _distinct(ids: list[str]) -> None:
    if len(set(ids)) < len(ids):
        raise invalid("Duplicate IDs found in batch input. IDs must be unique")


def _id_property(call: Call, items: list[Any], names: set[str]) -> str:
    """Read the one `idProperty` of a batch: "" for the record id."""
    _distinct([item["id"].lower() if item.get("idProperty") == "email" else item["id"] for item in items])
    if len(names) > 1:
        raise invalid("All inputs of a batch must use the same idProperty")
    name = names.pop()
    if name in {"", "hs_object_id"}:
        return ""
    need_unique(call, name)
    return name


def _row(item: Any, find: Callable[[], Record | None], *, upsert: bool = False) -> Row:
    values = properties(item["properties"])
    return Row(values=values, find=find, trace=item.get("objectWriteTraceId"), upsert=upsert)


def _write(call: Call, rows: list[Row], *, code: int, whole: bool = False) -> Reply:
    """Write the rows: each alone if all can be told apart by a trace id, else all or none."""
    alone = not whole and all(row.trace for row in rows)
    if not alone:
        claimed: set[tuple[str, str]] = set()
        for row in rows:
            call.model.check(call.kind, row.find(), row.values, claimed)
    results, errors = [], []
    for row in rows:
        try:
            results.append(_write_row(call, row))
        except Refusal as refusal:
            if not alone:
                raise
            errors.append(refusal.row({"objectWriteTraceId": [row.trace or ""]}))
    call.account.rng.shuffle(results)  # the vendor does not promise the order of the inputs
    return _reply(call, code, results, errors)


def _write_row(call: Call, row: Row) -> dict[str, Any]:
    before = row.find()
    it = call.model.write(call.kind, before, row.values)
    link_all(call, it, list(row.others))
    shown = views.written(call.model, it, row.values)
    if row.upsert:
        shown["new"] = before is None
    if row.trace:
        shown["objectWriteTraceId"] = row.trace
    return shown


def _reply(call: Call, code: int, results: list[dict[str, Any]], errors: list[dict[str, Any]]) -> Reply:
    at = times.iso(call.model.now())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    if errors:
        code, body = (call.account.partial_status, {**body, "numErrors": len(errors), "errors": errors})
    return Reply(code=code, body=body)
