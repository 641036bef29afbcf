"""Records as the vendor's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.hubspot.model import CrmModel
from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.schema import MODIFIED, OTHER, SINGULAR, ObjectType

DEFAULTS: dict[ObjectType, tuple[str, ...]] = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "deals": (
        "amount",
        "closedate",
        "createdate",
        "dealname",
        "dealstage",
        "hs_lastmodifieddate",
        "hs_object_id",
        "pipeline",
    ),
}
"""What a read returns when it asks for nothing."""

ASSOCIATION_TYPE: dict[ObjectType, int] = {"deals": 3, "contacts": 4}
"""The vendor's number for the unlabelled association, by the type it starts from: deal to contact, contact to deal."""


def chosen(model: CrmModel, kind: ObjectType, values: Mapping[str, str], asked: Iterable[str]) -> dict[str, str | None]:
    """Pick properties: those asked for, null where empty, and the three that always come. Unknown ones are left out."""
    names = list(asked) or DEFAULTS[kind]
    always = ("createdate", "hs_object_id", MODIFIED[kind])
    known = model.schema.properties[kind]
    return {name: values.get(name) for name in dict.fromkeys([*names, *always]) if name in known}


def record(model: CrmModel, it: Record, asked: Iterable[str] = (), history: Iterable[str] = ()) -> dict[str, Any]:
    """Show a record as it is now, with the past values of the properties named by `history`, newest first."""
    shown: dict[str, Any] = {
        "id": it.id,
        "properties": chosen(model, it.type, it.values, [*asked, *history]),
        "createdAt": times.iso(it.created),
        "updatedAt": times.iso(it.updated),
        "archived": it.archived is not None,
    }
    if it.archived:
        shown["archivedAt"] = times.iso(it.archived)
    if named := [name for name in history if name in model.schema.properties[it.type]]:
        shown["propertiesWithHistory"] = {name: _past(it, name) for name in named}
    return shown


def written(model: CrmModel, it: Record, values: Iterable[str]) -> dict[str, Any]:
    """Show a record as a write answers: what was written and what always comes."""
    return record(model, it, list(values) or ["hs_object_id"])


def associated(model: CrmModel, it: Record) -> list[dict[str, str]]:
    """Show the live records that are associated with this one."""
    kind = f"{SINGULAR[it.type]}_to_{SINGULAR[OTHER[it.type]]}"
    return [{"id": other.id, "type": kind} for other in model.linked(it)]


def _past(it: Record, name: str) -> list[dict[str, str]]:
    return [
        {"value": past.value, "timestamp": times.iso(past.at), "sourceType": past.origin}
        for past in it.history.get(name, ())
    ]
