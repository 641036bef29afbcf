"""The suite itself: what is exempt shows, what is lacking fails, and what is missing is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syncd.conformance.world import opened
from tests.conformance.account import ReferenceDouble
from tests.conformance.reference import Reference
from tests.conformance.running import behaviours

PROJECT = Path(__file__).parents[2] / "pyproject.toml"

CASES = """
from syncd.conformance import Conformance, CrmDouble
from tests.conformance.account import ReferenceDouble
from tests.conformance.reference import Reference


class Plain(Conformance):
    def double(self) -> CrmDouble:
        return ReferenceDouble(Reference)


class TestExempt(Plain):
    exempt = {"test_a_restored_deal_is_told_again": "this CRM has no recycle bin"}


class TestStale(Plain):
    exempt = {"test_a_behaviour_of_long_ago": "it was hard"}


class TestUnexplained(Plain):
    exempt = {"test_a_restored_deal_is_told_again": " "}


class Binless(ReferenceDouble):
    restore = None


class TestLacking(Conformance):
    def double(self) -> CrmDouble:
        return Binless(Reference)


class Deaf(Reference):
    read_webhook = None


class TestDeaf(Conformance):
    exempt = {"ReceivesWebhooks": "this CRM sends none"}

    def double(self) -> CrmDouble:
        return ReferenceDouble(Deaf)


class TestNotDeaf(Plain):
    exempt = {"ReceivesWebhooks": "it was hard"}


class TestNoDouble(Conformance):
    pass
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of classes that inherit the suite and leave something out."""
    cases = tmp_path_factory.mktemp("cases") / "test_cases.py"
    cases.write_text(CASES)
    command: list[str | Path] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-c", PROJECT, cases]
    run = subprocess.run(
        [*command, "-k", "restored_deal or exemption or deletion_is_told"],
        cwd=PROJECT.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return run.stdout


def test_an_exempt_behaviour_is_skipped_with_its_reason(said: str) -> None:
    assert "exempt: this CRM has no recycle bin" in said
    assert "PASSED" in _line(said, "TestExempt::test_every_exemption_names_a_behaviour")


def test_an_ability_that_a_connector_lacks_is_exempt_as_a_whole(said: str) -> None:
    assert "exempt: this CRM sends none" in said
    assert "PASSED" in _line(said, "TestDeaf::test_every_exemption_names_a_behaviour")


def test_an_ability_that_a_connector_has_cannot_be_exempt(said: str) -> None:
    assert "FAILED" in _line(said, "TestNotDeaf::test_every_exemption_names_a_behaviour")


def test_an_exemption_that_names_no_behaviour_fails(said: str) -> None:
    assert "FAILED" in _line(said, "TestStale::test_every_exemption_names_a_behaviour")
    assert "test_a_behaviour_of_long_ago" in said


def test_an_exemption_without_a_reason_fails(said: str) -> None:
    assert "FAILED" in _line(said, "TestUnexplained::test_every_exemption_names_a_behaviour")


def test_a_double_that_lacks_an_ability_fails_and_is_not_skipped(said: str) -> None:
    line = _line(said, "TestLacking::test_a_restored_deal_is_told_again")

    assert "FAILED" in line
    assert "nothing here can restore" in said


def test_a_class_without_a_double_fails(said: str) -> None:
    assert "ERROR" in _line(said, "TestNoDouble::test_a_restored_deal_is_told_again")


def test_a_failure_shows_what_was_there_and_what_was_expected(said: str) -> None:
    """pytest rewrites the assertions of a shipped suite only if it is told to before they are imported."""
    assert "Extra items in the left set" in said


def test_without_pytest_the_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['pytest'] = None; import syncd.conformance"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert "pip install pytest" in run.stderr


def test_what_is_heard_is_not_buried_in_a_line_for_each_call() -> None:
    with opened(ReferenceDouble(Reference)) as world:
        world.push(world.lead())

        assert [it.getMessage() for it in world.heard if it.name.startswith("urllib3")] == []


def test_there_are_many_behaviours_and_each_is_a_sentence() -> None:
    names = behaviours()

    assert len(names) >= 130
    assert [name for name in names if name.count("_") < 3] == []


def _line(said: str, test: str) -> str:
    return next((line for line in said.splitlines() if test in line and line.split()[0].isupper()), "")
