"""Who may call: the API token of a user, and OAuth access tokens of an installed app.

https://pipedrive.readme.io/docs/core-api-concepts-authentication and .../marketplace-oauth-authorization
"""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from syncd.sandbox.crm.pipedrive.refusal import Refusal, no_scope, unauthorized

ALL_SCOPES = frozenset(
    {"base", "admin", "deals:full", "contacts:full", "leads:full", "search:read", "recents:read", "users:read"}
)
LIFETIME = timedelta(minutes=60)
_IDLE = timedelta(days=60)  # after which an unused refresh token is dead
_CODE = timedelta(minutes=5)  # for which a code is good, once
_KEPT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthApp:
    """An OAuth app that this company has installed, or may install."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scopes: frozenset[str] = ALL_SCOPES


@dataclass
class GrantRefusal(Exception):
    """A refused token request."""

    message: str
    error: str = "invalid_grant"
    status: int = 400

    def body(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        return {"success": False, "error": self.error, "message": self.message}


class Tokens:
    """The credentials of one company. Not locked itself.

    `in_query` counts, by route, the calls that brought the API token in their query, where logs and proxies see it:
    the vendor takes them still, and so does the sandbox. `consents` is what the admin says to an app that asks.
    """

    def __init__(
        self, *, now: Callable[[], datetime], static: str, app: OAuthApp | None, rng: Random, api_domain: str
    ) -> None:
        self.in_query: Counter[str] = Counter()
        self.scopes = set(app.scopes if app else ALL_SCOPES)
        self._now = now
        self.consents = True
        self._codes: dict[str, tuple[str, datetime]] = {}  # with where it was sent, and until when it is good
        self._static = static
        self._app = app
        self._refresh = app.refresh_token if app else ""  # empty once it is revoked
        self._used = now()
        self._rng = rng
        self._api_domain = api_domain
        self._expiry: OrderedDict[str, datetime] = OrderedDict()

    def check(self, headers: Mapping[str, str], query_token: str | None, route: str) -> bool:
        """Accept a call's credential or refuse it with 401; say whether it came by OAuth."""
        if query_token is not None:
            self.in_query[route] += 1
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._now() < self._expiry.get(bearer.strip(), self._now()):
                return True
            raise unauthorized()
        token = headers.get("x-api-token") or query_token
        if not token or token != self._static:
            raise unauthorized()
        return False

    def need(self, scopes: str) -> None:
        """Refuse an app's call with 403 unless it was granted one of the scopes, which a bar divides."""
        if scopes and not self.scopes & set(scopes.split("|")):
            raise no_scope()

    def authorize(self, query: Mapping[str, str]) -> str:
        """Say where the admin's browser goes who was asked for consent: with a code, or with a refusal."""
        back = query.get("redirect_uri", "")
        if self._app is None or query.get("client_id") != self._app.client_id:
            raise GrantRefusal("Invalid client: client is invalid", "invalid_client", 401)
        if urlsplit(back).hostname not in {"127.0.0.1", "localhost"}:
            raise GrantRefusal("the sandbox leads back to this machine only", "invalid_request")
        if query.get("response_type", "code") != "code":
            raise GrantRefusal("response_type is code", "unsupported_response_type")
        code = f"sandbox-code-{self._rng.getrandbits(64):016x}"
        given = {"code": code} if self.consents else {"error": "access_denied"}
        if self.consents:
            self._codes = {code: (back, self._now() + _CODE)}
        return f"{back}{'&' if urlsplit(back).query else '?'}{urlencode({**given, 'state': query.get('state', '')})}"

    def grant(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Trade a code, or the refresh token, which stays the same, for an access token of an hour."""
        app = self._app
        if app is None or _basic(authorization) != (app.client_id, app.client_secret):
            raise GrantRefusal("Invalid client: client is invalid", "invalid_client", 401)
        match form.get("grant_type"):
            case "authorization_code":
                back, until = self._codes.pop(form.get("code", ""), ("", self._now()))
                if self._now() >= until or form.get("redirect_uri") != back:
                    raise GrantRefusal("Invalid grant: authorization code is invalid")
                self._refresh = app.refresh_token
            case "refresh_token":
                known = self._refresh and form.get("refresh_token") == self._refresh
                if not known or self._now() - self._used > _IDLE:
                    raise GrantRefusal("Invalid grant: refresh_token is invalid")
            case _:
                raise GrantRefusal("Unsupported grant type: grant_type is invalid", "unsupported_grant_type")
        self._used = self._now()
        access = f"v1u:sandbox-{self._rng.getrandbits(128):032x}"
        self._expiry[access] = self._now() + LIFETIME
        while len(self._expiry) > _KEPT:
            self._expiry.popitem(last=False)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "refresh_token": app.refresh_token,
            "scope": " ".join(sorted(self.scopes)),
            "expires_in": int(LIFETIME.total_seconds()) - 1,
            "api_domain": self._api_domain,
        }

    def expire(self, authorization: str) -> None:
        """Let the token of this header expire now; without one the API token is withdrawn, as when it is renewed."""
        kind, _, bearer = authorization.partition(" ")
        if kind.lower() == "bearer":
            self._expiry.pop(bearer.strip(), None)
        else:
            self._static = ""

    def revoke(self) -> None:
        """End every credential of the company, as an app loses them that is uninstalled until it is installed again."""
        self._static, self._refresh = "", ""
        self._expiry.clear()


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, text = authorization.partition(" ")
    try:
        client, _, secret = (
            base64.b64decode(text if kind.lower() == "basic" else "", validate=True).decode().partition(":")
        )
    except ValueError:
        raise Refusal(400, "The Authorization header could not be read") from None
    return unquote(client), unquote(secret)
