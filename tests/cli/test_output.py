"""What rows look like to people, to programs and to spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from syncd.cli.output import Row, ago, csv_text, plain_text, print_rows, shown

AT = datetime(2026, 3, 2, 9, 14, 2, tzinfo=UTC)


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_calculate_is_quoted(first: str) -> None:
    (_, row) = csv.reader(io.StringIO(csv_text([{"name": f"{first}1+1"}], ["name"]), newline=""))

    assert row == [f"'{first}1+1"]


def test_csv_is_as_rfc_4180_says() -> None:
    rows: list[Row] = [{"name": 'Anna "A", Berg', "at": AT, "counted": True, "reason": None, "change": -5}]

    assert csv_text(rows, ["name", "at", "counted", "reason", "change"]) == (
        'name,at,counted,reason,change\r\n"Anna ""A"", Berg",2026-03-02T09:14:02+00:00,True,,-5\r\n'
    )


def test_json_is_a_list_of_objects_with_the_columns_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "Mei Łoś", "at": AT, "more": 1}], ["name", "at", "reason"], "json")

    told = json.loads(capsys.readouterr().out)
    assert told == [{"name": "Mei Łoś", "at": "2026-03-02T09:14:02+00:00", "reason": None}]


def test_half_of_a_surrogate_pair_comes_out_as_json_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "\ud800x"}], ["name"], "json")

    told = capsys.readouterr().out
    assert json.loads(told) == [{"name": "\ud800x"}]
    assert "\\ud800x" in told


def test_json_of_no_rows_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], ["name"], "json")

    assert json.loads(capsys.readouterr().out) == []


def test_columns_stay_aligned_beside_wide_characters() -> None:
    rows = [{"name": "李小龍", "code": "A"}, {"name": "Mei", "code": "B"}]

    assert plain_text(rows, ["name", "code"]) == "NAME    CODE\n李小龍  A\nMei     B"


def test_a_name_cannot_steer_the_terminal() -> None:
    assert shown("Mei\x1b[2J\u202e\n") == "Mei\ufffd[2J\ufffd\ufffd"


def test_values_are_shown_as_people_write_them() -> None:
    assert [shown(value) for value in (None, True, False, 7, AT)] == ["", "yes", "no", "7", "2026-03-02 09:14:02Z"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0 s"), (38, "38 s"), (119, "119 s"), (120, "2 min"), (3 * 3600, "3 h"), (49 * 3600, "2 d")],
)
def test_a_span_is_told_in_its_greatest_unit(seconds: int, told: str) -> None:
    assert ago(timedelta(seconds=seconds)) == told
