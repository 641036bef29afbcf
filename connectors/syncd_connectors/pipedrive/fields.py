"""What goes out: the fields of persons, deals and leads, and what a lead writes into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Lead,
    Misconfigured,
    Parked,
    Pushed,
    Stage,
    Transient,
    read_id,
)
from syncd_connectors.pipedrive.settings import PipedrivePush

Owner = Literal["person", "deal"]
Kind = Literal["person", "deal", "lead"]
OWNERS: tuple[Owner, ...] = ("person", "deal")
PREFIX: Mapping[Owner, str] = {"person": "", "deal": "deal."}
SEARCHABLE = frozenset({"varchar", "varchar_auto", "text"})
_WRITABLE = SEARCHABLE | {"phone", "date"}
_OWN = frozenset({"name", "title"})  # Pipedrive's own text fields; all others of its own take ids, numbers or lists


@dataclass(frozen=True, kw_only=True, slots=True)
class CompanyField:
    """A field of persons, or of deals and leads."""

    code: str  # 40 hexadecimal digits for a custom one
    name: str
    type: str
    is_custom: bool

    @property
    def is_writable(self) -> bool:
        return self.type in _WRITABLE if self.is_custom else self.code in _OWN


def read_field(row: JsonObject) -> CompanyField:
    code = read_id(row.get("field_code"))
    return CompanyField(
        code=code,
        name=str(row.get("field_name") or code),
        type=str(row.get("field_type") or ""),
        is_custom=row.get("is_custom_field") is True,
    )


def named(fields: Sequence[CompanyField], name: str, owner: Owner, path: str) -> CompanyField:
    """Find a field by its code or by its name, which need not be unique."""
    found = [it for it in fields if it.code == name] or [it for it in fields if it.name == name]
    if len(found) > 1:
        hint = f"rename all but one, or write one of the keys {', '.join(it.code for it in found)}"
        raise Misconfigured(f"{len(found)} fields on {owner}s are called {name}", yaml_path=path, hint=hint)
    if not found:
        near = get_close_matches(name, [it.name for it in fields], 1)
        hint = f"did you mean {near[0]}?" if near else f"create it in Pipedrive: Data fields, {owner}, text"
        raise Misconfigured(f"{owner}s have no field {name}", yaml_path=path, hint=hint)
    return found[0]


def split_field(field: str) -> tuple[Owner, str]:
    """Tell whose field is mapped: `deal.Source` that of deals and leads, `Source` and `person.Source` the person's."""
    owner, dot, name = field.partition(".")
    if dot and owner == "deal":
        return "deal", name
    return "person", name if dot and owner == "person" else field


def check_mapped(owner: Owner, fields: Sequence[CompanyField], push: PipedrivePush) -> None:
    for written in push.fields:
        of, name = split_field(written)
        if of != owner:
            continue
        field = named(fields, name, owner, path := f"push.fields.{written}")
        if not field.is_writable:
            hint = "map a custom field of the type text"
            raise Misconfigured(f"{name} is of type {field.type}, and takes no text", yaml_path=path, hint=hint)


def check_start(push: PipedrivePush, stages: Sequence[Stage]) -> None:
    known = [it for it in stages if push.pipeline in (None, it.pipeline)]
    if not known:
        ids = ", ".join(dict.fromkeys(it.pipeline for it in stages))
        told = f"the CRM has no pipeline with the id {push.pipeline}"
        raise Misconfigured(told, yaml_path="push.pipeline", hint=f"it has {ids}")
    if push.stage and push.stage not in {it.id for it in known}:
        ids = ", ".join(it.id for it in known if it.id.isdigit())
        told = f"the CRM has no stage with the id {push.stage}" + (
            f" in pipeline {push.pipeline}" if push.pipeline else ""
        )
        raise Misconfigured(told, yaml_path="push.stage", hint=f"it has {ids}")


def values_of(lead: Lead, kind: Kind, push: PipedrivePush) -> dict[str, Any]:
    values: dict[str, Any] = {"owner_id": push.owner} if push.owner else {}
    if kind == "person":
        person = lead.person
        name = " ".join(filter(None, (person.first_name, person.last_name)))
        values["name"] = name or person.company or person.email or f"Referral {lead.id}"
        for point, value in (("emails", person.email), ("phones", person.phone)):
            if value:
                values[point] = [{"value": value, "primary": True, "label": "work"}]
        return values
    values["title"] = f"Referral {lead.referral_code or lead.id}"
    places = {"pipeline_id": push.pipeline, "stage_id": push.stage} if kind == "deal" else {}
    return values | {name: int(id_) for name, id_ in places.items() if id_}


def without_hope(verdicts: Sequence[Pushed | ConnectorError]) -> ConnectorError | None:
    """Give the error with which the rest of a batch need not be tried: it concerns every lead, or came twice."""
    match verdicts:
        case [*_, (Parked() | Misconfigured()) as error] | [*_, Transient(), Transient() as error]:
            return error
    return None
