"""How the sandbox CRM limits its callers."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.crm import HubSpotSetup, Limits, Sandbox
from tests.sandbox.crm_client import Client, Clock


@pytest.fixture
def tight(clock: Clock) -> Any:
    setup = HubSpotSetup(limits=Limits(burst=3, search=2, daily=7))
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[setup]) as sandbox:
        yield sandbox


def test_calls_of_the_last_ten_seconds_are_counted_and_told(tight: Sandbox, clock: Clock) -> None:
    client = Client(tight)

    left = []
    for _ in range(3):
        left.append(client.read("deals", "1").headers["X-HubSpot-RateLimit-Remaining"])
        clock.move(1)
    refused = client.read("deals", "1")
    clock.move(7)
    again = client.read("deals", "1")

    assert left == ["2", "1", "0"]
    assert refused.status_code == 429
    body = refused.json()
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert again.status_code == 207
    assert again.headers["X-HubSpot-RateLimit-Max"] == "3"


def test_search_has_a_limit_of_its_own_a_second_and_tells_nothing(tight: Sandbox, clock: Clock) -> None:
    client = Client(tight)

    answers = [client.search("deals") for _ in range(3)]
    clock.move(1)
    later = client.search("deals")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["policyName"] == "SECONDLY"
    assert later.status_code == 200
    assert not any(name.lower().startswith("x-hubspot-ratelimit") for name in later.headers)
    assert client.read("deals", "1").headers["X-HubSpot-RateLimit-Remaining"] == "2"


def test_a_spent_day_refuses_everything_until_the_next(tight: Sandbox, clock: Clock) -> None:
    client = Client(tight)
    for _ in range(7):
        clock.move(10)
        last = client.read("deals", "1")

    clock.move(10)
    refused = [client.read("deals", "1"), client.search("deals")]
    clock.move(86_400)

    assert last.headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
    assert [answer.json()["policyName"] for answer in refused] == ["DAILY", "DAILY"]
    assert client.read("deals", "1").headers["X-HubSpot-RateLimit-Daily-Remaining"] == "6"


def test_a_refused_call_has_no_effect(tight: Sandbox) -> None:
    client = Client(tight)
    for _ in range(3):
        client.read("deals", "1")

    assert client.upsert("contacts", {"id": "r1", "firstname": "A"}).status_code == 429
    assert tight.model().records["contacts"] == {}
    assert [call.applied for call in tight.log.listed()] == [True, True, True, False]


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic sandbox-hubspot"])
def test_a_wrong_credential_is_refused_before_anything_else(tight: Sandbox, authorization: str) -> None:
    client = Client(tight)
    client.session.headers["Authorization"] = authorization

    answers = [client.read("deals", "1") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [401] * 5
    assert answers[0].json()["category"] == "INVALID_AUTHENTICATION"


def test_the_default_is_the_smallest_edition(clock: Clock) -> None:
    with Sandbox(now=clock.now, clock=clock.seconds) as crm:
        headers = Client(crm).read("deals", "1").headers

    assert headers["X-HubSpot-RateLimit-Max"] == "100"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-HubSpot-RateLimit-Daily"] == "250000"
