"""Asking a vendor's token endpoint, and judging what it answers: by whether there is a token in it, never by status."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd.contract import (
    ConnectorError,
    Http,
    Misconfigured,
    OAuth,
    Parked,
    Throttled,
    Transient,
    Unauthorized,
    retry_after,
)

if TYPE_CHECKING:
    import requests

TOO_MANY = timedelta(minutes=10)  # Zoho's window: https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html
_LONGEST = timedelta(days=365)
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # what a header can hold

# What vendors call the end of a grant. "BAD_..." and access_denied are HubSpot's, invalid_code is Zoho's.
_OVER = {
    "access_denied",
    "bad_auth_code",
    "bad_hub",
    "bad_refresh_token",
    "expired_authorization_code",
    "inactive_user",
    "invalid_code",
    "invalid_grant",
}
_NOT_OUR_APP = {
    "bad_client_id": "client_id",
    "bad_client_secret": "client_secret",
    "invalid_client": "client_id",
    "invalid_client_credentials": "client_secret",
    "invalid_client_id": "client_id",
    "invalid_client_secret": "client_secret",
    "unauthorized_client": "client_id",
}
_NOT_AS_REGISTERED = {"bad_redirect_uri", "invalid_redirect_uri", "redirect_uri_mismatch"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a token endpoint gave."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)  # a new one; None where the old one goes on
    until: datetime  # when the access token ends
    api: str  # where the API is, as the answer says; "" where it does not


def ask(oauth: OAuth, http: Http, form: dict[str, str], now: datetime) -> Given:
    """Trade a code or a refresh token for an access token.

    Raises `Unauthorized` when what was traded in is good for nothing any more, `Misconfigured` when the app is not
    what the vendor has on record, `Parked` and `Transient` when a later attempt may succeed.
    """
    id, secret = oauth.app.client_id, oauth.app.client_secret.get_secret_value()
    headers = {"Accept": "application/json"}
    if oauth.basic:
        headers["Authorization"] = f"Basic {base64.b64encode(f'{id}:{secret}'.encode()).decode()}"
    else:
        form = {**form, "client_id": id, "client_secret": secret}
    return judged(http.request("POST", oauth.token_url, headers=headers, data=form), oauth, now)


def judged(answer: requests.Response, oauth: OAuth, now: datetime) -> Given:
    """Take the tokens out of an answer to what was asked at `now`, or raise what it means instead."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    access = body.get("access_token")
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise _refusal(answer, body, now)
    refresh, api = body.get("refresh_token"), body.get(oauth.api or "")
    return Given(
        access=access,
        refresh=refresh if isinstance(refresh, str) and refresh else None,
        until=now + _lifetime(body.get("expires_in"), oauth),
        api=api if isinstance(api, str) else "",
    )


def _lifetime(told: object, oauth: OAuth) -> timedelta:
    seconds = str(told)
    if not re.fullmatch(r"[0-9]{1,12}", seconds) or int(seconds) == 0:
        return oauth.lifetime
    return min(timedelta(seconds=int(seconds)), _LONGEST)


def _refusal(answer: requests.Response, body: dict[str, Any], now: datetime) -> ConnectorError:
    """Say what an answer without a token means. Of the vendor's words only those that we know are shown."""
    said = {word.lower() for key in ("error", "status", "message") if isinstance(word := body.get(key), str)}
    if "access denied" in said:  # Zoho's word, in a 200, for too many tokens; HubSpot's has an underscore
        return Parked("the vendor gives no further access token for now", until=now + TOO_MANY)
    if answer.status_code == 429:
        return Throttled("the token endpoint was asked too often", retry_after=retry_after(answer))
    if app := sorted(said & _NOT_OUR_APP.keys()):
        hint = "compare it with the app that is registered with the vendor"
        return Misconfigured(f"the vendor says {app[0]}", yaml_path=f"oauth.{_NOT_OUR_APP[app[0]]}", hint=hint)
    if moved := sorted(said & _NOT_AS_REGISTERED):
        hint = "register the redirect URL with the app, letter by letter"
        return Misconfigured(f"the vendor says {moved[0]}", yaml_path="oauth", hint=hint)
    if "invalid_scope" in said:
        hint = "give the app the scopes that docs/oauth.md names"
        return Misconfigured("the vendor says invalid_scope", yaml_path="oauth", hint=hint)
    if over := sorted(said & _OVER):
        return Unauthorized(f"the vendor says {over[0]}: the consent was revoked or has ended", yaml_path="oauth")
    if any(word.startswith("invalid grant") for word in said):  # Pipedrive's message, where it stands alone
        return Unauthorized("the vendor says invalid_grant: the consent was revoked or has ended", yaml_path="oauth")
    told = f"the token endpoint answered with status {answer.status_code} and no access token"
    return Transient(told, retry_after=retry_after(answer))
