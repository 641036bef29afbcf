"""JSON as two programs cannot read it differently: the one parser for whatever comes in from outside."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEPTH = 32  # lists and objects inside each other
_WHOLE = range(-(2**63), 2**63)  # what a database column holds


class BadJson(ValueError):
    """A body is not JSON that we take. The text says why without quoting any of it."""


def parse(raw: bytes) -> Any:
    """Read a JSON text in UTF-8; NUL characters are dropped from texts. Raises `BadJson`, and nothing else.

    Refused are: another encoding, a name twice in one object, NaN and infinities (1e400 is one), whole numbers beyond
    64 bits, nesting deeper than `DEPTH`, and half of a surrogate pair. A byte order mark is let pass.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadJson("the body is not UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"the body is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise BadJson(f"the body nests deeper than {DEPTH}") from None
    return _clean(value, DEPTH)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadJson("an object has the same name twice")
    return made


def _whole(digits: str) -> int:
    # Measured before it is read: int() refuses thousands of digits, and takes its time over many.
    number = int(digits) if len(digits) <= 20 else None
    if number is None or number not in _WHOLE:
        raise BadJson("a whole number is beyond 64 bits")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise BadJson("a number is too large")
    return number


def _constant(_: str) -> NoReturn:
    raise BadJson("NaN and Infinity are not JSON")


def _clean(value: Any, depth: int) -> Any:
    match value:
        case str():
            return _text(value)
        case dict() | list() if depth == 0:
            raise BadJson(f"the body nests deeper than {DEPTH}")
        case dict():
            return {_name(name): _clean(inner, depth - 1) for name, inner in value.items()}
        case list():
            return [_clean(inner, depth - 1) for inner in value]
    return value


def _name(text: str) -> str:
    # Dropping a NUL here could make two names equal.
    if "\0" in text:
        raise BadJson("a name holds a NUL character")
    return _text(text)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadJson("a text holds half of a surrogate pair") from None
    return text.replace("\0", "")
