"""The SDK, tamed: it signs in, writes URLs and pages.

It is given `_Wire` for a session, so that every request goes through ours and every refusal is judged here, before the
SDK's own error classes and its sign-ins without end.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from syncd.contract import ConnectorError, Http, Misconfigured, Transient, answered_at
from syncd_connectors.salesforce.answers import failure_of, listed, login_failure, read_answer
from syncd_connectors.salesforce.settings import SalesforceSettings

if TYPE_CHECKING:
    import requests


class Door:
    """Signs in, once for everybody: whoever finds a session ended waits for the one that renews it."""

    def __init__(self, settings: SalesforceSettings, http: Http) -> None:
        self._settings = settings
        self._wire = _Wire(settings, http)
        self._lock = threading.Lock()
        self._client: Any = None

    def client(self, instead_of: Any = None) -> Any:
        """Give the SDK's client of the present session, or of a new one in place of `instead_of`."""
        with self._lock:
            if self._client is None or self._client is instead_of:
                self._client = self._sign_in()
            return self._client

    def instance(self) -> str:
        """Name the host on which the org lives."""
        return str(self.client().sf_instance)

    def site(self) -> str:
        """Tell where people see the records of this org."""
        return f"https://{self.instance()}"

    def versions(self) -> list[str]:
        """List the versions of the API that the org's instance serves, the oldest first."""
        return self._wire.versions(self.instance())

    @property
    def now(self) -> datetime | None:
        """Tell the time by Salesforce's clock, as the newest answer told it."""
        return self._wire.date

    def _sign_in(self) -> Any:
        from simple_salesforce.api import Salesforce as Client
        from simple_salesforce.login import SalesforceLogin

        settings, jwt = self._settings, self._settings.jwt
        if jwt:
            key = jwt.key.get_secret_value()
            given: dict[str, Any] = {"username": jwt.username, "consumer_key": jwt.client_id, "privatekey": key}
        else:
            secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
            given = {"consumer_key": settings.client_id or "", "consumer_secret": secret}
        session: Any = self._wire
        try:
            token, host = SalesforceLogin(domain=settings.domain, session=session, **given)
        except ConnectorError:
            raise
        except Exception:  # the JWT library's, or the cryptography's below it; their texts may hold the key
            if not jwt:
                raise
            hint = "it must be an RSA key in PEM form, without a passphrase"
            raise Misconfigured("the key cannot sign", yaml_path="jwt.key", hint=hint) from None
        # A client that was given a session cannot renew it by itself. With credentials it would: up to 969 times
        # for one call. And it is built anew, since after a renewal it would go on calling the old instance.
        return Client(session_id=token, instance=host.rstrip("/"), version=settings.api_version, session=session)


class _Wire:
    """Stands in for the SDK's session and sends through ours: one deadline, one count, no .netrc, no redirect."""

    def __init__(self, settings: SalesforceSettings, http: Http) -> None:
        self.proxies: dict[str, str] = {}  # the SDK looks for it
        self.date: datetime | None = None  # of the newest answer, by Salesforce's clock
        self._settings = settings
        self._http = http

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], params: Any = None, json: Any = None, **_: Any
    ) -> _Answer:
        """Send a request of the SDK's; raise whatever is not a 2xx."""
        answer = self._http.request(
            method, self._at(url), headers=headers, params=params, json=json, idempotent=method == "GET"
        )
        self._note(answer)
        if not 200 <= answer.status_code < 300:
            raise failure_of(answer, "jwt" if self._settings.jwt else "client_id")
        return _Answer(status_code=answer.status_code, body=None if answer.status_code == 204 else read_answer(answer))

    def post(self, url: str, data: Mapping[str, str], *, headers: Mapping[str, str] | None = None, **_: Any) -> _Answer:
        """Send a sign-in of the SDK's; raise whatever is not a session."""
        answer = self._http.request("POST", self._at(url), data=data, headers=headers, idempotent=True)
        self._note(answer)
        if answer.status_code != 200:
            raise login_failure(answer, self._settings)
        body = read_answer(answer)
        if not isinstance(body, dict) or not re.fullmatch(r"[\x21-\x7e]+", str(body.get("access_token") or "")):
            raise Transient("Salesforce's answer to the sign-in holds no session")
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", str(body.get("instance_url"))):
            raise Transient("Salesforce's answer to the sign-in names no instance")
        return _Answer(status_code=200, body=body)

    def versions(self, instance: str) -> list[str]:
        """List the versions of the API that an instance serves, the oldest first."""
        answer = self._http.request("GET", self._at(f"https://{instance}/services/data/"), idempotent=True)
        self._note(answer)
        if answer.status_code != 200:
            raise failure_of(answer, "client_id")
        return [str(it.get("version")) for it in listed(read_answer(answer))]

    def _at(self, url: str) -> str:
        # The SDK writes https:// and the org's host; `base_url` may be elsewhere and may have a path of its own.
        return f"{self._settings.base_url}{urlsplit(url).path}" if self._settings.base_url else url

    def _note(self, answer: requests.Response) -> None:
        self.date = answered_at(answer) or self.date


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """As much of an answer as the SDK looks at, read already."""

    status_code: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)  # the SDK's own account of usage; ours is `told`

    def json(self, **_: Any) -> Any:
        return self.body
