"""How the sandbox says no: in the vendor's own words, so that a client learns them here.

Form: https://developers.hubspot.com/docs/api-reference/error-handling
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One entry of a refusal's `errors`: what exactly was wrong with which property."""

    message: str
    code: str
    property: str

    def body(self) -> Body:
        """Give the entry as JSON."""
        return {"message": self.message, "code": self.code, "context": {"propertyName": [self.property]}}


@dataclass
class Refusal(Exception):
    """An answer other than 2xx. Raised anywhere below a route, written once above it."""

    status: int
    category: str
    message: str
    details: Sequence[Detail] = ()
    context: Mapping[str, list[str]] = field(default_factory=dict)
    sub_category: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that belong to this kind of refusal alone, such as policyName."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, correlation: str) -> Body:
        """Give the whole answer as JSON."""
        body: Body = {"status": "error", "message": self.message, "correlationId": correlation}
        return {**body, "category": self.category, **self._rest(), **self.extra}

    def row(self, context: Mapping[str, list[str]]) -> Body:
        """Give the entry of a multi-status answer's `errors`; `context` names the row."""
        body: Body = {"status": "error", "category": self.category, "message": self.message}
        return {**body, **self._rest(), "context": {**self.context, **context}}

    def _rest(self) -> Body:
        rest: Body = {}
        if self.sub_category:
            rest["subCategory"] = self.sub_category
        if self.context:
            rest["context"] = dict(self.context)
        if self.details:
            rest["errors"] = [detail.body() for detail in self.details]
        return rest


def invalid(message: str) -> Refusal:
    """Refuse a request that is wrong as a whole."""
    return Refusal(400, "VALIDATION_ERROR", message)


def invalid_json(problem: str) -> Refusal:
    """Refuse a body whose form is wrong; the vendor's parser answers so, with a position that is always 1 here."""
    return invalid(f"Invalid input JSON on line 1, column 1: {problem}")


def invalid_values(details: Sequence[Detail]) -> Refusal:
    """Refuse property values; the vendor puts the list, as JSON, into the message and into `errors`."""
    told = [{"isValid": False, "message": d.message, "error": d.code, "name": d.property} for d in details]
    text = json.dumps(told, separators=(",", ":"))
    return Refusal(400, "VALIDATION_ERROR", f"Property values were not valid: {text}", details=tuple(details))


def not_found(message: str = "resource not found") -> Refusal:
    """Refuse a name that names nothing."""
    return Refusal(404, "OBJECT_NOT_FOUND", message)


def contact_exists(existing: str) -> Refusal:
    """Refuse a second contact with one e-mail address."""
    return Refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {existing}")
