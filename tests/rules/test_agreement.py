"""What the loaders take the schemas take, and what the loaders refuse the schemas refuse, as far as a schema can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd_rules import InvalidData, InvalidProgram, Problem, cases_from_json, events_from_json, load, schemas
from syncd_rules.events import OPTIONAL, TYPES
from tests.rules.schema import mistakes

ROOT = Path(__file__).parents[2]
SCHEMAS = schemas()

# What a schema cannot say: names that refer to one another, what is counted, amounts beyond the books.
BEYOND = re.compile(
    "there is no time zone|is on no calendar|is not between the years|is longer than a hundred years"
    "|is larger than anything|none of these is in|is taken|already|stands here twice|ends before it begins"
    "|tiers begin at 0 and rise|counts the points|no e-mail address|cannot be kept"
)

# --- programs ---------------------------------------------------------------------------------------------------------


def tree_of(name: str) -> dict[str, Any]:
    text = (ROOT / "config" / "campaigns" / f"{name}.yaml").read_text()
    tree: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    return tree


REST = {  # what the examples have nothing of
    "campaign": "rest",
    "base_currency": "EUR",
    "effective_from": "2026-03-01",
    "stages": {"order": ["lead", "meeting", "won"], "lost": ["lost"]},
    "qualification": {
        "any_of": [
            {"type": "signup"},
            {"type": "stage", "stage": "won"},
            {"type": "purchase", "basis": "single_order", "min": {"EUR": "10.5", "JPY": "7", "KWD": "0.125"}},
            {"type": "explicit", "via": ["api", "crm"]},
        ]
    },
    "rewards": [
        {"id": "r1", "trigger": "stage.reached", "stage": "meeting", "to": "advocate", "kind": "points", "amount": "5"},
        {"id": "r2", "trigger": "order.paid", "to": "friend", "kind": "revenue_share", "rate": "0.1", "duration": "P1Y"}
        | {"where": [{"field": "order.amount", "gte": "10"}, {"field": "friend.country", "in": ["DE", "ES"]}]}
        | {"cap_per_referral": {"EUR": "100"}},
        {"id": "r3", "trigger": "referral.qualified", "to": "friend", "kind": "free_gift", "product": "mug"}
        | {"where": [{"field": "friend.channel", "exists": "true"}]},
    ],
    "milestones": [
        {"id": "m1", "target": "3", "rewards": [{"kind": "discount_percentage", "percent": "15", "max": {"EUR": "5"}}]},
        {"id": "m2", "metric": "subscription_cycles", "mode": "consecutive", "target": "6"},
        {"id": "m3", "metric": "points_earned", "count_program_points": "true", "target": "60", "reversible": "false"},
        {"id": "m4", "metric": "inactivity", "after": "P3M", "activity": ["order.paid"], "repeat": {"max": "2"}},
    ],
    "settlement": {"approval": {"required_above": {"EUR": "5", "points": "9"}, "persons": "2"}},
}
PROGRAMS = {"loyalty": tree_of("loyalty-2026"), "spring": tree_of("spring-2026"), "rest": REST}
_WORDS = """
    zzz -1 0 1 3 1.5 0.25 100.01 0.0000 1.0010 999999999999 0000000005 00000000005 1e3 true True no P1D PT0S P1DT P1Y2W
    2026-03-01 2026-02-30 2026-W18-5 2026-03-01T00:00:00Z 2026-03-01T00:00:00 1850-01-01 Europe/Berlin EUR eur points
    cash won revenue_share free_shipping order.paid stage.reached referral.qualified mixed inactivity amount_spent
    orders order.amount friend.country ---
"""
WORDS = _WORDS.split()
TEXTS = ("", " ", "a b", "a\n", "5\n", "2026-03-01 00:00:00Z", "\u0663", "x" * 65, "9" * 5000)
TREES = (
    *({}, [], [[]], [{}], ["zzz"], ["won", "won"], {"zzz": "1"}, {"EUR": "1.00"}, {"EUR": "0", "XXX": "1"}),
    *({"JPY": "1.5"}, {"points": "5"}, {"points": "0", "eur": "1"}, {"from": "2026-03-01", "until": "2026-02-01"}),
)
VALUES = (*WORDS, *TEXTS, *TREES)
_KEYS = """
    zzz id name amount percent max product rate tiers duration stage hold valid_for target mode after steps progress
    repeat reversible rewards count_program_points where cap_per_referral eq gt in exists type via min from until EUR
    BHD points persons
"""
KEYS = _KEYS.split()


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give every place of a tree but the top."""
    if path:
        yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*path, key))


def inside(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Copy a tree, with another value at one place; of what holds the place no more is copied than has to be."""
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = put(tree.get(path[0]) if isinstance(tree, dict) else tree[path[0]], path[1:], value)
    return copy


def without(tree: Any, path: tuple[Any, ...]) -> Any:
    """Copy a tree without one place."""
    holder = inside(tree, path[:-1]).copy()
    del holder[path[-1]]
    return put(tree, path[:-1], holder)


def variations(tree: Any, top: tuple[Any, ...], values: Any, keys: Any) -> Iterator[Any]:
    """Change one place at a time, each in every way: another value, none, one key more."""
    for path in places(inside(tree, top), top):
        if path != top:
            yield without(tree, path)
        for value in values:
            yield put(tree, path, value)
        if isinstance(inside(tree, path), dict):
            for key in keys:
                yield put(tree, (*path, key), "1")


def problems_of(read: Any, *arguments: Any) -> tuple[Problem, ...]:
    """Read something; give what is wrong with it. Nothing else may be raised."""
    try:
        read(*arguments)
    except (InvalidProgram, InvalidData) as error:
        return error.problems
    return ()


def is_beyond(problem: Problem) -> bool:
    """Tell whether a schema cannot know of a problem."""
    names_a_stage = problem.path[-1:] == ("stage",) and "not one of the choices" in problem.message
    return names_a_stage or BEYOND.search(problem.message) is not None


def agree(tree: Any, problems: tuple[Problem, ...], schema: dict[str, Any]) -> None:
    """Hold what a loader said against what a schema says."""
    found = mistakes(tree, schema)
    if not problems:
        assert found == []
    elif not found:
        assert [str(problem) for problem in problems if not is_beyond(problem)] == []
    assert len(set(map(str, problems))) == len(problems)


def as_yaml_has_it(tree: Any) -> Any:
    """Turn texts into the numbers and flags that an editor takes them for."""
    if isinstance(tree, dict):
        return {key: as_yaml_has_it(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [as_yaml_has_it(value) for value in tree]
    if re.fullmatch(r"[1-9][0-9]{0,15}|0", tree):
        return int(tree)
    if re.fullmatch(r"[0-9]{1,15}\.[0-9]{1,15}", tree):
        return float(tree)
    return {"true": True, "false": False}.get(tree, tree)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_can_be_used_is_one_for_the_schema(name: str) -> None:
    load(PROGRAMS[name])

    assert mistakes(PROGRAMS[name], SCHEMAS["program"]) == []
    assert mistakes(as_yaml_has_it(PROGRAMS[name]), SCHEMAS["program"]) == []


def parts() -> Iterator[tuple[dict[str, Any], tuple[Any, ...]]]:
    """Take the programs to pieces: each section, and each entry of a list, in a program of its own, and where it is."""
    for tree in (PROGRAMS["loyalty"], REST):
        head = {key: tree[key] for key in ("campaign", "base_currency", "timezone", "stages") if key in tree}
        for key, value in tree.items():
            if key in {"rewards", "milestones"}:
                yield from (({**head, key: [entry]}, (key, 0)) for entry in value)
            else:
                yield {**head, key: value}, (key,)


PARTS = list(parts())


@pytest.mark.parametrize(
    ("tree", "top"), PARTS, ids=[f"{tree['campaign']}-{'-'.join(map(str, top))}" for tree, top in PARTS]
)
def test_loader_and_schema_agree_on_any_program(tree: dict[str, Any], top: tuple[Any, ...]) -> None:
    for changed in variations(tree, top, VALUES, KEYS):
        problems = problems_of(load, changed)
        agree(changed, problems, SCHEMAS["program"])
        if not problems:
            assert mistakes(as_yaml_has_it(changed), SCHEMAS["program"]) == []


# --- events -----------------------------------------------------------------------------------------------------------

RULES = load(PROGRAMS["rest"])
SAMPLES = {
    "amount": "10.50",
    "currency": "EUR",
    "cycle": 3,
    "points": 5,
    "redemption_limit": 3,
    "disposable": False,
    "via": "api",
    "valid_from": "2026-03-01T00:00:00Z",
    "valid_until": "2026-12-01T00:00:00+01:00",
    "since": None,
    "email": "ada@example.com",
}
EVENTS = [
    {"id": f"e{number}", "type": name, "at": "2026-03-02T12:00:00.5+01:00"}
    | {field: SAMPLES.get(field, f"a {field}") for field in (*sorted(needed), *OPTIONAL.get(name, ()))}
    | ({"email": "ada@example.com"} if "identity" in OPTIONAL.get(name, ()) else {})
    for number, (name, (_, needed)) in enumerate(TYPES.items())
]
_JSON_TEXTS = """
    x 7 10.001 10.5 fax manual EUR JPY KWD eur 2026-03-02 2026-03-02T12:00:00Z 2026-03-02t12:00:00z 2026-W18-5T00:00:00Z
    20260501T000000Z 2026-03-02T12:00:00 2026-02-30T12:00:00Z 1850-03-02T12:00:00Z 2026-03-02T24:00:00Z
    2026-03-02T12:00Z order.paid order.payed a@b ada@example.com
"""
JSON_TEXTS = _JSON_TEXTS.split()
JSON_VALUES = (
    *(None, True, 0, 1, -1, 1.5, 10**9, 10**9 + 1, 2**53, 10**400, {}, [], ["x"], *JSON_TEXTS),
    *("", " ", "a\0b", "x\n", "2026-03-02 12:00:00Z", "a b@example.com"),
)
JSON_KEYS = ("zzz", "chanel", "channel", "campaign", "email", "identity", "company", "country", "reason", "by", "since")


def test_every_event_that_has_all_its_fields_is_taken_by_both() -> None:
    assert len(events_from_json(EVENTS, RULES)) == len(EVENTS)
    assert mistakes(EVENTS, SCHEMAS["events"]) == []


@pytest.mark.parametrize("event", EVENTS, ids=[str(event["type"]) for event in EVENTS])
def test_loader_and_schema_agree_on_any_event(event: dict[str, Any]) -> None:
    for changed in variations([event], (0,), JSON_VALUES, JSON_KEYS):
        agree(changed, problems_of(events_from_json, changed, RULES), SCHEMAS["events"])


def test_loader_and_schema_agree_on_any_cases() -> None:
    case = {"name": "a case", "as_of": "2026-04-01T00:00:00Z", "events": EVENTS[5:6], "expect": {"rejected": []}}

    for changed in variations([case], (0,), JSON_VALUES, JSON_KEYS):
        agree(changed, problems_of(cases_from_json, changed, RULES), SCHEMAS["cases"])
