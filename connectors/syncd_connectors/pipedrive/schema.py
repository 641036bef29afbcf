"""The company's fields: which there are, and which one carries our id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.contract import Lead, Misconfigured, RemoteField
from syncd_connectors.pipedrive.client import Client
from syncd_connectors.pipedrive.fields import (
    OWNERS,
    PREFIX,
    SEARCHABLE,
    CompanyField,
    Owner,
    named,
    read_field,
    split_field,
)
from syncd_connectors.pipedrive.settings import PipedrivePush


class Schema:
    """The fields of persons and of deals, asked once; a lead has the deals' fields."""

    def __init__(self, client: Client, push: PipedrivePush) -> None:
        self._client = client
        self._v2 = client.v2
        self._push = push
        self._known: dict[Owner, list[CompanyField]] = {}

    def of(self, owner: Owner) -> list[CompanyField]:
        """Give the fields of an owner."""
        if owner not in self._known:
            call = self._v2.persons.get_person_fields if owner == "person" else self._v2.deals.get_deal_fields
            self._known[owner] = [read_field(it) for rows, _ in self._client.pages(call, {}) for it in rows]
        return self._known[owner]

    def forget(self) -> None:
        """Ask anew from now on: fields may have been made, deleted or renamed."""
        self._known = {}

    def pop(self, owner: Owner) -> list[CompanyField]:
        """Give what is known of an owner, and ask anew from now on."""
        return self._known.pop(owner)

    def key(self, owner: Owner) -> str:
        """Give the key, different in each company, of the field that carries our id."""
        name, path = self._push.referral_id, "push.referral_id"
        try:
            field = named(self.of(owner), name, owner, path)
        except Misconfigured:
            self._known.pop(owner, None)  # whoever creates it now need not restart us
            raise
        if not field.is_custom or field.type not in SEARCHABLE:
            hint = "make it a custom field of the type text"
            raise Misconfigured(f"the field {name} on {owner}s cannot carry our id", yaml_path=path, hint=hint)
        return field.code

    def mapped(self, owner: Owner, lead: Lead) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the mapped fields of an owner by their codes: Pipedrive's own ones, and the custom ones."""
        own: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for written, text in lead.fields.items():
            of, name = split_field(written)
            if of == owner and text:
                field = named(self.of(owner), name, owner, f"push.fields.{written}")
                (custom if field.is_custom else own)[field.code] = text
        return own, custom

    def fields(self) -> Sequence[RemoteField]:
        """List the text fields that can be written, of persons and of deals; a lead has the deals' fields."""
        self.forget()
        return [
            RemoteField(of=owner, name=f"{PREFIX[owner]}{it.name}", label=it.name, type=it.type)
            for owner in OWNERS
            for it in self.of(owner)
            if it.is_writable and it.name != self._push.referral_id
        ]

    def provision(self) -> Sequence[str]:
        """Create the custom field that carries our id, on persons and on deals, wherever it is missing."""
        self.forget()
        name = self._push.referral_id
        made = []
        for owner in OWNERS:
            if any(it.name == name for it in self.of(owner)):
                continue
            body = {
                "field_name": name,
                "field_type": "varchar",
                "description": "Written by syncd: which referral it is",
            }
            self._client.ask(self._v2._post, f"{self._v2.BASE_URL}{owner}Fields", json=body)
            made.append(f"the field {name} on {owner}s")
        self.forget()
        return made
