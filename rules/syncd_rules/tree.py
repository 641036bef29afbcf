"""Reading a tree of mappings, lists and texts into typed values, collecting every problem with its path.

A *kind* is a function from a place in the tree to a value; it raises `Wrong` where the place holds none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from types import TracebackType
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from syncd_rules.model import POINTS, Problem
from syncd_rules.money import CURRENCIES, minor_units
from syncd_rules.time import Duration, midnight, parse_duration

T = TypeVar("T")
D = TypeVar("D")
Path = tuple[str | int, ...]


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

    def report(self, message: str, hint: str = "", *below: str | int) -> None:
        """Note a problem here, or further down where `below` says so."""
        self.problems.append(Problem(path=(*self.path, *below), message=message, hint=hint))

    def read(self, kind: Kind[T], fallback: D) -> T | D:
        """Read this place as `kind`; what is wrong is noted, and the fallback taken so that reading goes on."""
        try:
            return kind(self)
        except Wrong as wrong:
            self.note(wrong)
            return fallback

    def note(self, wrong: Wrong) -> None:
        """Note what is wrong here, once."""
        if not isinstance(wrong, Noted):
            self.report(wrong.message, wrong.hint)

    def below(self, key: str | int, value: object) -> Place:
        """Go one step down."""
        return replace(self, value=value, path=(*self.path, key))


Kind = Callable[[Place], T]


class Section:
    """A mapping that is read key by key; on leaving it, a key that nobody asked for is a problem."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._known: list[str] = []
        if not isinstance(place.value, Mapping):
            raise Wrong("expected a mapping of keys to values")
        self._values: Mapping[object, object] = place.value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, message: str, hint: str = "") -> None:
        """Note that a key may not be here, where it is."""
        self._known.append(key)
        if key in self._values:
            self.place.report(message, hint, key)

    def entries(self, key: str) -> list[object]:
        """Give the entries of a list as they stand; nothing where there is no list."""
        value = self._values.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    def take(self, key: str, kind: Kind[T], default: D) -> T | D:
        """Read a key that may be left out."""
        self._known.append(key)
        return self.place.below(key, self._values[key]).read(kind, default) if key in self._values else default

    def need(self, key: str, kind: Kind[T], fallback: D) -> T | D:
        """Read a key that must be there; the fallback only lets reading go on."""
        if key not in self._values:
            self.place.report(f"`{key}` is missing")
        return self.take(key, kind, fallback)

    def decide(self, key: str, kind: Kind[T]) -> T:
        """Read a key that says what the other keys are; without it the whole section cannot be read (`Noted`)."""
        value = self.need(key, kind, None)
        if value is None:
            raise Noted
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            for key in self._values:
                if key not in self._known:
                    self.place.report(f"unknown key {key!r}", did_you_mean(str(key), self._known), str(key))


def did_you_mean(word: str, known: list[str]) -> str:
    """Name the nearest known word, or all of them where none is near."""
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


# --- kinds -----------------------------------------------------------------------------------------------------------


def text(place: Place) -> str:
    """A text that is not empty."""
    if not isinstance(place.value, str):
        raise Wrong("expected a text")
    if not place.value.strip():
        raise Wrong("this is empty")
    return place.value


def identifier(place: Place) -> str:
    """An id: 1 to 64 letters, digits and -_. (it becomes part of ledger keys)."""
    word = text(place)
    if len(word) > 64 or not word.replace("-", "").replace("_", "").replace(".", "").isalnum() or not word.isascii():
        raise Wrong(f"{word!r} is not an id", "use 1 to 64 letters, digits, hyphens, dots or underscores")
    return word


def whole(least: int) -> Kind[int]:
    """A whole number from `least` to a billion."""

    def read(place: Place) -> int:
        digits = text(place)
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or not least <= int(digits) <= 10**9:
            raise Wrong(f"{digits!r} is not a whole number from {least} to 1000000000")
        return int(digits)

    return read


def flag(place: Place) -> bool:
    """true or false, and nothing else."""
    word = text(place)
    if word not in {"true", "false"}:
        raise Wrong(f"{word!r} is neither true nor false")
    return word == "true"


def choice(*options: T) -> Kind[T]:
    """One of a few words."""

    def read(place: Place) -> T:
        word = text(place)
        for option in options:
            if word == option:
                return option
        raise Wrong(f"{word!r} is not one of the choices", did_you_mean(word, [str(option) for option in options]))

    return read


def listing(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list; an entry that is wrong is noted and left out."""

    def read(place: Place) -> tuple[T, ...]:
        if not isinstance(place.value, list | tuple):
            raise Wrong("expected a list")
        entries: list[T] = []
        for number, value in enumerate(place.value):
            entry = place.below(number, value)
            try:
                entries.append(kind(entry))
            except Wrong as wrong:
                entry.note(wrong)
        return tuple(entries)

    return read


def duration(place: Place) -> Duration:
    """An ISO 8601 duration."""
    try:
        return parse_duration(text(place))
    except ValueError as error:
        raise Wrong(str(error)) from error


def timezone(place: Place) -> ZoneInfo:
    """A zone of the IANA database."""
    name = text(place)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Wrong(f"there is no time zone {name!r}", "write one as in Europe/Berlin") from error


def instant(zone: ZoneInfo, *, end_of_day: bool = False) -> Kind[datetime]:
    """A time with its offset, or a date: the start of that day in `zone`, or of the next with `end_of_day`."""

    def read(place: Place) -> datetime:
        word = text(place)
        hint = "write 2026-03-01T00:00:00+01:00, or 2026-03-01 for the local day"
        try:
            if len(word) == len("2026-03-01"):
                return midnight(date.fromisoformat(word) + timedelta(days=end_of_day), zone)
            moment = datetime.fromisoformat(word)
            if moment.tzinfo is None:
                raise Wrong(f"{word!r} has no offset", hint)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise Wrong(f"{word!r} is not a time", hint) from error

    return read


def currency(place: Place) -> str:
    """A currency of ISO 4217."""
    code = text(place)
    if code not in CURRENCIES:
        raise Wrong(f"there is no currency {code!r}", "use the three letters of ISO 4217, as in EUR")
    return code


def money(place: Place) -> dict[str, int]:
    """Amounts by currency, in minor units, more than nothing each."""
    if not isinstance(place.value, Mapping) or not place.value:
        raise Wrong("an amount of money needs its currency", 'write {EUR: "10.00"}')
    amounts: dict[str, int] = {}
    for key, value in place.value.items():
        entry = place.below(str(key), value)
        code = currency(replace(entry, value=key))
        try:
            amounts[code] = minor_units(text(entry), code)
        except ValueError as error:
            raise Wrong(str(error)) from error
        if not amounts[code]:
            raise Wrong(f"0 {code} is nothing", "write an amount above 0")
    return amounts


def units(place: Place) -> dict[str, int]:
    """Amounts by currency, in minor units, and of `points`, under the name that the ledger has for them."""
    if not isinstance(place.value, Mapping) or not place.value:
        raise Wrong("an amount needs its currency, or points", 'write {EUR: "10.00", points: 1000}')
    others = {key: value for key, value in place.value.items() if key != "points"}
    amounts = money(replace(place, value=others)) if others else {}
    if "points" in place.value:
        amounts[POINTS] = whole(1)(place.below("points", place.value["points"]))
    return amounts


def decimal(place: Place) -> Decimal:
    """A decimal number in plain digits; Decimal itself reads exponents, underscores and the digits of other scripts."""
    word = text(place)
    if not re.fullmatch(r"\d{1,15}(\.\d{1,9})?", word, re.ASCII):
        raise Wrong(f"{word!r} is not a decimal number", "write digits, and a point with up to 9 more, as in 0.125")
    return Decimal(word)


def rate(place: Place) -> Decimal:
    """A share above 0 and up to 1."""
    share = decimal(place)
    if not 0 < share <= 1:
        raise Wrong(f"{share} is not a rate above 0 and up to 1", 'write "0.10" for ten per cent')
    return share


def percent(place: Place) -> str:
    """A percentage above 0 and up to 100, as the author wrote it."""
    share = decimal(place)
    if not 0 < share <= 100:
        raise Wrong(f"{share} is not a percentage above 0 and up to 100")
    return text(place)


def positive_duration(place: Place) -> Duration:
    """An ISO 8601 duration that is longer than nothing."""
    length = duration(place)
    if not length:
        raise Wrong("this lasts no time at all", "write one as in P30D, or leave it out")
    return length
