"""`make new-connector`: what it writes is a connector that is found, typed and tested, though it does nothing yet."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import syncd_connectors
from syncd import registry
from syncd.cli import cli
from syncd.conformance import Conformance
from syncd.contract import Connector, ConnectorSettings
from syncd.http import Session
from tests.boundaries.tree import ROOT, program

TEMPLATE = ROOT / "connectors" / "_template"


def template() -> Any:
    """The program that `make new-connector` runs."""
    spec = importlib.util.spec_from_file_location("new_connector", TEMPLATE / "__main__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder, without anything in it."""
    (tmp_path / "connectors" / "syncd_connectors").mkdir(parents=True)
    (tmp_path / "tests" / "connectors").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def begun(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A connector that was begun there, on the shelf beside the built-in ones."""
    written: list[Path] = template().begin("big_crm", project)
    shelf = str(project / "connectors" / "syncd_connectors")
    monkeypatch.setattr(syncd_connectors, "__path__", [*syncd_connectors.__path__, shelf])
    monkeypatch.delitem(sys.modules, "syncd_connectors.big_crm", raising=False)
    return written


def test_the_connector_is_found_and_can_be_opened_and_has_every_method(begun: list[Path]) -> None:
    listed = json.loads(CliRunner().invoke(cli, ["connectors", "types", "--format", "json"]).stdout)
    kind = registry.find("big_crm")
    section = {"name": "crm", "type": "big_crm", "token": "x"}
    opened = registry.open_connector(kind.Settings.model_validate(section), Session())

    assert {"type": "big_crm", "problem": None} in listed
    assert kind.__name__ == "BigCrm"
    assert issubclass(kind.Settings, ConnectorSettings)
    assert isinstance(opened, Connector)
    assert opened.start.__doc__


def test_its_tests_are_the_suite_and_its_settings_fit_its_double(begun: list[Path]) -> None:
    spec = importlib.util.spec_from_file_location("test_big_crm", begun[1])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert issubclass(module.TestBigCrm, Conformance)
    double = module.TestBigCrm().double()
    assert double.connector.Settings.model_validate(double.settings("http://127.0.0.1:9")).type == "big_crm"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_what_is_written_passes_the_checks_of_this_project(begun: list[Path], command: list[str]) -> None:
    for path in begun:
        place = ROOT / path.relative_to(begun[0].parents[2])
        done = subprocess.run(
            [program("ruff"), *command, "--no-cache", "--stdin-filename", place, "-"],
            cwd=ROOT,
            input=path.read_text(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_left_of_the_templates_own_name(begun: list[Path]) -> None:
    assert [path for path in begun if "acme" in path.read_text().lower()] == []


def test_nothing_that_is_there_is_overwritten(project: Path) -> None:
    mine = project / "tests" / "connectors" / "test_acme.py"
    mine.write_text("mine\n")

    with pytest.raises(FileExistsError, match="is there already; nothing was written"):
        template().begin("acme", project)

    assert mine.read_text() == "mine\n"
    assert list((project / "connectors" / "syncd_connectors").iterdir()) == []


@pytest.mark.parametrize("name", ["", "Acme", "_acme", "acme-crm", "9crm", "../acme", "import", "acme.py", "a" * 41])
def test_a_name_that_cannot_be_imported_is_refused(project: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a connector's type"):
        template().begin(name, project)


@pytest.mark.parametrize(
    ("arguments", "told"), [([], "make new-connector name=acme"), (["hubspot"], "is there already"), (["X"], "cannot")]
)
def test_the_program_says_what_is_wrong_and_fails(arguments: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, TEMPLATE, *arguments], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
