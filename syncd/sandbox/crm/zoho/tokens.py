"""Who may call: access tokens of an hour, and the few of them that a refresh token gives.

https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from syncd.sandbox.crm.window import Window
from syncd.sandbox.crm.zoho.refusal import LoginRefusal, Refusal, invalid_token, scope_mismatch

ALL_SCOPES = frozenset(
    {
        "ZohoCRM.modules.ALL",
        "ZohoCRM.settings.ALL",
        "ZohoCRM.users.READ",
        "ZohoCRM.org.READ",
        "ZohoCRM.coql.READ",
        "ZohoCRM.notifications.ALL",
        "ZohoSearch.securesearch.READ",
    }
)
LIFETIME = timedelta(hours=1)
MOST_ACTIVE = 15
MOST_REFRESHES = 10
REFRESH_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ZohoApp:
    """A self client or server app that this account has let in. The grant code works once, within three minutes."""

    client_id: str = "1000.SANDBOX"
    client_secret: str = field(default="sandbox-secret", repr=False)
    refresh_token: str = field(default="1000.sandbox.refresh", repr=False)
    code: str = field(default="1000.sandbox.code", repr=False)


class Tokens:
    """The credentials of one account. Not locked itself."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        static: str,
        app: ZohoApp | None,
        rng: Random,
    ) -> None:
        self.scopes = set(ALL_SCOPES)
        self._now = now
        self._clock = clock
        self._static = static
        self._app = app
        self._code = app.code if app else ""
        self._code_until = now() + timedelta(minutes=3)
        self._rng = rng
        self._expiry: OrderedDict[str, datetime] = OrderedDict()
        self._refreshes = Window(MOST_REFRESHES, REFRESH_SECONDS)

    def check(self, authorization: str) -> None:
        """Refuse a call without a valid token."""
        kind, _, token = authorization.partition(" ")
        if kind != "Zoho-oauthtoken" or not token:
            raise Refusal("AUTHENTICATION_FAILURE", "Authentication failed", status=401)
        expiry = self._expiry.get(token)
        if token != self._static and (expiry is None or self._now() >= expiry):
            raise invalid_token()

    def need(self, scope: str) -> None:
        """Refuse what the token was not granted. `scope` is one or several, of which all are needed."""
        for one in scope.split():
            parts = one.split(".")
            wider = {".".join([*parts[:place], "ALL"]) for place in range(1, len(parts))}
            if not self.scopes & {one, *wider}:
                raise scope_mismatch()

    def grant(self, form: Mapping[str, str], api_domain: str) -> dict[str, Any]:
        """Trade a refresh token or a grant code for an access token of an hour."""
        app, kind = self._app, form.get("grant_type")
        if kind not in {"refresh_token", "authorization_code"}:
            raise LoginRefusal("general_error")
        if app is None or form.get("client_id") != app.client_id or form.get("client_secret") != app.client_secret:
            raise LoginRefusal("invalid_client")
        more = {}
        if kind == "authorization_code":
            self._use_code(form.get("code", ""))
            more = {"refresh_token": app.refresh_token}
        elif form.get("refresh_token") != app.refresh_token:
            raise LoginRefusal("invalid_code")
        if not self._refreshes.take(self._clock()):
            message = "You have made too many requests continuously. Please try again after some time."
            raise LoginRefusal("Access Denied", message)
        return {
            "access_token": self._open(),
            **more,
            "scope": " ".join(sorted(self.scopes)),
            "api_domain": api_domain,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        }

    def expire(self, authorization: str) -> None:
        """Let the token of this header expire now; the static one is withdrawn."""
        token = authorization.partition(" ")[2]
        self._expiry.pop(token, None)
        if token == self._static:
            self._static = ""

    def revoke(self) -> None:
        """End every credential and forget the app's."""
        self._static, self._app = "", None
        self._expiry.clear()

    def _use_code(self, code: str) -> None:
        if not code or code != self._code or self._now() >= self._code_until:
            raise LoginRefusal("invalid_code")
        self._code = ""

    def _open(self) -> str:
        token = f"1000.{self._rng.getrandbits(128):032x}.{self._rng.getrandbits(128):032x}"
        self._expiry[token] = self._now() + LIFETIME
        while len(self._expiry) > MOST_ACTIVE:  # the oldest dies, whoever still uses it
            self._expiry.popitem(last=False)
        return token
