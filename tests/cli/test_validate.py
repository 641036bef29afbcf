"""`syncd validate`: every problem at once, in three forms."""

from __future__ import annotations

import json
import re
from pathlib import Path

from syncd.cli.validate import annotation
from syncd.config import Problem
from tests.cli.conftest import Place

EIGHT_MISTAKES = """\
database: mysql://db.example.com/x
server:
  listen: everywhere
  colour: red
connectors:
  - name: CRM One
    type: hubspot
    acess_token: abc
    token: ${NOT_SET}
  - name: other
    type: hubsport
campaigns:
  - files: [nothing-*.yaml]
    connectors: [othr]
"""
LINES = [1, 3, 4, 6, 8, 9, 11, 13, 14]


def test_a_good_configuration_is_told_so_with_what_was_not_checked(place: Place) -> None:
    told = place.did("validate")

    assert f"{place.config}: ok (1 connector, 1 campaign)\n" in told
    assert "not checked: what the CRM says; run: syncd connectors check crm" in told


def test_all_mistakes_are_found_in_one_pass_and_each_has_its_position(place: Place) -> None:
    place.config.write_text(EIGHT_MISTAKES)

    result = place.call("validate")

    found = re.findall(rf"^{re.escape(str(place.config))}:(\d+):\d+: error: ", result.stdout, re.MULTILINE)
    assert [int(line) for line in found] == LINES
    assert result.stdout.endswith(f"{len(LINES)} errors\n")
    assert result.exit_code == 78


def test_files_can_be_named_and_a_bad_one_does_not_hide_the_good_one(place: Place, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("databse: x\n")

    result = place.call("validate", str(bad), str(place.config))

    assert "bad.yaml:1:1: error: unknown key 'databse'" in result.stdout
    assert "syncd.yaml: ok" in result.stdout
    assert result.exit_code == 78


def test_json_is_a_list_of_problems_and_nothing_else(place: Place) -> None:
    place.config.write_text(EIGHT_MISTAKES)

    problems = json.loads(place.call("validate", "--format", "json").stdout)

    assert [problem["line"] for problem in problems if problem["severity"] == "error"] == LINES
    assert problems[0].keys() >= {"file", "line", "col", "message", "hint", "severity"}


def test_an_annotation_escapes_what_the_runner_would_take_for_its_own() -> None:
    problem = Problem(file="a,b:c.yaml", line=0, col=0, message="100% wrong\nreally", hint="do: this")

    assert annotation(problem) == "::error file=a%2Cb%3Ac.yaml,line=1,col=1::100%25 wrong%0Areally (do: this)"


def test_github_gets_one_annotation_a_problem(place: Place) -> None:
    place.config.write_text(EIGHT_MISTAKES)

    lines = place.call("validate", "--format", "github").stdout.splitlines()

    errors = [line for line in lines if line.startswith(f"::error file={place.config},line=")]
    assert len(errors) == len(LINES)
    assert all(line.startswith(("::error file=", "::warning file=")) for line in lines)


def test_a_warning_is_printed_and_is_no_failure(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("${CRM_TOKEN}", "written-here"))

    result = place.call("validate")

    assert "warning: a secret stands in this file" in result.stdout
    assert "written-here" not in result.output
    assert result.exit_code == 0
