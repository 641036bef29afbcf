"""What goes out: the kinds of records that are written, and what a lead becomes in them."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.contract import Lead
from syncd_connectors.hubspot.records import Record
from syncd_connectors.hubspot.settings import HubSpotPush


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A record that a lead has, and whether this call made it."""

    id: str
    created: bool = False


def kinds_of(push: HubSpotPush) -> tuple[str, ...]:
    """Name the kinds of records that are written, so that each needs the property with our id."""
    return ("contacts", "deals") if push.kind == "deal" else ("contacts",)


def split_field(field: str) -> tuple[str, str]:
    """Tell whose property a mapped field is: `deal.dealname` the deal's, `firstname` and `contact.firstname` not."""
    owner, dot, name = field.partition(".")
    if dot and owner in {"deal", "contact"}:
        return f"{owner}s", name
    return "contacts", field


def _mapped(lead: Lead, kind: str) -> dict[str, str]:
    # An empty text would clear what HubSpot knows already.
    split = ((split_field(field), text) for field, text in lead.fields.items() if text)
    return {name: text for (owner, name), text in split if owner == kind}


def contact_properties(lead: Lead) -> dict[str, str]:
    """Give what a lead writes into its contact."""
    email = {"email": lead.person.email} if lead.person.email else {}
    return email | _mapped(lead, "contacts")


def deal_properties(lead: Lead, push: HubSpotPush) -> dict[str, str]:
    """Give what a lead writes into its new deal."""
    name = f"Referral {lead.referral_code or lead.id}"
    return {"dealname": name, "pipeline": push.pipeline, "dealstage": push.stage} | _mapped(lead, "deals")


def has_email(record: Record, email: str | None) -> bool:
    """Tell whether a contact holds an e-mail address, as its own or as a further one."""
    held = [record.properties.get("email", ""), *record.properties.get("hs_additional_emails", "").split(";")]
    return bool(email) and str(email).strip().casefold() in {it.strip().casefold() for it in held}
