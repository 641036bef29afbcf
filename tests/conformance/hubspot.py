"""The sandbox's simulated HubSpot as the double that the conformance suite acts on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Delivery, Lead, RemoteId
from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, OAuthApp, lag_between
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.hubspot import HubSpot, WebhookApp
from syncd.sandbox.crm.hubspot.record import Record
from tests.conformance.troubled import TroubledSandbox


class HubSpotDouble:
    """A simulated portal and the connector that is tested on it: HubSpot's own, or one that speaks as it does."""

    text_field = "lastname"
    pipeline = "default"
    open_stages: Sequence[str] = ("appointmentscheduled", "qualifiedtobuy", "contractsent")
    won, lost = "closedwon", "closedlost"
    secrets: Sequence[str] = ("pat-eu1-conformance-7f3c", "5b2c7a10-client-secret", "refresh-91aa")
    webhook_url = "https://refer.example.com/webhooks/crm"

    def __init__(self, connector: type[Connector], *, page_size: int) -> None:
        self.connector = connector
        self.page_size = page_size

    def start(self, now: Callable[[], datetime]) -> str:
        setup = HubSpotSetup(
            token=self.secrets[0],
            app=OAuthApp(client_id="app", client_secret=self.secrets[1], refresh_token=self.secrets[2]),
            limits=NO_LIMITS,
            webhooks=WebhookApp(client_secret=self.secrets[1], gathers=0),
            background=False,
            post=self._post,
        )
        self._crm = TroubledSandbox(setup, now, echo=_echo, is_page=_is_page)
        self._crm.start()
        self._now, self._sent = now, list[Delivery]()
        self._crm.tell("hubspot", "http://127.0.0.1:9/")  # a sandbox sends to this machine; `_post` takes it
        # So that no person's id is a deal's: who takes one for the other is found out.
        nobody = self._model.write("contacts", None, {"firstname": "Nobody"})
        self._model.archive("contacts", nobody.id)
        return self._crm.url()

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        webhook = {"secret": self.secrets[1]}
        return {"name": "crm", "type": "crm", "token": self.secrets[0], "base_url": url, "webhook": webhook}

    def oauth_settings(self, url: str) -> dict[str, Any]:
        app = {"client_id": "app", "client_secret": self.secrets[1], "refresh_token": self.secrets[2]}
        return {"name": "crm", "type": "crm", "oauth": app, "base_url": url}

    # --- what it holds ---

    @property
    def _model(self) -> CrmModel:
        return self._crm.model()

    def persons(self, lead: str) -> list[RemoteId]:
        return [_id(it) for it in self._model.having("contacts", "referral_id", lead) if _is_live(it)]

    def deals(self, lead: str) -> list[RemoteId]:
        return [_id(it) for it in self._model.having("deals", "referral_id", lead) if _is_live(it)]

    def deals_of(self, person: RemoteId) -> list[RemoteId]:
        return [_id(it) for it in self._model.linked(self._record(person))]

    def size(self) -> tuple[int, int]:
        contacts, deals = (self._model.records[kind].values() for kind in ("contacts", "deals"))
        return sum(map(_is_live, contacts)), sum(map(_is_live, deals))

    def stage(self, deal: RemoteId) -> str:
        return self._record(deal).values["dealstage"]

    def value(self, person: RemoteId, field: str) -> str:
        return self._record(person).values.get(field, "")

    def calls(self) -> Calls:
        kinds = {kind: 0 for kind in ("read", "search", "write", "token", "unknown")}
        for _, kind, _, number in self._crm.log.counted():
            kinds[kind] += number
        return Calls(reads=kinds["read"] + kinds["search"], writes=kinds["write"] + kinds["unknown"])

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        return _id(self._model.write("contacts", None, {"email": email}, origin="CRM_UI"))

    def open_deal(self, person: RemoteId) -> RemoteId:
        return RemoteId(type="deal", id=self._model.open_deal(person.id))

    def move(self, deal: RemoteId, stage: str) -> None:
        self._model.move(deal.id, stage)

    def touch(self, deal: RemoteId) -> None:
        self._model.edit("deals", deal.id, description=f"Seen at {self._model.now()}")

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        self._model.edit("deals", deal.id, amount=amount, deal_currency_code=currency)

    def delete(self, record: RemoteId) -> None:
        self._model.archive(self._record(record).type, record.id)

    def restore(self, record: RemoteId) -> None:
        self._model.restore("deals" if record.type == "deal" else "contacts", record.id)

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        return RemoteId(type=kept.type, id=self._model.merge(self._record(kept).type, kept.id, other.id))

    def rename_stage(self, stage: str, label: str) -> None:
        self._model.rename_stage(self.pipeline, stage, label)

    def lag(self, seconds: float) -> None:
        self._model.lag = lag_between(seconds, seconds)

    def unacceptable(self, lead: Lead) -> Lead:
        return replace(lead, person=replace(lead.person, email="zebedee at example.com"))

    # --- what it tells by itself ---

    @property
    def _account(self) -> HubSpot:
        account = self._crm.accounts["hubspot"]
        assert isinstance(account, HubSpot)
        return account

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        self._sent.append(self._signed(body))
        return 204

    def _signed(self, body: bytes) -> Delivery:
        headers = self._account.webhooks.signed(self.webhook_url, body)
        small = {name.lower(): value for name, value in headers.items()}
        return Delivery(method="POST", url=self.webhook_url, headers=small, body=body, at=self._now())

    def messages(self) -> Sequence[Delivery]:
        self._account.webhooks.hooks.tick()
        sent, self._sent = self._sent, []
        return sent

    def forge(self, message: Delivery) -> Sequence[Delivery]:
        return list(forged(message))

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        return self._signed(body)

    def again(self, message: Delivery) -> Delivery:
        events = json.loads(message.body)
        later = [{**event, "attemptNumber": event["attemptNumber"] + 1} for event in events]
        return self.sealed(message, json.dumps(later).encode())

    def strange(self) -> Sequence[Delivery]:
        known = {"eventId": 1, "portalId": 9_000_001, "occurredAt": 1, "attemptNumber": 0, "objectId": 1}
        events: list[dict[str, Any]] = [
            {**known, "subscriptionType": "company.creation"},
            {**known, "subscriptionType": "object.propertyChange", "objectTypeId": "0-48"},
            {**known, "subscriptionType": "deal"},
            {"subscriptionType": "deal.dreamt"},
            {},
        ]
        return [self._signed(json.dumps(part).encode()) for part in ([], *([it] for it in events))]

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        self._crm.begin(trouble, after=after, retry_after=retry_after)

    def mend(self) -> None:
        self._crm.mend()

    def _record(self, remote: RemoteId) -> Record:
        record = self._model.find("deals" if remote.type == "deal" else "contacts", remote.id)
        assert record, f"there is no live {remote.type} {remote.id}"
        return record


def forged(message: Delivery) -> Iterator[Delivery]:
    """What others can make of a message who lack the app's client secret."""
    signature, sent = "x-hubspot-signature-v3", message.headers["x-hubspot-request-timestamp"]
    yield replace(message, headers={name: it for name, it in message.headers.items() if name != signature})
    yield replace(message, headers={name: it for name, it in message.headers.items() if not name.endswith("timestamp")})
    yield replace(message, headers={**message.headers, "x-hubspot-request-timestamp": str(int(sent) + 1)})
    yield replace(message, body=message.body.replace(b"9", b"8"))
    yield replace(message, url=message.url + "?more=1")
    yield replace(message, method="PUT")
    for key in (b"", b"another-client-secret"):
        text = f"POST{message.url}".encode() + message.body + sent.encode()
        made = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        yield replace(message, headers={**message.headers, signature: made})
    for odd in ("", "é", "K36dawei4A", message.headers[signature].lower()):
        yield replace(message, headers={**message.headers, signature: odd})


def _echo(sent: str) -> Reply:
    return Reply(code=400, body={"status": "error", "category": "VALIDATION_ERROR", "message": f"Not valid: {sent}"})


def _is_page(request: Request) -> bool:
    return request.path.endswith("/search")


def _id(record: Record) -> RemoteId:
    return RemoteId(type="deal" if record.type == "deals" else "contact", id=record.id)


def _is_live(record: Record) -> bool:
    return record.archived is None and record.merged_into is None
