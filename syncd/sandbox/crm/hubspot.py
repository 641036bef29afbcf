"""The vendor's routes, those that are simulated, and the way of a call through them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal
from urllib.parse import unquote

from syncd.sandbox.crm import associations, batches, catalog, objects, search
from syncd.sandbox.crm.call import Call, CrmAccount, Reply, Request
from syncd.sandbox.crm.refusal import Refusal
from syncd.sandbox.crm.schema import ALIASES

Kind = Literal["read", "write", "search", "token"]

_TYPES = "|".join(ALIASES)
_PATTERNS = {"version": "2026-03|2026-09", "type": _TYPES, "from": _TYPES, "to": _TYPES}


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation: `template` as the vendor's pages write it, `scope` with {type} for the object type."""

    method: str
    template: str
    answer: Callable[[Call], Reply]
    kind: Kind
    scope: str = ""
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}_>{_PATTERNS.get(m[1], '[^/]+')})", self.template)
        object.__setattr__(self, "pattern", re.compile(pattern))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Give the named parts of a path that is this route's, else None."""
        if method != self.method or not (found := self.pattern.fullmatch(path)):
            return None
        return {name.removesuffix("_"): unquote(value) for name, value in found.groupdict().items()}

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def _routes() -> tuple[Route, ...]:
    """Each area has a dated path and the older one, which the vendor supports until 2027."""
    on_objects = ("/crm/objects/{version}", "/crm/v3/objects")
    on_links = ("/crm/associations/{version}", "/crm/v4/associations")
    on_one_link = ("/crm/objects/{version}", "/crm/v4/objects")
    on_pipelines = ("/crm/pipelines/{version}", "/crm/v3/pipelines")
    on_properties = ("/crm/properties/{version}", "/crm/v3/properties")
    see, change = "crm.objects.{type}.read", "crm.objects.{type}.write"
    see_schema, change_schema = "crm.schemas.{type}.read", "crm.schemas.{type}.write"
    one_link = "/{from}/{from_id}/associations/default/{to}/{to_id}"
    table: list[tuple[tuple[str, ...], str, str, Callable[[Call], Reply], Kind, str]] = [
        (on_objects, "POST", "/{type}/batch/upsert", batches.upsert, "write", change),
        (on_objects, "POST", "/{type}/batch/create", batches.create, "write", change),
        (on_objects, "POST", "/{type}/batch/update", batches.update, "write", change),
        (on_objects, "POST", "/{type}/batch/archive", batches.archive, "write", change),
        (on_objects, "POST", "/{type}/batch/read", batches.read, "read", see),
        (on_objects, "POST", "/{type}/search", search.answer, "search", see),
        (on_objects, "POST", "/{type}/merge", objects.merge, "write", change),
        (on_objects, "POST", "/{type}", objects.create, "write", change),
        (on_objects, "GET", "/{type}/{id}", objects.read, "read", see),
        (on_objects, "PATCH", "/{type}/{id}", objects.update, "write", change),
        (on_objects, "DELETE", "/{type}/{id}", objects.archive, "write", change),
        (on_links, "POST", "/{from}/{to}/batch/associate/default", associations.associate, "write", change),
        (on_links, "POST", "/{from}/{to}/batch/read", associations.read, "read", see),
        (on_one_link, "PUT", one_link, associations.associate_one, "write", change),
        (on_pipelines, "GET", "/{type}", catalog.pipelines, "read", see_schema),
        (on_properties, "GET", "/{type}", catalog.properties, "read", see_schema),
        (on_properties, "GET", "/{type}/{name}", catalog.property_one, "read", see_schema),
        (on_properties, "POST", "/{type}", catalog.create_property, "write", change_schema),
        (("/oauth/{version}", "/oauth/v1"), "POST", "/token", catalog.token, "token", ""),
        (("/account-info/{version}", "/account-info/v3"), "GET", "/details", catalog.account, "read", ""),
    ]
    return tuple(
        Route(method=method, template=base + rest, answer=answer, kind=kind, scope=scope)
        for bases, method, rest, answer, kind, scope in table
        for base in bases
    )


ROUTES = _routes()


def find_route(request: Request) -> tuple[Route, dict[str, str]] | None:
    """Give the route of a request and the named parts of its path."""
    for route in ROUTES:
        if (names := route.match(request.method, request.path)) is not None:
            return route, names
    return None


class Unsimulated:
    """Answers what no route takes, loudly: a sandbox that guessed would teach a client wrong things."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def answer(self, request: Request) -> Reply:
        """Answer 501 with the list of routes, and print the operation to stderr the first time."""
        if len(self._told) < 100 and (line := f"{request.method} {shown(request.path)}") not in self._told:
            self._told.add(line)
            print(f"sandbox CRM: {line} is not simulated; see docs/sandbox-fidelity.md", file=sys.stderr)
        body = {
            "status": "error",
            "category": "NOT_SIMULATED",
            "message": "The sandbox does not simulate this operation. It knows those under `routes`.",
            "correlationId": "00000000-0000-0000-0000-000000000000",
            "routes": [str(route) for route in ROUTES],
        }
        return Reply(code=501, body=body)


def answer(account: CrmAccount, route: Route, names: dict[str, str], request: Request) -> Reply:
    """Take a call through credentials, limits and scopes to its route; refusals become the vendor's answers."""
    with account.model.lock:
        headers: dict[str, str] = {}
        try:
            if route.kind != "token":
                oauth = account.tokens.check(request.headers.get("authorization", ""))
                account.meter.admit(search=route.kind == "search")
                headers = {} if route.kind == "search" else dict(account.meter.headers(oauth=oauth))
                kind = ALIASES.get(names.get("type", names.get("from", "")), "")
                account.tokens.need(route.scope.format(type=kind))
            reply = route.answer(Call(account=account, names=names, request=request))
        except Refusal as refusal:
            reply = refuse(account, refusal)
        return Reply(code=reply.code, body=reply.body, headers={**headers, **reply.headers})


def refuse(account: CrmAccount, refusal: Refusal) -> Reply:
    """Make a refusal an answer with a correlation id."""
    return Reply(code=refusal.status, body=refusal.body(_correlation(account.rng)), headers=refusal.headers)


def _correlation(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def shown(path: str) -> str:
    """A path without what may name a person."""
    return "/".join("..." if "@" in unquote(part) else part for part in path.split("/"))
