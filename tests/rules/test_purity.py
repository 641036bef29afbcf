"""The rules ask nobody: no clock, no file, no chance; the same question has the same answer everywhere."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import yaml

import syncd_rules
from syncd_rules import load

PACKAGE = Path(syncd_rules.__file__).parent
ROOT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))

ALLOWED = {
    "__future__",
    "bisect",
    "calendar",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "re",
    "types",
    "typing",
    "zoneinfo",
}
FORBIDDEN_CALLS = {
    "now",
    "utcnow",
    "today",
    "open",
    "print",
    "input",
    "eval",
    "exec",
    "__import__",
    "float",
    "hash",
    "id",
}


def test_the_rules_import_a_fixed_part_of_the_standard_library_and_themselves() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name in ALLOWED or name.split(".")[0] == "syncd_rules", f"{module.name} imports {name}"


def test_the_rules_call_nothing_that_depends_on_when_and_where_they_run() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert name not in FORBIDDEN_CALLS, f"{module.name}:{node.lineno} calls {name}"
            if isinstance(node, ast.Constant):
                assert not isinstance(node.value, float), f"{module.name}:{node.lineno} holds a float"


_PROGRAM = """
from tests.rules.story import *
prizes = [{"id": str(n), "trigger": "stage.reached", "stage": s, "to": t, "kind": "cash", "amount": {"USD": "1.10"}}
          for n, (s, t) in enumerate((s, t) for s in ("lead", "meeting", "won") for t in ("advocate", "friend"))]
rules = program(timezone="Europe/Berlin", rewards=prizes, settlement={"hold": "P1M"},
                eligibility={"existing_participant": "review", "same_company_domain": "review"},
                milestones=[{"id": "m", "target": "1", "repeat": {}, "rewards": [{"kind": "free_shipping"}]}])
story = Story().happened(0, "code.created", code="EVE", advocate="eve", identity="i", company="c")
for n, friend in enumerate("fghijklm"):
    story.signs_up(friend, 1, code="AE"[n % 2:n % 2 + 1].replace("A", "ADA").replace("E", "EVE"), company="c")
    story.deal(friend, "won", 2 + n % 3).deal(friend, "lost", 5, "other")
print(story.told(rules, on=20))
"""


def test_hash_seed_zone_and_locale_change_nothing() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, zone, locale in [("1", "UTC", "C.UTF-8"), ("2", "Asia/Tokyo", "tr_TR.UTF-8")]
    }

    assert len(answers) == 1
    assert "Reward(" in answers.pop()


def test_the_example_campaigns_load() -> None:
    examples = sorted((ROOT / "config" / "campaigns").glob("*.yaml"))

    assert examples
    for example in examples:
        assert load(yaml.load(example.read_text(), Loader=yaml.BaseLoader)).campaign == example.stem  # noqa: S506 - texts only


def test_every_example_of_the_manual_loads() -> None:
    manual = (ROOT / "rules" / "README.md").read_text()
    examples = [block.split("```")[0] for block in manual.split("```yaml\n")[1:]]

    assert len(examples) > 5
    for example in examples:
        tree = yaml.load(example, Loader=yaml.BaseLoader)  # noqa: S506 - texts only
        load({"campaign": "example", **tree})
