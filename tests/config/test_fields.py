"""`push.fields`: what is accepted, and what it makes of a lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from syncd.config.fields import PATHS, fault, render
from syncd.contract import Constant

VALUES = {"friend.name": "Ada B", "friend.email": "ada@example.com", "advocate.name": None, "referral.code": ""}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("friend.name", "Ada B"),
        ("Referral: {friend.name}", "Referral: Ada B"),
        ("{friend.name} <{friend.email}>", "Ada B <ada@example.com>"),
        ("{friend.name} from {advocate.name}", "Ada B from"),
        (Constant(text="friend.name"), "friend.name"),
        (Constant(text="{friend.name}"), "{friend.name}"),
    ],
)
def test_a_field_is_filled_from_the_lead(value: str | Constant, text: str) -> None:
    assert fault(value) is None
    assert render({"f": value}, VALUES) == {"f": text}


@pytest.mark.parametrize(
    "value", ["advocate.name", "referral.code", "campaign.id", "By {advocate.name}", Constant(text="")]
)
def test_a_field_that_has_nothing_to_say_is_left_out(value: str | Constant) -> None:
    assert render({"f": value, "g": "friend.name"}, VALUES) == {"g": "Ada B"}


def test_what_a_lead_holds_is_text_and_never_a_template() -> None:
    assert render({"f": "<{friend.name}>"}, {"friend.name": "{friend.email}"}) == {"f": "<{friend.email}>"}


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (
            "frend.name",
            "'frend.name' is no value of a lead",
            "a constant is written {text: ...}; did you mean 'friend.name'?",
        ),
        ("Referral", "'Referral' is no value of a lead", "a constant is written {text: ...}; "),
        ("{friend.nme}", "'{friend.nme}' is no value of a lead", "did you mean 'friend.name'?"),
        ("{}", "'{}' is no value of a lead", "known: "),
        ("{friend.name", "a brace without its partner", "{friend.name}"),
        ("friend.name}", "a brace without its partner", "{friend.name}"),
    ],
)
def test_a_field_that_no_lead_can_fill_is_refused(value: str, message: str, hint: str) -> None:
    wrong = fault(value)
    assert wrong is not None
    assert wrong[0] == message
    assert hint in wrong[1]


def test_every_path_renders() -> None:
    assert render({path: path for path in PATHS}, {path: "x" for path in PATHS}) == {path: "x" for path in PATHS}


def test_a_wrong_field_is_told_at_its_place(spring: Any, connector: Callable[..., str]) -> None:
    error = spring.refuse(
        connector("push:", "  fields:", "    firstname: friend.first_name", "    x: {text: Hi}", "    y: frend")
    )
    assert [(problem.line, problem.col) for problem in error.problems] == [(9, 12)]
