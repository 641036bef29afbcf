"""The sandbox's simulated Zoho CRM as the double that the conformance suite acts on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Lead, RemoteId
from syncd.sandbox.crm import Fault, ZohoOrg, ZohoSetup, lag_between
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.zoho import ZohoApp
from syncd_connectors.zoho import Zoho
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
    secrets: Sequence[str] = ("client-secret-7f3c", "1000.refresh-7f3c")

    def start(self, now: Callable[[], datetime]) -> str:
        app = ZohoApp(client_secret=self.secrets[0], refresh_token=self.secrets[1])
        setup = ZohoSetup(name=NAME, app=app, credits=None)
        self._crm = _Sandbox(setup, now, echo=_echo, is_page=lambda request: request.path.endswith("/coql"))
        self._crm.start()
        return self._crm.url(NAME)

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        client, (secret, refresh) = ZohoApp().client_id, self.secrets
        return {
            "name": "crm",
            "type": NAME,
            "data_center": "eu",
            "oauth": {"client_id": client, "client_secret": secret, "refresh_token": refresh},
            "accounts_url": url,
            "base_url": url,
            "push": {"as": "deal"},
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

    def rename_stage(self, stage: str, label: str) -> None:
        self._org.rename_stage(stage, label)

    def lag(self, seconds: float) -> None:
        self._org.lag = lag_between(seconds, seconds)

    def unacceptable(self, lead: Lead) -> Lead:
        return replace(lead, person=replace(lead.person, email="zebedee at example.com"))

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


def _echo(sent: str) -> Reply:
    body = {"code": "INVALID_DATA", "details": {}, "message": f"Not valid: {sent}", "status": "error"}
    return Reply(code=400, body=body)
