"""A secret is in no problem, no excerpt and no repr, however wrong the file is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SECRET = "pat-" + "0123456789"


@pytest.mark.parametrize(
    "line",
    [
        "token: SECRET\n    ownr: 1",
        "tokn: SECRET",
        "token: ${TOKEN}\n    oauth: {client: {id: SECRET}}",
        "token: ${X:-SECRET}\n    owner: x",
        "token: [SECRET]",
        "token: {a: SECRET}",
        "token: SECRET\n    token: SECRET",
        "token: !!str SECRET\n    owner: x",
        "token: |\n      SECRET\n    ownr: 1",
        "token: 'SECRET",
        "token: 'a\n      SECRET\\q",
        'token: "a\n      SECRET\\q"',
        "token: SECRET: x",
        "token: a: SECRET",
        "- token: SECRET\n",
        "type: ${T}",
        "type: nope\n    pin: {x: [SECRET]}\n    pan: SECRET",
        "push: {as: ${T}}",
        "owner: ${T}",
        "poll: {every: ${T}}",
        "name: ${T}",
    ],
)
def test_no_mistake_brings_a_secret_to_light(folder: Any, line: str) -> None:
    text = "connectors:\n  - name: crm\n    type: demo\n    LINE\n".replace("LINE", line).replace("SECRET", SECRET)
    if line.startswith("type"):
        text = text.replace("    type: demo\n", "")
    if line.startswith("name"):
        text = text.replace("- name: crm\n    type", "- type")
    error = folder.refuse(text, {"T": SECRET})
    shown = [f"{problem!r}" for problem in (*error.problems, *error.warnings)]
    assert SECRET not in " ".join(shown)
    assert SECRET not in str(error)


def test_a_secret_beside_the_problem_is_masked_and_the_caret_stays_in_place(folder: Any) -> None:
    error = folder.refuse(f"connectors:\n  - {{name: crm, token: {SECRET}, type: demo, ownr: 1}}\n")
    problem = error.problems[0]
    assert problem.excerpt == "  - {name: crm, token: ***, type: demo, ownr: ***}"
    assert problem.excerpt[problem.caret :].startswith("ownr")
    assert problem.col == 52


def test_all_that_a_connector_of_unknown_type_holds_is_masked(folder: Any) -> None:
    error = folder.refuse(f"connectors:\n  - {{name: crm, type: nope, pin: [a, {SECRET}]}}\n")
    assert error.problems[0].excerpt == "  - {name: crm, type: nope, pin: [***, ***]}"


def test_a_secret_in_the_file_is_warned_of(spring: Any, connector: Callable[..., str]) -> None:
    config = spring.load(connector().replace("${TOKEN}", SECRET))
    (warning,) = config.warnings
    assert (warning.line, warning.col, warning.message) == (4, 12, "a secret stands in this file")
    assert warning.hint == "write ${VAR} or ${file:path} and keep it there"
    assert SECRET not in repr(warning)
    assert SECRET not in repr(config)


@pytest.mark.parametrize("reference", ["${TOKEN}", "${TOKEN:?ask}", "${file:token}"])
def test_a_reference_is_shown_as_it_stands_and_not_warned_of(
    spring: Any, connector: Callable[..., str], reference: str
) -> None:
    spring.write("token", SECRET)
    config = spring.load(connector().replace("${TOKEN}", f"'{reference}'"))
    assert config.warnings == ()


def test_a_reference_without_a_value_is_shown(folder: Any) -> None:
    error = folder.refuse("connectors:\n  - {name: crm, type: demo, token: '${NONE}'}\n")
    assert error.problems[0].excerpt == "  - {name: crm, type: demo, token: '${NONE}'}"
    assert [problem.message for problem in error.problems] == ["environment variable NONE is not set"]


def test_a_login_in_any_url_is_masked(folder: Any) -> None:
    error = folder.refuse(f"server: {{public_url: 'https://me:{SECRET}@refer.example.com'}}\n")
    assert SECRET not in str(error)
    assert "https://***@refer.example.com" in str(error)
