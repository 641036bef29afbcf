"""One HTTP exchange: what came in, what goes out, and how a body is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What came in. `path` is what follows the account's prefix, without the query."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # names in lower case
    body: bytes = field(default=b"", repr=False)
    uri_bytes: int = 0  # the length of path and query as they came

    def is_of(self, media_type: str) -> bool:
        """Tell whether the body is declared to be of this type."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower() == media_type


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What goes out: no body where `body` is None, else JSON, or text where `media` says of which type."""

    code: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = ""


def read_json(text: bytes | str) -> Any:
    """Read JSON. Raises ValueError for what is none, for a name that occurs twice, and for NaN and its like."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
