"""Notifications of the sandbox's Zoho CRM: channels, how long they last, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import ZoClient, code, opened

URL = "http://127.0.0.1:9/hooks/zoho"


class Inbox:
    """Keeps what was sent, and answers as told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.code = 200

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        assert (url, headers) == (URL, {})
        self.messages.append(json.loads(body))
        return self.code


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def zo(clock: Clock, inbox: Inbox) -> Iterator[ZoClient]:
    with opened(clock, post=inbox) as client:
        yield client


def watch(zo: ZoClient, method: str = "POST", **values: Any) -> Any:
    item = {"channel_id": "1001", "events": ["Deals.all"], "notify_url": URL, "token": "secret", **values}
    item = {name: value for name, value in item.items() if value is not None}
    return zo.call(method, "/actions/watch", {"watch": [item]})


def expiry(answer: Any) -> str:
    return str(answer.json()["watch"][0]["details"]["events"][0]["channel_expiry"])


def on_stage() -> list[dict[str, Any]]:
    selection = {"field": {"api_name": "Stage"}}
    return [{"type": "field_selection", "module": {"api_name": "Deals"}, "field_selection": selection}]


def test_a_message_names_the_record_the_channel_and_its_token_and_signs_nothing(
    zo: ZoClient, inbox: Inbox, clock: Clock
) -> None:
    deal = zo.deal("r1")
    watch(zo)
    clock.move(1)
    zo.org.move(deal, "Closed Won")
    zo.account.channels.hooks.tick()

    [message] = inbox.messages
    assert message == {
        "server_time": 1_795_510_801_000,
        "query_params": {},
        "module": "Deals",
        "resource_uri": "https://www.zohoapis.com/crm/v2/Deals",
        "ids": [deal],
        "affected_fields": [{deal: ["Modified_Time", "Modified_By", "Stage", "Probability"]}],
        "operation": "update",
        "channel_id": "1001",
        "token": "secret",
    }


def test_each_operation_is_told_to_who_asked_for_it(zo: ZoClient, inbox: Inbox) -> None:
    watch(zo, events=["Deals.create", "Leads.delete"])
    lead, deal = zo.lead("r1"), zo.deal("r1")
    zo.org.move(deal, "Closed Won")
    zo.org.archive("Leads", lead)
    zo.account.channels.hooks.tick()

    assert [(it["module"], it["operation"]) for it in inbox.messages] == [("Deals", "insert"), ("Leads", "delete")]


def test_a_condition_on_fields_keeps_other_edits_quiet(zo: ZoClient, inbox: Inbox) -> None:
    deal = zo.deal("r1")
    watch(zo, events=["Deals.edit"], notification_condition=on_stage(), return_affected_field_values=True)
    zo.org.edit(deal, Description="A note")
    zo.org.move(deal, "Needs Analysis")
    zo.account.channels.hooks.tick()

    [message] = inbox.messages
    assert message["affected_values"][0]["values"]["Stage"] == "Needs Analysis"


def test_fields_may_be_grouped(zo: ZoClient, inbox: Inbox) -> None:
    deal = zo.deal("r1")
    fields = [{"field": {"api_name": name}} for name in ("Stage", "Amount")]
    for channel, operator in (("1", "and"), ("2", "or")):
        condition = on_stage()
        condition[0]["field_selection"] = {"group_operator": operator, "group": fields}
        watch(zo, channel_id=channel, events=["Deals.edit"], notification_condition=condition)
    zo.org.set_amount(deal, "10")
    zo.org.edit(deal, Stage="Closed Won", Amount=20)
    zo.account.channels.hooks.tick()

    assert [it["channel_id"] for it in inbox.messages] == ["2", "1", "2"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "2026-11-24T12:00:00+02:00"),
        ("2026-12-01T11:00:01+02:00", "2026-11-24T12:00:00+02:00"),
        ("2026-12-01T11:00:00+02:00", "2026-12-01T11:00:00+02:00"),
    ],
)
def test_a_channel_that_asks_for_more_than_a_week_silently_gets_an_hour(
    zo: ZoClient, asked: str | None, given: str
) -> None:
    answer = watch(zo, channel_expiry=asked)

    assert (answer.status_code, expiry(answer)) == (201, given)


def test_an_expired_channel_is_silent_and_forgotten(zo: ZoClient, inbox: Inbox, clock: Clock) -> None:
    deal = zo.deal("r1")
    watch(zo)
    clock.move(3_600)
    zo.org.move(deal, "Closed Won")
    zo.account.channels.hooks.tick()

    assert inbox.messages == []
    assert zo.call("GET", "/actions/watch").status_code == 204


def test_a_failed_message_is_not_sent_again(zo: ZoClient, inbox: Inbox, clock: Clock) -> None:
    watch(zo)
    inbox.code = 500
    zo.deal("r1")
    sent = zo.account.channels.hooks.tick()
    clock.move(600)

    assert (sent, zo.account.channels.hooks.tick(), zo.account.channels.hooks.waiting) == (1, 0, 0)


def test_channels_are_listed_changed_and_closed(zo: ZoClient, inbox: Inbox) -> None:
    watch(zo, events=["Deals.edit", "Leads.all"])
    listed = zo.call("GET", "/actions/watch?channel_id=1001").json()
    kept = watch(zo, "PATCH", events=["Deals.all"], token=None, notify_url=None)
    seen = zo.call("GET", "/actions/watch").json()["watch"][0]
    watch(zo, "PUT", events=["Deals.create"], token=None)
    replaced = zo.call("GET", "/actions/watch").json()["watch"][0]
    closed = zo.call("DELETE", "/actions/watch?channel_ids=1001")
    zo.deal("r1")

    assert [(it["resource_name"], it["events"]) for it in listed["watch"]] == [
        ("Deals", ["Deals.edit"]),
        ("Leads", ["Leads.all"]),
    ]
    assert kept.status_code == 200
    assert (seen["token"], seen["notify_url"], seen["notify_on_related_action"]) == ("secret", URL, True)
    assert (replaced["token"], replaced["events"]) == (None, ["Deals.create"])
    assert closed.json()["watch"][0]["details"]["channel_id"] == "1001"
    assert zo.account.channels.hooks.waiting == 0
    assert code(zo.call("DELETE", "/actions/watch?channel_ids=1001")) == (400, "INVALID_DATA")


def test_a_channel_without_events_left_is_closed(zo: ZoClient) -> None:
    watch(zo, events=["Deals.edit", "Deals.create"])
    one = {"channel_id": "1001", "events": ["Deals.edit"], "_delete_events": True}
    zo.call("PATCH", "/actions/watch", {"watch": [one]})
    left = zo.call("GET", "/actions/watch").json()["watch"][0]["events"]
    zo.call("PATCH", "/actions/watch", {"watch": [{**one, "events": ["Deals.create"]}]})

    assert left == ["Deals.create"]
    assert zo.account.channels.hooks.subscription("1001") is None
    assert zo.call("GET", "/actions/watch").status_code == 204


@pytest.mark.parametrize(
    ("values", "error", "where"),
    [
        ({"channel_id": None}, "MANDATORY_NOT_FOUND", "$.watch[0].channel_id"),
        ({"channel_id": "mine"}, "INVALID_DATA", "$.watch[0].channel_id"),
        ({"notify_url": None}, "MANDATORY_NOT_FOUND", "$.watch[0].notify_url"),
        ({"notify_url": "https://example.com/hook"}, "INVALID_DATA", "$.watch[0].notify_url"),
        ({"events": ["Quotes.all"]}, "INVALID_DATA", "$.watch[0].events"),
        ({"events": []}, "INVALID_DATA", "$.watch[0].events"),
        ({"token": "x" * 51}, "INVALID_DATA", "$.watch[0].token"),
        ({"channel_expiry": "tomorrow"}, "INVALID_DATA", "$.watch[0].channel_expiry"),
        ({"channel_expiry": "2026-11-24T10:00:00+02:00"}, "INVALID_DATA", "$.watch[0].channel_expiry"),
        ({"notification_condition": [{"type": "x"}]}, "MANDATORY_NOT_FOUND", "$.watch[0].module"),
        ({"nonsense": 1}, "INVALID_DATA", "$.watch[0].nonsense"),
    ],
)
def test_a_channel_that_is_asked_for_wrongly_is_refused(
    zo: ZoClient, values: dict[str, Any], error: str, where: str
) -> None:
    answer = watch(zo, **values)

    row = answer.json()["watch"][0]
    assert (answer.status_code, row["code"], row["details"]["json_path"]) == (400, error, where)


def test_channels_of_one_call_have_outcomes_of_their_own(zo: ZoClient) -> None:
    good = {"channel_id": 1001, "events": ["Deals.all"], "notify_url": URL}

    answer = zo.call("POST", "/actions/watch", {"watch": [good, {}]})

    assert (answer.status_code, [it["code"] for it in answer.json()["watch"]]) == (
        207,
        ["SUCCESS", "MANDATORY_NOT_FOUND"],
    )


def test_doubles_and_disorder_come_on_demand(zo: ZoClient, inbox: Inbox, clock: Clock) -> None:
    watch(zo, events=["Deals.create"])
    zo.account.channels.hooks.mischief.disorder = 1.0
    late = zo.deal("r1")
    zo.account.channels.hooks.mischief.disorder = 0.0
    zo.account.channels.hooks.mischief.doubles = 1.0
    early = zo.deal("r2")
    zo.account.channels.hooks.tick()
    clock.move(20)
    zo.account.channels.hooks.tick()

    assert [it["ids"][0] for it in inbox.messages] == [early, early, late]
