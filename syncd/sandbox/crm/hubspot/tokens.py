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
from syncd.sandbox.crm.hubspot.consent import Consent
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
    """An OAuth app, and the refresh token of this account if it has installed it already."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    rotates: bool = False  # every refresh gives a new refresh token and ends the old one


class Tokens:
    """The credentials of one account. Not locked itself."""

    def __init__(self, *, now: Callable[[], datetime], static: str, app: OAuthApp | None, rng: Random) -> None:
        self.scopes = set(ALL_SCOPES)
        self._now = now
        self._static = static
        self._app = app
        self._refresh = app.refresh_token if app else None
        self.consent = Consent(now=now, client_id=app.client_id if app else "", rng=rng)
        self._rng = rng
        self._expiry: OrderedDict[str, datetime] = OrderedDict()

    @property
    def has_app(self) -> bool:
        """Tell whether this account's client comes by OAuth."""
        return self._app is not None

    def check(self, authorization: str) -> bool:
        """Accept a call's Authorization header or refuse it with 401; say whether it came by OAuth."""
        token = _bearer(authorization)
        if expiry := self._expiry.get(token):
            if self._now() < expiry:
                return True
            raise expired(expiry)
        if not token or token != self._static:
            raise unauthorized()
        return False

    def need(self, scope: str) -> None:
        """Refuse with 403 what the token was not granted."""
        if scope and scope not in self.scopes:
            raise missing_scope(scope)

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Trade a code or the refresh token for an access token of 30 minutes."""
        if self._app is None or form.get("client_id") != self._app.client_id:
            raise _oauth_error("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("client_secret") != self._app.client_secret:
            raise _oauth_error("invalid_client", "BAD_CLIENT_SECRET", "missing or wrong client secret")
        match form.get("grant_type"):
            case "authorization_code":
                self._install(form)
            case "refresh_token":
                if self._refresh is None or form.get("refresh_token") != self._refresh:
                    raise _oauth_error("invalid_grant", "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
                if self._app.rotates:
                    self._refresh = self._new("refresh")
            case _:
                raise _oauth_error("unsupported_grant_type", "BAD_GRANT_TYPE", "missing or unknown grant type")
        return self._issue()

    def _install(self, form: Mapping[str, str]) -> None:
        """Trade a code for a refresh token; from then on the app may what the admin consented to, and no more."""
        code = self.consent.redeem(form.get("code", ""), form.get("redirect_uri", ""))
        if code is None:
            raise _oauth_error("invalid_grant", "BAD_AUTH_CODE", "missing or unknown auth code")
        self.scopes = set(ALL_SCOPES & code.scopes)
        self._refresh = self._new("refresh")

    def _issue(self) -> dict[str, Any]:
        access = self._new("access")
        self._expiry[access] = self._now() + LIFETIME
        while len(self._expiry) > _KEPT:
            self._expiry.popitem(last=False)
        return {
            "access_token": access,
            "refresh_token": self._refresh,
            "token_type": "bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        }

    def _new(self, what: str) -> str:
        return f"sandbox-{what}-{self._rng.getrandbits(64):016x}"

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


def expired(at: datetime) -> Refusal:
    """Refuse an access token that was good until a while ago."""
    message = "The OAuth token used to make this call has expired."
    return Refusal(401, "EXPIRED_AUTHENTICATION", message, context={"expire time": [times.iso(at)]})


def unauthorized() -> Refusal:
    """Refuse a call without a credential that is known."""
    message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return Refusal(401, "INVALID_AUTHENTICATION", message)


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
