"""What a behaviour does with webhooks and OAuth; a part of its world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from syncd.conformance.double import Authorizes, CrmDouble, TakesOrders, Tells, TellsAnything
from syncd.contract import (
    BadDelivery,
    Connector,
    ConnectorSettings,
    Delivery,
    ManagesWebhooks,
    OAuth,
    Poke,
    ReceivesWebhooks,
    Subscription,
    UsesOAuth,
)

if TYPE_CHECKING:
    from syncd.conformance.probe import Probe

LACKING = "nothing here can {}; if the CRM cannot, exempt this behaviour and say so"
ADDRESS = "https://syncd.example.com/webhooks/crm"


class Listening:
    """A world in which the CRM tells of changes, and in which tokens are had."""

    crm: CrmDouble
    connector: Connector
    http: Probe
    url: str
    section: Callable[[str], dict[str, Any]]

    if TYPE_CHECKING:

        def open(self) -> Connector: ...

        def settings(self) -> ConnectorSettings: ...

    # --- webhooks in ---

    def telling(self) -> Tells:
        """Give the double as one that sends webhooks."""
        assert isinstance(self.crm, Tells), LACKING.format("send webhooks")
        return self.crm

    def telling_anything(self) -> TellsAnything:
        """Give the double as one that can send whatever it is asked to."""
        assert isinstance(self.crm, TellsAnything), LACKING.format("send webhooks on demand")
        return self.crm

    @property
    def webhook_url(self) -> str:
        """Give our address, of which the double is told if it knows of none."""
        crm = self.telling()
        crm.webhook_url = crm.webhook_url or ADDRESS
        return crm.webhook_url

    def listen(self) -> None:
        """Open the connector as one that the CRM tells of changes; forget what was told so far."""
        url = self.webhook_url
        self.connector = self.open()
        if isinstance(self.connector, ManagesWebhooks):
            self.connector.subscribe(url)
        self.telling().messages()

    def told(self) -> list[Delivery]:
        """Take what the CRM has sent, which must be something."""
        messages = list(self.telling().messages())
        assert messages, "the CRM tells nothing; if it tells nothing of this, exempt this behaviour and say so"
        return messages

    def hear(self, *messages: Delivery) -> list[Poke]:
        """Have the connector read messages, one by one; a message that is not taken raises `BadDelivery`."""
        assert isinstance(self.connector, ReceivesWebhooks), LACKING.format("receive webhooks")
        pokes: list[Poke] = []
        for message in messages:
            try:
                pokes += self.connector.read_webhook(message)
            except BadDelivery:
                raise
            except Exception as error:
                raise AssertionError(f"a message ended with {type(error).__name__}: {error}"[:300]) from error
        return pokes

    def hear_or_refuse(self, message: Delivery) -> list[Poke]:
        """Have the connector read a message; give the pokes, and none if it is refused."""
        try:
            return self.hear(message)
        except BadDelivery:
            return []

    def refusal(self, message: Delivery) -> str | None:
        """Tell why the connector refuses a message; None if it takes it."""
        try:
            self.hear(message)
        except BadDelivery as error:
            return error.reason
        return None

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        """Give a message another body, and the CRM's proof of it."""
        return self.telling_anything().sealed(message, body)

    # --- subscriptions ---

    def taking_orders(self) -> TakesOrders:
        """Give the double as one in which webhooks are ordered."""
        assert isinstance(self.crm, TakesOrders), LACKING.format("take orders for webhooks")
        return self.crm

    def managing(self) -> ManagesWebhooks:
        """Give the connector as one that orders its webhooks."""
        assert isinstance(self.connector, ManagesWebhooks), LACKING.format("order webhooks")
        return self.connector

    def subscribe(self) -> Subscription:
        """Have the connector see to it that it is told of changes."""
        return self.managing().subscribe(self.webhook_url)

    def subscribe_first(self) -> Subscription:
        """Open a connector on an account that tells us nothing yet, and subscribe."""
        url = self.webhook_url
        self.connector = self.open()
        self.taking_orders().cancel(url)
        return self.subscribe()

    def unsubscribe(self) -> None:
        """Have nothing told to us any more."""
        self.managing().unsubscribe(self.webhook_url)

    # --- OAuth ---

    def authorize(self) -> OAuth:
        """Open the connector as one that comes with OAuth; give where its tokens are had."""
        kind = self.crm.connector
        assert isinstance(kind, UsesOAuth), LACKING.format("get tokens by OAuth")
        self.section = self.crm.oauth_settings if isinstance(self.crm, Authorizes) else self.crm.settings
        oauth = kind.oauth(self.settings())
        assert oauth is not None, LACKING.format("get tokens by OAuth with these settings")
        self.http.urls.clear()
        self.connector = self.open()
        return oauth

    def token_calls(self, oauth: OAuth) -> int:
        """Count how often a token was asked for."""
        return sum(url.partition("?")[0] == oauth.token_url for url in self.http.urls)


def texts(pokes: Sequence[Poke]) -> list[str]:
    """Give every text of pokes that is kept."""
    records = [it for poke in pokes for ref in poke.refs for it in (ref.person, ref.deal) if it]
    return [*(poke.id for poke in pokes), *(name for it in records for name in (it.type, it.id))]
