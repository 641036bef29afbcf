"""Who may call: sessions by client credentials or by a signed assertion.

https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm and
https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import unquote

from syncd.sandbox.crm.salesforce import assertion
from syncd.sandbox.crm.salesforce.refusal import LoginRefusal, Refusal

_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEPT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientApp:
    """An external client app of the org, and the user as whom it works."""

    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    username: str = "integration@example.com"
    public_key: str = ""  # PEM; without it, or without the package cryptography, a signature is not verified


class Sessions:
    """The sessions of one org. Not locked itself. Like the vendor's, they end when they lie idle for `lifetime`."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        static: str,
        app: ClientApp | None,
        lifetime: timedelta,
        instance_url: str,
        identity: str,
        rng: Random,
    ) -> None:
        self._now = now
        self._static = static
        self._app = app
        self._lifetime = lifetime
        self._instance_url = instance_url
        self._identity = identity
        self._rng = rng
        self._expiry: OrderedDict[str, datetime] = OrderedDict()

    def check(self, authorization: str) -> None:
        """Refuse a call without a valid session, and keep a valid one alive."""
        token = _bearer(authorization)
        expiry = self._expiry.get(token)
        if expiry is not None and self._now() < expiry:
            self._expiry[token] = self._now() + self._lifetime
        elif not token or token != self._static:
            raise Refusal("INVALID_SESSION_ID", "Session expired or invalid", status=401)

    def grant(self, form: Mapping[str, str]) -> dict[str, str]:
        """Open a session for who proves to be the app."""
        kind = form.get("grant_type", "")
        if kind not in {"client_credentials", _JWT}:
            raise LoginRefusal("unsupported_grant_type", "grant type not supported")
        app = self._app
        if kind == _JWT:
            audience = {"https://login.salesforce.com", "https://test.salesforce.com", self._instance_url}
            known = (app.client_id, app.username, app.public_key) if app else ("", "", "")
            assertion.check(form.get("assertion", ""), *known, audience, self._now())
        elif app is None or form.get("client_id") != app.client_id:
            raise LoginRefusal("invalid_client_id", "client identifier invalid")
        elif form.get("client_secret") != app.client_secret:
            raise LoginRefusal("invalid_client", "invalid client credentials")
        return self._open()

    def expire(self, authorization: str) -> None:
        """Let the session of this header expire now; the static one is withdrawn."""
        token = _bearer(authorization)
        self._expiry.pop(token, None)
        if token == self._static:
            self._static = ""

    def revoke(self) -> None:
        """End every session and forget the app."""
        self._static, self._app = "", None
        self._expiry.clear()

    def _open(self) -> dict[str, str]:
        now = self._now()
        token = f"{self._identity.split('/')[-2][:15]}!sandbox.{self._rng.getrandbits(128):032x}"
        self._expiry[token] = now + self._lifetime
        while len(self._expiry) > _KEPT:
            self._expiry.popitem(last=False)
        return {
            "access_token": token,
            "signature": base64.b64encode(self._rng.randbytes(32)).decode(),
            "scope": "api",
            "instance_url": self._instance_url,
            "id": self._identity,
            "token_type": "Bearer",
            "issued_at": str(int(now.timestamp() * 1000)),
        }


def basic_credentials(authorization: str) -> dict[str, str]:
    """Read client id and secret from a header as RFC 6749 allows it; nothing if there is none."""
    kind, _, text = authorization.partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        client, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        raise LoginRefusal("invalid_request", "the credentials could not be read") from None
    return {"client_id": unquote(client), "client_secret": unquote(secret)}


def _bearer(authorization: str) -> str:
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() in {"bearer", "oauth"} else ""
