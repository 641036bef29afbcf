"""Stories with the outcome that their author expects: how the author of a campaign tests it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd_rules import scalars
from syncd_rules.events import Event
from syncd_rules.json_form import result_json
from syncd_rules.load_events import read_events
from syncd_rules.model import InvalidData, Problem, Program
from syncd_rules.state import evaluate
from syncd_rules.tree import Noted, Place, Section, Wrong, listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What happens, and what part of the result is expected at a time."""

    name: str
    as_of: datetime
    events: Sequence[Event]
    expect: Mapping[str, Any]


def cases_from_json(items: object, program: Program) -> list[Case]:
    """Read an array of cases: `name`, `as_of`, `events`, `expect`. Raises `InvalidData` with all that is wrong."""
    problems: list[Problem] = []
    cases = Place(value=items, path=(), problems=problems).read(lambda place: _cases(place, program), [])
    if problems:
        raise InvalidData(problems)
    return cases


def _cases(place: Place, program: Program) -> list[Case]:
    if not isinstance(place.value, list) or not place.value:
        raise Wrong("cases are a JSON array of objects, at least one")
    return list(listing(lambda entry: _case(entry, program))(place))


def _case(place: Place, program: Program) -> Case:
    if not isinstance(place.value, Mapping):
        raise Wrong("a case is an object")
    with Section(place) as section:
        name = section.need("name", scalars.text, "")
        as_of = section.need("as_of", scalars.moment, None)
        events = section.need("events", lambda at: read_events(at, program), [])
        expect = section.need("expect", _expectation, {})
    if as_of is None:
        raise Noted
    return Case(name=name, as_of=as_of, events=events, expect=expect)


def _expectation(place: Place) -> Mapping[str, Any]:
    if not isinstance(place.value, Mapping):
        raise Wrong("what is expected is an object, a part of a result")
    if not place.value:
        raise Wrong("nothing is expected here", 'name a part of the result, as in {"rejected": []}')
    return place.value


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
