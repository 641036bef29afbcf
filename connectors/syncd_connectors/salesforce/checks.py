"""The settings against the org: its version of the API, and whether the fields that they name exist and take text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from syncd.contract import JsonObject, Misconfigured
from syncd_connectors.salesforce.leads import kinds_of, split_field
from syncd_connectors.salesforce.records import fields_of
from syncd_connectors.salesforce.settings import SalesforcePush


def check_version(wanted: str, served: Sequence[str]) -> None:
    if wanted not in served:
        hint = f"it serves {', '.join(served[-5:])}" if served else "it names none"
        raise Misconfigured(f"Salesforce does not serve version {wanted}", yaml_path="api_version", hint=hint)


def check_owners(push: SalesforcePush) -> None:
    """Raise for the first mapped field of an object that is not written."""
    known = kinds_of(push)
    for written in push.fields:
        owner, _ = split_field(written, push)
        if owner not in known:
            told = f"nothing is written to {owner}"
            raise Misconfigured(told, yaml_path=f"push.fields.{written}", hint=f"write to {' or '.join(known)}")


def check_object(kind: str, object_: JsonObject, push: SalesforcePush) -> list[str]:
    """Raise for the first setting that does not fit the object; give what every lead may be refused for."""
    if not (object_.get("createable") and object_.get("queryable") and object_.get("updateable")):
        raise Misconfigured(
            f"the user of the credential may not read, create and edit {kind} records",
            yaml_path="push.as",
            hint="give them a permission set that allows it",
        )
    fields = fields_of(object_)
    key = fields.get(push.referral_id)
    if not key or not (key.get("externalId") and key.get("unique") and key.get("createable")):
        what = "is not visible or does not exist" if not key else "is not an external id, unique and writable"
        hint = f"create it on {kind}: text, external id, unique, and let the user of the credential write it"
        raise Misconfigured(f"{kind}.{push.referral_id} {what}", yaml_path="push.referral_id", hint=hint)
    mapped = {it: name for it in push.fields for owner, name in [split_field(it, push)] if owner == kind}
    for written, name in mapped.items():
        _check_field(kind, name, f"push.fields.{written}", fields)
    own = {"LastName", "Company"} if kind != "Opportunity" else {"Name", "StageName", "CloseDate"}
    needed = [
        name
        for name, it in fields.items()
        if it.get("createable") and it.get("nillable") is False and not it.get("defaultedOnCreate")
    ]
    return [
        f"{kind}.{name} is required and nothing is mapped to it: every lead may be refused"
        for name in needed
        if name not in own and name not in mapped.values()
    ]


def _check_field(kind: str, name: str, path: str, fields: Mapping[str, JsonObject]) -> None:
    if name not in fields:
        near = get_close_matches(name, fields, 1)
        hint = f"did you mean {near[0]}?" if near else "create it in Salesforce, or take it out of the mapping"
        raise Misconfigured(f"{kind} has no field {name}", yaml_path=path, hint=hint)
    if not fields[name].get("createable"):
        raise Misconfigured(f"{kind}.{name} can only be read", yaml_path=path, hint="map another one")
    if (type_ := str(fields[name].get("type"))) in {"boolean", "int", "double", "currency", "percent"}:
        hint = "Salesforce takes no text for it; map a text field"
        raise Misconfigured(f"{kind}.{name} is of type {type_}", yaml_path=path, hint=hint)
