"""HubSpot's webhooks as an app gets them: events, signed, in batches, and repeated until somebody listens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, Sandbox
from syncd.sandbox.crm.hubspot import HubSpot, WebhookApp
from syncd.sandbox.crm.hubspot.webhooks import signature
from tests.sandbox.crm_client import Clock

URL = "http://127.0.0.1:9/webhooks/crm"


class App:
    """An app of the portal, and what was sent to it."""

    def __init__(self, clock: Clock, **setup: Any) -> None:
        self.code = 200
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        account = HubSpotSetup(
            limits=NO_LIMITS, background=False, post=self._take, webhooks=WebhookApp(gathers=0, **setup)
        )
        self.crm = Sandbox(now=clock.now, clock=clock.seconds, accounts=[account])
        self.crm.tell("hubspot", URL)

    @property
    def model(self) -> CrmModel:
        return self.crm.model()

    def deal(self) -> tuple[str, str]:
        """A contact and a deal of theirs, made by hand; what was told of it is forgotten."""
        contact = self.model.write("contacts", None, {"email": "ann@example.com"}).id
        deal = self.model.open_deal(contact)
        self.events()
        return contact, deal

    def events(self) -> list[dict[str, Any]]:
        """What is sent now."""
        account = self.crm.accounts["hubspot"]
        assert isinstance(account, HubSpot)
        self.requests.clear()
        account.webhooks.hooks.tick()
        return [event for _, body in self.requests for event in json.loads(body)]

    def _take(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        assert (url, timeout) == (URL, 5.0)
        self.requests.append((headers, body))
        return self.code


@pytest.fixture
def app(clock: Clock) -> Iterator[App]:
    app = App(clock)
    with app.crm:
        yield app


def test_a_move_is_an_event_with_all_that_the_vendor_tells(app: App, clock: Clock) -> None:
    _, deal = app.deal()
    clock.move(1)
    app.model.move(deal, "closedwon")

    [event] = app.events()

    assert {name: event[name] for name in event.keys() - {"eventId", "subscriptionId"}} == {
        "portalId": 9_000_001,
        "appId": 1_160_452,
        "occurredAt": int(clock.seconds() * 1000),
        "subscriptionType": "object.propertyChange",
        "objectTypeId": "0-3",
        "objectId": int(deal),
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
        "changeSource": "CRM_UI",
        "attemptNumber": 0,
    }


def test_the_classic_words_name_the_type_in_the_subscription(clock: Clock) -> None:
    app = App(clock, words="classic")
    with app.crm:
        _, deal = app.deal()
        app.model.move(deal, "closedwon")
        app.model.archive("deals", deal)

        told = [(it["subscriptionType"], it.get("objectTypeId")) for it in app.events()]

    assert told == [("deal.propertyChange", None), ("deal.deletion", None)]


def test_a_new_deal_is_told_with_its_contact(app: App) -> None:
    contact = app.model.write("contacts", None, {"email": "ann@example.com"}).id
    deal = app.model.open_deal(contact)

    told = {it["subscriptionType"]: it for it in app.events()}

    assert told["object.creation"]["objectId"] == int(deal)
    linked = told["object.associationChange"]
    assert (linked["fromObjectTypeId"], linked["fromObjectId"]) == ("0-3", int(deal))
    assert (linked["toObjectTypeId"], linked["toObjectId"]) == ("0-1", int(contact))
    assert "objectId" not in linked


def test_bin_and_merge_are_told_of_both_types(app: App) -> None:
    contact, deal = app.deal()
    other = app.model.open_deal(contact)
    app.events()
    app.model.archive("contacts", contact)
    app.model.restore("contacts", contact)
    merged = app.model.merge("deals", deal, other)

    told = [it for it in app.events() if it["subscriptionType"] != "object.propertyChange"]

    assert [(it["subscriptionType"], it["objectTypeId"]) for it in told] == [
        ("object.deletion", "0-1"),
        ("object.restore", "0-1"),
        ("object.merge", "0-3"),
    ]
    names = ("primaryObjectId", "mergedObjectIds", "newObjectId")
    assert [told[-1][it] for it in names] == [int(deal), [int(other)], int(merged)]


def test_what_nobody_subscribed_to_is_not_told(clock: Clock) -> None:
    app = App(clock, subscriptions=frozenset({"deal.deletion"}))
    with app.crm:
        _, deal = app.deal()
        app.model.move(deal, "closedwon")
        app.model.archive("deals", deal)

        assert [it["subscriptionType"] for it in app.events()] == ["object.deletion"]


def test_requests_are_signed_when_they_are_sent(app: App, clock: Clock) -> None:
    _, deal = app.deal()
    app.model.move(deal, "closedwon")
    clock.move(2)
    app.events()
    [(headers, body)] = app.requests
    sent = str(int(clock.seconds() * 1000))
    made = hmac.new(b"sandbox-client-secret", b"POST" + URL.encode() + body + sent.encode(), hashlib.sha256)

    assert headers["X-HubSpot-Request-Timestamp"] == sent
    assert headers["X-HubSpot-Signature-v3"] == base64.b64encode(made.digest()).decode()


def test_the_signature_is_that_of_the_vendors_own_example() -> None:
    secret, url = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "https://www.example.com/webhook_uri"

    made = signature(secret, "POST", url, b"{'example_field':'example_value'}", "1693657560000")

    assert made == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


def test_fewer_than_a_hundred_events_go_in_a_request(app: App) -> None:
    _, deal = app.deal()
    for number in range(150):
        app.model.set_amount(deal, str(number))

    events = app.events()

    assert [len(json.loads(body)) for _, body in app.requests] == [99, 51]
    assert len({it["eventId"] for it in events}) == 150


def test_what_nobody_takes_is_repeated_ten_times_within_a_day(app: App, clock: Clock) -> None:
    _, deal = app.deal()
    app.model.move(deal, "closedwon")
    app.code = 500
    attempts = []
    for _ in range(24 * 60):
        attempts += [it["attemptNumber"] for it in app.events()]
        clock.move(60)

    assert attempts == list(range(11))
    assert app.events() == []


def test_doubles_and_losses_come_on_demand(app: App) -> None:
    _, deal = app.deal()
    mischief = app.crm.mischief("hubspot")
    mischief.doubles = 1
    app.model.move(deal, "closedwon")
    mischief.doubles, mischief.losses = 0, 1
    app.model.move(deal, "closedlost")

    told = Counter((it["eventId"], it["propertyValue"]) for it in app.events())

    assert [(value, number) for (_, value), number in told.items()] == [("closedwon", 2)]


def test_nobody_is_told_before_an_address_is_known(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[HubSpotSetup()]) as crm:
        crm.model().write("contacts", None, {"email": "ann@example.com"})
        account = crm.accounts["hubspot"]

        assert isinstance(account, HubSpot)
        assert account.webhooks.hooks.waiting == 0
        with pytest.raises(ValueError, match="localhost only"):
            crm.tell("hubspot", "https://refer.example.com/webhooks/crm")


def test_a_running_sandbox_sends_by_itself_until_it_stops(clock: Clock) -> None:
    sent = threading.Event()

    def take(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        sent.set()
        return 200

    app = WebhookApp(gathers=0)
    with Sandbox(now=clock.now, accounts=[HubSpotSetup(limits=NO_LIMITS, post=take, webhooks=app)]) as crm:
        crm.tell("hubspot", URL)
        contact = crm.model().write("contacts", None, {"email": "ann@example.com"})
        crm.model().open_deal(contact.id)

        assert sent.wait(10)
    assert [it.name for it in threading.enumerate() if it.name == "sandbox-hooks"] == []
