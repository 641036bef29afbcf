"""A plain client of the sandbox's Salesforce, over a real socket."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from syncd.sandbox.crm import Sandbox

BASE = "/services/data/v66.0"


class SfClient:
    """Calls an org and knows nothing of the sandbox's inside."""

    def __init__(self, sandbox: Sandbox, account: str = "salesforce") -> None:
        self.base = sandbox.url(account)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {sandbox.token(account)}"

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        """Call a path below the API version, or an absolute one that begins with /services."""
        path = path if path.startswith("/services") else BASE + path
        return self.session.request(method, self.base + path, json=json, timeout=5, **more)

    def rows(self, soql: str, *, all_: bool = False) -> list[dict[str, Any]]:
        """Run a query and give all rows of its pages, without their attributes."""
        answer = self.call("GET", f"/{'queryAll' if all_ else 'query'}?q={quote(soql)}").json()
        found = answer["records"]
        while not answer["done"]:
            answer = self.call("GET", answer["nextRecordsUrl"]).json()
            found += answer["records"]
        return [{name: value for name, value in row.items() if name != "attributes"} for row in found]

    def values(self, soql: str, *, all_: bool = False) -> list[Any]:
        """Run a query for one field and give its values."""
        return [next(iter(row.values())) for row in self.rows(soql, all_=all_)]

    def upsert(self, kind: str, *rows: dict[str, Any], whole: bool = False, **more: Any) -> requests.Response:
        records = [{"attributes": {"type": kind}, **row} for row in rows]
        body = {"allOrNone": whole, "records": records}
        return self.call("PATCH", f"/composite/sobjects/{kind}/Referral_Id__c", body, **more)

    def lead(self, referral: str, **values: Any) -> str:
        """Upsert one lead by its referral id; give its record id."""
        return str(self.upsert("Lead", person(referral, **values)).json()[0]["id"])

    def opportunity(self, referral: str, **values: Any) -> str:
        """Upsert one opportunity by its referral id; give its record id."""
        row = {"Name": "Referral", "StageName": "Prospecting", "CloseDate": "2026-12-24", "Referral_Id__c": referral}
        return str(self.upsert("Opportunity", {**row, **values}).json()[0]["id"])


def person(referral: str, **values: Any) -> dict[str, Any]:
    return {"Referral_Id__c": referral, "LastName": "Ito", "Company": "Acme", **values}


def codes(answer: requests.Response) -> list[str]:
    """Give the error code of each row of a collection, empty for a success."""
    return ["" if row["success"] else row["errors"][0]["statusCode"] for row in answer.json()]


def code(answer: requests.Response) -> tuple[int, str]:
    """Give status and error code of a refused call."""
    return answer.status_code, answer.json()[0]["errorCode"]
