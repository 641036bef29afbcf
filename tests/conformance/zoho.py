"""The sandbox's simulated Zoho CRM as the double that the conformance suite acts on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Delivery, Lead, RemoteId
from syncd.sandbox.crm import Fault, ZohoOrg, ZohoSetup, lag_between
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.zoho import ZohoApp
from syncd.sandbox.crm.zoho.account import ZohoAccount
from syncd.sandbox.crm.zoho.channels import Channel, Channels
from syncd_connectors.zoho import Zoho
from syncd_connectors.zoho.webhooks import channel_of
from tests.conformance.sent import Sent, far, near
from tests.conformance.troubled import TroubledSandbox

NAME = "zoho"


class ZohoDouble:
    """A simulated account in which friends become contacts with deals."""

    connector: type[Connector] = Zoho
    page_size = 200
    text_field = "Title"
    pipeline = "Standard (Standard)"
    open_stages: Sequence[str] = ("Qualification", "Needs Analysis", "Value Proposition")
    won, lost = "Closed Won", "Closed Lost"
    secrets: Sequence[str] = ("client-secret-7f3c", "1000.refresh-7f3c", "channel-token-7f3c", "path-secret-7f3c-9a41")
    webhook_url = f"https://localhost:9/webhooks/crm/{secrets[3]}"

    def start(self, now: Callable[[], datetime]) -> str:
        self._sent = Sent(now)
        app = ZohoApp(client_secret=self.secrets[0], refresh_token=self.secrets[1])
        setup = ZohoSetup(name=NAME, app=app, credits=None, background=False, post=self._sent)
        self._crm = _Sandbox(setup, now, echo=_echo, is_page=lambda request: request.path.endswith("/coql"))
        self._crm.start()
        return self._crm.url(NAME)

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        client, (secret, refresh) = ZohoApp().client_id, self.secrets[:2]
        return {
            "name": "crm",
            "type": NAME,
            "data_center": "eu",
            "oauth": {"client_id": client, "client_secret": secret, "refresh_token": refresh},
            "accounts_url": url,
            "base_url": url,
            "push": {"as": "deal"},
            "webhook": {"token": self.secrets[2], "path_secret": self.secrets[3]},
        }

    # --- what it holds ---

    @property
    def _org(self) -> ZohoOrg:
        return self._crm.model(NAME, ZohoOrg)

    def persons(self, lead: str) -> list[RemoteId]:
        return self._where("Contacts", "Referral_ID", lead)

    def deals(self, lead: str) -> list[RemoteId]:
        return self._where("Deals", "Referral_ID", lead)

    def deals_of(self, person: RemoteId) -> list[RemoteId]:
        return self._where("Deals", "Contact_Name", person.id)

    def _where(self, kind: str, field: str, value: str) -> list[RemoteId]:
        records = self._org.records[kind].values()
        return [RemoteId(type=kind, id=it.id) for it in records if not it.gone and it.text(field) == value]

    def size(self) -> tuple[int, int]:
        people, deals = (self._org.records[kind].values() for kind in ("Contacts", "Deals"))
        return sum(not it.gone for it in people), sum(not it.gone for it in deals)

    def stage(self, deal: RemoteId) -> str:
        return self._org.live(deal.id).text("Stage")

    def value(self, person: RemoteId, field: str) -> str:
        return self._org.live(person.id).text(field)

    def calls(self) -> Calls:
        kinds: Counter[str] = Counter()
        for _, kind, _, number in self._crm.log.counted():
            kinds["write" if kind in {"write", "unknown"} else "read"] += number  # a sign-in changes no record
        return Calls(reads=kinds["read"], writes=kinds["write"])

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        return RemoteId(type="Contacts", id=self._org.create("Contacts", Last_Name="Somebody", Email=email))

    def open_deal(self, person: RemoteId) -> RemoteId:
        return RemoteId(type="Deals", id=self._org.open_deal(person.id))

    def move(self, deal: RemoteId, stage: str) -> None:
        self._org.move(deal.id, stage)

    def touch(self, deal: RemoteId) -> None:
        self._org.edit(deal.id, Description=f"Seen at {self._org.now()}")

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        self._org.edit(deal.id, Amount=float(amount))

    def delete(self, record: RemoteId) -> None:
        self._org.archive(record.type, record.id)

    def restore(self, record: RemoteId) -> None:
        self._org.restore(record.type, record.id)

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        return RemoteId(type=kept.type, id=self._org.merge(kept.type, kept.id, other.id))

    def rename_stage(self, stage: str, label: str) -> None:
        self._org.rename_stage(stage, label)

    def lag(self, seconds: float) -> None:
        self._org.lag = lag_between(seconds, seconds)

    def unacceptable(self, lead: Lead) -> Lead:
        return replace(lead, person=replace(lead.person, email="zebedee at example.com"))

    # --- what it tells by itself ---

    def messages(self) -> Sequence[Delivery]:
        self._channels.hooks.tick()
        return self._sent.taken()

    def forge(self, message: Delivery) -> Sequence[Delivery]:
        tokens = ["", self.secrets[2][:-1], f"{self.secrets[2]}\u00e9", "\ud800", None, 7, [self.secrets[2]]]
        forged = [_other(message, token=it) for it in tokens]
        return [*forged, _other(message, channel_id="1"), replace(message, secret="")]

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        sealed, own = replace(message, body=body), json.loads(message.body)
        proof = {"token": own["token"], "channel_id": own["channel_id"]}
        try:
            is_proved = proof.items() <= json.loads(body).items()
            return sealed if is_proved else _other(sealed, **proof)
        except (ValueError, TypeError, AttributeError, RecursionError):  # there is no place for a proof in it
            return sealed

    def again(self, message: Delivery) -> Delivery:
        return message

    def strange(self) -> Sequence[Delivery]:
        said = {"server_time": 1, "module": "Deals", "operation": "update", "ids": ["1"], "affected_fields": []}
        proof = {"channel_id": channel_of(self.webhook_url), "token": self.secrets[2]}
        message = Delivery(
            method="POST",
            url=self.webhook_url,
            secret=self.secrets[3],
            headers={},
            body=json.dumps(said | proof).encode(),
            at=self._org.now(),
        )
        kinds: Sequence[dict[str, Any]] = (
            {"module": "Accounts"},
            {"module": "Spaceships"},
            {"operation": "levitate"},
            {"ids": []},
        )
        return [_other(message, **it) for it in kinds]

    def subscriptions(self) -> Sequence[str]:
        return [far(it.url) for it in self._channels.listed()]

    def order(self, url: str) -> None:
        expiry = self._org.now() + timedelta(days=7)
        self._channels.put(Channel(id="1001", url=near(url), events=frozenset({"Deals.all"}), expiry=expiry))

    def cancel(self, url: str) -> None:
        for it in self._channels.listed():
            if far(it.url) == url:
                self._channels.close(it.id)

    @property
    def _channels(self) -> Channels:
        account = self._crm.accounts[NAME]
        assert isinstance(account, ZohoAccount)
        return account.channels

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        self._crm.begin(trouble, after=after, retry_after=retry_after)

    def mend(self) -> None:
        self._crm.mend()


class _Sandbox(TroubledSandbox):
    """Says how many credits are left when they are spent: the refusal itself does not tell one limit from the other."""

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Answer as the account does, or as the trouble has it."""
        reply, fault = super().answer(request)
        if self._trouble is Trouble.DAILY_LIMIT and reply.code == 429:
            reply = replace(reply, headers={**reply.headers, "X-API-CREDITS-REMAINING": "0"})
        return reply, fault


def _other(message: Delivery, **said: Any) -> Delivery:
    return replace(message, body=json.dumps({**json.loads(message.body), **said}).encode())


def _echo(sent: str) -> Reply:
    body = {"code": "INVALID_DATA", "details": {}, "message": f"Not valid: {sent}", "status": "error"}
    return Reply(code=400, body=body)
