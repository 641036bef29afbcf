"""A query whose names have been looked up: what it takes, sorts and shows of an org."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.refusal import Refusal
from syncd.sandbox.crm.salesforce.row import State
from syncd.sandbox.crm.salesforce.schema import NUMBERS, Field, Object, Schema
from syncd.sandbox.crm.salesforce.soql.syntax import Condition, Order, Query, Where
from syncd.sandbox.crm.salesforce.soql.words import Word, malformed, no_such_field, no_such_object, no_such_relation
from syncd.sandbox.crm.salesforce.values import Value, fold

Follow = Callable[[str, Value], State | None]
"""Gives the record of an object type that a reference leads to."""

Test = Callable[[State, Follow], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A field, of the record itself or of the one that a reference leads to."""

    through: Field | None
    field: Field

    def value(self, state: State, follow: Follow) -> Value:
        """Read the field; no value where the reference leads nowhere."""
        if self.through is None:
            return state.values[self.field.name]
        there = follow(self.through.to, state.values[self.through.name])
        return there.values[self.field.name] if there else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A query that can be run."""

    kind: Object
    paths: tuple[Path, ...]
    test: Test
    order: tuple[tuple[Path, Order], ...]
    limit: int | None


def plan(schema: Schema, query: Query) -> Plan:
    """Look up the names of a query. Raises Refusal INVALID_TYPE, INVALID_FIELD and others."""
    kind = schema.object(query.source.text)
    if kind is None:
        raise no_such_object(query.text, query.source.at, query.source.text)
    look = _Names(schema, kind, query.text)
    paths = tuple(look.path(word) for word in query.fields)
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise malformed(query.text, query.fields[place].at, f"duplicate field selected: {path.field.name}")
    return Plan(
        kind=kind,
        paths=paths,
        test=look.test(query.where) if query.where else lambda _, __: True,
        order=tuple((look.path(it.path), it) for it in query.order),
        limit=query.limit,
    )


class _Names:
    def __init__(self, schema: Schema, kind: Object, text: str) -> None:
        self._schema = schema
        self._kind = kind
        self._text = text

    def path(self, word: Word) -> Path:
        """Look up a field, over one relationship at the most."""
        *through, name = word.text.split(".")
        if through and through[0].lower() == self._kind.name.lower():
            through = through[1:]
        if len(through) > 1:
            raise malformed(self._text, word.at, "the sandbox follows one relationship of a field path")
        kind, reference = self._kind, None
        if through:
            reference = kind.relation(through[0])
            there = self._schema.objects.get(reference.to) if reference else None
            if there is None:
                raise no_such_relation(self._text, word.at, through[0])
            kind = there
        if (field := kind.field(name)) is None:
            raise no_such_field(self._text, word.at, name, kind.name)
        return Path(through=reference, field=field)

    def test(self, where: Where) -> Test:
        """Make a condition something that can be asked of a record."""
        if isinstance(where, Condition):
            return self._compare(where)
        tests = [self.test(part) for part in where.parts]
        if where.word == "NOT":
            return lambda state, follow: not tests[0](state, follow)
        if where.word == "AND":
            return lambda state, follow: all(test(state, follow) for test in tests)
        return lambda state, follow: any(test(state, follow) for test in tests)

    def _compare(self, condition: Condition) -> Test:
        path, operator = self.path(condition.path), condition.operator
        values = [self._literal(path.field, value, condition) for value in condition.values]
        if operator in {"IN", "=", "NOT IN", "!="}:
            wanted, inside = frozenset(values), operator in {"IN", "="}
            return lambda state, follow: (fold(path.field, path.value(state, follow)) in wanted) is inside
        if operator == "LIKE":
            return self._like(path, condition)
        compared = values[0]
        if compared is None or path.field.type == "boolean":
            raise self._invalid(condition, f"{path.field.name} cannot be compared by {operator} with this value")
        compare = _COMPARE[operator]

        def test(state: State, follow: Follow) -> bool:
            value = fold(path.field, path.value(state, follow))
            return value is not None and compare(value, compared)

        return test

    def _literal(self, field: Field, value: Value, condition: Condition) -> Value:
        """Hold a literal against its field's type; texts in quotes, everything else without."""
        if value is None or value == "":
            return None
        wanted: Any = str
        if field.type in NUMBERS:
            wanted = Decimal
        elif field.type in _BARE:
            wanted = _BARE[field.type]
        if type(value) is not wanted:
            quotes = "should be" if wanted is str else "should not be"
            kind = {"datetime": "dateTime", "currency": "double", "percent": "double"}.get(field.type, field.type)
            message = f"value of filter criterion for field '{field.name}' must be of type {kind}"
            raise self._invalid(condition, f"{message} and {quotes} enclosed in quotes")
        if field.type in {"id", "reference"}:
            if (id_ := ids.read(str(value))) is None:
                raise Refusal("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}")
            return id_
        return fold(field, value)

    def _like(self, path: Path, condition: Condition) -> Test:
        pattern = condition.values[0]
        if not isinstance(pattern, str) or path.field.type in {"id", "reference", "boolean"}:
            raise self._invalid(condition, f"{path.field.name} cannot be compared by LIKE")
        parts = re.findall(r"\\[%_]|.", pattern, re.DOTALL)
        wild = {"%": ".*", "_": "."}
        expression = re.compile("".join(wild.get(p) or re.escape(p[-1]) for p in parts), re.IGNORECASE | re.DOTALL)
        return lambda state, follow: bool(expression.fullmatch(str(path.value(state, follow) or "")))

    def _invalid(self, condition: Condition, problem: str) -> Refusal:
        at = condition.word.at
        return Refusal("INVALID_FIELD", malformed(self._text, at, problem).message)


_BARE: dict[str, Any] = {"boolean": bool, "date": date, "datetime": datetime}

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def sort_key(path: Path, order: Order, follow: Follow) -> Callable[[State], Any]:
    """Give what a sort by one field compares, if it is reversed for DESC; no value comes first, or last if so asked."""
    missing_is_great = order.nulls_last != order.descending

    def key(state: State) -> tuple[bool, Any]:
        value = fold(path.field, path.value(state, follow))
        return (missing_is_great, 0) if value is None else (not missing_is_great, value)

    return key
