"""The client: the SDK writes the requests, and all else is ours; lists are read page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from syncd.contract import (
    AccessToken,
    Http,
    JsonObject,
    Misconfigured,
    OAuth,
    Throttled,
    Transient,
    Unauthorized,
    answered_at,
    is_loopback,
)
from syncd_connectors.pipedrive.answers import Answer, budget_spent, read_answer
from syncd_connectors.pipedrive.records import as_object, rows_of
from syncd_connectors.pipedrive.settings import PipedriveSettings

# No page says how the 429 of a spent day differs; but a burst is over after two seconds.
_NO_BURST, _IN_A_ROW = timedelta(seconds=10), timedelta(minutes=1)

_SCOPES = ("deals:full", "contacts:full", "leads:full", "search:read", "recents:read")


class Client:
    """Asks Pipedrive by the SDK, whose clients for the two versions of the API are `v1` and `v2`."""

    def __init__(self, settings: PipedriveSettings, http: Http, page_size: int) -> None:
        sender = Sender(settings, http)
        self.v1, self.v2 = _sdk(sender, "v1"), _sdk(sender, "v2")
        self.page_size = page_size

    def ask(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Answer:
        """Let the SDK make a call; what is not an answer has been raised by `Sender`."""
        answer: Answer = call(*args, **kwargs)
        return answer

    def pages(
        self, call: Callable[..., Any], query: Mapping[str, str], *, limit: int | None = None
    ) -> Iterator[tuple[list[JsonObject], datetime | None]]:
        """Read a list page by page: its rows, and when they were read by Pipedrive's clock."""
        query = {**query, "limit": str(limit or self.page_size)}
        cursor, seen = "", set[str]()
        while True:
            answer = self.ask(call, params={**query, **({"cursor": cursor} if cursor else {})})
            yield rows_of(answer.body), answer.at
            cursor = str(as_object(answer.body.get("additional_data")).get("next_cursor") or "")
            if not cursor:
                return
            if cursor in seen:
                raise Transient("Pipedrive's list leads back to a page that was shown already")  # or we would never end
            seen.add(cursor)

    def archived(self, kind: Literal["deals", "leads"]) -> Callable[..., Any]:
        """Give the call for the list of what was archived, which the SDK does not know."""
        client = self.v2 if kind == "deals" else self.v1
        return partial(client._get, f"{client.BASE_URL}{kind}/archived")


def _sdk(sender: Sender, version: Literal["v1", "v2"]) -> Any:
    """Give the SDK's client for one version of the API.

    Its own transport writes the token into the URL, waits for ever, follows redirects, and hands an error page on as
    if it were data; so `_request` and `_parse`, through which all its methods go, are replaced.
    """
    from pipedrive.client import Client

    made = Client()
    made.BASE_URL = f"/api/{version}/"  # the host is known when a call is sent: an app is told it with its token
    made._request, made._parse = sender.send, sender.read
    return made


class Sender:
    """Sends what the SDK has written, to the company's own host and with its credential, and judges the answers."""

    def __init__(self, settings: PipedriveSettings, http: Http) -> None:
        self._settings, self._http = settings, http
        self._refused: tuple[datetime, datetime] | None = None  # the first and the last of the 429s in a row

    def send(
        self,
        method: str,
        path: str,
        headers: Any = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Answer:
        """Send a call; an access token that was refused is asked for anew, once."""

        def send(root: str, credential: Mapping[str, str]) -> Answer:
            verb, own = method.upper(), {**credential, "Accept": "application/json"}
            is_read = verb == "GET"
            return self.read(
                self._http.request(verb, f"{root}{path}", params=params, headers=own, json=json, idempotent=is_read)
            )

        if (key := self._settings.api_token) is not None:
            root = self._settings.base_url or f"https://{self._settings.company_domain}.pipedrive.com"
            return send(root, {"x-api-token": key.get_secret_value()})
        token = self._http.access_token()
        try:
            return send(_api(token, self._settings), _bearer(token))
        except Unauthorized:
            token = self._http.access_token(instead_of=token)
            return send(_api(token, self._settings), _bearer(token))

    def read(self, answer: Any) -> Answer:
        """Read an answer, or raise what it means; a burst that does not end is the day's budget, and parks."""
        refused, self._refused = self._refused, None
        try:
            return read_answer(answer, self._settings.credential)
        except Throttled:
            if (at := answered_at(answer)) is None:
                raise
            first, last = refused or (at, at)
            first = first if at - last <= _IN_A_ROW else at
            self._refused = first, at
            if at - first < _NO_BURST:
                raise
            raise budget_spent(answer) from None


def oauth(settings: PipedriveSettings) -> OAuth | None:
    """Say where an app gets its tokens; they live for an hour, and a refresh token for 60 days without use.

    https://pipedrive.readme.io/docs/marketplace-oauth-authorization
    """
    if settings.oauth is None:
        return None
    return OAuth(
        app=settings.oauth,
        authorize_url=f"{settings.oauth_url}/oauth/authorize",
        token_url=f"{settings.oauth_url}/oauth/token",
        # `admin` is for ordering webhooks and for making a field; an app asks for what it was registered with anyway.
        scopes=(*_SCOPES, "admin"),
        basic=True,
        api="api_domain",
    )


def _bearer(token: AccessToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.text}"}


def _api(token: AccessToken, settings: PipedriveSettings) -> str:
    """Give where the API is. The sign-in names it; the token goes there only if that is the company's own place."""
    if settings.base_url:
        return settings.base_url
    host = urlsplit(token.api).hostname or ""
    if is_loopback(host) and is_loopback(urlsplit(settings.oauth_url).hostname or ""):
        return token.api.rstrip("/")
    company = re.fullmatch(r"https://([a-z0-9][a-z0-9-]{0,62})\.pipedrive\.com/?", token.api)
    if not company:
        hint = "sign in anew: syncd connectors auth"
        raise Misconfigured("the sign-in names no address of Pipedrive's", yaml_path="oauth", hint=hint)
    if settings.company_domain not in (None, company[1]):
        hint = f"the app was let into {company[1]}; correct company_domain, or sign in to the other company"
        raise Misconfigured("the sign-in is to another company", yaml_path="company_domain", hint=hint)
    return token.api.rstrip("/")
