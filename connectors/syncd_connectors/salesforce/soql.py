"""Queries as texts: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote_plus

_ROOM = 14_000  # bytes of an encoded list of ids; the whole URI may have 16,384


def select(columns: str, kind: str, where: str, *, order: str = "") -> str:
    # Names are ours or match `_ApiName`; ids are quoted by `lists`.
    return f"SELECT {columns} FROM {kind} WHERE {where}" + (f" ORDER BY {order}" if order else "")  # noqa: S608


def literal(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def lists(ids: Iterable[str]) -> Iterator[str]:
    """Write ids as SOQL lists, each short enough for a URI."""
    some: list[str] = []
    room = _ROOM
    for id_ in dict.fromkeys(ids):
        text = "'" + id_.replace("\\", "\\\\").replace("'", "\\'") + "'"
        size = len(quote_plus(text + ","))
        if some and size > room:
            yield f"({','.join(some)})"
            some, room = [], _ROOM
        some.append(text)
        room -= size
    if some:
        yield f"({','.join(some)})"
