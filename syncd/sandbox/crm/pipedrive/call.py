"""One HTTP call as a route sees it, and the strict reading of a call's parts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from syncd.sandbox.crm.exchange import Reply, Request, read_json
from syncd.sandbox.crm.pipedrive.company import Company
from syncd.sandbox.crm.pipedrive.conversions import Conversions
from syncd.sandbox.crm.pipedrive.limits import Meter
from syncd.sandbox.crm.pipedrive.refusal import Refusal, invalid
from syncd.sandbox.crm.pipedrive.schema import Kind
from syncd.sandbox.crm.pipedrive.tokens import GrantRefusal, Tokens
from syncd.sandbox.crm.pipedrive.webhooks import Webhooks

MOST_PER_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class PipedriveAccount:
    """What the routes of one company work with."""

    name: str
    number: int  # of the company
    domain: str
    token: str = field(repr=False)
    company: Company
    tokens: Tokens
    meter: Meter
    conversions: Conversions
    webhooks: Webhooks
    custom_fields: int | None  # how many the plan has room for
    nested_pages: bool  # whether v1's list of leads tells its paging under `pagination`


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that found its route."""

    account: PipedriveAccount
    kind: Kind  # of the records that the route is about
    names: Mapping[str, str]  # the parts of the path that the route names
    request: Request

    @property
    def company(self) -> Company:
        """Give the account's records."""
        return self.account.company

    def query(self, *known: str) -> dict[str, str]:
        """Read the query; refuse a parameter that the route does not know, or that comes twice."""
        found = self.request.query
        if wrong := sorted(name for name, given in found.items() if name not in known or len(given) > 1):
            raise invalid(f"{wrong[0]}: unknown or repeated query parameter")
        return {name: given[0] for name, given in found.items()}

    def json(self) -> dict[str, Any]:
        """Read the body as a JSON object."""
        if not self.request.is_of("application/json"):
            raise Refusal(400, "Set the Content-Type header to application/json")
        try:
            body = read_json(self.request.body)
        except ValueError:
            raise invalid("the body is no valid JSON") from None
        if not isinstance(body, dict):
            raise invalid("the body is no object")
        return body

    def form(self) -> dict[str, str]:
        """Read the body as a form."""
        if not self.request.is_of("application/x-www-form-urlencoded"):
            raise GrantRefusal("send the form as application/x-www-form-urlencoded", "invalid_request")
        try:
            return dict(parse_qsl(self.request.body.decode("ascii"), strict_parsing=True, max_num_fields=20))
        except ValueError:
            raise GrantRefusal("the form could not be read", "invalid_request") from None


def ok(data: Any, *, code: int = 200, more: Mapping[str, Any] | None = None, **beside: Any) -> Reply:
    """Answer with data; `more` goes into additional_data, `beside` stands next to it."""
    body = {"success": True, "data": data, **beside}
    return Reply(code=code, body=body if more is None else {**body, "additional_data": dict(more)})


def number(query: Mapping[str, str], name: str, default: int | None = None, *, least: int = 0) -> int | None:
    """Read a number from a query, or refuse it."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < least:
        raise invalid(f"{name}: expected a number from {least} on")
    return int(text)


def limit(query: Mapping[str, str]) -> int:
    """Read how many entries a page may have: 100 unless asked, 500 at most."""
    found = number(query, "limit", 100, least=1) or 100
    if found > MOST_PER_PAGE:
        raise invalid(f"limit: {MOST_PER_PAGE} at most")
    return found


def yes(query: Mapping[str, str], name: str) -> bool:
    """Read a flag from a query, or refuse it."""
    if (text := query.get(name, "false")) not in {"true", "false"}:
        raise invalid(f"{name}: expected true or false")
    return text == "true"


def listed(query: Mapping[str, str], name: str, *, most: int | None = None) -> list[str]:
    """Read a list that uses commas."""
    found = [part.strip() for part in query.get(name, "").split(",") if part.strip()]
    if most is not None and len(found) > most:
        raise invalid(f"{name}: {most} at most")
    return found


def cursor(place: Mapping[str, Any]) -> str:
    """Write where the next page begins; opaque to a client, and like the vendor's in form."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(query: Mapping[str, str], fields: frozenset[str]) -> dict[str, Any] | None:
    """Read where a page begins, None for the first; refuse what `cursor` did not write."""
    if (text := query.get("cursor")) is None:
        return None
    try:
        found = read_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        found = None
    if not isinstance(found, dict) or found.keys() != fields:
        raise invalid("cursor: not a cursor of this list")
    return found


def sliced(query: Mapping[str, str], entries: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Cut a page by place, for lists that do not change while they are read; give it with its additional_data."""
    at = read_cursor(query, frozenset({"offset"}))
    start, most = (at["offset"] if at else 0), limit(query)
    if not isinstance(start, int) or start < 0:
        raise invalid("cursor: not a cursor of this list")
    more = start + most < len(entries)
    return entries[start : start + most], {"next_cursor": cursor({"offset": start + most}) if more else None}
