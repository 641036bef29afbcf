"""The sandbox's simulated Salesforce as the double that the conformance suite acts on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Delivery, Lead, RemoteId
from syncd.sandbox.crm import Org, SalesforceSetup, lag_between
from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.salesforce import ClientApp, OutboundMessages
from syncd.sandbox.crm.salesforce import Salesforce as Account
from syncd_connectors.salesforce import Salesforce
from tests.conformance.troubled import TroubledSandbox

NAME = "salesforce"
ACK = b"<notificationsResponse><Ack>true</Ack></notificationsResponse>"


class SalesforceDouble:
    """A simulated org in which friends become contacts with opportunities."""

    connector: type[Connector] = Salesforce
    page_size = 200
    text_field = "Title"
    pipeline = "Opportunity"
    open_stages: Sequence[str] = ("Prospecting", "Qualification", "Needs Analysis")
    won, lost = "Closed Won", "Closed Lost"
    secrets: Sequence[str] = ("consumer-secret-7f3c", "path-secret-0123456789")
    webhook_url = f"https://refer.example.com/webhooks/crm/{secrets[1]}"

    def start(self, now: Callable[[], datetime]) -> str:
        app = ClientApp(client_secret=self.secrets[0])
        setup = SalesforceSetup(
            name=NAME,
            app=app,
            currencies=True,
            page=self.page_size,
            outbound=OutboundMessages(gathers=0),
            background=False,
            post=self._post,
        )
        self._crm = _Sandbox(setup, now, echo=_echo, is_page=lambda request: "/query" in request.path)
        self._crm.start()
        self._now, self._sent = now, list[Delivery]()
        self._crm.tell(NAME, "http://127.0.0.1:9/")  # a sandbox sends to this machine; `_post` takes it
        return self._crm.url(NAME)

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        return {
            "name": "crm",
            "type": NAME,
            "domain": "acme.my",
            "client_id": "sandbox-client",
            "client_secret": self.secrets[0],
            "base_url": url,
            "push": {"as": "contact_opportunity"},
            "webhook": {"path_secret": self.secrets[1], "organization_id": self._org.id},
        }

    # --- what it holds ---

    @property
    def _org(self) -> Org:
        return self._crm.model(NAME, Org)

    def persons(self, lead: str) -> list[RemoteId]:
        return self._carrying("Contact", lead)

    def deals(self, lead: str) -> list[RemoteId]:
        return self._carrying("Opportunity", lead)

    def _carrying(self, kind: str, lead: str) -> list[RemoteId]:
        return [RemoteId(type=kind, id=it.id) for it in self._org.holding(kind, "Referral_Id__c", lead)]

    def deals_of(self, person: RemoteId) -> list[RemoteId]:
        roles = self._org.under("OpportunityContactRole", "ContactId", person.id)
        return [RemoteId(type="Opportunity", id=it.text("OpportunityId")) for it in roles]

    def size(self) -> tuple[int, int]:
        people, deals = (self._org.rows[kind].values() for kind in ("Contact", "Opportunity"))
        return sum(not it.deleted for it in people), sum(not it.deleted for it in deals)

    def stage(self, deal: RemoteId) -> str:
        return self._org.live(deal.id).text("StageName")

    def value(self, person: RemoteId, field: str) -> str:
        return self._org.live(person.id).text(field)

    def calls(self) -> Calls:
        kinds: Counter[str] = Counter()
        for _, kind, _, number in self._crm.log.counted():
            kinds["write" if kind in {"write", "unknown"} else "read"] += number  # a sign-in changes no record
        return Calls(reads=kinds["read"], writes=kinds["write"])

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        values = {"LastName": "Somebody", "Email": email}
        return RemoteId(type="Contact", id=self._org.save("Contact", None, values, self._org.commit_by_hand()).id)

    def open_deal(self, person: RemoteId) -> RemoteId:
        return RemoteId(type="Opportunity", id=self._org.open_deal(person.id))

    def move(self, deal: RemoteId, stage: str) -> None:
        self._org.move(deal.id, stage)

    def touch(self, deal: RemoteId) -> None:
        self._org.edit(deal.id, Description=f"Seen at {self._org.now()}")

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        self._org.edit(deal.id, Amount=amount, CurrencyIsoCode=currency)

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

    @property
    def _account(self) -> Account:
        account = self._crm.accounts[NAME]
        assert isinstance(account, Account)
        return account

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> tuple[int, bytes]:
        self._sent.append(self._delivery(body))
        return 200, ACK

    def _delivery(self, body: bytes) -> Delivery:
        headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
        secret, url = self.secrets[1], self.webhook_url
        return Delivery(method="POST", url=url, secret=secret, headers=headers, body=body, at=self._now())

    def messages(self) -> Sequence[Delivery]:
        self._account.outbound.hooks.tick()
        sent, self._sent = self._sent, []
        return sent

    def forge(self, message: Delivery) -> Sequence[Delivery]:
        bare = message.url.removesuffix(f"/{message.secret}")
        guesses = ("path-secret-0123456788", message.secret[:-1], message.secret.upper(), "é")
        return [
            replace(message, url=bare, secret=""),
            *(replace(message, url=f"{bare}/{it}", secret=it) for it in guesses),
            replace(message, body=message.body.replace(self._org.id.encode(), b"00D000000000001AAA")),
            replace(message, body=message.body.replace(self._org.id.encode(), b"")),
        ]

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        return replace(message, body=body)

    def again(self, message: Delivery) -> Delivery:
        return message  # nothing of it tells the attempt

    def strange(self) -> Sequence[Delivery]:
        told = b"<Notification><Id>04l000000000001AAA</Id>%s</Notification>"
        account = b"<sObject><Id>001000000000001AAA</Id></sObject>"
        return [self._message(b""), *(self._message(told % it) for it in (account, b"<sObject/>", b""))]

    def _message(self, notifications: bytes) -> Delivery:
        return self._delivery(self._account.outbound.envelope([notifications]))

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        self._crm.begin(trouble, after=after, retry_after=retry_after)

    def mend(self) -> None:
        self._crm.mend()


class _Sandbox(TroubledSandbox):
    """Says 403 where others say 429."""

    def begin(self, trouble: Trouble, *, after: int, retry_after: int | None) -> None:
        """Let every call but the next `after` ones go wrong."""
        super().begin(trouble, after=after, retry_after=retry_after)
        limits = {Trouble.THROTTLE: "ConcurrentRequests", Trouble.DAILY_LIMIT: "TotalRequests"}
        if self._fault and trouble in limits:
            self._fault = replace(self._fault, code=403, policy=limits[trouble])


def _echo(sent: str) -> Reply:
    return Reply(code=400, body=[{"errorCode": "MALFORMED_QUERY", "message": f"Not valid: {sent}"}])
