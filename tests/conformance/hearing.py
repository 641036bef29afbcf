"""How the reference connector takes what the CRM sends by itself, and how it orders that."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from syncd.contract import (
    Acknowledgement,
    BadDelivery,
    Delivery,
    JsonObject,
    Poke,
    Subscription,
    json_objects,
    read_id,
    read_json,
    read_time,
    same_secret,
)
from tests.conformance.telling import Telling, ref

WINDOW = timedelta(minutes=5)
OF_INTEREST = frozenset({"changed", "deleted", "merged"})
LIFE = timedelta(days=7)


def signature(secret: str, delivery: Delivery, time: str) -> str:
    """Sign a message with its address and its time."""
    text = b"\n".join([delivery.url.encode("utf-8", "surrogateescape"), time.encode(), delivery.body])
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class Hearing(Telling):
    """Messages in, pokes out; and subscriptions that last a week."""

    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement()

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove a message, then read it."""
        self.prove(delivery)
        self.date(delivery)
        return [self.poke(it) for it in self.read_events(delivery) if self.is_of_interest(it)]

    def prove(self, delivery: Delivery) -> None:
        """Want the signature over the bytes, the address and the time."""
        assert self.settings.webhook is not None
        headers, secret = delivery.headers, self.settings.webhook.secret.get_secret_value()
        time = headers.get("x-crm-time", "")
        if not (time.isdecimal() and time.isascii() and len(time) < 15):
            raise BadDelivery("forged", "the message has no time")
        if not same_secret(headers.get("x-crm-signature", ""), signature(secret, delivery, time)):
            raise BadDelivery("forged", "the signature does not fit")

    def date(self, delivery: Delivery) -> None:
        """Want a message of now."""
        if abs(delivery.at - read_time(delivery.headers["x-crm-time"])) > WINDOW:
            raise BadDelivery("stale", "the message is too old, or from the future")

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        """Read the events, each of them an object."""
        try:
            events = read_json(delivery.body)["events"]
        except (LookupError, TypeError):
            raise BadDelivery("unreadable", "the message is not the JSON that it should be") from None
        if not isinstance(events, list) or not all(isinstance(it, dict) for it in events):
            raise BadDelivery("unreadable", "the message holds no list of events")
        return events

    def is_of_interest(self, event: JsonObject) -> bool:
        """Tell whether an event is about a deal, and of a kind that we know."""
        return event.get("kind") == "deal" and event.get("what") in tuple(OF_INTEREST)

    def poke(self, event: JsonObject) -> Poke:
        """Name the deal; the number of the attempt is no part of what tells messages apart."""
        number, deal = event.get("number"), event.get("id")
        if not (_is_number(number) and _is_number(deal)):
            raise BadDelivery("unreadable", "an event lacks its number, or names no deal")
        return Poke(id=self.name(event), refs=(ref(deal=read_id(deal)),))

    def name(self, event: JsonObject) -> str:
        """Give what is the same for every attempt."""
        return f"{event['number']}:{event['id']}"

    # --- ordering them ---

    def subscribe(self, url: str) -> Subscription:
        """Order messages to this URL, unless they are ordered and have half of their time before them."""
        now, found = self.subscriptions()
        ours = [it for it in found if self.is_ours(it, url)]
        if ours and not self.is_due(max(it["until"] for it in ours) - now):
            return Subscription(until=read_time(max(it["until"] for it in ours)))
        self.cancel(ours)
        until = now + LIFE // timedelta(milliseconds=1)
        self.http.request("POST", self.orders(), json={"url": url, "until": until})
        return Subscription(until=read_time(until), done="renewed" if ours else "created")

    def is_ours(self, subscription: JsonObject, url: str) -> bool:
        """Tell whether a subscription leads to this URL."""
        return bool(subscription["url"] == url)

    def is_due(self, left: int) -> bool:
        """Tell whether so many milliseconds are too few to go on with."""
        return left <= LIFE / timedelta(milliseconds=1) / 2

    def unsubscribe(self, url: str) -> None:
        """End what leads to this URL."""
        self.cancel([it for it in self.subscriptions()[1] if self.is_ours(it, url)])

    def cancel(self, subscriptions: Sequence[JsonObject]) -> None:
        """End these subscriptions."""
        for it in subscriptions:
            self.http.request("POST", self.orders(), json={"cancel": it["id"]})

    def subscriptions(self) -> tuple[int, list[JsonObject]]:
        """Give the CRM's time and everybody's subscriptions."""
        body = self.judge(self.http.request("GET", self.orders()))
        return body["now"], json_objects(body, "results")

    def orders(self) -> str:
        """Give the address at which webhooks are ordered."""
        return f"{self.settings.base_url}/webhooks"


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 30
