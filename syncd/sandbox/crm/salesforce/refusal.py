"""How Salesforce says no: a list of errors for a call, an entry of `errors` for a row, a pair of words for a login.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Refusal(Exception):
    """An answer other than 2xx, or a row that failed. `fields` is there, if empty, whenever a record was refused."""

    code: str
    message: str
    status: int = 400
    fields: Sequence[str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> Any:
        """Give the whole answer as JSON."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code, **self.extra}
        return [error if self.fields is None else {**error, "fields": list(self.fields)}]

    def row(self) -> dict[str, Any]:
        """Give the entry of a row's `errors`, where the code has another name."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


@dataclass
class Several(Exception):
    """An external id that matches more than one record: 300 and their addresses."""

    ids: Sequence[str]


@dataclass
class LoginRefusal(Exception):
    """A refused token request, in the form of RFC 6749."""

    error: str
    description: str
    status: int = 400

    def body(self) -> dict[str, str]:
        """Give the answer as JSON."""
        return {"error": self.error, "error_description": self.description}


def not_saved(code: str, message: str, *fields: str, status: int = 400) -> Refusal:
    """Refuse a record."""
    return Refusal(code, message, status=status, fields=fields)


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """Refuse a name that names nothing."""
    return Refusal("NOT_FOUND", message, status=404)


def deleted() -> Refusal:
    """Refuse to touch a record in the bin."""
    return not_saved("ENTITY_IS_DELETED", "entity is deleted", status=404)


def locked() -> Refusal:
    """Refuse a record that another transaction is writing."""
    return not_saved("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records")


def limit_exceeded(which: str) -> Refusal:
    """Refuse a call too many: `TotalRequests` of a day or `ConcurrentRequests`. There is no 429 and no Retry-After."""
    return Refusal("REQUEST_LIMIT_EXCEEDED", f"{which} Limit exceeded.", status=403)
