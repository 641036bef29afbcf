"""JSON as two programs cannot read it differently: the one parser for whatever comes in from outside."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

DEPTH = 32  # lists and objects inside each other
_WHOLE = range(-(2**63), 2**63)  # what a database column holds

Path = tuple[str | int, ...]


class BadJson(ValueError):
    """A body is not JSON that we take. The text says why without quoting any of it."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line, self.column = line, column  # from 1; 0 where no place can be named


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A value that we do not take, and where it is."""

    path: Path
    message: str


def parse(raw: bytes) -> Any:
    """Read a JSON text in UTF-8; NUL characters are dropped from texts. Raises `BadJson`, and nothing else.

    Refused are: another encoding, a name twice in one object, NaN and infinities (1e400 is one), whole numbers beyond
    64 bits, nesting deeper than `DEPTH`, and half of a surrogate pair. A byte order mark is let pass.
    """
    value, faults = survey(raw)
    if faults:
        raise BadJson(faults[0].message)
    return value


def survey(raw: bytes) -> tuple[Any, list[Fault]]:
    """Read as `parse` does, and go on behind what is refused, so that all of it is told at once.

    A value that is refused is None in what comes out. Raises `BadJson` where the text as a whole is no JSON.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise BadJson("the body is not UTF-8", line=line, column=column) from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadJson(f"the body is not JSON ({where})", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise BadJson(f"the body nests deeper than {DEPTH}") from None
    faults: list[Fault] = []
    return _clean(value, (), faults), faults


@dataclass(frozen=True, slots=True)
class _Refused:
    """What stands for a number that we do not take until its place is known."""

    message: str


class _Twice(dict[str, Any]):
    """An object that had a name twice."""

    names: list[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = _Twice(made)
    twice.names = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return twice


def _whole(digits: str) -> int | _Refused:
    # Measured before it is read: int() refuses thousands of digits, and takes its time over many.
    number = int(digits) if len(digits) <= 20 else None
    return _Refused("a whole number is beyond 64 bits") if number is None or number not in _WHOLE else number


def _real(digits: str) -> float | _Refused:
    number = float(digits)
    return _Refused("a number is too large") if math.isinf(number) else number


def _constant(_: str) -> _Refused:
    return _Refused("NaN and Infinity are not JSON")


def _clean(value: Any, path: Path, faults: list[Fault]) -> Any:
    """Drop NUL characters, and take out what is refused, noting where it was."""
    match value:
        case str():
            return _text(value, path, faults)
        case dict() | list() if len(path) == DEPTH:
            return _note(faults, path, f"the body nests deeper than {DEPTH}")
        case dict():
            for name in value.names if isinstance(value, _Twice) else ():
                _note(faults, (*path, name), "an object has the same name twice")
            return {name: _clean(inner, (*path, _name(name, path, faults)), faults) for name, inner in value.items()}
        case list():
            return [_clean(inner, (*path, number), faults) for number, inner in enumerate(value)]
        case _Refused():
            return _note(faults, path, value.message)
    return value


def _name(text: str, path: Path, faults: list[Fault]) -> str:
    # Dropping a NUL here could make two names equal.
    if "\0" in text:
        _note(faults, (*path, text), "a name holds a NUL character")
    _text(text, (*path, text), faults)
    return text


def _text(text: str, path: Path, faults: list[Fault]) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        _note(faults, path, "a text holds half of a surrogate pair")
        return None
    return text.replace("\0", "")


def _note(faults: list[Fault], path: Path, message: str) -> None:
    faults.append(Fault(path=path, message=message))
