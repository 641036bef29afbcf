"""How Zoho CRM says no: one form for a call and for an element of `data`, another one for a login.

https://www.zoho.com/crm/developer/docs/api/v8/status-codes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Refusal(Exception):
    """An answer other than 2xx, or an element of `data` that failed."""

    code: str
    message: str
    status: int = 400
    details: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Give the answer, or the element, as JSON."""
        return {"code": self.code, "details": dict(self.details), "message": self.message, "status": "error"}

    def row(self, place: int) -> dict[str, Any]:
        """Give the element of the `place`th record, counted from 0."""
        body = self.body()
        if (name := body["details"].get("api_name")) is not None:
            body["details"].setdefault("json_path", f"$.data[{place}].{name}")
        return body


@dataclass
class LoginRefusal(Exception):
    """A refused token request: HTTP 200, and the word `error` in its body."""

    error: str
    description: str = ""

    def body(self) -> dict[str, str]:
        """Give the answer as JSON."""
        if not self.description:
            return {"error": self.error}
        return {"error_description": self.description, "error": self.error, "status": "failure"}


def invalid(name: str, **details: Any) -> Refusal:
    """Refuse a value of a field."""
    return Refusal("INVALID_DATA", "invalid data", details={"api_name": name, **details})


def invalid_param(name: str, **details: Any) -> Refusal:
    """Refuse a query parameter."""
    return Refusal("INVALID_DATA", "invalid data", details={"param_name": name, **details})


def missing_param(name: str) -> Refusal:
    """Refuse a call for want of a query parameter."""
    return Refusal("REQUIRED_PARAM_MISSING", "required param is missing", details={"param_name": name})


def mandatory(name: str) -> Refusal:
    """Refuse a record, or a body, for want of a field."""
    return Refusal("MANDATORY_NOT_FOUND", "required field not found", details={"api_name": name})


def no_such_module() -> Refusal:
    """Refuse a module that the account does not have."""
    message = "the module name given seems to be invalid"
    return Refusal("INVALID_MODULE", message, details={"resource_path_index": 0})


def no_such_record(name: str = "id") -> Refusal:
    """Refuse to write a record that is not there."""
    return Refusal("INVALID_DATA", "the id given seems to be invalid", details={"api_name": name})


def invalid_token() -> Refusal:
    """Refuse a token that is unknown or has expired."""
    return Refusal("INVALID_TOKEN", "invalid oauth token", status=401)


def scope_mismatch() -> Refusal:
    """Refuse for want of a scope; the vendor does not name it."""
    return Refusal("OAUTH_SCOPE_MISMATCH", "Unauthorized", status=401)


def too_many() -> Refusal:
    """Refuse a call too many, of a day or of a moment: the body does not say which."""
    return Refusal("TOO_MANY_REQUESTS", "You have exceeded the allowed number of requests.", status=429)


def locked() -> Refusal:
    """Refuse a record that somebody has locked."""
    message = "Sorry, you cannot perform this operation as the record is locked."
    return Refusal("RECORD_LOCKED", message, details={"api_name": "id", "action": "record_locking"})
