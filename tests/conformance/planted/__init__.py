"""Faults that connectors have had, each planted in the reference connector by a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.conformance.reference import Reference

Faulty = TypeVar("Faulty", bound=Reference)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A reference connector with one thing wrong, and the behaviours that must find it out."""

    connector: type[Reference]
    caught_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """Say what is wrong with it."""
        return (self.connector.__doc__ or "").strip().removesuffix(".")


FAULTS: list[Fault] = []


def caught_by(*behaviours: str) -> Callable[[type[Faulty]], type[Faulty]]:
    """Plant a fault: the class's docstring says what is wrong; these behaviours must fail."""

    def plant(connector: type[Faulty]) -> type[Faulty]:
        FAULTS.append(Fault(connector=connector, caught_by=tuple(f"test_{it}" for it in behaviours)))
        return connector

    return plant
