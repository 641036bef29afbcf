"""Where an admin consents to an app, and the codes that come of it.

https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlencode, urlsplit

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot.refusal import invalid

CODE_LIFETIME = timedelta(minutes=10)
"""No page tells for how long a code is good."""

_KNOWN = {"client_id", "redirect_uri", "scope", "optional_scope", "state"}
_MOST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """What an admin consented to."""

    redirect_uri: str
    scopes: frozenset[str]
    until: datetime = field(repr=False)


class Consent:
    """An admin who consents at once, or says no where `gives` is False. Not locked itself."""

    def __init__(self, *, now: Callable[[], datetime], client_id: str, rng: Random) -> None:
        self.gives = True
        self._now = now
        self._client_id = client_id
        self._rng = rng
        self._codes: dict[str, Code] = {}

    def page(self, query: Mapping[str, Sequence[str]]) -> Reply:
        """Lead back to the app with a code, or with what the admin said instead. What is wrong leads nowhere."""
        if unknown := sorted(name for name, given in query.items() if name not in _KNOWN or len(given) > 1):
            raise invalid(f"the sandbox does not know this parameter, or not twice: {unknown[0]}")
        asked = {name: given[0] for name, given in query.items()}
        back, scopes = asked.get("redirect_uri", ""), frozenset(asked.get("scope", "").split())
        if asked.get("client_id") != self._client_id:
            raise invalid("We couldn't find an app with this client id")
        if urlsplit(back).hostname not in {"127.0.0.1", "localhost"}:
            raise invalid("The redirect URL doesn't match: the sandbox leads to this machine only")
        if not scopes:
            raise invalid("The app asks for no scope")
        state = {"state": asked["state"]} if "state" in asked else {}
        answer = {"code": self._code(back, scopes)} if self.gives else _refused()
        return Reply(code=302, headers={"Location": f"{back}?{urlencode({**answer, **state})}"})

    def redeem(self, code: str, redirect_uri: str) -> Code | None:
        """Take a code once; None for one that is unknown, used, too old, or of another redirect URL."""
        found = self._codes.pop(code, None)
        fits = found is not None and found.redirect_uri == redirect_uri and self._now() < found.until
        return found if fits else None

    def _code(self, back: str, scopes: frozenset[str]) -> str:
        while len(self._codes) >= _MOST:
            self._codes.pop(next(iter(self._codes)))
        code = f"sandbox-code-{self._rng.getrandbits(64):016x}"
        self._codes[code] = Code(redirect_uri=back, scopes=scopes, until=self._now() + CODE_LIFETIME)
        return code


def _refused() -> dict[str, str]:
    return {"error": "access_denied", "error_description": "the admin did not consent"}
