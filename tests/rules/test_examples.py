"""What the manual shows is what the rules say."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd_rules import InvalidData, cases_from_json, evaluate, events_from_json, load, result_json, schemas, tried
from syncd_rules.cases import differences
from tests.rules.schema import mistakes

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "rules" / "examples"
LOYALTY = load(yaml.load((ROOT / "config/campaigns/loyalty-2026.yaml").read_text(), Loader=yaml.BaseLoader))  # noqa: S506 - texts only


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"loyalty-2026.{name}.json").read_text())


def test_the_worked_example_has_the_result_that_is_shown() -> None:
    events = events_from_json(example("events"), LOYALTY)
    result = result_json(evaluate([LOYALTY], events, datetime.fromisoformat("2026-04-15T00:00:00+02:00")))

    assert result == example("result")
    assert mistakes(result, schemas()["result"]) == []
    assert mistakes(example("events"), schemas()["events"]) == []


def test_the_cases_of_the_example_hold() -> None:
    assert mistakes(example("cases"), schemas()["cases"]) == []
    for case in cases_from_json(example("cases"), LOYALTY):
        assert tried(case, [LOYALTY]) == []


@pytest.mark.parametrize("form", sorted(schemas()))
def test_the_schemas_that_are_shipped_are_those_of_the_code(form: str) -> None:
    assert json.loads((ROOT / "rules" / "schemas" / f"{form}.json").read_text()) == schemas()[form]


# --- what a case expects ----------------------------------------------------------------------------------------------

THERE = {"a": {"x": 1, "y": 2}, "list": [{"n": 1, "m": 1}, {"n": 2}], "flag": True}


@pytest.mark.parametrize(
    ("expected", "place"),
    [
        ({"a": {"x": 1}}, None),
        ({"list": [{"n": 2}, {"n": 1}]}, None),
        ({"a": {"x": 2}}, "a.x"),
        ({"b": 1}, "b"),
        ({"list": [{"n": 1}]}, "list"),
        ({"list": [{"n": 1}, {"n": 1}]}, "list"),
        ({"flag": 1}, "flag"),
    ],
)
def test_a_case_expects_a_part_of_an_object_and_the_whole_of_a_list(expected: Any, place: str | None) -> None:
    places = {line.partition(":")[0] for line in differences(expected, THERE)}

    assert places == ({place} if place else set())


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({}, "JSON array"),
        ([], "at least one"),
        ([7], "/0: a case is an object"),
        ([{"name": "a", "expext": {}}], "unknown key 'expext'"),
        ([{"as_of": "x"}], "`name` is missing"),
        ([{"name": "a", "as_of": "2026-01-01T00:00:00Z", "events": []}], "`expect` is missing"),
        (
            [{"name": "a", "as_of": "2026-01-01T00:00:00Z", "events": [], "expect": {}}],
            "/0/expect: nothing is expected",
        ),
        (
            [{"name": "a", "as_of": "2026-01-01T00:00:00", "events": [], "expect": {"x": 1}}],
            "/0/as_of: .* has no offset",
        ),
        ([{"name": "a", "as_of": "2026-01-01T00:00:00Z", "events": [7], "expect": {"x": 1}}], "/0/events/0: an event"),
    ],
)
def test_a_case_that_cannot_be_read_is_refused(items: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cases_from_json(items, LOYALTY)


def test_all_that_is_wrong_with_cases_is_told_at_once() -> None:
    event = {"id": "e", "type": "link.shared", "at": "x", "advocate": 7}
    items = [{"name": "a", "as_of": "x", "events": [event], "expect": {}}, {"nam": "b"}]
    with pytest.raises(InvalidData) as caught:
        cases_from_json(items, LOYALTY)

    assert [problem.pointer for problem in caught.value.problems] == [
        *("/0/as_of", "/0/events/0/at", "/0/events/0/advocate", "/0/expect"),
        *("/1", "/1", "/1", "/1", "/1/nam"),
    ]
