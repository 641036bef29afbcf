"""Reading a tree of mappings, lists and scalars into typed values, collecting every problem with its path.

A *kind* is a function from a place in the tree to a value; it raises `Wrong` where the place holds none. Programs and
events are both read like this; what a scalar may be says `scalars.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

from syncd_rules.model import Path, Problem
from syncd_rules.words import did_you_mean, quoted

T = TypeVar("T")
D = TypeVar("D")


class Wrong(Exception):
    """This place does not hold what it should."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Noted(Wrong):
    """As `Wrong`, and the problem has been noted already."""

    def __init__(self) -> None:
        super().__init__("")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A value of the tree, where it stands, and the list that problems go to."""

    value: object
    path: Path
    problems: list[Problem]

    def report(self, message: str, hint: str = "", *below: str | int, at_key: bool = False) -> None:
        """Note a problem here, or further down where `below` says so; `at_key` where the key is what is wrong."""
        self.problems.append(Problem(path=(*self.path, *below), message=message, hint=hint, at_key=at_key))

    def read(self, kind: Kind[T], fallback: D) -> T | D:
        """Read this place as `kind`; what is wrong is noted, and the fallback taken so that reading goes on."""
        try:
            return kind(self)
        except Noted:
            return fallback
        except Wrong as wrong:
            self.report(wrong.message, wrong.hint)
            return fallback

    def below(self, key: str | int, value: object) -> Place:
        """Go one step down."""
        return replace(self, value=value, path=(*self.path, key))


Kind = Callable[[Place], T]


class Section:
    """A mapping that is read key by key; on leaving it, a key that nobody asked for is a problem."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._known: list[str] = []
        self._refused: list[str] = []
        if not isinstance(place.value, Mapping):
            raise Wrong("expected a mapping of keys to values")
        self._values: Mapping[object, object] = place.value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, message: str, hint: str = "") -> None:
        """Note that a key may not be here, where it is."""
        self._refused.append(key)
        if key in self._values:
            self.place.report(message, hint, key, at_key=True)

    def refuse_others(self, keys: Iterable[str], beside: str) -> None:
        """Note those of some keys that were not asked for, as not going with what the section says beside them."""
        for key in keys:
            if key not in self._known and key not in self._refused:
                self.refuse(key, f"`{key}` does not go with {beside}")

    def take(self, key: str, kind: Kind[T], default: D) -> T | D:
        """Read a key that may be left out."""
        self._known.append(key)
        return self.place.below(key, self._values[key]).read(kind, default) if key in self._values else default

    def choose(self, key: str, kind: Kind[T], default: D) -> T | D | None:
        """Read a key that may be left out, and that decides how others are read: None where it is wrong."""
        return self.take(key, kind, None if key in self._values else default)

    def need(self, key: str, kind: Kind[T], fallback: D) -> T | D:
        """Read a key that must be there; the fallback only lets reading go on."""
        if key not in self._values:
            self.place.report(f"`{key}` is missing")
        return self.take(key, kind, fallback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            for key in self._values:
                if key not in self._known and key not in self._refused:
                    hint = did_you_mean(str(key), self._known)
                    self.place.report(f"unknown key {quoted(key)}", hint, str(key), at_key=True)


def placed(kind: Kind[T]) -> Kind[tuple[tuple[Place, T], ...]]:
    """A list whose entries keep their places; one that is wrong is noted and left out."""

    def read(place: Place) -> tuple[tuple[Place, T], ...]:
        if not isinstance(place.value, list | tuple):
            raise Wrong("expected a list")
        entries: list[tuple[Place, T]] = []
        for number, value in enumerate(place.value):
            entry = place.below(number, value)
            before = len(place.problems)
            read = entry.read(kind, None)
            if len(place.problems) == before:
                entries.append((entry, read))  # type: ignore[arg-type]  # nothing was noted, so that it is no fallback
        return tuple(entries)

    return read


def listing(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list; an entry that is wrong is noted and left out."""
    return lambda place: tuple(value for _, value in placed(kind)(place))
