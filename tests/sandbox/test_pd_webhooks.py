"""Webhooks v2 of the sandbox's Pipedrive: what they say, to whom, and how they end."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from syncd.sandbox.crm import Company, PipedriveSetup, Sandbox
from syncd.sandbox.crm.hooks import Mischief
from syncd.sandbox.crm.pipedrive import NO_LIMITS, Pipedrive
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import PdClient, opened, refusal

URL = "http://127.0.0.1:9/hook"


class World:
    """A company with one webhook, and what the webhook has sent."""

    def __init__(self, crm: Sandbox, pd: PdClient, company: Company) -> None:
        account = crm.accounts["pipedrive"]
        assert isinstance(account, Pipedrive)
        self.pd, self.company, self.hooks = pd, company, account.webhooks.hooks
        self.sent: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.code = 200

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        self.sent.append(json.loads(body))
        self.headers.append(headers)
        return self.code

    def told(self) -> list[dict[str, Any]]:
        """Let be sent what is due, and give what was sent since the last time."""
        self.hooks.tick()
        sent, self.sent = self.sent, []
        return sent


def webhook(**values: str) -> dict[str, str]:
    return {"name": "syncd", "subscription_url": URL, "event_action": "*", "event_object": "*", **values}


@pytest.fixture
def world(clock: Clock) -> Iterator[World]:
    receivers: list[World] = []

    def post(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        return receivers[0].post(url, headers, body, timeout)

    with opened(clock, post=post) as (crm, pd, company):
        receivers.append(World(crm, pd, company))
        pd.made("/v1/webhooks", webhook(http_auth_user="syncd", http_auth_password="hunter2"))
        yield receivers[0]


def test_a_change_tells_the_record_as_it_is_and_the_former_values_of_what_changed(world: World, clock: Clock) -> None:
    deal = world.pd.deal("r1")
    [created] = world.told()
    clock.move(1.25)
    world.company.move(str(deal), "3")
    [changed] = world.told()
    meta = changed["meta"]

    assert (created["meta"]["action"], created["previous"]) == ("create", None)
    key = world.pd.key("Referral ID")
    assert created["data"]["custom_fields"][key] == {"type": "varchar", "value": "r1"}
    assert (meta["action"], meta["entity"], meta["entity_id"], meta["attempt"]) == ("change", "deal", str(deal), 1)
    assert (meta["company_id"], meta["host"], meta["version"]) == ("13000001", "acme.pipedrive.com", "2.0")
    assert (created["meta"]["change_source"], meta["change_source"]) == ("api", "app")
    assert meta["timestamp"] == "2026-11-24T09:00:01.250Z"
    assert changed["data"]["stage_id"] == 3
    assert changed["previous"] == {"stage_id": 1, "stage_change_time": None, "update_time": "2026-11-24T09:00:00Z"}
    assert meta["id"] != created["meta"]["id"]


def test_nothing_is_signed_but_basic_authentication_is_sent(world: World) -> None:
    world.pd.deal("r1")
    world.told()

    assert world.headers == [{"Authorization": "Basic " + base64.b64encode(b"syncd:hunter2").decode()}]


def test_a_deleted_record_has_no_data_but_its_last_state(world: World) -> None:
    deal = world.pd.deal("r1")
    world.told()
    world.company.archive("deal", str(deal))

    [deleted] = world.told()

    assert (deleted["meta"]["action"], deleted["data"]) == ("delete", None)
    assert (deleted["previous"]["id"], deleted["previous"]["is_deleted"]) == (deal, False)


def test_a_merge_is_a_deletion_and_a_change_that_point_to_each_other(world: World) -> None:
    first, second = world.pd.person("r1"), world.pd.person("r2")
    world.told()
    world.company.merge("person", str(first), str(second))

    deleted, changed = world.told()

    assert (deleted["meta"]["entity_id"], deleted["meta"]["merged_to_id"]) == (str(second), str(first))
    assert (changed["meta"]["entity_id"], changed["meta"]["merged_from_id"]) == (str(first), str(second))
    assert (deleted["meta"]["action"], changed["meta"]["action"]) == ("delete", "change")
    assert "merged_from_id" not in deleted["meta"]


def test_a_conversion_is_a_created_deal_and_a_deleted_lead(world: World) -> None:
    lead = world.pd.lead("r1", world.pd.person("r1"))
    world.told()
    deal = world.company.convert_lead(lead)

    assert [(it["meta"]["entity"], it["meta"]["action"], it["meta"]["entity_id"]) for it in world.told()] == [
        ("deal", "create", deal),
        ("lead", "delete", lead),
    ]


def test_a_webhook_is_told_what_it_asked_for_and_what_its_user_may_see(clock: Clock, world: World) -> None:
    pd = world.pd
    pd.call("DELETE", f"/v1/webhooks/{pd.data('/v1/webhooks')[0]['id']}")
    pd.made("/v1/webhooks", webhook(event_action="change", event_object="deal"))
    person, deal, other = pd.person("r1"), str(pd.deal("r1")), str(pd.deal("r2"))
    world.company.hide("deal", other)

    for moved in (deal, other):
        world.company.move(moved, "3")
    world.company.edit("person", str(person), name="Someone Else")

    assert [it["meta"]["entity_id"] for it in world.told()] == [deal]


def test_an_attempt_is_repeated_after_3_30_and_150_seconds_with_one_id(world: World, clock: Clock) -> None:
    world.code = 500
    world.pd.deal("r1")

    sent = world.told()
    for seconds in (3, 30, 150, 1_000):
        clock.move(seconds)
        sent += world.told()

    assert [it["meta"]["attempt"] for it in sent] == [1, 2, 3, 4]
    assert len({it["meta"]["id"] for it in sent}) == 1


def test_ten_first_failures_are_a_ban_of_half_an_hour_in_which_events_are_lost(world: World, clock: Clock) -> None:
    world.code = 500
    for _ in range(10):
        world.pd.deal("r1")
    failed = world.told()
    banned = world.pd.data("/v1/webhooks")[0]["is_active"]
    world.code = 200
    clock.move(1_799)
    world.pd.deal("lost")
    lost = world.told()
    clock.move(1)
    world.pd.deal("r2")

    assert (len(failed), lost, len(world.told())) == (10, [], 1)
    assert (banned, world.pd.data("/v1/webhooks")[0]["is_active"]) == (0, 1)


def test_three_days_without_a_success_remove_the_webhook(world: World, clock: Clock) -> None:
    world.code = 503
    clock.move(2 * 86_400)
    world.pd.deal("r1")
    world.told()
    [shown] = world.pd.data("/v1/webhooks")
    clock.move(86_400)
    world.told()

    assert (shown["last_http_status"], shown["last_delivery_time"]) == (503, "2026-11-26T09:00:00.000Z")
    assert world.pd.data("/v1/webhooks") == []


def test_doubles_carry_one_id(world: World) -> None:
    world.hooks.mischief = Mischief(doubles=1)
    world.pd.deal("r1")

    first, second = world.told()

    assert first == second


def test_a_webhook_is_listed_and_removed(world: World) -> None:
    [shown] = world.pd.data("/v1/webhooks")

    assert (shown["event_action"], shown["event_object"], shown["version"]) == ("*", "*", "2.0")
    assert world.pd.call("DELETE", f"/v1/webhooks/{shown['id']}").json()["success"] is True
    assert world.pd.data("/v1/webhooks") == []
    assert refusal(world.pd.call("DELETE", f"/v1/webhooks/{shown['id']}")) == (404, "Webhook not found")


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"subscription_url": "https://example.com/hook"}, 400),
        ({"event_action": "updated"}, 400),
        ({"event_object": "deals"}, 400),
        ({"version": "1.0"}, 400),
        ({"user_id": 1}, 400),
        ({"name": None}, 400),
        ({"name": 5}, 400),
        ({"secret": "x"}, 400),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(world: World, values: dict[str, Any], status: int) -> None:
    assert refusal(world.pd.call("POST", "/v1/webhooks", {**webhook(), **values}))[0] == status


def test_a_user_has_forty_webhooks_at_most(world: World) -> None:
    for _ in range(39):
        world.pd.made("/v1/webhooks", webhook())

    assert refusal(world.pd.call("POST", "/v1/webhooks", webhook())) == (422, "Webhooks limit reached")


def test_in_a_running_sandbox_a_thread_sends_to_a_real_receiver(clock: Clock) -> None:
    got: Queue[tuple[str, dict[str, Any]]] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.put((self.headers["Authorization"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with Sandbox(now=clock.now, accounts=[PipedriveSetup(limits=NO_LIMITS)]) as crm:
            pd = PdClient(crm)
            url = f"http://127.0.0.1:{server.server_port}/hook"
            pd.made("/v1/webhooks", webhook(subscription_url=url, http_auth_user="a", http_auth_password="b"))
            deal = pd.deal("r1")
            header, body = got.get(timeout=5)
            account = crm.accounts["pipedrive"]
            assert isinstance(account, Pipedrive)
            account.close()
    finally:
        server.shutdown()
        server.server_close()

    assert header == "Basic " + base64.b64encode(b"a:b").decode()
    assert body["meta"]["entity_id"] == str(deal)
