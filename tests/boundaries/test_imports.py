"""Who may know whom, and what nobody may do; each with the proof that a violation is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.boundaries.tree import ROOT, program

HEAVY = ["alembic", "apscheduler", "fastapi", "hubspot", "requests", "sqlalchemy", "starlette", "uvicorn"]

HELP = """
import sys
from pathlib import Path
from syncd.cli import main
sys.argv = ["syncd", "--help"]
try:
    main()
finally:
    print(sorted(set(sys.modules) & set({heavy})), file=sys.stderr)
"""


def test_the_help_is_shown_without_loading_anything_heavy() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", HELP.format(heavy=HEAVY)], capture_output=True, text=True, check=False, timeout=60
    )

    assert shown.returncode == 0, shown.stderr
    assert "Usage: syncd" in shown.stdout
    assert shown.stderr == "[]\n"


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import random",
        "import uuid",
        "from datetime import date as d; d.today()",
        "from datetime import datetime; datetime.now()",
        "import datetime as clock; clock.datetime.utcnow()",
    ],
)
def test_the_rules_cannot_ask_for_the_time_or_for_chance(line: str) -> None:
    found = _lint(line, "rules/syncd_rules/new.py")

    assert "TID251" in found
    assert "TID251" not in _lint(line, "syncd/new.py")


def _lint(line: str, place: str) -> str:
    command: list[str | Path] = [
        program("ruff"),
        "check",
        "--no-cache",
        "--output-format=concise",
        "--stdin-filename",
        place,
        "-",
    ]
    return subprocess.run(command, cwd=ROOT, input=line, capture_output=True, text=True, check=False).stdout
