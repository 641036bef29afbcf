"""How the reference connector calls its CRM and judges the answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import requests
from pydantic import SecretStr

from syncd.contract import (
    AccessToken,
    BaseUrl,
    ConnectorError,
    ConnectorSettings,
    Http,
    JsonObject,
    Misconfigured,
    OAuth,
    OAuthSettings,
    Parked,
    Transient,
    Unauthorized,
    WebhookSettings,
    answered_at,
    json_object,
    json_objects,
    parts,
    read_id,
    retry_after,
    status_error,
)

MERGED = "hs_merged_object_ids"
_ABOUT_SETTINGS = re.compile(r"does not exist|non-unique property")


class ReferenceWebhook(WebhookSettings):
    """How messages are proved."""

    secret: SecretStr
    """With it the CRM signs what it sends."""


class ReferenceSettings(ConnectorSettings):
    """How to reach the account."""

    token: SecretStr | None = None
    """A static token."""
    oauth: OAuthSettings | None = None
    """An app, instead of a token."""
    base_url: BaseUrl
    """Where the API is."""
    webhook: ReferenceWebhook | None = None
    """How the CRM proves what it sends."""


class Refused(Misconfigured):
    """A 400 or 409 for a whole request."""


class Asking:
    """The calls of one account."""

    read_size: ClassVar[int] = 50

    def __init__(self, settings: ReferenceSettings, http: Http) -> None:
        self.settings, self.http, self.key = settings, http, settings.push.referral_id

    def read(
        self, kind: str, ids: Sequence[str], properties: Sequence[str] = (), *, by: str = "", past: Sequence[str] = ()
    ) -> tuple[list[JsonObject], set[str]]:
        """Read records by id; give them, and the ids that lead nowhere."""
        records: dict[str, JsonObject] = {}
        missing: set[str] = set()
        for some in parts(ids, self.read_size):
            query: JsonObject = {"inputs": [{"id": it} for it in some], "properties": [*properties, MERGED]}
            query |= {"propertiesWithHistory": [*past]} | ({"idProperty": by} if by else {})
            body = self.post(f"objects/2026-09/{kind}/batch/read", query)
            records |= {it["id"]: it for it in json_objects(body, "results")}
            for error in json_objects(body, "errors", optional=True):
                missing |= set(error["context"]["ids"])
        return list(records.values()), missing

    def linked(self, start: str, end: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """Give what these records are associated with."""
        found: dict[str, list[str]] = {}
        for some in parts(ids, 1_000):
            query = {"inputs": [{"id": it} for it in some]}
            body = self.post(f"associations/2026-09/{start}/{end}/batch/read", query)
            for it in json_objects(body, "results"):
                found[it["from"]["id"]] = [read_id(other["toObjectId"]) for other in it["to"]]
        return found

    def get(self, path: str) -> JsonObject:
        """Send a GET."""
        return self.send("GET", path, None, idempotent=True)

    def post(self, path: str, body: JsonObject, *, idempotent: bool = True) -> JsonObject:
        """Send a POST."""
        return self.send("POST", path, body, idempotent=idempotent)

    def send(self, method: str, path: str, body: JsonObject | None, *, idempotent: bool) -> JsonObject:
        """Send a call and judge its answer; once more with another token, if the vendor ended the one we have."""

        def ask(token: AccessToken) -> requests.Response:
            url = f"{self.place(token)}/crm/{path}"
            return self.http.request(method, url, headers=self.headers(token), json=body, idempotent=idempotent)

        token = self.token()
        answer = ask(token)
        if answer.status_code == 401 and self.settings.oauth:
            answer = ask(self.another(token))
        return self.judge(answer)

    def headers(self, token: AccessToken | None = None) -> Mapping[str, str]:
        """Say who we are."""
        return {"Authorization": f"Bearer {(token or self.token()).text}"}

    @classmethod
    def oauth(cls, settings: ReferenceSettings) -> OAuth | None:
        """Say where tokens are had."""
        if settings.oauth is None:
            return None
        return OAuth(
            app=settings.oauth,
            authorize_url=f"{settings.base_url}/oauth/authorize",
            token_url=f"{settings.base_url}/oauth/2026-09/token",
            scopes=("crm.objects.deals.read",),
        )

    def token(self) -> AccessToken:
        """Give the token for a call."""
        if self.settings.token:
            return AccessToken(text=self.settings.token.get_secret_value())
        return self.http.access_token()

    def another(self, refused: AccessToken) -> AccessToken:
        """Give a token instead of one that was refused."""
        return self.http.access_token(refused)

    def place(self, token: AccessToken) -> str:
        """Tell where the API is: what a token says of it counts only if we knew of that place."""
        return self.settings.base_url

    def judge(self, answer: requests.Response) -> JsonObject:
        """Read an answer, or raise what it means."""
        status = answer.status_code
        if 200 <= status < 300:
            return json_object(answer)
        if status == 429 and json_object(answer).get("policyName") == "DAILY":
            raise self.parked(answer)
        if status in {400, 409}:
            raise self.refused(json_object(answer))
        if status == 401 and self.settings.oauth:
            raise Unauthorized("the CRM refuses a token that is new", yaml_path="oauth")
        if status == 404:
            raise Misconfigured("the API is not at this address", yaml_path="base_url")
        raise status_error(status, f"the CRM answers {status}", retry_after=self.wait(answer)) or AssertionError(status)

    def wait(self, answer: requests.Response) -> float | None:
        """Read how long we are asked to wait."""
        return retry_after(answer)

    def parked(self, answer: requests.Response) -> ConnectorError:
        """Wait an hour by the CRM's clock."""
        at = answered_at(answer)
        return Parked("the day's quota is spent", until=at + timedelta(hours=1)) if at else Transient("no more today")

    def refused(self, body: JsonObject) -> ConnectorError:
        """Tell a refusal for the settings' sake from one for the values'."""
        if _ABOUT_SETTINGS.search(str(body.get("message"))):
            return Misconfigured(f"the property {self.key} is not as it should be", yaml_path="push.referral_id")
        return Refused(self.reason(body), yaml_path="type")

    def reason(self, error: JsonObject) -> str:
        """Say why, without the values that the CRM may repeat."""
        holder = re.search(r"Existing ID: \d+", str(error.get("message")))
        return holder[0] if holder else f"the CRM refuses it ({error.get('category')})"
