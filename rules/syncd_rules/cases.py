"""Stories with the outcome that their author expects: how the author of a campaign tests it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd_rules.events import Event
from syncd_rules.json_form import events_from_json, result_json
from syncd_rules.model import Program
from syncd_rules.state import evaluate


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What happens, and what part of the result is expected at a time."""

    name: str
    as_of: datetime
    events: Sequence[Event]
    expect: Mapping[str, Any]


def cases_from_json(items: object, program: Program) -> list[Case]:
    """Read an array of cases: `name`, `as_of`, `events`, `expect`. Raises ValueError that names all that is wrong."""
    if not isinstance(items, list) or not items:
        raise ValueError("cases are a JSON array of objects, at least one")
    cases, wrong = [], []
    for number, item in enumerate(items):
        try:
            cases.append(_case(item, program))
        except ValueError as error:
            wrong += [f"[{number}]: {line}" for line in str(error).splitlines()]
    if wrong:
        raise ValueError("\n".join(wrong))
    return cases


def _case(item: object, program: Program) -> Case:
    if not isinstance(item, Mapping):
        raise ValueError("a case is an object")
    if unknown := sorted(item.keys() - {"name", "as_of", "events", "expect"}):
        raise ValueError(f"unknown key {unknown[0]!r}; known are name, as_of, events, expect")
    name, expect = item.get("name"), item.get("expect")
    if not isinstance(name, str) or not name:
        raise ValueError("`name` is missing, or is no text")
    if not isinstance(expect, Mapping) or not expect:
        raise ValueError(f"{name}: `expect` is missing, or is no part of a result")
    as_of = _instant(item.get("as_of"))
    if as_of is None:
        raise ValueError(f"{name}: `as_of` is no time with its offset, as in 2026-03-01T00:00:00Z")
    events = events_from_json(item.get("events"), program)
    return Case(name=name, as_of=as_of, events=events, expect=expect)


def _instant(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def tried(case: Case, programs: Sequence[Program]) -> list[str]:
    """Run a case; give the places at which the result is not what was expected."""
    return list(differences(case.expect, result_json(evaluate(programs, case.events, case.as_of))))


def differences(expected: Any, actual: Any, place: str = "") -> Iterator[str]:
    """Hold what is expected against what there is.

    An object must have the keys that are expected, and may have more. A list must have as many entries as are
    expected, in any order. All else must be equal.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            below = f"{place}.{key}" if place else str(key)
            if key in actual:
                yield from differences(value, actual[key], below)
            else:
                yield f"{below}: expected {value!r}, and there is none"
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _of_lists(expected, actual, place)
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield f"{place}: expected {expected!r}, and it is {actual!r}"


def _of_lists(expected: list[Any], actual: list[Any], place: str) -> Iterator[str]:
    left = list(actual)
    for entry in expected:
        match = next((n for n, there in enumerate(left) if not any(differences(entry, there))), None)
        if match is None:
            yield f"{place}: expected {entry!r}, and there is none"
        else:
            del left[match]
    for entry in left:
        yield f"{place}: not expected, and there: {entry!r}"
