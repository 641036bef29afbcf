"""A plain client of the sandbox's Zoho CRM, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from syncd.sandbox.crm import Sandbox, ZohoOrg, ZohoSetup
from syncd.sandbox.crm.zoho import Zoho
from tests.sandbox.crm_client import Clock

BASE = "/crm/v8"


class ZoClient:
    """Calls an account. `crm` and `org` are the sandbox from its inside, for those who test it."""

    def __init__(self, sandbox: Sandbox, account: str = "zoho") -> None:
        self.crm = sandbox
        self.org = sandbox.model(account, ZohoOrg)
        self.base = sandbox.url(account)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Zoho-oauthtoken {sandbox.token(account)}"

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        """Call a path below the API version."""
        return self.session.request(method, self.base + BASE + path, json=json, timeout=5, **more)

    @property
    def account(self) -> Zoho:
        """Give the account with its channels and credentials."""
        found = self.crm.accounts["zoho"]
        assert isinstance(found, Zoho)
        return found

    def login(self, **form: str) -> requests.Response:
        """Ask for an access token; what is not said is right."""
        usual = {
            "grant_type": "refresh_token",
            "client_id": "1000.SANDBOX",
            "client_secret": "sandbox-secret",
            "refresh_token": "1000.sandbox.refresh",
        }
        url = f"{self.base}/oauth/v2/token"
        return requests.post(url, data={**usual, **form}, timeout=5)

    def use(self, token: str) -> None:
        """Call with this token from now on."""
        self.session.headers["Authorization"] = f"Zoho-oauthtoken {token}"

    def upsert(self, module: str, *rows: Any, **more: Any) -> requests.Response:
        """Upsert by the referral id."""
        body = {"data": list(rows), "duplicate_check_fields": ["Referral_ID"], "trigger": [], **more}
        return self.call("POST", f"/{module}/upsert", body)

    def lead(self, referral: str, **values: Any) -> str:
        """Upsert one lead by its referral id; give its record id."""
        return str(self.upsert("Leads", person(referral, **values)).json()["data"][0]["details"]["id"])

    def deal(self, referral: str | None = None, **values: Any) -> str:
        """Make a deal; give its id."""
        row = {"Deal_Name": "A deal", "Stage": "Qualification", "Referral_ID": referral, **values}
        return str(self.call("POST", "/Deals", {"data": [row]}).json()["data"][0]["details"]["id"])

    def coql(self, query: str) -> requests.Response:
        """Run a query."""
        return self.call("POST", "/coql", {"select_query": query})

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Run a query and give its rows."""
        answer = self.coql(query)
        return [] if answer.status_code == 204 else list(answer.json()["data"])


@contextmanager
def opened(clock: Clock, **setup: Any) -> Iterator[ZoClient]:
    """Run a sandbox with one account, whose notifications go out when a test says so."""
    accounts = [ZohoSetup(**{"background": False, **setup})]
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=accounts) as crm:
        yield ZoClient(crm)


def person(referral: str, **values: Any) -> dict[str, Any]:
    return {"Referral_ID": referral, "Last_Name": "Ito", "Company": "Acme", **values}


def code(answer: requests.Response) -> tuple[int, str]:
    """Give status and error code of a refused call."""
    return answer.status_code, answer.json()["code"]


def codes(answer: requests.Response) -> list[str]:
    """Give the code of each record of a write."""
    return [row["code"] for row in answer.json()["data"]]
