"""What books cost: they are opened once and then only read on, however large, and nobody waits for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Select, event

from syncd.contract import Person
from syncd.flow.capture import Invitation, capture
from syncd.flow.decide import BATCH, decide
from syncd.flow.payout import say
from syncd.flow.persons import erase, merge
from syncd.flow.refusal import Refusal
from syncd.flow.shelf import Opened, Shelf
from syncd.flow.written import Scope
from syncd.store import work
from syncd.store.engine import read, write
from syncd_rules import State
from tests.flow.booking import BUDGET, beside, qualify, rewards, who
from tests.flow.world import START, World


@contextmanager
def readings(engine: Engine) -> Iterator[list[int]]:
    """Note after which event books are read: 0 is from their beginning."""
    found: list[int] = []

    def note(_: object, statement: object, *__: Any) -> None:
        if isinstance(statement, Select) and "seq_1" in (given := statement.compile().params):
            found.append(given["seq_1"])

    event.listen(engine, "before_execute", note)
    yield found
    event.remove(engine, "before_execute", note)


@pytest.fixture
def tied(engine: Engine, tmp_path: Path) -> World:
    return World(engine, tmp_path, program=BUDGET)


def test_a_word_about_a_reward_opens_its_books_at_most_once(world: World) -> None:
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    (reward,) = rewards(world)
    with readings(world.app.database) as known:
        say(world.app, "fulfilled", reward.key, by="eva", cause="cli:eva")
    with readings(world.app.database) as opened:
        say(beside(world.app), "failed", reward.key, by="eva", cause="cli:eva")
    assert (known.count(0), opened.count(0)) == (0, 1)
    assert known
    assert opened[1:]


def test_a_word_that_is_refused_leaves_the_books_open(world: World) -> None:
    code = world.advocate()
    qualify(world, world.refer("ben", code).referral.id)
    (reward,) = rewards(world)
    with readings(world.app.database) as seen:
        with pytest.raises(Refusal):
            say(world.app, "failed", reward.key, by="eva", cause="cli:eva")
        world.refer("cid", code)
    assert 0 not in seen
    assert seen


def test_what_several_told_at_once_opens_books_once_and_each_is_the_cause_of_their_own(world: World) -> None:
    code = world.advocate()
    friends = [world.refer(name, code).referral for name in ("ben", "cid", "dan")]
    with write(world.app.database) as tx:
        for name, it in zip("xyz", friends, strict=True):
            told = {"verdict": "qualified", "via": "webhook", "referral": it.id}
            work.told(tx, key=name, kind="delivery", source=name, payload=told, now=world.clock())
    with readings(world.app.database) as seen:
        decide(beside(world.app))
    assert seen.count(0) == 1
    assert {line.referral: line.cause for line in world.history("qualified")} == {
        it.id: f"webhook:{name}" for name, it in zip("xyz", friends, strict=True)
    }


def test_an_advocate_who_joins_with_their_first_friend_has_books_opened_once(world: World) -> None:
    friend, advocate = (Person(email=f"{name}@example.com") for name in ("ben", "ann"))
    with readings(world.app.database) as seen:
        capture(world.app, Invitation(friend=friend, campaign="spring", advocate=advocate), cause="test")
    assert seen.count(0) == 1


def test_people_in_many_books_of_a_campaign_with_a_budget_are_merged_and_forgotten_in_one_weighing(tied: World) -> None:
    for name in ("ann", "ada"):
        qualify(tied, tied.refer(f"{name}-friend", tied.advocate(name)).referral.id)
    tied.refer("ann", tied.advocate("amy"))
    ann, ada = who(tied, "ann"), who(tied, "ada")
    with readings(tied.app.database) as seen:
        merge(tied.app, ada, ann, cause="test")
    assert len(seen) == 1
    with readings(tied.app.database) as seen:
        erase(tied.app, ann, cause="test")
    assert len(seen) == 1


def test_the_books_of_a_campaign_are_never_opened_twice_however_large(tied: World) -> None:
    tied.app.shelf = Shelf(most_events=1)
    code = tied.advocate()
    tied.refer("ben", code)
    with readings(tied.app.database) as seen:
        tied.refer("cid", code)
    assert 0 not in seen
    assert seen


def books_of(events: int) -> Opened:
    return Opened(state=State([]), as_of=START, events=events)


def test_the_shelf_drops_the_least_used_books_and_never_the_newest_or_a_campaigns() -> None:
    shelf = Shelf(most_events=100)
    scopes = {name: Scope(campaign="spring", advocate=name) for name in ("ann", "ada", "amy", "large")}
    whole = Scope(campaign="summer", advocate=None)
    shelf.put(whole, books_of(500))
    for name in ("ann", "ada", "amy"):
        shelf.put(scopes[name], books_of(40))
    assert shelf.take(scopes["ann"]) is None
    assert shelf.take(scopes["ada"])

    shelf.put(scopes["large"], books_of(101))
    assert shelf.take(scopes["amy"]) is None
    assert shelf.take(scopes["large"])
    assert shelf.take(whole)


class OneRound(threading.Event):
    """Stops whoever asks a second time."""

    def is_set(self) -> bool:
        before = super().is_set()
        self.set()
        return before


def decide_one_round(world: World) -> None:
    world.clock.move(seconds=1)
    world.app.stopping = OneRound()
    decide(world.app)


def news_of(world: World, referral: str, *keys: str) -> None:
    told = {"verdict": "qualified", "via": "webhook", "referral": referral}
    with write(world.app.database) as tx:
        for key in keys:
            work.told(tx, key=key, kind="delivery", source="site", payload=told, now=world.clock())


def timers_of(world: World, *keys: str) -> None:
    nobodys = {"campaign": "spring", "advocate": "nobody"}
    with write(world.app.database) as tx:
        work.set_timers(tx, [(key, nobodys) for key in keys], source="spring", now=world.clock())


MANY = [f"many:{n}" for n in range(BATCH + 1)]


def test_news_waits_for_no_more_than_one_turn_of_timers(world: World) -> None:
    """A new version of a program wakes all books of its campaign at once."""
    ben = world.refer("ben", world.advocate()).referral
    timers_of(world, *MANY)
    world.clock.move(seconds=1)
    news_of(world, ben.id, "news")
    decide_one_round(world)
    assert world.standing(ben.id) == "qualified"


def test_timers_wait_for_no_more_than_one_turn_of_news(world: World) -> None:
    news_of(world, world.refer("ben", world.advocate()).referral.id, *MANY)
    world.clock.move(seconds=1)
    timers_of(world, "timer")
    decide_one_round(world)
    with read(world.app.database) as tx:
        assert not work.timer_is_due(tx, "timer", world.clock())
