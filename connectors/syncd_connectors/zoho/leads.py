"""What goes out: the modules that are written, and what a lead becomes in them."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.contract import JsonObject, Lead, RemoteId
from syncd_connectors.zoho.settings import ZohoPush

_NO_NAME = "Unknown"  # a last name is required; sales sees that nobody told us


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The record that a lead has, and whether this push made it."""

    kind: str
    id: str
    created: bool = False
    deal: RemoteId | None = None  # of a Contact that was a Lead


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The record that has a unique value already, and in which field."""

    kind: str
    id: str
    name: str


def kinds_of(push: ZohoPush) -> list[str]:
    """Name the modules that are written, so that each needs the field with our id."""
    if push.kind == "deal":
        return ["Contacts", "Deals"]
    return ["Leads", "Contacts"] if push.advocates else ["Leads"]


def own_kind(push: ZohoPush) -> str:
    return "Leads" if push.kind == "lead" else "Contacts"


def person_kind(lead: Lead, push: ZohoPush) -> str:
    return own_kind(push) if lead.role == "friend" else "Contacts"


def split_field(written: str, push: ZohoPush) -> tuple[str, str]:
    """Tell whose field is mapped: `Deals.Description` the Deal's, `Phone` that of what a friend becomes."""
    owner, dot, name = written.rpartition(".")
    return (owner, name) if dot else (own_kind(push), written)


def mapped_values(kind: str, lead: Lead, push: ZohoPush) -> dict[str, str]:
    split = ((split_field(written, push), text) for written, text in lead.fields.items())
    return {name: text for (owner, name), text in split if owner == kind and text}


def person_values(kind: str, lead: Lead) -> JsonObject:
    person = lead.person
    values = {
        "Email": person.email,
        "First_Name": person.first_name,
        "Last_Name": person.last_name or _NO_NAME,
        "Phone": person.phone,
    }
    if kind == "Leads":
        values["Company"] = person.company
    return {name: value for name, value in values.items() if value}


def known_id(lead: Lead, kind: str) -> str | None:
    if lead.known is None:
        return None
    it = lead.known.deal if kind == "Deals" else lead.known.person
    return it.id if it and it.type == kind else None
