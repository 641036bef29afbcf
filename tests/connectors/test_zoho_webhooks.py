"""Zoho's notifications: what proves one, what it names, and how the channel is kept open; and what calls cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from pydantic import ValidationError

from syncd.conformance.probe import Clock
from syncd.contract import (
    AccessToken,
    BadDelivery,
    Delivery,
    Misconfigured,
    Poke,
    Quota,
    RemoteId,
    RemoteRef,
    StageFact,
    Subscription,
    Told,
    Transient,
)
from syncd.http import Session
from syncd.oauth import equip
from syncd.sandbox.crm import Sandbox, ZohoOrg, ZohoSetup
from syncd.sandbox.crm.zoho import Zoho as Account
from syncd_connectors.zoho import Zoho
from syncd_connectors.zoho.webhooks import channel_of, read
from tests.conformance.sent import Sent
from tests.connectors.zoho_leads import lead, settings

TOKEN, PATH = "a-token-of-24-letters-...", "a-path-secret-of-26-letters"
URL = f"http://127.0.0.1:9/webhooks/zoho/{PATH}"
WEBHOOK = {"token": TOKEN, "path_secret": PATH}
DEAL, LEAD = RemoteId(type="Deals", id="410888000300003"), RemoteId(type="Leads", id="410888000300001")

# --- what proves one, and what it names ---


def delivery(clock: Clock, *, secret: str = PATH, url: str = URL, **said: Any) -> Delivery:
    usual = {"server_time": 1, "module": "Deals", "operation": "update", "ids": [DEAL.id], "affected_fields": []}
    proof = {"channel_id": channel_of(URL), "token": TOKEN}
    body = json.dumps(usual | proof | said).encode()
    return Delivery(method="POST", url=url, secret=secret, headers={}, body=body, at=clock())


def pokes(message: Delivery) -> list[Poke]:
    webhook = settings(webhook=WEBHOOK).webhook
    assert webhook
    return read(message, webhook)


@pytest.mark.parametrize(
    "said",
    [
        {"token": None},
        {"token": ""},
        {"token": f"{TOKEN}x"},
        {"token": "é"},
        {"token": "\ud800"},
        {"token": [TOKEN]},
        {"channel_id": "1001"},
        {"channel_id": None},
        {"secret": ""},
        {"secret": f"{PATH}x"},
        {"url": URL.replace("zoho", "zoho-2")},
    ],
)
def test_what_does_not_repeat_the_token_of_our_channel_at_our_address_is_forged(
    clock: Clock, said: dict[str, Any]
) -> None:
    with pytest.raises(BadDelivery) as caught:
        pokes(delivery(clock, **said))

    assert caught.value.reason == "forged"


def test_a_channel_may_be_told_as_a_number(clock: Clock) -> None:
    assert pokes(delivery(clock, channel_id=int(channel_of(URL))))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("Deals", RemoteRef(deal=DEAL)),
        ("Contacts", RemoteRef(person=RemoteId(type="Contacts", id=DEAL.id))),
        ("Leads", RemoteRef(person=replace(LEAD, id=DEAL.id), deal=replace(LEAD, id=DEAL.id))),
    ],
)
@pytest.mark.parametrize("operation", ["insert", "update", "delete"])
def test_a_record_is_named_in_the_parts_that_it_plays(
    clock: Clock, module: str, operation: str, expected: RemoteRef
) -> None:
    [poke] = pokes(delivery(clock, module=module, operation=operation))

    assert poke.refs == (expected,)


def test_every_record_of_a_message_is_named_and_what_is_no_id_is_left_out(clock: Clock) -> None:
    ids = [str(410_888_000_300_000 + number) for number in range(100)]

    [poke] = pokes(delivery(clock, ids=[*ids, 7, None, "x", "1" * 20, {"id": "8"}, "²"]))

    assert [ref.deal.id for ref in poke.refs if ref.deal] == [*ids, "7"]


@pytest.mark.parametrize("said", [{"ids": None}, {"ids": ["1"] * 1_001}, {"module": 7}, {"operation": None}])
def test_a_message_of_another_form_is_unreadable(clock: Clock, said: dict[str, Any]) -> None:
    with pytest.raises(BadDelivery) as caught:
        pokes(delivery(clock, **said))

    assert caught.value.reason == "unreadable"


def test_a_message_is_known_again_by_what_it_says_and_when(clock: Clock) -> None:
    """Zoho gives it no id."""
    first, again, *others = (
        pokes(delivery(clock, **said))[0].id
        for said in (
            {},
            {"query_params": {}, "resource_uri": "https://www.zohoapis.eu/crm/v2/Deals"},
            {"server_time": 2},
            {"operation": "insert"},
            {"ids": ["7"]},
            {"module": "Contacts"},
        )
    )

    assert first == again
    assert len({first, *others}) == 5


@pytest.mark.parametrize("token", ["", "short", "x" * 51, "a token with blanks in it"])
def test_a_token_that_zoho_or_nobody_would_take_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(ValidationError):
        settings(webhook={"token": token})


# --- the channel, in the simulated account ---


class Channel:
    """A simulated account and a connector on it that keeps a channel."""

    def __init__(self, crm: Sandbox, clock: Clock, http: Session, sent: Sent) -> None:
        self.crm, self.clock, self.http, self.sent = crm, clock, http, sent
        self.org = crm.model("zoho", ZohoOrg)
        account = crm.accounts["zoho"]
        assert isinstance(account, Account)
        self.account = account
        self.connector = self.opened()

    def opened(self, **given: Any) -> Zoho:
        url = self.crm.url("zoho")
        known = settings(**{"accounts_url": url, "base_url": url, "webhook": WEBHOOK} | given)
        equip(self.http, Zoho, known, now=self.clock)
        return Zoho.open(known, self.http)

    def subscribe(self, **given: Any) -> Subscription:
        return (self.opened(**given) if given else self.connector).subscribe(URL)

    def entries(self) -> list[dict[str, Any]]:
        """Give what Zoho says of all channels."""
        bearer = {"Authorization": f"Zoho-oauthtoken {self.crm.token('zoho')}"}
        answer = requests.get(f"{self.crm.url('zoho')}/crm/v8/actions/watch", headers=bearer, timeout=5)
        return [] if answer.status_code == 204 else list(answer.json()["watch"])

    def told(self) -> list[RemoteRef]:
        """Give the records that Zoho has told of since the last time."""
        self.account.channels.hooks.tick()
        messages = [replace(it, secret=PATH) for it in self.sent.taken()]
        return [ref for it in messages for poke in self.connector.read_webhook(it) for ref in poke.refs]

    def calls(self) -> int:
        return len(self.crm.log.listed())


@pytest.fixture
def channel(clock: Clock, http: Session) -> Iterator[Channel]:
    sent = Sent(clock)
    setup = ZohoSetup(background=False, post=sent)
    with Sandbox(now=clock, clock=lambda: clock().timestamp(), accounts=[setup]) as crm:
        yield Channel(crm, clock, http, sent)


def test_a_channel_lasts_nearly_a_week_of_zohos_clock(channel: Channel) -> None:
    subscription = channel.subscribe()

    assert subscription == Subscription(until=channel.clock() + timedelta(days=6, hours=20), done="opened a channel")


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("lead", ["Contacts.delete", "Deals.create", "Deals.delete", "Deals.edit", "Leads.delete", "Leads.edit"]),
        ("deal", ["Contacts.delete", "Deals.create", "Deals.delete", "Deals.edit"]),
    ],
)
def test_no_more_is_told_than_is_of_interest(channel: Channel, kind: str, events: list[str]) -> None:
    channel.subscribe(**{"as": kind})

    entries = channel.entries()
    assert sorted(event for it in entries for event in it["events"]) == events
    assert {it["notify_on_related_action"] for it in entries} == {False}
    assert {it["token"] for it in entries} == {TOKEN}


def test_a_channel_that_is_well_costs_one_call_and_changes_nothing(channel: Channel) -> None:
    until = channel.subscribe().until
    before = channel.calls()
    channel.clock.forward(minutes=50)

    assert (channel.subscribe(), channel.calls() - before) == (Subscription(until=until), 1)


def test_a_channel_is_renewed_when_half_of_its_time_is_over(channel: Channel) -> None:
    first = channel.subscribe().until
    assert first
    channel.clock.forward(days=3, hours=10)

    renewed = channel.subscribe()

    assert (renewed.until, renewed.done) == (first + timedelta(days=3, hours=10), "renewed the channel")
    assert len({it["channel_id"] for it in channel.entries()}) == 1


@pytest.mark.parametrize("given", [{"webhook": {**WEBHOOK, "token": "another-token-of-28-letters"}}, {"as": "deal"}])
def test_other_settings_change_the_channel(channel: Channel, given: dict[str, Any]) -> None:
    channel.subscribe()
    before = channel.entries()

    changed = channel.subscribe(**given)

    assert changed.done == "renewed the channel"
    assert channel.entries() != before
    assert channel.subscribe(**given).done == ""


def test_a_channel_that_has_ended_is_opened_again(channel: Channel) -> None:
    channel.subscribe()
    channel.clock.forward(days=7)

    assert channel.subscribe().done == "opened a channel"


def test_only_our_own_channel_is_closed(channel: Channel) -> None:
    channel.subscribe()
    channel.connector.subscribe(f"{URL}x")

    channel.connector.unsubscribe(URL)
    channel.connector.unsubscribe(URL)

    assert {it["notify_url"] for it in channel.entries()} == {f"{URL}x"}


def test_a_stage_and_a_conversion_are_told_and_what_else_is_edited_is_not(channel: Channel) -> None:
    [pushed] = channel.connector.push([lead()])
    deal = channel.org.create("Deals", Deal_Name="Big", Stage="Qualification")
    channel.subscribe()
    channel.org.edit(deal, Description="Seen")
    silent = channel.told()

    channel.org.move(deal, "Closed Won")
    moved = channel.told()
    assert not isinstance(pushed, Exception)
    assert pushed.ref.person
    became = channel.org.convert_lead(pushed.ref.person.id, deal={"Deal_Name": "New", "Stage": "Qualification"})
    converted = channel.told()

    assert (silent, moved) == ([], [RemoteRef(deal=RemoteId(type="Deals", id=deal))])
    assert RemoteRef(person=pushed.ref.person, deal=pushed.ref.deal) in converted
    assert {(it.lead, it.ref.deal) for it in channel.connector.look_up(converted) if isinstance(it, StageFact)} == {
        ("ref_1", RemoteId(type="Deals", id=str(became.deal)))
    }


def test_an_address_that_zoho_does_not_take_is_the_settings_fault(channel: Channel) -> None:
    with pytest.raises(Misconfigured) as caught:
        channel.connector.subscribe("https://syncd.example.com/webhooks/zoho")

    assert caught.value.yaml_path == "webhook"


# --- what Zoho may answer ---

API = "https://www.zohoapis.eu"
NOW, NOW_TEXT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC), "Tue, 24 Nov 2026 10:00:00 GMT"


class Always:
    """A grant of one token."""

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        return AccessToken(text="token-1", api=API)


@pytest.fixture
def mock(http: Session) -> Iterator[responses.RequestsMock]:
    http.grant = Always()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def answered(expiry: str, code: str = "SUCCESS") -> dict[str, Any]:
    events = [{"channel_expiry": expiry, "resource_name": "Deals", "channel_id": channel_of(URL)}]
    return {"watch": [{"code": code, "details": {"events": events}, "message": "", "status": "success"}]}


def test_what_zoho_says_of_the_end_is_believed_whatever_was_asked(http: Session, mock: responses.RequestsMock) -> None:
    """It gives an hour in silence to who asks for too much."""
    mock.get(f"{API}/crm/v8/actions/watch", status=204, headers={"Date": NOW_TEXT})
    mock.post(f"{API}/crm/v8/actions/watch", status=201, json=answered("2026-11-24T13:00:00+02:00"))

    subscription = Zoho.open(settings(webhook=WEBHOOK), http).subscribe(URL)

    assert subscription.until == NOW + timedelta(hours=1)
    [asked] = json.loads(mock.calls[-1].request.body or b"")["watch"]
    assert asked["channel_expiry"] == "2026-12-01T06:00:00+00:00"


@pytest.mark.parametrize("answer", [{}, {"watch": []}, {"watch": [{"code": "SUCCESS"}]}, answered("2026", "X")])
def test_a_channel_that_nobody_says_is_open_is_asked_for_again(
    http: Session, mock: responses.RequestsMock, answer: Any
) -> None:
    mock.get(f"{API}/crm/v8/actions/watch", status=204, headers={"Date": NOW_TEXT})
    mock.post(f"{API}/crm/v8/actions/watch", status=200, json=answer)

    with pytest.raises(Transient):
        Zoho.open(settings(webhook=WEBHOOK), http).subscribe(URL)


def test_a_channel_of_somebody_else_is_not_taken_for_ours(http: Session, mock: responses.RequestsMock) -> None:
    theirs = {"channel_id": "1001", "channel_expiry": "2026-12-01T00:00:00+00:00", "events": [], "notify_url": URL}
    mock.get(f"{API}/crm/v8/actions/watch", json={"watch": [theirs]}, headers={"Date": NOW_TEXT})
    mock.post(f"{API}/crm/v8/actions/watch", status=201, json=answered("2026-12-01T06:00:00+00:00"))

    assert Zoho.open(settings(webhook=WEBHOOK), http).subscribe(URL).done == "opened a channel"


# --- signing in, and what is counted ---


def test_an_account_consents_to_what_is_needed_and_no_more() -> None:
    oauth = Zoho.oauth(settings())

    assert oauth.authorize_url == "https://accounts.zoho.eu/oauth/v2/auth"
    assert (oauth.scope_separator, dict(oauth.parameters)) == (",", {"access_type": "offline", "prompt": "consent"})
    assert oauth.most == (10, timedelta(minutes=10))
    assert "ZohoCRM.modules.deals.READ" in oauth.scopes
    assert not {"ZohoCRM.modules.deals.CREATE", "ZohoCRM.notifications.ALL"} & set(oauth.scopes)
    more = Zoho.oauth(settings(webhook=WEBHOOK, **{"as": "deal"})).scopes
    assert {"ZohoCRM.modules.deals.CREATE", "ZohoCRM.notifications.ALL"} <= set(more)
    assert len(set(more)) == len(more)


class Paying(Session):
    """A session that asks the meter for the price of every call, as the daemon's does."""

    meter: Zoho
    spent = 0

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        price = self.meter.price(str(request.method), urlsplit(str(request.url)).path)
        self.spent += price.get("daily credits", 0)
        return super().send(request, **kwargs)


def test_every_call_costs_the_credits_that_zoho_takes_for_it(channel: Channel) -> None:
    """A write costs by its records and a query by its limit, which is in their bodies alone."""
    with Paying(now=channel.clock) as http:
        channel.http = http
        http.meter = it = channel.opened()
        before = channel.account.credits.spent

        it.check()
        for start in range(0, 1_000, 100):
            it.push([lead(number) for number in range(start, start + 100)])
        list(it.changes(it.start(channel.clock() - timedelta(hours=1)), channel.clock()))
        it.subscribe(URL)

        assert http.spent == channel.account.credits.spent - before > 100


@pytest.mark.parametrize(("given", "limit"), [({}, 50_000), ({"limits": {"daily": 5_000}}, 5_000)])
def test_credits_are_those_of_the_smallest_edition_with_fields_of_ones_own(given: Any, limit: int) -> None:
    quotas = Zoho.open(settings(**given), Session()).quotas()

    assert quotas == [Quota(name="daily credits", limit=limit, window=timedelta(days=1))]


@pytest.mark.parametrize(("text", "left"), [("900", 900), ("0", 0), ("", None), ("-1", None), ("²", None)])
def test_what_is_left_is_told_by_a_header(text: str, left: int | None) -> None:
    answer = requests.Response()
    answer.headers["X-API-CREDITS-REMAINING"] = text
    told = Zoho.open(settings(), Session()).told(answer)

    assert told == ([] if left is None else [Told(quota="daily credits", left=left)])
