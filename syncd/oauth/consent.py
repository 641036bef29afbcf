"""An admin's consent: the page on which it is given, and the code that comes back from there (RFC 6749, 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from syncd.contract import Http, Misconfigured, OAuth
from syncd.oauth.tokens import Given, ask


def _chance() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """One attempt to have an admin consent; good for one code."""

    oauth: OAuth
    redirect_url: str
    state: str = field(default_factory=_chance, repr=False)
    verifier: str = field(default_factory=_chance, repr=False)

    @property
    def url(self) -> str:
        """The page to open; whoever consents there is sent to `redirect_url`."""
        wanted = {
            "response_type": "code",
            "client_id": self.oauth.app.client_id,
            "redirect_uri": self.redirect_url,
            "scope": self.oauth.scope_separator.join(self.oauth.scopes),
            "state": self.state,
            **self.oauth.parameters,
        }
        if self.oauth.pkce:
            digest = hashlib.sha256(self.verifier.encode()).digest()
            wanted["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            wanted["code_challenge_method"] = "S256"
        return f"{self.oauth.authorize_url}?{urlencode({key: value for key, value in wanted.items() if value})}"

    def is_mine(self, parameters: Mapping[str, str]) -> bool:
        """Tell whether what came to `redirect_url` answers this attempt, and not a forged or an older one."""
        return secrets.compare_digest(parameters.get("state", "").encode(), self.state.encode())

    def trade(self, code: str, http: Http, now: datetime) -> Given:
        """Trade the code for tokens. Raises as `tokens.ask` does, and `Misconfigured` without a refresh token."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_url}
        if self.oauth.pkce:
            form["code_verifier"] = self.verifier
        given = ask(self.oauth, http, form, now)
        if given.refresh is None:
            told = "the vendor gave an access token alone, which would end within the hour"
            raise Misconfigured(told, yaml_path="oauth", hint="let the app ask for offline access and refresh tokens")
        return given
