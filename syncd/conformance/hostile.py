"""What arrives at an open door: bodies that cannot be read, bodies with something wrong, headers of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from syncd.contract import Delivery

HEADERS: Mapping[str, str | None] = {
    "missing": None,
    "empty": "",
    "not_ascii": "Schlüssel \udcfc",
    "endless": "x" * 100_000,
    "with_nul": "a\x00b",
    "a_number": "99999999999999999999999999",
}

SHAPES = (
    *(b"null", b"7", b"1e999", b"1e99999999999999999999", b'"text"', b"<a/>"),
    *(b"[]", b"{}", b"[[]]", b"[null]", b"[{}]", b'{"a":{"b":[1]}}'),
)

_ODD: tuple[Any, ...] = (None, True, 0, -1, 0.5, 10**30, "", "x" * 10_000, "\ud800", "a\x00b", "\n", [], [None], {})
_MOST_PLACES, _CUTS = 60, 40


def bodies(body: bytes) -> dict[str, bytes]:
    """Give bodies of which none can be read, by what is wrong; for the first byte of a body that could."""
    hostile = {
        "empty": b"",
        "cut off": body[: len(body) // 2],
        "random bytes": bytes(range(256)) * 4,
        "not UTF-8": b'{"name":"\xff\xfe"}',
        "a mebibyte of nothing": b" " * 2**20,
        "a mebibyte of text": b"x" * 2**20,
        "nested without end": b'{"a":[' * 100_000,
        "followed by more": body + b"}",
    }
    if body.lstrip().startswith(b"<"):
        return hostile | {
            "a declared entity": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]>' + body,
            "nested in XML without end": b"<a>" * 100_000,
        }
    return hostile | {"a number without end": b'{"a":' + b"9" * 100_000 + b"}", "twice the same key": _doubled(body)}


def _doubled(body: bytes) -> bytes:
    """Repeat the first key of the first object with another value: two readers would read two things."""
    start = body.index(b"{") + 1
    key = body[body.index(b'"', start) : body.index(b":", start)]
    return body[:start] + key + b":0," + body[start:]


def wounded(body: bytes) -> Iterator[bytes]:
    """Give the body with something wrong in one place: a part cut out, a value lost or of another kind."""
    for number in range(_CUTS):
        start, end = (len(body) * it // _CUTS for it in (number, number + 1))
        yield body[:start] + body[end:]
    try:
        whole = json.loads(body)
    except ValueError:
        return
    for place in list(_places(whole))[:_MOST_PLACES]:
        yield json.dumps(_put(whole, place, None, drop=True)).encode()
        for odd in _ODD:
            yield json.dumps(_put(whole, place, odd)).encode()


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (key,)
        yield from ((key, *below) for below in _places(part))


def _put(whole: Any, place: tuple[Any, ...], odd: Any, *, drop: bool = False) -> Any:
    copy = json.loads(json.dumps(whole))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    if drop:
        del inner[place[-1]]
    return copy


def with_headers(message: Delivery, value: str | None) -> Iterator[Delivery]:
    """Give the message with each of its headers replaced in turn, or left out, and then all of them."""
    for name in message.headers:
        others = {key: text for key, text in message.headers.items() if key != name}
        yield replace(message, headers=others if value is None else {**others, name: value})
    yield replace(message, headers={} if value is None else dict.fromkeys(message.headers, value))
