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
from urllib.parse import urlencode, urlsplit

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
_CODE = timedelta(minutes=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class ZohoApp:
    """A self client or server app that this account has let in. The grant code works once, within three minutes."""

    client_id: str = "1000.SANDBOX"
    client_secret: str = field(default="sandbox-secret", repr=False)
    refresh_token: str = field(default="1000.sandbox.refresh", repr=False)
    code: str = field(default="1000.sandbox.code", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Code:
    until: datetime
    back: str | None = None  # where it was sent; a self client's is shown on a page
    offline: bool = True  # whether it is good for a refresh token, too


class Tokens:
    """The credentials of one account. Not locked itself. `consents` is what the admin says to an app that asks."""

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
        self._refresh = app.refresh_token if app else ""  # empty once it is revoked
        self.consents = True
        self._codes = {app.code: _Code(until=now() + _CODE)} if app else {}
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

    def authorize(self, query: Mapping[str, str], accounts: str) -> str:
        """Say where the admin's browser goes who was asked for consent: with a code, or with a refusal."""
        back = query.get("redirect_uri", "")
        if self._app is None or query.get("client_id") != self._app.client_id:
            raise LoginRefusal("invalid_client")
        if urlsplit(back).hostname not in {"127.0.0.1", "localhost"}:
            raise LoginRefusal("invalid_redirect_uri")
        if query.get("response_type") != "code" or not query.get("scope"):
            raise LoginRefusal("invalid_scope" if query.get("response_type") == "code" else "invalid_response_type")
        given = {"error": "access_denied"}
        if self.consents:
            code = f"1000.{self._rng.getrandbits(128):032x}"
            offline = query.get("access_type") == "offline" and query.get("prompt") == "consent"
            self._codes = {code: _Code(until=self._now() + _CODE, back=back, offline=offline)}
            given = {"code": code, "location": "eu", "accounts-server": accounts}
        return f"{back}{'&' if urlsplit(back).query else '?'}{urlencode({**given, 'state': query.get('state', '')})}"

    def grant(self, form: Mapping[str, str], api_domain: str) -> dict[str, Any]:
        """Trade a refresh token or a grant code for an access token of an hour."""
        app, kind = self._app, form.get("grant_type")
        if kind not in {"refresh_token", "authorization_code"}:
            raise LoginRefusal("general_error")
        if app is None or form.get("client_id") != app.client_id or form.get("client_secret") != app.client_secret:
            raise LoginRefusal("invalid_client")
        more = {}
        if kind == "authorization_code":
            code = self._use_code(form)
            more = {"refresh_token": app.refresh_token} if code.offline else {}
            self._refresh = app.refresh_token if code.offline else self._refresh
        elif not self._refresh or form.get("refresh_token") != self._refresh:
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
        """End every credential; the app has to be let in anew."""
        self._static, self._refresh = "", ""
        self._expiry.clear()

    def _use_code(self, form: Mapping[str, str]) -> _Code:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._now() >= code.until or (code.back and form.get("redirect_uri") != code.back):
            raise LoginRefusal("invalid_code")
        return code

    def _open(self) -> str:
        token = f"1000.{self._rng.getrandbits(128):032x}.{self._rng.getrandbits(128):032x}"
        self._expiry[token] = self._now() + LIFETIME
        while len(self._expiry) > MOST_ACTIVE:  # the oldest dies, whoever still uses it
            self._expiry.popitem(last=False)
        return token
