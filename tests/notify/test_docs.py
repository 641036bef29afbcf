"""docs/webhooks.md keeps its word: its example verifies, and its table names every effect and every field."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from syncd.flow.tell import SCHEDULE
from syncd.notify.messenger import body_of
from syncd.signing import sign, signing_key
from syncd_rules import EFFECTS, Event
from tests.rules.journeys import RULES, any_programs, journeys, told

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`(?:trigger|email|alert)\.[^|]*) \| [^|]* \| ([^|]*) \|$", re.MULTILINE)


def table() -> dict[str, set[str]]:
    """Read which fields the page promises for each type; "the same" are those of the row above."""
    rows: dict[str, set[str]] = {}
    fields: set[str] = set()
    for types, told_fields in ROW.findall(TEXT):
        fields = fields if "the same" in told_fields else set(re.findall(r"`(\w+)`", told_fields))
        rows |= {type: fields for type in re.findall(r"`([a-z]+\.[a-z_]+)`", types)}
    return rows


def test_the_page_describes_every_effect_and_no_other() -> None:
    assert table().keys() == set(EFFECTS)


def test_the_readme_of_the_rules_names_every_effect() -> None:
    readme = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
    assert [name for name in EFFECTS if f"`{name}`" not in readme] == []


@RULES
@given(any_programs, journeys())
def test_an_effect_has_a_name_and_fields_that_the_page_describes(name: str, events: list[Event]) -> None:
    rows = table()
    for effect in told(name, events).effects:
        assert effect.name in EFFECTS
        assert effect.data.keys() <= rows[effect.name] | {"campaign"}


def example() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(from standardwebhooks.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - it is our own page
    return names


def test_the_example_takes_a_message_once_and_nothing_that_was_not_signed(capsys: pytest.CaptureFixture[str]) -> None:
    page, seen = example(), set[str]()
    (shown,) = re.findall(r'```json\n(\{\n  "type": "trigger.*?)```', TEXT, re.DOTALL)
    body = body_of(json.loads(shown))
    headers = sign(signing_key(page["SECRET"]), "msg_1", datetime.now(UTC), body)

    assert [page["take"](body, headers, seen) for _ in range(2)] == [200, 200]
    assert page["take"](body + b" ", headers, seen) == 401
    assert capsys.readouterr().out.count("trigger.referral_converted") == 1
    assert seen == {"msg_1"}


def test_the_page_tells_how_often_a_message_is_tried() -> None:
    assert f"{len(SCHEDULE) + 1} times in about three" in TEXT
