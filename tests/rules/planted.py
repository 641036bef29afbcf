"""Mistakes that the tests must notice: each is a small change of one function, and the tests that have to fail by it.

A fault is planted by compiling the changed source of the function and putting its code in the place of the old one, so
that it is there for everybody who holds the function.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, by which change of its text, and which tests see it."""

    name: str
    place: str  # module:function, or module:Class.method
    old: str
    new: str
    seen_by: str  # test module:test, or test module alone


def _read(text: str) -> list[Fault]:
    """Read three lines a fault: its name; its place and who sees it; what it turns into what."""
    found = []
    for entry in text.split("\n\n")[1:]:
        name, where, change = (line.strip() for line in entry.strip().splitlines())
        place, _, seen_by = where.partition(" | ")
        old, _, new = change.partition(" => ")
        found.append(Fault(name, place, old, "" if new == "nothing" else new, seen_by))
    return found


FAULTS = _read((Path(__file__).parent / "faults.txt").read_text())


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Make a function wrong for a while."""
    module, function = _found(fault.place)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(fault.old) >= 1, f"{fault.place} no longer holds {fault.old!r}"
    names: dict[str, Any] = {**vars(module), **_EXTRA}
    lines = [line for line in source.replace(fault.old, fault.new, 1).splitlines() if not line.startswith("@")]
    exec(compile("from __future__ import annotations\n" + "\n".join(lines), fault.place, "exec"), names)  # noqa: S102
    sound = function.__code__
    borrowed = {name: value for name, value in _EXTRA.items() if name not in vars(module)}
    vars(module).update(borrowed)
    function.__code__ = names[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = sound
        for name in borrowed:
            del vars(module)[name]


def _extra() -> dict[str, Any]:
    from datetime import timedelta
    from decimal import ROUND_HALF_EVEN, Decimal

    return {"timedelta": timedelta, "ROUND_HALF_EVEN": ROUND_HALF_EVEN, "Decimal": Decimal}


_EXTRA = _extra()


def _found(place: str) -> tuple[Any, FunctionType]:
    module_name, _, path = place.partition(":")
    module = importlib.import_module(f"syncd_rules.{module_name}")
    found: Any = module
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    function = found.fget if isinstance(found, property) else found
    assert isinstance(function, FunctionType)
    return module, function


def noticed(fault: Fault) -> bool:
    """Tell whether one of the tests that should see a fault fails by it."""
    return any(_fails(test, case) for test, case in cases(fault.seen_by))


def cases(seen_by: str) -> Iterator[tuple[Callable[..., None], dict[str, Any]]]:
    """Give the tests of a module, or one of them, each with every set of its parameters."""
    module_name, _, only = seen_by.partition(":")
    module = importlib.import_module(f"tests.rules.test_{module_name}")
    for name, test in vars(module).items():
        if not name.startswith("test_") or (only and name != only) or hasattr(test, "hypothesis"):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        tables = [[_named(mark.args[0], row) for row in mark.args[1]] for mark in marks]
        for rows in itertools.product(*tables):
            yield test, {key: value for row in rows for key, value in row.items()}


def _named(names: str | tuple[str, ...], row: Any) -> dict[str, Any]:
    if isinstance(names, str):
        return {names: row}
    return dict(zip(names, row, strict=True))


def _fails(test: Callable[..., None], case: dict[str, Any]) -> bool:
    """A fault that breaks the program otherwise than by a wrong answer is badly planted, and stops the test."""
    try:
        test(**case)
    except (AssertionError, pytest.fail.Exception):
        return True
    return False
