"""How the reference connector calls its CRM and judges the answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import requests
from pydantic import SecretStr

from syncd.contract import (
    BaseUrl,
    ConnectorError,
    ConnectorSettings,
    Http,
    JsonObject,
    Misconfigured,
    Parked,
    Transient,
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


class ReferenceSettings(ConnectorSettings):
    """How to reach the account."""

    token: SecretStr
    """A static token."""
    base_url: BaseUrl
    """Where the API is."""


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
        """Send a call and judge its answer."""
        url = f"{self.settings.base_url}/crm/{path}"
        return self.judge(self.http.request(method, url, headers=self.headers(), json=body, idempotent=idempotent))

    def headers(self) -> Mapping[str, str]:
        """Say who we are."""
        return {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}

    def judge(self, answer: requests.Response) -> JsonObject:
        """Read an answer, or raise what it means."""
        status = answer.status_code
        if 200 <= status < 300:
            return json_object(answer)
        if status == 429 and json_object(answer).get("policyName") == "DAILY":
            raise self.parked(answer)
        if status in {400, 409}:
            raise self.refused(json_object(answer))
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
