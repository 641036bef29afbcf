"""One HTTP call as a route sees it, and the strict reading of a call's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from syncd.sandbox.crm.exchange import Request, read_json
from syncd.sandbox.crm.zoho.account import ZohoAccount
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.refusal import LoginRefusal, Refusal, invalid, invalid_param, no_such_module
from syncd.sandbox.crm.zoho.schema import Module
from syncd.sandbox.crm.zoho.values import read_time

MOST_FIELDS = 50


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that found its route."""

    account: ZohoAccount
    names: Mapping[str, str]  # the parts of the path that the route names
    request: Request
    locked_row: int | None = None  # of the records that are written, counted from 1: the one that a fault locks

    @property
    def org(self) -> ZohoOrg:
        """Give the account's records."""
        return self.account.org

    @property
    def module(self) -> Module:
        """Give the module that the path names."""
        if (module := self.org.schema.modules.get(self.names["module"])) is None:
            raise no_such_module()
        return module

    def spend(self, cost: int = 1) -> None:
        """Take the credits of this call before it does anything."""
        self.account.credits.admit(cost)

    def query(self, *known: str) -> dict[str, str]:
        """Read the query; refuse a parameter that the route does not know, or that comes twice."""
        found = self.request.query
        if unknown := sorted(name for name, given in found.items() if name not in known or len(given) > 1):
            raise invalid_param(unknown[0])
        return {name: given[0] for name, given in found.items()}

    def json(self) -> dict[str, Any]:
        """Read the body as a JSON object; the vendor's own SDK sends it without a Content-Type."""
        if "content-type" in self.request.headers and not self.request.is_of("application/json"):
            raise Refusal("UNSUPPORTED_MEDIA_TYPE", "Content-Type is to be application/json", status=415)
        try:
            body = read_json(self.request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refusal("INVALID_DATA", "body", details={"expected_data_type": "jsonobject"})
        return body

    def form(self) -> dict[str, str]:
        """Read the parameters of a login: from the body, or from the query as the vendor's pages show it."""
        if self.request.query:
            return {name: given[0] for name, given in self.request.query.items()}
        try:
            return dict(parse_qsl(self.request.body.decode("ascii"), strict_parsing=True, max_num_fields=20))
        except ValueError:
            raise LoginRefusal("general_error") from None

    def time_header(self, name: str) -> datetime | None:
        """Read a header that holds a time with an offset; nothing if it is not there."""
        text = self.request.headers.get(name.lower())
        if text is None:
            return None
        try:
            return read_time(text)
        except ValueError:
            raise Refusal("INVALID_DATA", "invalid data", details={"header": name}) from None


def shape(value: Any, *, needs: Mapping[str, type] | None = None, may: Mapping[str, type] | None = None) -> Any:
    """Give an object back if it has these keys and no others."""
    needs, may = needs or {}, may or {}
    for name in needs:
        if name not in value:
            raise Refusal("MANDATORY_NOT_FOUND", "required field not found", details={"api_name": name})
    for name, given in value.items():
        kind = needs.get(name, may.get(name))
        if kind is None:
            raise invalid(name)
        if not isinstance(given, kind):
            names = {list: "jsonarray", dict: "jsonobject", str: "text", bool: "boolean", int: "integer"}
            raise invalid(name, expected_data_type=names[kind])
    return value


def read_fields(module: Module, text: str) -> list[str]:
    """Read the parameter `fields`: at most 50 names."""
    names = text.split(",")
    if len(names) > MOST_FIELDS:
        details = {"limit": MOST_FIELDS, "param_name": "fields"}
        raise Refusal("LIMIT_EXCEEDED", "limit exceeded", details=details)
    if any(name not in module.fields for name in names) or len(set(names)) < len(names):
        raise invalid_param("fields")
    return names


def whole(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    """Read a parameter that is a whole number from 1 on."""
    text = query.get(name, str(usual))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise invalid_param(name, expected_data_type="integer", maximum=most)
    return int(text)
