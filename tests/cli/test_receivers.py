"""`syncd receivers`: who is told, how they fare, and one message by hand; what a URL hides stays hidden everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from syncd import registry
from syncd.cli.receivers import _code
from syncd.config import load
from syncd.contract import Person
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.opening import open_app
from syncd.notify import Outcome
from syncd.notify.outcome import outcome_of
from syncd.store import receivers
from syncd.store.engine import write
from tests.cli.conftest import Place
from tests.notify.listener import SECRET, Listener, listening


@pytest.fixture
def shop() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def told(place: Place, shop: Listener) -> Place:
    """An installation with a receiver that is here, and two effects that wait for it."""
    section = {"name": "alerts", "url": f"{shop.url}/in?key=k-4711", "private": "true", "secrets": [SECRET]}
    place.config.write_text(place.config.read_text() + f"notify: {{webhooks: [{json.dumps(section)}]}}\n")
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    _, (code, *_) = enrol(app, "spring", Person(email="ann@example.com"), cause="test")
    capture(app, Invitation(friend=Person(email="ben@example.com"), code=code), cause="test")
    app.database.dispose()
    return place


def fail(place: Place, **values: object) -> None:
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    with write(app.database) as tx:
        receivers.mark(tx, "alerts", "failing", **values)
    app.database.dispose()


def test_a_list_of_receivers_tells_what_waits_and_of_an_address_the_host_alone(told: Place, shop: Listener) -> None:
    (row,) = json.loads(told.did("receivers", "list", "--format", "json"))

    assert (row["name"], row["host"], row["effects"]) == ("alerts", shop.url.removeprefix("http://"), "all")
    assert (row["proof"], row["state"], row["waiting"], row["dead"]) == ("signature, 1 secret", "new", 2, 0)
    assert "k-4711" not in told.did("receivers", "list")


def test_a_test_posts_one_signed_message_and_leaves_no_trace_in_the_queue(told: Place, shop: Listener) -> None:
    said = told.did("receivers", "test", "alerts")

    (got,) = shop.got
    assert said.startswith(f"alerts: {row_host(shop)} answered 204 No Content after ")
    assert json.loads(got.body)["type"] == "test"
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= got.headers.keys()
    assert len(json.loads(told.did("queue", "list", "--connector", "alerts", "--format", "json"))) == 2


def test_a_receiver_that_takes_the_test_is_told_at_once_what_waits(told: Place, shop: Listener) -> None:
    fail(
        told, held_until=datetime.now(UTC) + timedelta(minutes=9), failures=7, error="down", ill_since=datetime.now(UTC)
    )
    told.call("run", "--once")
    assert shop.got == []

    told.did("receivers", "test", "alerts")
    assert "told 2 effects" in told.call("run", "--once").output
    assert len(set(shop.ids())) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 1), (302, 1), (401, 77), (403, 77), (404, 78), (410, 78), (429, 75), (500, 69), (503, 69)],
)
def test_a_refusal_is_a_sentence_and_a_code(told: Place, shop: Listener, status: int, code: int) -> None:
    shop.answer(status)
    result = told.call("receivers", "test", "alerts")

    assert result.exit_code == code
    assert result.stderr.startswith(f"error: receiver alerts: {row_host(shop)} answered {status}")
    assert "k-4711" not in result.output


def test_no_answer_and_no_way_have_codes_of_their_own() -> None:
    assert _code(Outcome(next="rest", told="the connection failed")) == 69
    assert _code(Outcome(next="rest", told="not called", forbidden=True)) == 78
    assert outcome_of(204, "x").next == "done"


def test_a_receiver_that_is_not_there_is_named_with_the_one_that_was_meant(told: Place) -> None:
    result = told.call("receivers", "test", "alert")
    assert result.exit_code == 1
    assert "there is no receiver 'alert'" in result.stderr
    assert "alerts" in result.stderr


def test_status_tells_of_receivers_and_fails_when_one_is_failing(told: Place, shop: Listener) -> None:
    assert "receiver alerts: new, 2 waiting, 0 dead" in told.did("status")
    assert json.loads(told.did("status", "--format", "json"))["receivers"] == [
        {
            "name": "alerts",
            "host": row_host(shop),
            "state": "new",
            "error": None,
            "held_until": None,
            "told_at": None,
            "outbox": {"open": 2, "dead": 0},
        }
    ]

    fail(told, held_until=datetime.now(UTC) + timedelta(minutes=9), failures=7, error="no answer")
    result = told.call("status")
    assert result.exit_code == 1
    assert "receiver alerts: failing, 2 waiting, 0 dead, rests until" in result.stdout
    assert result.stdout.count("no answer") == 1


def test_a_receiver_that_is_configured_no_longer_is_shown_while_something_waits_for_it(
    told: Place, shop: Listener
) -> None:
    fail(told, error="no answer")
    told.config.write_text(told.config.read_text().partition("notify:")[0])

    result = told.call("status")
    assert "receiver alerts: removed, 2 waiting, 0 dead" in result.stdout
    assert result.exit_code == 0


def test_letters_to_a_receiver_are_shown_retried_and_discarded_like_others(told: Place, shop: Listener) -> None:
    first, second = (
        row["name"] for row in json.loads(told.did("queue", "list", "--format", "json", "--connector", "alerts"))
    )
    shown = told.did("queue", "show", second)
    assert "receiver     alerts" in shown
    assert "campaign     spring" in shown
    assert "alerts is to be told of trigger.new_referral_count, which came about" in shown
    assert "  referral: ref_" in shown
    assert SECRET not in shown
    assert "k-4711" not in shown

    shop.answer(410)
    told.call("run", "--once")
    (one, two) = json.loads(told.did("queue", "list", "--dead", "--connector", "alerts", "--format", "json"))
    assert {one["error"], two["error"]} == {f"{row_host(shop)} answered 410 Gone"}
    assert "1 letter will be tried again" in told.did("queue", "retry", first)
    assert "1 letter discarded" in told.did("queue", "discard", second, "--reason", "a test")


def test_a_url_is_a_secret_of_the_log(told: Place, shop: Listener) -> None:
    from syncd.cli import logs

    config = load(told.config, env=told.env, connector_types=registry.find)
    hidden = set(logs.secrets(config))
    assert {SECRET, "key=k-4711", f"{shop.url}/in?key=k-4711"} <= hidden


def row_host(shop: Listener) -> str:
    return shop.url.removeprefix("http://")
