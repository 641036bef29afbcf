"""Reading YAML: what is read, what is refused, and where the problem is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.config.source import Report, Source
from syncd.config.tree import DEPTH, EXPANDED, SIZE, read_documents, read_text


def read(text: str) -> tuple[Any, list[tuple[int, int, str]]]:
    report = Report()
    documents = read_documents(Source("a.yaml", text), report)
    found = [(problem.line, problem.col, problem.message) for problem in report.all("error")]
    return [node.plain() for node in documents], found


@pytest.mark.parametrize("content", ["", "# only a comment\n", "hello", "- a\n- b\n", "---\n"])
def test_a_file_that_is_no_mapping_is_refused(folder: Any, content: str) -> None:
    problem = folder.refuse(content).problems[0]
    assert problem.message == "the top level must be a mapping"
    assert problem.line >= 1


def test_a_second_document_is_refused_at_its_place(folder: Any) -> None:
    problem = folder.refuse("log: {level: info}\n---\nlog: {level: debug}\n").problems[0]
    assert (problem.line, problem.message) == (3, "a second document")


@pytest.mark.parametrize(
    ("text", "line", "col", "message"),
    [
        ("a:\n\tb: 1\n", 2, 1, "a tab where YAML wants spaces"),
        ("a: 1\nb: 'never closed\n", 2, 4, "this quote is never closed"),
        ("a: b: c\n", 1, 5, "a colon where none can be"),
        ("a: [1, 2\nb: 1\n", 2, 2, "a bracket or a comma is missing"),
        ("a: @b\n", 1, 4, "a character that cannot start a value"),
        ("a: x\n  - b\n c: 1\n", 3, 3, "a colon where none can be"),
        ("a:\n  - b\n c: 1\n", 3, 2, "this line belongs to nothing above it"),
        ("a: \x07\n", 1, 4, "a control character, which YAML does not allow"),
    ],
)
def test_a_syntax_error_is_told_in_plain_words_with_its_place(text: str, line: int, col: int, message: str) -> None:
    assert read(text)[1] == [(line, col, message)]


def test_a_duplicate_key_is_refused_naming_both_lines() -> None:
    report = Report()
    read_documents(Source("a.yaml", "a: 1\nb: 2\na: 3\n"), report)
    problem = report.all("error")[0]
    assert (problem.line, problem.message) == (3, "duplicate key 'a'")
    assert "line 1" in problem.hint
    assert "line 3" in problem.hint


def test_scalars_stay_the_text_that_was_written() -> None:
    text = "country: no\non: true\nzip: 01234\nt: 12:30:45\nv: 1.10\nd: 2026-11-22\nn: ~\nnull: null\n"
    assert read(text)[0] == [
        {
            "country": "no",
            "on": "true",
            "zip": "01234",
            "t": "12:30:45",
            "v": "1.10",
            "d": "2026-11-22",
            "n": "~",
            "null": "null",
        }
    ]


def test_a_tag_is_refused_and_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "made"
    documents, found = read(f"a: !!python/object/apply:os.mkdir ['{target}']\nb: !!int 5\nc: !env X\n")
    assert [line for line, _, message in found if message == "a YAML tag"] == [1, 2, 3]
    assert not target.exists()
    assert documents[0]["b"] == "5"


def test_an_anchor_may_be_used_again() -> None:
    assert read("a: &x [1, 2]\nb: *x\n") == ([{"a": ["1", "2"], "b": ["1", "2"]}], [])


def test_aliases_that_repeat_too_much_are_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert read(bomb)[1] == [(3, 8, f"aliases repeat {EXPANDED} nodes or more")]


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    assert read("a: &x [*x]\n")[1] == [(1, 8, "the alias *x stands inside its own anchor")]


def test_an_alias_without_an_anchor_is_refused() -> None:
    assert read("a: *x\n")[1] == [(1, 4, "the alias *x has no anchor above it")]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 40_000, "- " * 50_000, "? " * 50_000])
def test_deep_nesting_is_refused_before_it_costs_anything(text: str) -> None:
    found = read(text)[1]
    assert [message for _, _, message in found] == [f"is nested deeper than {DEPTH} levels"]


def test_a_file_above_the_limit_is_not_read(folder: Any) -> None:
    problem = folder.refuse("a: 1\n" * (SIZE // 5 + 1)).problems[0]
    assert problem.message == "is larger than 256 KiB"


def test_a_byte_order_mark_and_carriage_returns_do_no_harm(folder: Any) -> None:
    config = folder.load(b"\xef\xbb\xbflog:\r\n  level: debug\r\n")
    assert config.log.level == "debug"
    problem = folder.refuse(b"\xef\xbb\xbflg: x\r\n").problems[0]
    assert (problem.line, problem.col, problem.excerpt) == (1, 1, "lg: ***")


def test_another_encoding_is_refused_with_its_byte(folder: Any) -> None:
    problem = folder.refuse("log: {level: info}\n# Grüße\n".encode("latin-1")).problems[0]
    assert problem.message == "is not UTF-8 from byte 23 on"
    assert (problem.line, problem.col) == (2, 5)


@pytest.mark.parametrize("text", ["a:\u00a01\n", "a:\n\u00a0\u00a0b: 1\n"])
def test_a_no_break_space_is_refused_where_it_would_be_taken_for_a_letter(text: str) -> None:
    assert any("no-break space" in message for _, _, message in read(text)[1])


def test_a_no_break_space_in_quotes_or_a_comment_is_a_character_like_any_other() -> None:
    assert read("a: 'x\u00a0y' # x\u00a0y\n") == ([{"a": "x\u00a0y"}], [])


def test_a_key_without_a_value_is_refused_once(folder: Any) -> None:
    error = folder.refuse("connectors:\nlog: {level: info}\n")
    assert [(problem.line, problem.message) for problem in error.problems] == [(1, "a key or a dash without a value")]


def test_a_file_that_cannot_be_read_is_told(folder: Any) -> None:
    loop = folder.path / "syncd.yaml"
    loop.symlink_to(loop)
    assert folder.refuse().problems[0].message == "cannot be read: Too many levels of symbolic links"
    loop.unlink()
    assert folder.refuse().problems[0].message == "cannot be read: No such file or directory"
    loop.mkdir()
    assert folder.refuse().problems[0].message == "cannot be read: Is a directory"


@given(st.text(alphabet="ab:- \n\t{}[]&*!|>'\"#%@,?$\u00a0", max_size=60))
@example("? a\n: b\n")
@example("*a : b\n")
@example("[a]: b\n")
def test_no_text_makes_the_reader_fail(text: str) -> None:
    documents, found = read(text)
    assert isinstance(documents, list)
    assert all(line >= 1 and col >= 1 for line, col, _ in found)


def test_reading_stops_at_the_limit_even_where_the_file_has_no_end() -> None:
    report = Report()
    assert read_text(Path("/dev/zero"), report) is None
    assert report.all("error")[0].message == "is larger than 256 KiB"
