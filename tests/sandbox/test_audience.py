"""The sandbox's own receiver: it finds what was not told, told twice under two ids, told for nothing, or forged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from syncd import registry
from syncd.config import load
from syncd.contract import Person
from syncd.flow.app import App
from syncd.flow.capture import enrol
from syncd.flow.opening import open_app
from syncd.flow.tell import tell
from syncd.sandbox import place
from syncd.sandbox.audience import Audience, listening, told
from syncd.sandbox.place import AUDIENCE, CAMPAIGN
from syncd.sandbox.team import teams
from syncd.signing import sign


@pytest.fixture
def audience() -> Iterator[Audience]:
    with listening(Audience(rng=Random(1))) as it:
        yield it


@pytest.fixture
def app(audience: Audience, tmp_path: Path) -> Iterator[App]:
    section = teams()["hubspot"].section("hubspot", "http://127.0.0.1:1/hubspot")
    item = place.Item(name="hubspot", section=section, secret="a-token")
    there = place.furnish(tmp_path / "there", [item], port=0, audience=(audience.url, audience.key))
    app = open_app(load(there.config, env=there.environment(), connector_types=registry.find))
    yield app
    app.database.dispose()


def join(app: App, name: str) -> None:
    enrol(app, CAMPAIGN, Person(email=f"{name}@example.com"), cause="test")


def say(audience: Audience, id: str, body: bytes, key: bytes | None = None) -> int | None:
    return audience.hear(sign(key or audience.key, id, datetime.now(UTC), body), body)


def test_all_is_well_when_every_effect_was_told_once(audience: Audience, app: App) -> None:
    join(app, "ann")
    assert audience.untold(app) == ["1 effects were not told"]

    tell(app, AUDIENCE)
    assert (audience.untold(app), audience.faults(app)) == ([], [])
    assert told(audience, []) == "told       1 effects, each once: yes; 1 messages"


def test_an_answer_that_gets_lost_is_no_second_effect(audience: Audience, app: App) -> None:
    audience.losses = 1.0
    join(app, "ann")
    assert tell(app, AUDIENCE) == 0
    (id,) = audience.heard
    (body,) = audience.bodies

    assert say(audience, id, body) == 204
    assert (audience.untold(app), audience.faults(app), audience.heard.total()) == ([], [], 2)


def test_a_second_id_and_a_message_about_nothing_are_found(audience: Audience, app: App) -> None:
    join(app, "ann")
    tell(app, AUDIENCE)
    (body,) = audience.bodies
    say(audience, "msg_of_somebody_else", body)

    assert audience.faults(app) == [
        "1 effects were told under more than one id",
        "1 messages are about no effect",
    ]


def test_a_forged_message_and_one_that_is_too_long_are_found(audience: Audience, app: App) -> None:
    join(app, "ann")
    tell(app, AUDIENCE)
    (id,), (body,) = audience.heard, audience.bodies

    assert say(audience, id, body, key=b"not the key of this audience!!!!") == 401
    assert say(audience, id, json.dumps("x" * 20_000).encode()) == 204
    assert audience.faults(app) == [
        "a message is not to be believed: no signature fits; it must be made over the body's own bytes",
        "a message has 20002 bytes",
    ]
