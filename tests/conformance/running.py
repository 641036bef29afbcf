"""Runs behaviours of the suite without pytest's collector, so that a test can say what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from syncd.conformance import Conformance
from syncd.conformance.world import opened
from syncd.contract import BadDelivery, ConnectorError


def behaviours() -> list[str]:
    """Name the behaviours of the suite, in its order."""
    return [
        name
        for theme in reversed(Conformance.__mro__)
        for name, method in vars(theme).items()
        if name.startswith("test_") and "world" in method.__annotations__
    ]


def failure(suite: Conformance, behaviour: str) -> str | None:
    """Run a behaviour with each of its parameters; tell how the first failure reads, None if there is none.

    Only what a behaviour finds counts: any other error is one of the test itself, and comes through.
    """
    method = getattr(suite, behaviour)
    for parameters in _parameters(method):
        try:
            with opened(suite.double()) as world:
                method(world, **parameters)
        except (AssertionError, ConnectorError, BadDelivery, pytest.fail.Exception) as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _parameters(method: Any) -> Iterator[dict[str, Any]]:
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names, values = mark.args
        split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        rows = [[value] if len(split) == 1 else value for value in values]
        choices.append([dict(zip(split, row, strict=True)) for row in rows])
    for chosen in product(*choices):
        yield {name: value for part in chosen for name, value in part.items()}
