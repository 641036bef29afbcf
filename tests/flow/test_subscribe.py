"""Subscribing: a CRM's webhooks are ordered, renewed and ordered again, and nothing else waits for them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from syncd.contract import ConnectorError, Misconfigured, Parked, Subscription, Throttled, Transient
from syncd.flow import operate
from syncd.flow.subscribe import Subscriber, begin, look_at, retry_at
from syncd.store import sources
from syncd.store.engine import write
from tests.flow.telling import PATH_SECRET, PUBLIC_URL, Telling, tells
from tests.flow.world import START, World

URL = f"{PUBLIC_URL}/webhooks/crm"


@pytest.fixture
def telling(world: World) -> Telling:
    return tells(world, path_secret=PATH_SECRET)


def start(world: World) -> Subscriber:
    """Start the daemon, as far as webhooks go."""
    begin(world.app)
    return Subscriber(world.app, "crm")


def test_webhooks_are_ordered_at_the_start_and_looked_at_hourly(
    world: World, telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    subscriber = start(world)

    assert subscriber.subscribe() == 1
    telling.subscription = Subscription()
    for _ in range(119):
        world.clock.move(minutes=1)
        assert subscriber.subscribe() == 0

    assert telling.ordered == [f"{URL}/{PATH_SECRET}"] * 2
    assert [line for line in caplog.messages if "webhooks" in line] == ["webhooks of crm: created"]


def test_the_secret_of_the_address_is_not_kept(
    world: World, telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    telling.subscription = Subscription(until=START + timedelta(days=7), done="created")

    start(world).subscribe()

    source = world.source()
    assert (source.subscribed_url, source.subscribed_until) == (f"{URL}/…", START + timedelta(days=7))
    assert PATH_SECRET not in caplog.text + repr(source)


def test_what_ends_by_itself_is_renewed_when_half_of_it_is_over(world: World, telling: Telling) -> None:
    telling.subscription = Subscription(until=world.clock() + timedelta(minutes=40), done="created")
    subscriber = start(world)
    subscriber.subscribe()

    world.clock.move(minutes=19)
    subscriber.subscribe()
    assert len(telling.ordered) == 1
    world.clock.move(minutes=1)
    subscriber.subscribe()

    assert len(telling.ordered) == 2


def test_an_end_by_the_crms_clock_is_one_by_ours(world: World, telling: Telling) -> None:
    world.skew(hours=2)
    telling.subscription = Subscription(until=world.crm.now() + timedelta(minutes=40), done="created")

    start(world).subscribe()

    assert world.source().subscribed_until == world.clock() + timedelta(minutes=40)


def test_a_start_orders_anew_since_the_address_may_be_another_one(world: World, telling: Telling) -> None:
    start(world).subscribe()
    server = world.app.config.server.model_copy(update={"public_url": "https://elsewhere.example.org"})
    world.app.config = replace(world.app.config, server=server)

    start(world).subscribe()

    assert telling.ordered[1] == f"https://elsewhere.example.org/webhooks/crm/{PATH_SECRET}"


def test_a_clock_that_was_set_back_lets_no_webhook_end(world: World, telling: Telling) -> None:
    subscriber = start(world)
    subscriber.subscribe()

    world.clock.move(days=-9)
    assert subscriber.subscribe() == 1
    assert subscriber.subscribe() == 0


def test_a_clock_that_was_set_back_orders_nothing_where_nothing_is_wanted(world: World, telling: Telling) -> None:
    server = world.app.config.server.model_copy(update={"public_url": None})
    world.app.config = replace(world.app.config, server=server)
    subscriber = start(world)
    subscriber.subscribe()

    world.clock.move(days=-9)
    subscriber.subscribe()

    assert telling.ordered == []


@pytest.mark.parametrize("lacking", ["public_url", "webhook"])
def test_without_an_address_or_a_section_nothing_is_ordered(world: World, telling: Telling, lacking: str) -> None:
    start(world).subscribe()
    if lacking == "public_url":
        server = world.app.config.server.model_copy(update={"public_url": None})
        world.app.config = replace(world.app.config, server=server)
    else:
        connection = world.app.connections["crm"]
        connection.settings = connection.settings.model_copy(update={"webhook": None})
    world.clock.move(days=1)

    assert start(world).subscribe() == 0

    source = world.source()
    assert len(telling.ordered) == 1
    assert (source.subscribe_at, source.subscribed_url, source.subscribed_until) == (None, None, None)


def test_a_crm_in_which_nothing_can_be_ordered_is_asked_for_nothing(world: World) -> None:
    begin(world.app)
    with write(world.app.database) as tx:
        sources.mark(tx, "crm", subscribe_at=world.clock())

    assert Subscriber(world.app, "crm").subscribe() == 0
    assert world.source().subscribe_at is None


def test_a_paused_connector_orders_nothing_until_it_is_resumed(world: World, telling: Telling) -> None:
    operate.pause(world.app, "crm", by="test")
    subscriber = start(world)

    subscriber.subscribe()
    assert telling.ordered == []
    operate.resume(world.app, "crm", by="test")
    subscriber.subscribe()

    assert len(telling.ordered) == 1


def test_a_missing_permission_is_said_once_and_stops_nothing(
    world: World, telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    telling.trouble = Misconfigured("webhooks need the scope admin", yaml_path="webhook", hint="grant it")
    id = world.refer("ben", world.advocate()).referral.id
    subscriber = start(world)

    for _ in range(180):
        subscriber.subscribe()
        world.clock.move(minutes=1)
    world.deliver()

    assert len(telling.ordered) == 3
    assert world.standing(id) == "pushed"
    assert world.source().state == "healthy"
    assert [line for line in caplog.messages if "webhooks" in line] == [
        "webhooks of crm: webhooks need the scope admin (grant it); polling goes on without them"
    ]


def test_after_a_refusal_that_was_mended_the_next_one_is_said_again(
    world: World, telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = start(world)
    for trouble in (Misconfigured("no", yaml_path="webhook"), None, Misconfigured("no", yaml_path="webhook")):
        telling.trouble = trouble
        subscriber.subscribe()
        world.clock.move(hours=1)

    assert len([line for line in caplog.messages if "polling goes on" in line]) == 2


def test_while_one_process_orders_another_leaves_it_to_it(world: World, telling: Telling) -> None:
    one, other = start(world), Subscriber(world.app, "crm")
    plug_in = world.app.connections["crm"].plug_in()
    order = plug_in.subscribe  # type: ignore[attr-defined]

    def meanwhile(url: str) -> Subscription:
        assert other.subscribe() == 0
        done: Subscription = order(url)
        return done

    plug_in.subscribe = meanwhile  # type: ignore[attr-defined]

    assert one.subscribe() == 1
    assert len(telling.ordered) == 1


@pytest.mark.parametrize(
    ("left", "minutes"),
    [(None, 60), (timedelta(days=7), 60), (timedelta(minutes=90), 45), (timedelta(), 1), (timedelta(days=-1), 1)],
)
def test_it_is_looked_at_by_half_of_what_is_left_and_at_least_hourly(left: timedelta | None, minutes: int) -> None:
    until: datetime | None = START + left if left is not None else None

    assert look_at(until, START) == START + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("error", "minutes"),
    [
        (Transient("no answer"), 5),
        (Throttled("too many", retry_after=600), 10),
        (Parked("spent", until=START + timedelta(hours=7)), 420),
        (Parked("spent", until=START - timedelta(hours=7)), 1),
        (Misconfigured("no", yaml_path="webhook"), 60),
    ],
    ids=str,
)
def test_it_is_tried_again_as_the_error_says(error: ConnectorError, minutes: int) -> None:
    assert retry_at(error, START) == START + timedelta(minutes=minutes)
