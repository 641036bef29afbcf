"""The reference connector's CRM: the simulated HubSpot, with webhooks of a form of its own that are ordered by API."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.conformance import Calls
from syncd.contract import Connector, Delivery, RemoteId, to_ms
from syncd.sandbox.crm import NO_LIMITS, Fault, HubSpotSetup
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.hubspot import OAuthApp
from tests.conformance.hearing import signature
from tests.conformance.hubspot import HubSpotDouble
from tests.conformance.troubled import TroubledSandbox

ORDERS = "/hubspot/webhooks"
APP = OAuthApp(client_id="app", client_secret="app-secret-7f3c", refresh_token="refresh-7f3c", rotates=True)


@dataclass(kw_only=True)
class Orders:
    """The subscriptions of an account, and what is to be told."""

    now: Callable[[], datetime]
    live: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> URL and end, in milliseconds
    events: list[dict[str, str]] = field(default_factory=list)
    made: int = 0
    happened: int = 0
    calls: dict[str, int] = field(default_factory=lambda: {"GET": 0, "POST": 0})

    def urls(self) -> list[str]:
        """Give the URLs of the subscriptions that have not ended."""
        return [url for url, until in self.live.values() if until > to_ms(self.now())]

    def add(self, url: str, until: int) -> None:
        """Take an order."""
        self.made += 1
        self.live[str(self.made)] = url, until

    def answer(self, request: Request) -> Reply:
        """Answer a call: list them, take an order, or cancel one."""
        self.calls[request.method] += 1
        if request.method == "POST":
            asked = json.loads(request.body)
            if "cancel" in asked:
                self.live.pop(asked["cancel"], None)
            else:
                self.add(asked["url"], asked["until"])
            return Reply(code=200, body={})
        now = to_ms(self.now())
        live = [{"id": id_, "url": url, "until": end} for id_, (url, end) in self.live.items() if end > now]
        return Reply(code=200, body={"now": now, "results": live})


class Account(TroubledSandbox):
    """An account that takes orders beside all else."""

    orders: Orders

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Answer as the account does."""
        if request.path == ORDERS:
            return self.orders.answer(request), None
        return super().answer(request)


class ReferenceDouble(HubSpotDouble):
    """A portal that signs what it sends with its address, its time and its bytes."""

    secrets: Sequence[str] = ("pat-eu1-conformance-7f3c", "webhook-secret-7f3c", APP.client_secret, APP.refresh_token)

    def __init__(self, connector: type[Connector]) -> None:
        super().__init__(connector, page_size=getattr(connector, "page_size", 5))
        self.webhook_url = ""

    def start(self, now: Callable[[], datetime]) -> str:
        setup = HubSpotSetup(token=self.secrets[0], limits=NO_LIMITS, app=APP)
        self._crm = Account(setup, now, echo=_echo, is_page=lambda request: request.path.endswith("/search"))
        self._crm.orders = self._orders = Orders(now=now)
        self._crm.start()
        nobody = self._model.write("contacts", None, {"firstname": "Nobody"})
        self._model.archive("contacts", nobody.id)
        return self._crm.url()

    def settings(self, url: str) -> dict[str, Any]:
        section = {"name": "crm", "type": "crm", "token": self.secrets[0], "base_url": url}
        return section | ({"webhook": {"secret": self.secrets[1]}} if self.webhook_url else {})

    def oauth_settings(self, url: str) -> dict[str, Any]:
        app = {"client_id": APP.client_id, "client_secret": APP.client_secret, "refresh_token": APP.refresh_token}
        return {**self.settings(url), "token": None, "oauth": app}

    def calls(self) -> Calls:
        calls, orders = super().calls(), self._orders.calls
        tokens = sum(number for _, kind, _, number in self._crm.log.counted() if kind == "token")
        return Calls(reads=calls.reads + tokens + orders["GET"], writes=calls.writes + orders["POST"])

    # --- what it tells ---

    def move(self, deal: RemoteId, stage: str) -> None:
        super().move(deal, stage)
        self._happened("changed", deal)

    def delete(self, record: RemoteId) -> None:
        super().delete(record)
        self._happened("deleted", record)

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        survivor = super().merge(kept, other)
        self._happened("merged", other)
        return survivor

    def _happened(self, what: str, record: RemoteId) -> None:
        orders = self._orders
        orders.happened += 1
        if orders.urls():
            number = str(orders.happened)
            orders.events.append({"number": number, "kind": record.type, "id": record.id, "what": what})

    def messages(self) -> list[Delivery]:
        events, self._orders.events = self._orders.events, []
        body = json.dumps({"attempt": 0, "events": events}).encode()
        return [self._message(url, body) for url in self._orders.urls() if events]

    def forge(self, message: Delivery) -> list[Delivery]:
        time, signed = message.headers["x-crm-time"], message.headers["x-crm-signature"]
        guesses = ("", signed[:-1], signed[::-1], signature("", message, time))
        headers = [{"x-crm-time": time, "x-crm-signature": guess} for guess in guesses]
        headers += [{"x-crm-time": time}, {"x-crm-time": str(int(time) + 1), "x-crm-signature": signed}]
        return [replace(message, headers=it) for it in headers]

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        return self._message(message.url, body)

    def again(self, message: Delivery) -> Delivery:
        return self._message(message.url, message.body.replace(b'"attempt": 0', b'"attempt": 3'))

    def strange(self) -> list[Delivery]:
        kinds = [("deal", "admired"), ("spaceship", "changed"), ("", ""), ("deals", "changed")]
        events = [{"number": "1", "kind": kind, "id": "7", "what": what} for kind, what in kinds]
        return [self._message(self.webhook_url, json.dumps({"events": it}).encode()) for it in ([], events)]

    def _message(self, url: str, body: bytes) -> Delivery:
        at = self._orders.now()
        bare = Delivery(method="POST", url=url, headers={}, body=body, at=at)
        time = str(to_ms(at))
        return replace(bare, headers={"x-crm-time": time, "x-crm-signature": signature(self.secrets[1], bare, time)})

    # --- who else orders ---

    def subscriptions(self) -> list[str]:
        return self._orders.urls()

    def order(self, url: str) -> None:
        self._orders.add(url, 10**14)

    def cancel(self, url: str) -> None:
        self._orders.live = {id_: it for id_, it in self._orders.live.items() if it[0] != url}


def _echo(sent: str) -> Reply:
    return Reply(code=400, body={"status": "error", "category": "VALIDATION_ERROR", "message": f"Not valid: {sent}"})
