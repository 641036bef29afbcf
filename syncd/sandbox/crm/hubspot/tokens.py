"""Who may call: static tokens, and OAuth access tokens that expire.

https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from syncd.sandbox.crm import times
from syncd.sandbox.crm.hubspot.refusal import Refusal

ALL_SCOPES = frozenset(
    f"crm.{what}.{kind}.{mode}"
    for what in ("objects", "schemas")
    for kind in ("contacts", "deals")
    for mode in ("read", "write")
)
LIFETIME = timedelta(minutes=30)
_KEPT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthApp:
    """An OAuth app that this account has installed."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    rotates: bool = False  # every refresh gives a new refresh token and ends the old one


class Tokens:
    """The credentials of one account. Not locked itself."""

    def __init__(self, *, now: Callable[[], datetime], static: str, app: OAuthApp | None, rng: Random) -> None:
        self.scopes = set(ALL_SCOPES)
        self._now = now
        self._static = static
        self._app = app
        self._refresh = app.refresh_token if app else None
        self._rng = rng
        self._expiry: OrderedDict[str, datetime] = OrderedDict()

    def check(self, authorization: str) -> bool:
        """Accept a call's Authorization header or refuse it with 401; say whether it came by OAuth."""
        token = _bearer(authorization)
        if expiry := self._expiry.get(token):
            if self._now() < expiry:
                return True
            raise Refusal(
                401,
                "EXPIRED_AUTHENTICATION",
                "The OAuth token used to make this call has expired.",
                context={"expire time": [times.iso(expiry)]},
            )
        if not token or token != self._static:
            raise Refusal(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
            )
        return False

    def need(self, scope: str) -> None:
        """Refuse with 403 what the token was not granted."""
        if scope and scope not in self.scopes:
            raise missing_scope(scope)

    def refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Trade the refresh token for an access token of 30 minutes."""
        if form.get("grant_type") != "refresh_token":
            raise _oauth_error("unsupported_grant_type", "BAD_GRANT_TYPE", "the sandbox grants refresh_token only")
        if self._app is None or form.get("client_id") != self._app.client_id:
            raise _oauth_error("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("client_secret") != self._app.client_secret:
            raise _oauth_error("invalid_client", "BAD_CLIENT_SECRET", "missing or wrong client secret")
        if self._refresh is None or form.get("refresh_token") != self._refresh:
            raise _oauth_error("invalid_grant", "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        if self._app.rotates:
            self._refresh = f"sandbox-refresh-{self._rng.getrandbits(64):016x}"
        access = f"sandbox-access-{self._rng.getrandbits(64):016x}"
        self._expiry[access] = self._now() + LIFETIME
        while len(self._expiry) > _KEPT:
            self._expiry.popitem(last=False)
        return {
            "access_token": access,
            "refresh_token": self._refresh,
            "token_type": "bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        }

    def expire(self, authorization: str) -> None:
        """Let the token of this header expire now; a static one is withdrawn."""
        token = _bearer(authorization)
        if token in self._expiry:
            self._expiry[token] = self._now()
        elif token == self._static:
            self._static = ""

    def revoke(self) -> None:
        """End every credential of the account, as an uninstalled app loses them."""
        self._static, self._refresh = "", None
        self._expiry.clear()


def missing_scope(scope: str) -> Refusal:
    """Refuse for want of a scope, and name it where the vendor does."""
    return Refusal(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call.",
        extra={
            "errors": [
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": [scope]},
                }
            ]
        },
    )


def _bearer(authorization: str) -> str:
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _oauth_error(error: str, status: str, message: str) -> Refusal:
    extra = {"error": error, "error_description": message, "status": status}
    return Refusal(400, "VALIDATION_ERROR", message, extra=extra)
