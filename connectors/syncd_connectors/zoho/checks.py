"""The settings against the account: whether the fields that they name exist and take text."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from syncd.contract import JsonObject, Misconfigured
from syncd_connectors.zoho.leads import kinds_of, split_field
from syncd_connectors.zoho.records import as_object
from syncd_connectors.zoho.settings import ZohoPush

TEXTS = frozenset({"text", "textarea", "email", "phone", "website", "picklist", "date", "datetime"})
_OWN = {
    "Leads": {"Last_Name"},
    "Contacts": {"Last_Name"},
    "Deals": {"Deal_Name", "Pipeline", "Stage", "Contact_Name"},
}


def is_writable(definition: JsonObject) -> bool:
    may = as_object(definition.get("operation_type")).get("api_create", True)
    return may is not False and definition.get("read_only") is not True


def check_owners(push: ZohoPush) -> None:
    known = kinds_of(push)
    for written in push.fields:
        owner, _ = split_field(written, push)
        if owner not in known:
            told = f"nothing is written to {owner}"
            raise Misconfigured(told, yaml_path=f"push.fields.{written}", hint=f"write to {' or '.join(known)}")


def check_fields(kind: str, fields: Mapping[str, JsonObject], push: ZohoPush) -> list[str]:
    """Raise for the first mapped field that does not fit; give what every lead may be refused for."""
    mapped = {name: written for written in push.fields for owner, name in [split_field(written, push)] if owner == kind}
    for name, written in mapped.items():
        path = f"push.fields.{written}"
        if name not in fields:
            near = get_close_matches(name, fields, 1)
            hint = f"did you mean {near[0]}?" if near else "create it in Zoho, or take it out of the mapping"
            raise Misconfigured(f"{kind} have no field {name}", yaml_path=path, hint=hint)
        if not is_writable(fields[name]):
            raise Misconfigured(f"{kind}.{name} can only be read", yaml_path=path, hint="map another one")
        if (type_ := str(fields[name].get("data_type"))) not in TEXTS:
            hint = "Zoho takes no text for it; map a text field"
            raise Misconfigured(f"{kind}.{name} is of type {type_}", yaml_path=path, hint=hint)
    return [
        f"{kind}.{name} is required and nothing is mapped to it: every lead may be refused"
        for name, it in fields.items()
        if it.get("system_mandatory") is True and is_writable(it) and name not in _OWN[kind] | mapped.keys()
    ]
