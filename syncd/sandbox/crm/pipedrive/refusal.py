"""How Pipedrive says no: `success` is false, `error` says what, and everything else may be missing.

https://pipedrive.readme.io/docs/core-api-concepts-http-status-codes and .../core-api-concepts-responses
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_HELP = "Please check developers.pipedrive.com for more information about Pipedrive API."


@dataclass
class Refusal(Exception):
    """An answer other than 2xx. Raised anywhere below a route, written once above it."""

    status: int
    error: str
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        code = {"code": self.code} if self.code else {}
        number = {"errorCode": self.status} if self.status in {401, 429} else {}
        rest: dict[str, Any] = {"error_info": _HELP, "data": None, "additional_data": None}
        return {"success": False, "error": self.error, **code, **number, **rest}


def invalid(problem: str) -> Refusal:
    """Refuse a request that is wrong; the problem names the parameter or the field's code, never a value."""
    return Refusal(400, f"Parameter validation failed: {problem}", "ERR_SCHEMA_VALIDATION_FAILED")


def wrong_field(code: str, problem: str) -> Refusal:
    """Refuse a field's value."""
    return invalid(f"{code}: {problem}")


def not_found(what: str) -> Refusal:
    """Refuse an id that names nothing, nothing any more, or nothing that this user may see."""
    return Refusal(404, f"{what} not found")


def unauthorized() -> Refusal:
    """Refuse a call without a credential that works."""
    return Refusal(401, "unauthorized access")


def no_scope() -> Refusal:
    """Refuse for want of an OAuth scope; the vendor does not say which."""
    return Refusal(403, "Scope and URL mismatch")


def capped(what: str) -> Refusal:
    """Refuse what the plan has no room for: `deals`, or `deals_custom_fields` and its like.

    https://developers.pipedrive.com/changelog/post/new-error-message-and-code-for-post-deals-and-custom-fields-endpoints
    """
    return Refusal(403, f"The usage limit of your plan is reached: {what}", f"feature_capping_{what}_limit")


def too_many(daily: bool = False) -> Refusal:
    """Refuse a call too many. No Retry-After: the vendor documents none."""
    return Refusal(429, "API token budget for today is exhausted" if daily else "request over limit")
