"""Which live record holds which unique value: what makes an upsert find its record and a double be refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.refusal import Detail, contact_exists, invalid_values
from syncd.sandbox.crm.hubspot.schema import ObjectType, Schema

Claims = set[tuple[str, str]]
"""The unique values, as (property, value), that the earlier rows of a batch will take."""


class UniqueKeys:
    """The unique values in use. An e-mail address counts in any case, and a merged contact holds several."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._ids: dict[tuple[ObjectType, str], dict[str, str]] = {}

    def owner(self, kind: ObjectType, name: str, value: str) -> str | None:
        """Give the id of the live record that holds a value."""
        return self._ids.get((kind, name), {}).get(_key(name, value))

    def check(self, kind: ObjectType, id_: str | None, values: Mapping[str, str], claims: Claims) -> None:
        """Refuse values that another record than `id_`, or an earlier row of the batch, holds; claim them if free."""
        for name in self._schema.unique(kind):
            if not (value := values.get(name)):
                continue
            owner = self.owner(kind, name, value)
            if owner is not None and owner != id_:
                raise contact_exists(owner) if name == "email" else _taken(name, owner)
            if (name, _key(name, value)) in claims:
                raise _taken(name, "another input of this batch")
            claims.add((name, _key(name, value)))

    def hold(self, record: Record, names: Sequence[str] | None = None) -> None:
        """Let a record hold its values of these unique properties, of all if none are named."""
        for name in self._schema.unique(record.type) if names is None else names:
            for value in _held(record, name):
                self._ids.setdefault((record.type, name), {})[_key(name, value)] = record.id

    def release(self, record: Record, names: Sequence[str] | None = None) -> None:
        """Free what a record holds, for whoever comes next."""
        for name in self._schema.unique(record.type) if names is None else names:
            ids = self._ids.get((record.type, name), {})
            for value in _held(record, name):
                if ids.get(_key(name, value)) == record.id:
                    del ids[_key(name, value)]


def _held(record: Record, name: str) -> list[str]:
    own = [record.values[name]] if name in record.values else []
    return own + (record.more_emails if name == "email" else [])


def _key(name: str, value: str) -> str:
    return value.strip().lower() if name == "email" else value


def _taken(name: str, owner: str) -> Exception:
    message = f"Cannot set property {name}: {owner} already has that value."
    return invalid_values([Detail(message=message, code="CONFLICTING_UNIQUE_VALUE", property=name)])
