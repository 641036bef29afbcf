"""References to the environment and to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.expand import Scope, expand
from syncd.config.source import Report, Source
from syncd.config.tree import read_documents


def expanded(text: str, env: dict[str, str], folder: Path = Path()) -> tuple[Any, Report]:
    report = Report()
    node = read_documents(Source("a.yaml", text), report)[0]
    return expand(node, Scope(env=env, folder=folder), report).plain(), report


def problems(report: Report) -> list[str]:
    return [problem.message for problem in report.all("error")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${A}", "one"),
        ("x-${A}-${A}-y", "x-one-one-y"),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${NONE:-}", ""),
        ("${A:-two}", "one"),
        ("${A:?say so}", "one"),
        ("${NONE:-postgresql://db/x?a=b}", "postgresql://db/x?a=b"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("$A pa$word $1 a$", "$A pa$word $1 a$"),
    ],
)
def test_a_reference_becomes_its_value_and_all_else_stays(written: str, meant: str) -> None:
    value, report = expanded(f"k: '{written}'\n", {"A": "one", "EMPTY": ""})
    assert value == {"k": meant}
    assert problems(report) == []


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("${NONE}", "environment variable NONE is not set", "export NONE=..., or write ${NONE:-default}"),
        ("${EMPTY}", "environment variable EMPTY is empty", "export EMPTY=..., or write ${EMPTY:-default}"),
        ("${NONE:?ask the sales team}", "environment variable NONE is not set", "ask the sales team"),
        ("${A", "a ${ without its }", "close it, or write $${ for the two characters themselves"),
    ],
)
def test_a_reference_without_a_value_is_a_problem_with_its_place(written: str, message: str, hint: str) -> None:
    _, report = expanded(f"k:\n  - '{written}'\n", {"A": "one", "EMPTY": ""})
    (problem,) = report.all("error")
    assert (problem.line, problem.col, problem.message, problem.hint) == (2, 5, message, hint)


@pytest.mark.parametrize("written", ["${}", "${1A}", "${A-b}", "${a.b}", "${ A }", "${env:A}"])
def test_what_only_looks_like_a_reference_is_a_problem(written: str) -> None:
    assert problems(expanded(f"k: '{written}'\n", {"A": "one"})[1]) == ["this is no reference"]


def test_a_key_is_never_expanded() -> None:
    assert expanded("${A}: 1\n", {"A": "one"})[0] == {"${A}": "1"}


@given(st.text())
def test_what_a_variable_holds_never_adds_structure(value: str) -> None:
    tree, _ = expanded("a: ${V:-x}\nb: ['${V:-x}', \"<${V:-x}>\"]\n", {"V": value})
    meant = value or "x"
    assert tree == {"a": meant, "b": [meant, f"<{meant}>"]}


def test_a_file_gives_its_text_without_the_last_line_break(tmp_path: Path) -> None:
    for content, meant in [("x\n", "x"), ("x\n\n", "x\n"), ("x\r\n", "x"), ("x", "x"), (" ${A} ", " ${A} ")]:
        (tmp_path / "secret").write_bytes(content.encode())
        assert expanded("k: '${file:secret}'\n", {"A": "one"}, tmp_path)[0] == {"k": meant}


def test_a_file_is_looked_for_among_systemds_credentials_and_beside_the_yaml(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "both").write_text("beside")
    (credentials / "both").write_text("credential")
    (tmp_path / "one").write_text("beside")
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert expanded("[ '${file:both}', '${file:one}' ]", env, tmp_path)[0] == ["credential", "beside"]
    assert expanded("[ '${file:both}' ]", {}, tmp_path)[0] == ["beside"]


def test_a_file_that_gives_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    (tmp_path / "large").write_bytes(b"x" * 65_537)
    (tmp_path / "folder").mkdir()
    names = ["missing", "empty", "binary", "large", "folder"]
    found = problems(expanded("".join(f"- ${{file:{name}}}\n" for name in names), {}, tmp_path)[1])
    assert found == [
        "there is no file missing",
        f"file {tmp_path}/empty is empty",
        f"file {tmp_path}/binary is not UTF-8 text",
        f"file {tmp_path}/large is larger than 64 KiB",
        "there is no file folder",
    ]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    _, report = expanded("k: ${file:secret}\n", {}, tmp_path)
    assert [problem.hint for problem in report.all("warning")] == ([f"chmod 600 {secret}"] if warned else [])
