"""One filter of a search: reading it strictly, and whether an indexed record passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.hubspot.call import shape, texts
from syncd.sandbox.crm.hubspot.record import Snapshot
from syncd.sandbox.crm.hubspot.refusal import invalid, invalid_json
from syncd.sandbox.crm.hubspot.schema import SINGULAR, ObjectType, Property

Test = Callable[[Any, list[Any]], bool]

_ONE_VALUE: dict[str, Test] = {
    "EQ": lambda own, given: own == given[0],
    "NEQ": lambda own, given: own != given[0],
    "LT": lambda own, given: own < given[0],
    "LTE": lambda own, given: own <= given[0],
    "GT": lambda own, given: own > given[0],
    "GTE": lambda own, given: own >= given[0],
}
_LISTS: dict[str, Test] = {"IN": lambda own, given: own in given, "NOT_IN": lambda own, given: own not in given}
_TOKENS: dict[str, Test] = {
    "CONTAINS_TOKEN": lambda own, given: _has_token(own, given[0]),
    "NOT_CONTAINS_TOKEN": lambda own, given: not _has_token(own, given[0]),
}
_BETWEEN: dict[str, Test] = {"BETWEEN": lambda own, given: given[0] <= own <= given[1]}
_PRESENCE = {"HAS_PROPERTY": True, "NOT_HAS_PROPERTY": False}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A condition on one property, or on the records associated with this one."""

    name: str
    kind: str  # the property's type, or "association"
    present: bool | None  # HAS_PROPERTY and NOT_HAS_PROPERTY ask only this
    test: Test | None
    given: list[Any]

    def matches(self, snapshot: Snapshot) -> bool:
        """Say whether an indexed record passes."""
        if self.kind == "association":
            wanted = set(self.given)
            return bool(wanted & snapshot.linked)
        value = snapshot.values.get(self.name)
        if self.present is not None:
            return (value is not None) == self.present
        if value is None or self.test is None:
            return False
        return self.test(_comparable(self.kind, value), self.given)


def read_filter(body: Any, known: Mapping[str, Property], other: ObjectType) -> Filter:
    """Read one entry of `filters`, or refuse it as the vendor does."""
    may: dict[str, type] = {"value": str, "values": list, "highValue": str}
    shape(body, needs={"propertyName": str, "operator": str}, may=may)
    name, operator = body["propertyName"], body["operator"]
    if name == f"associations.{SINGULAR[other]}":
        if operator not in {"EQ", "IN"}:
            raise _problem(f"operator {operator} is not supported for associations")
        return Filter(name=name, kind="association", present=None, test=None, given=_given(body, operator))
    if name not in known:
        raise invalid(f'There was a problem with the request: property "{name}" does not exist')
    if operator in _PRESENCE:
        if body.keys() & may.keys():
            raise _problem(f"operator {operator} does not allow a value")
        return Filter(name=name, kind=known[name].type, present=_PRESENCE[operator], test=None, given=[])
    tests = {**_ONE_VALUE, **_LISTS, **_TOKENS, **_BETWEEN}
    if operator not in tests:
        raise invalid_json(f'Cannot deserialize value "{operator}": not one of the values accepted for operator')
    kind = "token" if operator in _TOKENS else known[name].type
    given: list[Any] = _given(body, operator)
    if kind in {"number", "datetime", "date"}:
        try:
            given = [_comparable(kind, text) for text in given]
        except (ValueError, InvalidOperation) as error:
            raise invalid(f"There was a problem with the request: a value of {name} is no {kind}") from error
    elif operator not in _LISTS:  # in a list the vendor wants lower case; elsewhere case does not matter
        given = [text.lower() for text in given]
    return Filter(name=name, kind=kind, present=None, test=tests[operator], given=given)


def sort_key(definition: Property) -> Callable[[Snapshot], Any]:
    """Give the order by one property: records without it come first, equal ones by their id."""

    def key(snapshot: Snapshot) -> Any:
        value = snapshot.values.get(definition.name)
        own = int(snapshot.values["hs_object_id"])
        return (False, 0, own) if value is None else (True, _comparable(definition.type, value), own)

    return key


def _given(body: Mapping[str, Any], operator: str) -> list[str]:
    if operator in _LISTS:
        if "values" not in body or "value" in body or not body["values"]:
            raise _problem(f"operator {operator} requires values")
        return texts(body["values"], "values")
    if "value" not in body or "values" in body:
        raise _problem(f"operator {operator} requires a value")
    if (operator == "BETWEEN") != ("highValue" in body):
        raise _problem(f"operator {operator} {'requires a' if operator == 'BETWEEN' else 'does not allow a'} highValue")
    return [body["value"], body["highValue"]] if operator == "BETWEEN" else [body["value"]]


def _problem(text: str) -> Exception:
    return invalid_json(f"Cannot construct instance of Filter, problem: {text}")


def _comparable(kind: str, value: str) -> Decimal | datetime | str:
    if kind == "number":
        return Decimal(value)
    if kind in {"datetime", "date"}:
        return times.parse(value)
    return value.lower()


def _has_token(own: str, pattern: str) -> bool:
    tokens = [own, *re.split(r"[\s@.,;:/+-]+", own)]
    return any(fnmatchcase(token, pattern) for token in tokens)
