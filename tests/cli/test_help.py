"""Help: quick, complete, with an example for everything, and the same as docs/commands.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from syncd.cli import cli
from syncd.cli.reference import contexts, reference

HEAVY = (
    "sqlalchemy",
    "pydantic",
    "fastapi",
    "starlette",
    "uvicorn",
    "yaml",
    "rich",
    "hubspot",
    "requests",
    "apscheduler",
)
COMMANDS = {context.command_path: context for context in contexts(cli)}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["version"], ["completion", "bash"], ["referrals", "--help"], ["run", "--help"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_what_only_tells_of_commands_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from syncd.cli import cli; "
        f"cli.main({arguments!r}, standalone_mode=False); "
        f"sys.exit(','.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_completing_a_command_imports_nothing_heavy() -> None:
    script = (
        "import atexit, sys; from syncd.cli import main; "
        f"atexit.register(lambda: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)); main()"
    )
    env = {"_SYNCD_COMPLETE": "bash_complete", "COMP_WORDS": "syncd referrals ", "COMP_CWORD": "2"}

    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert "plain,qualify" in done.stdout
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_has_an_example_of_the_command(path: str) -> None:
    examples = COMMANDS[path].get_help().partition("Example")[2]

    assert f"    {path}" in examples


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_what_it_is_for(path: str) -> None:
    options = [option for option in COMMANDS[path].command.params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_the_reference_is_what_the_commands_say_now() -> None:
    stored = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")

    assert stored == reference(), "stale: python -m syncd.cli.reference > docs/commands.md"


def test_version_names_the_sqlite_that_the_store_opens() -> None:
    from syncd.store.engine import sqlite_module

    done = subprocess.run(
        [sys.executable, "-m", "syncd", "version"], capture_output=True, text=True, timeout=60, check=True
    )

    assert f"SQLite {sqlite_module().sqlite_version} ({sqlite_module().__name__})" in done.stdout
