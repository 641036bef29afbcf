"""A query whose names have been looked up: what it takes, sorts and shows of an account."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from syncd.sandbox.crm.zoho.coql.syntax import Criterion, Operator, Query, Where
from syncd.sandbox.crm.zoho.coql.words import Raw
from syncd.sandbox.crm.zoho.record import State
from syncd.sandbox.crm.zoho.refusal import Refusal
from syncd.sandbox.crm.zoho.schema import NUMBERS, REFERENCES, Field, Module, Schema
from syncd.sandbox.crm.zoho.values import Value, fold, read_time

Follow = Callable[[str, Value], State | None]
"""Gives the record of a module that a lookup leads to."""

Test = Callable[[State, Follow], bool]

_ALWAYS: frozenset[Operator] = frozenset({"=", "!=", "in", "not in", "is null", "is not null"})
_ORDERED: frozenset[Operator] = _ALWAYS | {"<", "<=", ">", ">=", "between"}
_ID = re.compile(r"\d{1,19}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A field, of the record itself or of the one that a lookup leads to."""

    name: str  # as the query writes it
    through: Field | None
    field: Field

    def value(self, state: State, follow: Follow) -> Value:
        """Read the field; no value where the lookup leads nowhere."""
        if self.through is None:
            return state.values[self.field.name]
        there = follow(self.through.to, state.values[self.through.name])
        return there.values[self.field.name] if there else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A query that can be run."""

    module: Module
    columns: tuple[Column, ...]
    test: Test
    order: tuple[tuple[Column, bool], ...]  # with whether it is descending


def plan(schema: Schema, query: Query) -> Plan:
    """Look up the names of a query. Raises Refusal INVALID_MODULE or INVALID_QUERY."""
    module = schema.modules.get(query.module)
    if module is None:
        raise Refusal("INVALID_MODULE", "the given module is not supported in api")
    names = _Names(schema, module)
    return Plan(
        module=module,
        columns=tuple(names.column(it) for it in query.columns),
        test=names.test(query.where),
        order=tuple((names.column(it.column), it.descending) for it in query.order),
    )


class _Names:
    def __init__(self, schema: Schema, module: Module) -> None:
        self._schema = schema
        self._module = module

    def column(self, name: str) -> Column:
        """Look up a column, over one lookup at the most."""
        *through, last = name.split(".")
        module, lookup = self._module, None
        if len(through) > 1:
            raise _bad_column(name)
        if through:
            lookup = module.fields.get(through[0])
            there = self._schema.modules.get(lookup.to) if lookup else None
            if there is None:
                raise _bad_column(name)
            module = there
        field = module.fields.get(last)
        if field is None or not field.queried:
            raise _bad_column(name)
        return Column(name=name, through=lookup, field=field)

    def test(self, where: Where) -> Test:
        """Make a condition something that can be asked of a record."""
        if isinstance(where, Criterion):
            return self._compare(where)
        left, right = self.test(where.left), self.test(where.right)
        if where.word == "and":
            return lambda state, follow: left(state, follow) and right(state, follow)
        return lambda state, follow: left(state, follow) or right(state, follow)

    def _compare(self, it: Criterion) -> Test:
        column = self.column(it.column)
        if column.field.type == "textarea":
            details = {"cv_criteria": False, "column_name": it.column, "value": "", "operator": it.operator}
            raise Refusal("INVALID_QUERY", "unsupported column in criteria", details=details)
        if it.operator not in _allowed(column.field):
            details = {"reason": "invalid operator found", "column_name": it.column, "operator": it.operator}
            raise Refusal("INVALID_QUERY", "Invalid query formed", details=details)
        if it.operator in {"is null", "is not null"}:
            wants = it.operator == "is null"
            return lambda state, follow: (column.value(state, follow) is None) is wants
        wanted = [fold(column.field, _literal(column, value)) for value in it.values]
        holds = _comparison(it.operator, wanted)

        def test(state: State, follow: Follow) -> bool:
            value = fold(column.field, column.value(state, follow))
            return value is not None and holds(int(str(value)) if column.field.type == "bigint" else value)

        return test


def _allowed(field: Field) -> frozenset[Operator]:
    if field.type in NUMBERS or field.type in {"bigint", "date", "datetime"}:
        return _ORDERED
    if field.type == "boolean":
        return frozenset({"="})
    return _ALWAYS if field.type in REFERENCES else _ALWAYS | {"like", "not like"}


def _literal(column: Column, raw: Raw) -> Any:
    """Hold a literal against its field's type: texts, dates and times in quotes, numbers without, ids either way."""
    kind = column.field.type
    try:
        if kind in {"bigint", *REFERENCES} and not isinstance(raw, bool) and _ID.fullmatch(str(raw)):
            return int(raw) if kind == "bigint" else str(raw)
        if kind == "datetime" and isinstance(raw, str):
            return read_time(raw)
        if kind == "date" and isinstance(raw, str):
            return date.fromisoformat(raw)
    except ValueError:
        raise _bad_value(column) from None
    wanted: Any = Decimal if kind in NUMBERS else bool if kind == "boolean" else str
    if kind in {"bigint", "date", "datetime", *REFERENCES} or type(raw) is not wanted:
        raise _bad_value(column)
    return raw


def _comparison(operator: Operator, wanted: list[Any]) -> Callable[[Any], bool]:
    first = wanted[0]
    if operator in {"like", "not like"}:
        alike = _like(str(first))
        return alike if operator == "like" else lambda value: not alike(value)
    return {
        "=": lambda value: value == first,
        "!=": lambda value: value != first,
        "<": lambda value: value < first,
        "<=": lambda value: value <= first,
        ">": lambda value: value > first,
        ">=": lambda value: value >= first,
        "in": lambda value: value in wanted,
        "not in": lambda value: value not in wanted,
        "between": lambda value: first <= value <= wanted[-1],
    }[operator]


def _like(pattern: str) -> Callable[[Any], bool]:
    expression = re.compile("".join(".*" if char == "%" else re.escape(char) for char in pattern), re.DOTALL)
    return lambda value: expression.fullmatch(value) is not None


def _bad_column(name: str) -> Refusal:
    return Refusal("INVALID_QUERY", "column given seems to be invalid", details={"column_name": name})


def _bad_value(column: Column) -> Refusal:
    details = {"reason": "invalid value found", "column_name": column.name}
    return Refusal("INVALID_QUERY", "Invalid query formed", details=details)


def sort_key(column: Column, follow: Follow) -> Callable[[State], Any]:
    """Give what a sort by one column compares; no value comes first."""

    def key(state: State) -> tuple[bool, Any]:
        value = fold(column.field, column.value(state, follow))
        if value is None:
            return (False, 0)
        return (True, int(str(value)) if column.field.type == "bigint" else value)

    return key
