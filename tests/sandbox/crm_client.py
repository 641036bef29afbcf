"""A plain client of the sandbox CRM and a clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from syncd.sandbox.crm import Sandbox

BEGINNING = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Clock:
    """The CRM's time and the seconds of its rate limits."""

    def __init__(self) -> None:
        self.at = BEGINNING

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Client:
    """Calls an account over a real socket and knows nothing of the sandbox's inside."""

    def __init__(self, sandbox: Sandbox, account: str = "hubspot") -> None:
        self.base = sandbox.url(account)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {sandbox.token(account)}"

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.session.request(method, self.base + path, json=json, timeout=5, **more)

    def post(self, path: str, json: Any) -> requests.Response:
        return self.call("POST", path, json)

    def upsert(
        self, kind: str, *rows: dict[str, Any], by: str = "referral_id", trace: bool = True
    ) -> requests.Response:
        """Upsert rows given as {"id": ..., property: value, ...}."""
        inputs = []
        for row in rows:
            item = {"id": row["id"], "idProperty": by, "properties": {k: v for k, v in row.items() if k != "id"}}
            inputs.append({**item, "objectWriteTraceId": row["id"]} if trace else item)
        return self.post(f"/crm/objects/2026-09/{kind}/batch/upsert", {"inputs": inputs})

    def contact(self, referral: str, **values: str) -> str:
        """Upsert one contact by its referral id; give its record id."""
        values = {"email": f"{referral}@example.com", **values}
        return str(self.upsert("contacts", {"id": referral, **values}).json()["results"][0]["id"])

    def deal(self, referral: str, **values: str) -> str:
        """Upsert one deal by its referral id; give its record id."""
        values = {"dealname": "Referral", "dealstage": "appointmentscheduled", **values}
        return str(self.upsert("deals", {"id": referral, **values}).json()["results"][0]["id"])

    def read(self, kind: str, *ids: str, **body: Any) -> requests.Response:
        return self.post(f"/crm/objects/2026-09/{kind}/batch/read", {"inputs": [{"id": i} for i in ids], **body})

    def search(self, kind: str, *filters: dict[str, Any], **body: Any) -> requests.Response:
        groups = {"filterGroups": [{"filters": list(filters)}]} if filters else {}
        return self.post(f"/crm/objects/2026-09/{kind}/search", {**groups, **body})

    def found(self, kind: str, *filters: dict[str, Any], **body: Any) -> list[str]:
        """Search and give the ids of the first page."""
        return [it["id"] for it in self.search(kind, *filters, **body).json()["results"]]


def where(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **({} if value is None else {"value": value})}
