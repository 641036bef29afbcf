"""Records as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.record import Person, Record
from syncd.sandbox.crm.zoho.schema import Field, Module
from syncd.sandbox.crm.zoho.values import Value, Values, show


def shown(org: ZohoOrg, module: Module, values: Values, names: Iterable[str]) -> dict[str, Any]:
    """Show these fields of a record, and its id."""
    found = {name: _one(org, module.fields[name], values[name]) for name in names}
    return {**found, "id": values["id"]}


def whole_record(org: ZohoOrg, module: Module, record: Record, names: Iterable[str]) -> dict[str, Any]:
    """Show a record that was read by its id: only there does a lead tell what it became."""
    found = shown(org, module, record.values, names)
    if module.name == "Leads":
        found |= {"$converted": record.converted, "$converted_detail": _detail(org, record)}
    return found


def written(org: ZohoOrg, record: Record) -> dict[str, Any]:
    """Give the `details` of a record that was written."""
    names = ("Modified_Time", "Modified_By", "Created_Time", "Created_By")
    details = shown(org, org.schema.modules[record.module], record.values, names)
    for name in ("Modified_By", "Created_By"):
        details[name].pop("email")
    return details


def brief(person: Person) -> dict[str, str]:
    """Name a user."""
    return {"name": person.name, "id": person.id}


def title(org: ZohoOrg, record: Record) -> str:
    """Give what people call a record."""
    return record.text(org.schema.modules[record.module].title)


def _one(org: ZohoOrg, field: Field, value: Value) -> Any:
    if value is None:
        return None
    if field.type == "ownerlookup":
        person = org.user(str(value)) or org.client
        return {**brief(person), "email": person.email}
    if field.type == "lookup":
        there = org.find(field.to, str(value))
        return {"name": title(org, there) if there else None, "id": value}
    return show(value, org.zone)


def _detail(org: ZohoOrg, lead: Record) -> dict[str, Any]:
    if not lead.converted:
        return {}
    found: dict[str, Any] = {"converted_time": show(lead.get("Converted_Date_Time"), org.zone)}
    for name in ("Account", "Contact", "Deal"):
        id_ = lead.get(f"Converted_{name}")
        found[name.lower()] = {"id": id_} if id_ else None
    return found
