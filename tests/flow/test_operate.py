"""Operating: pausing outlives a restart, a dead letter is tried again or given up, and all of it is in the history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.contract import Rejected
from syncd.flow.operate import discard, pause, resume, retry
from syncd.flow.refusal import Refusal
from syncd.store import letters
from syncd.store.engine import read
from syncd.store.letters import Letter
from tests.flow.world import World


def dead(world: World) -> list[Letter]:
    with read(world.app.database) as tx:
        return letters.find(tx, dead=True)


@pytest.fixture
def refused(world: World) -> str:
    """A lead that the CRM has refused."""
    id = world.refer("ben", world.advocate()).referral.id
    world.crm.bad[id] = Rejected("phone is no number")
    world.deliver()
    return id


def test_a_paused_connector_makes_no_calls_until_it_is_resumed(world: World) -> None:
    id = world.refer("ben", world.advocate()).referral.id
    pause(world.app, "crm", by="cli:eve")

    world.deliver()
    world.poll()
    assert world.crm.calls == []

    resume(world.app, "crm", by="cli:eve")
    world.deliver()
    assert world.standing(id) == "pushed"
    assert [(line.what, line.cause) for line in world.history() if line.connector == "crm"][:2] == [
        ("paused", "cli:eve"),
        ("resumed", "cli:eve"),
    ]


def test_a_pause_may_end_by_itself(world: World) -> None:
    world.advocate()
    pause(world.app, "crm", by="cli:eve", until=world.clock() + timedelta(hours=1))
    world.clock.move(minutes=59)
    assert world.deliver() == 0

    world.clock.move(minutes=1)
    assert world.deliver() == 1


def test_a_connector_that_nobody_configured_cannot_be_paused(world: World) -> None:
    with pytest.raises(Refusal):
        pause(world.app, "nobody", by="cli:eve")


def test_a_dead_letter_says_what_it_was_and_why_it_died(world: World, refused: str) -> None:
    (letter,) = dead(world)

    assert (letter.box, letter.kind, letter.party, letter.lead) == ("outbox", "push", "crm", refused)
    assert (letter.error, letter.attempt, letter.due_at) == ("phone is no number", 1, None)
    assert letter.payload == {"campaign": "spring"}


def test_a_dead_letter_is_tried_again_as_patiently_as_a_new_one(world: World, refused: str) -> None:
    del world.crm.bad[refused]
    world.clock.move(days=30)

    assert retry(world.app, dead(world), by="cli:eve") == 1
    world.deliver()

    assert world.standing(refused) == "pushed"
    assert dead(world) == []
    (line,) = world.history("retried")
    assert (line.referral, line.cause) == (refused, "cli:eve")


def test_a_discarded_letter_is_never_tried_again(world: World, refused: str) -> None:
    letters = dead(world)
    assert discard(world.app, letters, reason="a test entry", by="cli:eve") == 1
    assert discard(world.app, letters, reason="again", by="cli:eve") == 0
    assert retry(world.app, letters, by="cli:eve") == 0

    del world.crm.bad[refused]
    world.deliver()

    assert world.standing(refused) == "captured"
    (line,) = world.history("discarded")
    assert line.detail["reason"] == "a test entry"


def test_what_waits_is_listed_by_party_and_by_error(world: World, refused: str) -> None:
    world.refer("cid", world.advocate())
    with read(world.app.database) as tx:
        assert [letter.kind for letter in letters.find(tx, dead=False, party="crm")] == ["push"]
        assert letters.find(tx, dead=False, party="other") == []
        assert [letter.lead for letter in letters.find(tx, dead=True, error="phone")] == [refused]
        assert letters.find(tx, dead=True, error="100%") == []
        assert letters.find(tx, dead=True, names=["i1", "o99", "nonsense"]) == []
