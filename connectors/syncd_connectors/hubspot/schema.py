"""The properties of contacts and deals: what is there, what `push` needs of them, and the one that carries our id."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from syncd.contract import JsonObject, Misconfigured, RemoteField, json_objects, veiled
from syncd_connectors.hubspot.answers import Refused
from syncd_connectors.hubspot.client import Client
from syncd_connectors.hubspot.leads import kinds_of, split_field
from syncd_connectors.hubspot.records import as_object
from syncd_connectors.hubspot.settings import HubSpotPush


class Schema:
    """The properties of the kinds of records that are written."""

    def __init__(self, client: Client, push: HubSpotPush) -> None:
        self._client = client
        self._push = push
        self._key = push.referral_id
        self._kinds = kinds_of(push)

    def check(self, kind: str) -> None:
        """Prove that the property with our id is unique, and that the mapped ones are there and can be written."""
        known = self._properties(kind)
        if not known.get(self._key, {}).get("hasUniqueValue"):
            what = f"is not unique on {kind}" if self._key in known else f"does not exist on {kind}"
            raise Misconfigured(f"the property {self._key} {what}", yaml_path="push.referral_id", hint=_by_hand(kind))
        for field in self._push.fields:
            owner, name = split_field(field)
            if owner != kind:
                continue
            path = f"push.fields.{field}"
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "create it in HubSpot, or take it out of the mapping"
                raise Misconfigured(f"{kind} have no property {name}", yaml_path=path, hint=hint)
            if _is_read_only(known[name]):
                raise Misconfigured(f"{name} can only be read", yaml_path=path, hint="map another one")

    def fields(self) -> Sequence[RemoteField]:
        """List the properties that can be written, of contacts and, where they are pushed, of deals."""
        fields = []
        for kind in self._kinds:
            prefix = "deal." if kind == "deals" else ""
            fields += [
                RemoteField(
                    of=kind.removesuffix("s"),
                    name=f"{prefix}{name}",
                    label=str(it.get("label") or name),
                    type=str(it.get("type") or ""),
                )
                for name, it in sorted(self._properties(kind).items())
                if name != self._key and not _is_read_only(it)
            ]
        return fields

    def provision(self) -> Sequence[str]:
        """Create the unique property that carries our id, wherever it is missing; needs `crm.schemas.*.write`.

        One that is there stays as it is: HubSpot makes no property unique later on.
        https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
        """
        missing = [kind for kind in self._kinds if self._key not in self._properties(kind)]
        for kind in missing:
            self._create_key(kind)
        return [f"the unique property {self._key} on {kind}" for kind in missing]

    def _create_key(self, kind: str) -> None:
        definition = {
            "name": self._key,
            "label": "Referral id",
            "description": "Written by syncd; it tells which referral this record is",
            "groupName": f"{kind.removesuffix('s')}information",
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": True,
        }
        try:
            self._client.ask(self._client.sdk.properties.create, kind, definition)
        except Refused as refused:
            # After a lost answer the repetition is refused, as the property is there: only looking tells.
            if self._key in self._properties(kind):
                return
            why = veiled(refused.complaint.text, ())
            told = f"the property {self._key} could not be created on {kind}: {why}"
            raise Misconfigured(told, yaml_path="push.referral_id", hint=_by_hand(kind)) from None

    def _properties(self, kind: str) -> dict[str, JsonObject]:
        body = self._client.ask(self._client.sdk.properties.get_all, kind)
        return {str(it.get("name")): it for it in json_objects(body, "results")}


def _is_read_only(definition: JsonObject) -> bool:
    return as_object(definition.get("modificationMetadata")).get("readOnlyValue") is True


def _by_hand(kind: str) -> str:
    return f"create it in HubSpot: {kind}, single-line text, with the rule that values are unique"
