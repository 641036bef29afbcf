"""The sandbox's simulated Pipedrive as the double that the conformance suite acts on."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Delivery, Lead, RemoteId
from syncd.sandbox.crm import Company, PipedriveSetup, lag_between
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.pipedrive import NO_LIMITS, REFERRAL_ID, OAuthApp
from syncd.sandbox.crm.pipedrive.call import PipedriveAccount
from syncd.sandbox.crm.pipedrive.schema import Kind
from syncd.sandbox.crm.pipedrive.webhooks import Webhooks
from syncd_connectors.pipedrive import Pipedrive
from tests.conformance.sent import Sent, far, near
from tests.conformance.troubled import TroubledSandbox

NAME = "pipedrive"


class SmallPages(Pipedrive):
    """The connector with shorter lists than the vendor's 500, or a few pages would be thousands of calls."""

    page_size: ClassVar[int] = 20


class PipedriveDouble:
    """A simulated company in which friends become persons with deals."""

    connector: type[Connector] = SmallPages
    page_size = SmallPages.page_size
    text_field = "Referred by"
    pipeline = "1"
    open_stages: Sequence[str] = ("1", "2", "3")
    won, lost = "won", "lost"
    secrets: Sequence[str] = (
        "api-token-conformance-7f3c",
        "client-secret-7f3c",
        "refresh-token-7f3c",
        "webhook-password-7f3c",
        "path-secret-7f3c-9a41",
    )
    webhook_url = f"https://localhost:9/webhooks/crm/{secrets[4]}"

    def start(self, now: Callable[[], datetime]) -> str:
        self._sent = Sent(now)
        app = OAuthApp(client_id="app", client_secret=self.secrets[1], refresh_token=self.secrets[2])
        setup = PipedriveSetup(
            name=NAME, token=self.secrets[0], app=app, limits=NO_LIMITS, background=False, post=self._sent
        )
        self._crm = _Sandbox(setup, now, echo=_echo, is_page=_is_page)
        self._crm.start()
        # So that no person's id is a deal's: who takes one for the other is found out.
        self.company.archive("person", self.company.meet("Nobody"))
        return self._crm.url(NAME)

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        return {
            "name": "crm",
            "type": NAME,
            "company_domain": "acme",
            "api_token": self.secrets[0],
            "base_url": url,
            "push": {"as": "deal"},
            "webhook": {"user": "syncd", "password": self.secrets[3], "path_secret": self.secrets[4]},
        }

    def oauth_settings(self, url: str) -> dict[str, Any]:
        section = {key: value for key, value in self.settings(url).items() if key != "api_token"}
        app = {"client_id": "app", "client_secret": self.secrets[1], "refresh_token": self.secrets[2]}
        return {**section, "oauth": app, "oauth_url": url}

    # --- what it holds ---

    @property
    def company(self) -> Company:
        """Give the records, for what is particular about this vendor."""
        return self._crm.model(NAME, Company)

    def persons(self, lead: str) -> list[RemoteId]:
        return self._carrying("person", lead)

    def deals(self, lead: str) -> list[RemoteId]:
        return self._carrying("deal", lead)

    def _carrying(self, kind: Kind, lead: str) -> list[RemoteId]:
        key = self.company.schema.key(kind, REFERRAL_ID)
        return [RemoteId(type=kind, id=it.id) for it in self.company.listed(kind) if it.custom.get(key) == lead]

    def deals_of(self, person: RemoteId) -> list[RemoteId]:
        deals = self.company.listed("deal")
        return [RemoteId(type="deal", id=it.id) for it in deals if str(it.values.get("person_id")) == person.id]

    def size(self) -> tuple[int, int]:
        return len(self.company.listed("person")), len(self.company.listed("deal"))

    def stage(self, deal: RemoteId) -> str:
        values = self.company.live("deal", deal.id).values
        return str(values["stage_id"] if values["status"] == "open" else values["status"])

    def value(self, person: RemoteId, field: str) -> str:
        key = self.company.schema.key("person", field)
        return str(self.company.live("person", person.id).custom.get(key, ""))

    def calls(self) -> Calls:
        kinds: Counter[str] = Counter()
        for _, kind, _, number in self._crm.log.counted():
            kinds["write" if kind in {"write", "unknown"} else "read"] += number  # a sign-in changes no record
        return Calls(reads=kinds["read"], writes=kinds["write"])

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        return RemoteId(type="person", id=self.company.meet("Somebody", email))

    def open_deal(self, person: RemoteId) -> RemoteId:
        return RemoteId(type="deal", id=self.company.open_deal(person.id))

    def move(self, deal: RemoteId, stage: str) -> None:
        self.company.move(deal.id, stage)

    def touch(self, deal: RemoteId) -> None:
        self.company.edit("deal", deal.id, title=f"Seen at {self.company.now()}")

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        self.company.edit("deal", deal.id, value=float(amount), currency=currency)

    def delete(self, record: RemoteId) -> None:
        self.company.archive(_kind(record), record.id)

    def restore(self, record: RemoteId) -> None:
        self.company.restore(_kind(record), record.id)

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        return RemoteId(type=kept.type, id=self.company.merge(_kind(kept), kept.id, other.id))

    def rename_stage(self, stage: str, label: str) -> None:
        self.company.rename_stage(stage, label)

    def lag(self, seconds: float) -> None:
        self.company.lag = lag_between(seconds, seconds)

    def unacceptable(self, lead: Lead) -> Lead:
        return replace(lead, person=replace(lead.person, last_name="x" * 300))

    # --- what it tells by itself ---

    def messages(self) -> Sequence[Delivery]:
        self._webhooks.hooks.tick()
        return self._sent.taken()

    def forge(self, message: Delivery) -> Sequence[Delivery]:
        password = self.secrets[3]
        pairs = ["syncd:", f"syncd:{password[:-1]}", f"admin:{password}", password, f"syncd:{password}\u00e9", ":", ""]
        proofs = [f"Basic {base64.b64encode(it.encode()).decode()}" for it in pairs]
        proofs += ["", "Basic", "Basic \u00e9", f"Basic syncd:{password}", message.headers["authorization"][6:]]
        forged = [replace(message, headers={**message.headers, "authorization": it}) for it in proofs]
        nameless = {name: value for name, value in message.headers.items() if name != "authorization"}
        return [*forged, replace(message, headers=nameless), replace(message, secret="")]

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        return replace(message, body=body)

    def again(self, message: Delivery) -> Delivery:
        return self._other(message, attempt=2)

    def strange(self) -> Sequence[Delivery]:
        meta = {"id": "b1", "version": "2.0", "action": "change", "entity": "deal", "entity_id": "1"}
        proof = base64.b64encode(f"syncd:{self.secrets[3]}".encode()).decode()
        message = Delivery(
            method="POST",
            url=self.webhook_url,
            secret=self.secrets[4],
            headers={"authorization": f"Basic {proof}"},
            body=json.dumps({"meta": meta, "data": {}, "previous": {}}).encode(),
            at=self.company.now(),
        )
        kinds = (
            {"entity": "note"},
            {"entity": "spaceship"},
            {"entity": "person"},
            {"entity": "lead", "action": "create"},
        )
        return [self._other(message, **it) for it in kinds]

    def _other(self, message: Delivery, **meta: Any) -> Delivery:
        said = json.loads(message.body)
        return replace(message, body=json.dumps({**said, "meta": {**said["meta"], **meta}}).encode())

    def subscriptions(self) -> Sequence[str]:
        return [far(it.url) for it in self._webhooks.listed()]

    def order(self, url: str) -> None:
        user = self.company.user.id
        self._webhooks.create(name="theirs", url=near(url), action="*", entity="*", user=user, auth_user="them")

    def cancel(self, url: str) -> None:
        for it in self._webhooks.listed():
            if far(it.url) == url:
                self._webhooks.delete(it.id)

    @property
    def _webhooks(self) -> Webhooks:
        account = self._crm.accounts[NAME]
        assert isinstance(account, PipedriveAccount)
        return account.webhooks

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        self._crm.begin(trouble, after=after, retry_after=retry_after)

    def mend(self) -> None:
        self._crm.mend()


class _Sandbox(TroubledSandbox):
    """Names the day's budget as this vendor's dialect does."""

    def begin(self, trouble: Trouble, *, after: int, retry_after: int | None) -> None:
        """Let every call but the next `after` ones go wrong."""
        super().begin(trouble, after=after, retry_after=retry_after)
        if self._fault and trouble is Trouble.DAILY_LIMIT:
            self._fault = replace(self._fault, policy="daily")


def _echo(sent: str) -> Reply:
    return Reply(code=400, body={"success": False, "error": f"Validation failed: {sent}", "data": None})


def _is_page(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/deals")


def _kind(record: RemoteId) -> Kind:
    return "person" if record.type == "person" else "deal"
