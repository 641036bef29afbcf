"""Finds records by an external id, a unique value or an e-mail address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncd.sandbox.crm.salesforce.refusal import not_saved
from syncd.sandbox.crm.salesforce.row import Row
from syncd.sandbox.crm.salesforce.schema import Field, Object
from syncd.sandbox.crm.salesforce.values import Value


class Index:
    """Which records outside the bin hold a value of an indexed field."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], dict[Value, dict[str, None]]] = {}

    def find(self, kind: str, field: Field, value: Value) -> list[str]:
        """Give the ids of the records that hold a value, oldest first."""
        return list(self._ids.get((kind, field.name), {}).get(_key(field, value), ()))

    def check(self, kind: Object, id_: str | None, values: Mapping[str, Value]) -> None:
        """Refuse unique values that another record than `id_` holds."""
        for name, value in values.items():
            field = kind.fields[name]
            if not field.unique or value is None:
                continue
            if others := [other for other in self.find(kind.name, field, value) if other != id_]:
                message = f"duplicate value found: {name} duplicates value on record with id: {others[0]}"
                raise not_saved("DUPLICATE_VALUE", message)

    def add(self, kind: Object, row: Row) -> None:
        """Let a record be found by its values."""
        for field, value in _held(kind, row):
            self._ids.setdefault((kind.name, field.name), {}).setdefault(_key(field, value), {})[row.id] = None

    def remove(self, kind: Object, row: Row) -> None:
        """Let a record no longer be found by its values."""
        for field, value in _held(kind, row):
            self._ids.get((kind.name, field.name), {}).get(_key(field, value), {}).pop(row.id, None)


def _held(kind: Object, row: Row) -> Iterable[tuple[Field, Value]]:
    if row.deleted:
        return []
    fields = (field for field in kind.fields.values() if field.indexed)
    return [(field, row.values[field.name]) for field in fields if row.values.get(field.name) is not None]


def _key(field: Field, value: Value) -> Value:
    """An external id that is not unique is matched as it is written, even where a query would take it in any case."""
    any_case = isinstance(value, str) and (field.unique or not field.external_id) and not field.case_sensitive
    return str(value).lower() if any_case else value
