"""Which call of a vendor's API a request is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import unquote

from syncd.sandbox.crm.exchange import Reply, Request

Kind = Literal["read", "write", "search", "token"]

C = TypeVar("C")
"""A vendor's own view of a call."""


@dataclass(frozen=True, kw_only=True)
class Route(Generic[C]):
    """One operation: `template` as the vendor's pages write it, `scope` what a credential needs for it, if anything."""

    method: str
    template: str
    answer: Callable[[C], Reply]
    kind: Kind
    scope: str = ""
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)  # part -> regular expression; else one segment
    slash: bool = False  # whether the path may end with one
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}_>{self.parts.get(m[1], '[^/]+')})", self.template)
        object.__setattr__(self, "pattern", re.compile(pattern + "/?" * self.slash))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Give the named parts of a path that is this route's, else None."""
        if method != self.method or not (found := self.pattern.fullmatch(path)):
            return None
        return {name.removesuffix("_"): unquote(value) for name, value in found.groupdict().items()}

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The route of a request, and the parts of the path that it names."""

    route: Route[Any]
    names: Mapping[str, str]


def find(routes: Iterable[Route[Any]], request: Request) -> Match | None:
    """Give the first route that takes a request."""
    for route in routes:
        if (names := route.match(request.method, request.path)) is not None:
            return Match(route=route, names=names)
    return None


def shown(path: str) -> str:
    """A path without what may name a person."""
    return "/".join("..." if "@" in unquote(part) else part for part in path.split("/"))
