"""What goes out: the objects that are written, and what a lead becomes in them."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.contract import Lead, Pushed, RemoteId, RemoteRef
from syncd_connectors.salesforce.records import Record, remote_id
from syncd_connectors.salesforce.settings import SalesforcePush

NO_NAME, NO_COMPANY = "Unknown", "[not provided]"  # Salesforce requires both; sales sees that nobody told us


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The record that a lead has; of a converted Lead also what it became."""

    kind: str
    record: str
    created: bool
    contact: str | None = None
    deal: str | None = None


def kinds_of(push: SalesforcePush) -> list[str]:
    """Name the objects that carry our id."""
    if push.kind == "contact_opportunity":
        return ["Contact", "Opportunity"]
    return ["Lead", "Contact"] if push.advocates else ["Lead"]


def person_kind(lead: Lead, push: SalesforcePush) -> str:
    return "Lead" if push.kind == "lead" and lead.role == "friend" else "Contact"


def split_field(field: str, push: SalesforcePush) -> tuple[str, str]:
    """Tell whose field is mapped: `Opportunity.Name` the Opportunity's, `Phone` that of what a friend becomes."""
    owner, dot, name = field.rpartition(".")
    return (owner, name) if dot else ("Lead" if push.kind == "lead" else "Contact", field)


def mapped_values(kind: str, lead: Lead, push: SalesforcePush) -> dict[str, str]:
    split = ((split_field(field, push), text) for field, text in lead.fields.items())
    return {name: text for (owner, name), text in split if owner == kind}


def person_values(kind: str, lead: Lead) -> dict[str, str]:
    person = lead.person
    values = {
        "Email": person.email,
        "FirstName": person.first_name,
        "LastName": person.last_name or NO_NAME,
        "Phone": person.phone,
    }
    if kind == "Lead":
        values["Company"] = person.company or NO_COMPANY
    return {name: value for name, value in values.items() if value}


def known_id(lead: Lead, kind: str) -> str | None:
    ids = [it for it in (lead.known.person, lead.known.deal) if it and it.type == kind] if lead.known else []
    return ids[0].id if ids else None


def place_of(record: Record) -> Place:
    return Place(kind=record.kind, record=record.id, created=False, contact=record.contact, deal=record.deal)


def pushed(lead: str, place: Place, site: str) -> Pushed:
    own = RemoteId(type=place.kind, id=place.record)
    ref = RemoteRef(
        person=remote_id("Contact", place.contact) or own,
        deal=remote_id("Opportunity", place.deal) or (own if place.kind != "Contact" else None),
        url=f"{site}/{place.deal or place.record}",
    )
    return Pushed(lead=lead, ref=ref, created=place.created)
