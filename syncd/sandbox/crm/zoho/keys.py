"""Which live record holds which value of a field that upserts look at."""

from __future__ import annotations

from collections.abc import Iterable

from syncd.sandbox.crm.zoho.record import Record
from syncd.sandbox.crm.zoho.schema import Field, Module
from syncd.sandbox.crm.zoho.values import Value, fold


class Keys:
    """The values in use of unique fields and of each module's system field. A converted lead holds none."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], dict[Value, dict[str, None]]] = {}

    def find(self, module: Module, name: str, value: Value) -> list[str]:
        """Give the ids of the records that hold a value, oldest first."""
        key = fold(module.fields[name], value)
        return list(self._ids.get((module.name, name), {}).get(key, ()))

    def hold(self, module: Module, record: Record) -> None:
        """Let a record be found by its values."""
        for field, value in _held(module, record):
            self._ids.setdefault((module.name, field.name), {}).setdefault(fold(field, value), {})[record.id] = None

    def release(self, module: Module, record: Record) -> None:
        """Free what a record holds."""
        for field, value in _held(module, record):
            self._ids.get((module.name, field.name), {}).get(fold(field, value), {}).pop(record.id, None)


def _held(module: Module, record: Record) -> Iterable[tuple[Field, Value]]:
    if record.gone or record.converted:
        return []
    names = {*module.unique, module.system_key}
    return [(module.fields[name], record.values[name]) for name in names if record.values.get(name) is not None]
