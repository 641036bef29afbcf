"""Routes for single deals and persons, API v2.

https://developers.pipedrive.com/docs/api/v1/Deals and .../Persons
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import values, views
from syncd.sandbox.crm.pipedrive.call import Call, listed, ok
from syncd.sandbox.crm.pipedrive.record import Record
from syncd.sandbox.crm.pipedrive.refusal import invalid, not_found, wrong_field

MOST_CUSTOM = 15
"""Keys that the parameter custom_fields may name."""


def get(call: Call) -> Reply:
    """Answer GET of a record by its id; one that is deleted, merged away or out of sight is not found."""
    query = call.query("include_fields", "custom_fields")
    return ok(show(call, target(call), query))


def create(call: Call) -> Reply:
    """Answer POST of a new record. The vendor looks for no doubles."""
    call.query()
    own, custom = read(call, call.json())
    needed = "title" if call.kind == "deal" else "name"
    if needed not in own:
        raise wrong_field(needed, "required")
    made = call.company.write(call.kind, None, own, custom, source="api")
    return ok(show(call, made, {}))


def update(call: Call) -> Reply:
    """Answer PATCH of a record: what is not named stays."""
    call.query()
    record = target(call)
    own, custom = read(call, call.json())
    call.company.write(record.kind, record, own, custom, source="api")
    return ok(show(call, record, {}))


def delete(call: Call) -> Reply:
    """Answer DELETE of a record."""
    call.query()
    record = target(call)
    call.company.delete(record, source="api")
    return ok({"id": int(record.id)})


def read(call: Call, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the fields of a body: the vendor's, and the custom ones by their keys."""
    own = {code: value for code, value in body.items() if code != "custom_fields"}
    custom = values.read_custom(call.company.schema.custom(call.kind), body.get("custom_fields", {}))
    return values.read(call.kind, own), custom


def target(call: Call) -> Record:
    """Give the record that the path names, or refuse."""
    if (record := call.company.find(call.kind, call.names["id"])) is None:
        raise not_found(call.kind.capitalize())
    return record


def show(call: Call, it: Record, query: Mapping[str, str]) -> dict[str, Any]:
    """Show a record with the fields that a query asks for."""
    include = listed(query, "include_fields")
    if wrong := sorted(set(include) - (views.INCLUDABLE if it.kind == "deal" else views.COUNTS)):
        raise invalid(f"include_fields: the sandbox does not know {wrong[0]} of a {it.kind}")
    known = call.company.schema.custom(it.kind)
    asked = listed(query, "custom_fields", most=MOST_CUSTOM)
    if wrong := sorted(set(asked) - known.keys()):
        raise invalid(f"custom_fields: unknown custom field {wrong[0]}")
    if it.kind == "deal":
        return views.v2(it, asked or known, include=include)
    counts = _counts(call, it) if include else {}
    return views.v2(it, asked or known) | {name: counts[name] for name in include}


def _counts(call: Call, person: Record) -> dict[str, int]:
    deals = [deal for deal in call.company.listed("deal") if str(deal.values.get("person_id")) == person.id]
    open_ = sum(deal.values["status"] == "open" for deal in deals)
    return {"open_deals_count": open_, "closed_deals_count": len(deals) - open_}
