"""The fields of the modules: which there are, which are read, and the one that carries our id."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.contract import JsonObject, Misconfigured, RemoteField, json_objects
from syncd_connectors.zoho.checks import TEXTS, is_writable
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.leads import kinds_of, own_kind
from syncd_connectors.zoho.records import COLUMNS
from syncd_connectors.zoho.settings import ZohoPush


class Schema:
    """The fields of the modules, asked once."""

    def __init__(self, client: Client, push: ZohoPush) -> None:
        self._client = client
        self._push = push
        self._key = push.referral_id
        self._known: dict[str, dict[str, JsonObject]] = {}

    def forget(self) -> None:
        """Ask anew from now on: fields may have been made, deleted or changed."""
        self._known = {}

    def of(self, kind: str) -> dict[str, JsonObject]:
        """Give a module's fields by their API names."""
        known = self._known.get(kind)
        if known is None:
            body = self._client.ask("GET", "settings/fields", scope="settings.fields.READ", params={"module": kind})
            known = {str(it.get("api_name")): it for it in json_objects(body, "fields")}
            self._known[kind] = known
        return known

    def columns(self, kind: str) -> list[str]:
        """Name the fields of a module that are read."""
        names = [*COLUMNS[kind]]
        if kind == "Deals" and "Currency" in self.of(kind):
            names.append("Currency")
        return [*names, self._key] if self._key in self.of(kind) else names

    def prove_unique(self, kind: str) -> None:
        """Without a unique field a repeated push would make a second record: then nothing is written at all."""
        known = self.of(kind).get(self._key)
        if known is None or not known.get("unique"):
            what = "does not exist" if known is None else "allows duplicate values"
            hint = f"create it in Zoho: {kind}, single line, with 'Do not allow duplicate values'"
            self._known.pop(kind, None)  # look again once the admin has done so
            raise Misconfigured(f"{kind}.{self._key} {what}", yaml_path="push.referral_id", hint=hint)

    def fields(self) -> Sequence[RemoteField]:
        """List the fields that take text and can be written, of each module that is."""
        listed = []
        for kind in kinds_of(self._push):
            prefix = "" if kind == own_kind(self._push) else f"{kind}."
            listed += [
                RemoteField(
                    of=kind,
                    name=f"{prefix}{name}",
                    label=str(it.get("field_label") or name),
                    type=str(it.get("data_type") or ""),
                )
                for name, it in sorted(self.of(kind).items())
                if name != self._key and is_writable(it) and it.get("data_type") in TEXTS
            ]
        return listed
