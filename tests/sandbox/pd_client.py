"""A plain client of the sandbox's Pipedrive, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from syncd.sandbox.crm import Company, PipedriveSetup, Sandbox
from syncd.sandbox.crm.pipedrive import NO_LIMITS
from tests.sandbox.crm_client import Clock


class PdClient:
    """Calls a company and knows nothing of the sandbox's inside."""

    def __init__(self, sandbox: Sandbox, account: str = "pipedrive") -> None:
        self.base = sandbox.url(account)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["x-api-token"] = sandbox.token(account)

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        """Call a path below the account: /api/v2/..., /v1/... ."""
        return self.session.request(method, self.base + path, json=json, timeout=5, **more)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def data(self, path: str, **query: Any) -> Any:
        """Give what a successful read returns."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def pages(self, path: str, **query: Any) -> list[list[int]]:
        """Read a v2 list to its end and give the ids, page by page."""
        pages: list[list[int]] = []
        cursor: str | None = None
        while True:
            answer = self.get(path, **query, **({"cursor": cursor} if cursor else {})).json()
            pages.append([it["id"] for it in answer["data"]])
            cursor = answer["additional_data"]["next_cursor"]
            if cursor is None:
                return pages

    def key(self, name: str, fields: str = "dealFields") -> str:
        """Give the key of a custom field by its name."""
        [code] = [it["field_code"] for it in self.data(f"/api/v2/{fields}") if it["field_name"] == name]
        return str(code)

    def person(self, referral: str, **values: Any) -> int:
        """Create a person who carries a referral's id; give the record's id."""
        custom = {self.key("Referral ID", "personFields"): referral}
        body = {"name": "Mika Ito", "emails": [{"value": f"{referral}@example.com"}], "custom_fields": custom}
        return int(self.made("/api/v2/persons", {**body, **values})["id"])

    def deal(self, referral: str, **values: Any) -> int:
        """Create a deal that carries a referral's id; give the record's id."""
        body = {"title": "Referral", "custom_fields": {self.key("Referral ID"): referral}}
        return int(self.made("/api/v2/deals", {**body, **values})["id"])

    def lead(self, referral: str, person: int, **values: Any) -> str:
        """Create a lead that carries a referral's id; give the record's id."""
        body = {"title": "Referral", "person_id": person, self.key("Referral ID"): referral}
        return str(self.made("/v1/leads", {**body, **values})["id"])

    def made(self, path: str, body: Any) -> Any:
        """Give what a successful POST returns."""
        answer = self.call("POST", path, body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["data"]


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Give status and text of a refused call."""
    assert answer.json()["success"] is False
    return answer.status_code, answer.json()["error"]


@contextmanager
def opened(clock: Clock, **setup: Any) -> Iterator[tuple[Sandbox, PdClient, Company]]:
    """Open a sandbox with one company, without limits unless the setup has some, whose webhooks wait for a tick."""
    account = PipedriveSetup(**{"limits": NO_LIMITS, "background": False, **setup})
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[account]) as crm:
        yield crm, PdClient(crm), crm.model("pipedrive", Company)
