"""Two who turn out to be one person: in every process, in every campaign, and with all that they were given."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from syncd.contract import Person
from syncd.flow.app import App
from syncd.flow.audit import audit
from syncd.flow.balance import balance_of
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.payout import say
from syncd.flow.persons import merge
from syncd.flow.shelf import Opened, Shelf
from syncd.flow.written import Scope
from syncd.store import people
from syncd.store.engine import read, write
from tests.flow.booking import BUDGET, SHOP, at_rest, beside, money, pay, qualify, rewards, who
from tests.flow.world import World

GIVEN = """
campaign: spring
counting: conversions
qualification: {any_of: [{type: explicit, via: [api]}, {type: stage, stage: won}]}
rewards:
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""


def become_one(world: World, old: str, into: str, app: App | None = None) -> None:
    merge(app or world.app, who(world, old), who(world, into), cause="cli:eva")


def without(app: App, campaign: str) -> App:
    """Give a process with a configuration from which a campaign has been taken out."""
    left = {id: it for id, it in app.config.campaigns.items() if id != campaign}
    return replace(beside(app), config=replace(app.config, campaigns=left))


def test_another_process_sees_whose_friends_are_whose_now(world: World) -> None:
    other = beside(world.app)
    for name, friend in (("ada", "cid"), ("ann", "ben")):
        referral = world.refer(friend, world.advocate(name)).referral
        decide_now(other, Decision(verdict="qualified", via="api", referral=referral.id), id=f"a:{friend}", cause="t")
    become_one(world, "ada", "ann")

    dan = world.refer("dan", world.advocate("ann")).referral
    decide_now(other, Decision(verdict="qualified", via="api", referral=dan.id), id="a:dan", cause="test")
    assert world.points()[who(world, "ann")] == 500
    assert len(world.history("milestone_lost")) == 0
    assert audit(world.app) == 0


def test_books_that_lost_a_friend_are_opened_anew_in_another_process(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    other = beside(world.app)
    ben = world.refer("ben", world.advocate("ann")).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", world.advocate("ada")).referral
    for it in (ben, bob):
        decide_now(other, Decision(verdict="qualified", via="api", referral=it.id), id=f"a:{it.id}", cause="test")
    become_one(world, "bob", "ben")

    cid = world.refer("cid", world.advocate("ada")).referral
    decide_now(other, Decision(verdict="qualified", via="api", referral=cid.id), id="a:cid", cause="test")
    assert world.points()[who(world, "ada")] == 100  # for Cid alone
    assert audit(world.app) == 0


@pytest.mark.parametrize("stays", ["ben", "bob"])
def test_whichever_name_stays_the_first_referral_does_and_nothing_is_given_twice(
    engine: Engine, tmp_path: Path, stays: str
) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    ben = world.refer("ben", world.advocate("ann")).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", world.advocate("ada")).referral
    for it in (ben, bob):
        qualify(world, it.id)
    become_one(world, *(("bob", "ben") if stays == "ben" else ("ben", "bob")))
    assert [world.standing(it.id) for it in (ben, bob)] == ["qualified", "rejected"]
    assert world.points() == {who(world, "ann"): 100, who(world, "ben"): 50}
    assert audit(world.app) == 0


def test_what_a_friend_was_given_in_other_books_is_given_once_when_they_qualify_again(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    ben = world.refer("ben", world.advocate("cid")).referral
    qualify(world, ben.id)
    world.clock.move(hours=1)
    cid = world.refer("cid", world.advocate("ann")).referral
    become_one(world, "cid", "ben")  # who referred himself, so that Ann's referral is the first that stands
    assert world.points() == {}

    qualify(world, cid.id)
    assert world.points() == {who(world, "ann"): 100, who(world, "ben"): 50}
    assert audit(world.app) == 0


def test_a_friends_reward_can_be_paid_out_after_their_advocate_got_another_name(world: World) -> None:
    qualify(world, world.refer("ben", world.advocate("ada")).referral.id)
    world.advocate("ann")
    become_one(world, "ada", "ann")
    (welcome,) = rewards(world)
    assert say(world.app, "fulfilled", welcome.key, by="eva", cause="cli:eva").status == "fulfilled"


def test_what_becomes_of_a_deal_of_the_second_referral_is_the_persons_all_the_same(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    ben = world.refer("ben", world.advocate("ann")).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", world.advocate("ada")).referral
    world.deliver()
    become_one(world, "bob", "ben")
    world.clock.move(minutes=1)
    world.crm.move(world.crm.deal_of(bob.id), "won")
    world.poll()
    assert [world.standing(it.id) for it in (ben, bob)] == ["qualified", "rejected"]
    assert world.referral(bob.id).reason == "already_referred"
    assert audit(world.app) == 0


def test_what_was_known_of_a_stranger_under_another_name_counts_when_they_are_referred(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, program=SHOP)
    code = world.advocate()
    world.refer("ben", code)  # the books are open
    customer = Happening(id="c1", type="customer.existing", email="zoe.old@example.com", campaign="spring")
    tell(world.app, customer, teller="crm", cause="api:crm")
    with write(engine) as tx:
        address = "zoe@example.com"
        people.remember(tx, Person(email=address), world.app.identity(address) or "", world.clock())
    become_one(world, "zoe.old", "zoe")
    assert world.refer("zoe", code).referral.reason == "existing_customer"


def test_they_are_one_too_in_a_campaign_that_was_not_configured_when_that_came_out(world: World) -> None:
    for name, friend in (("ann", "ben"), ("ada", "cid")):
        qualify(world, world.refer(friend, world.advocate(name)).referral.id)
    become_one(world, "ada", "ann", without(world.app, "spring"))
    world.app = beside(world.app)
    world.clock.move(days=1, seconds=1)
    decide(world.app)
    assert world.points()[who(world, "ann")] == 500
    assert audit(world.app) == 0


def test_a_friend_keeps_their_own_milestones_when_their_advocates_books_are_weighed(
    engine: Engine, tmp_path: Path
) -> None:
    welcome = "rewards:\n  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}\n"
    world = World(engine, tmp_path, program=SHOP.replace("rewards:\n", welcome, 1))
    ben = world.refer("ben", world.advocate()).referral
    pay(world, "o1", "ben", "60.00")
    pay(world, "o2", "ben", "60.00")
    assert money(world, "ben") == {"POINTS": 57}
    world.app = beside(world.app)
    pay(world, "o3", "ann", "60.00")
    assert len(world.history("milestone_lost")) == 0
    assert world.standing(ben.id) == "qualified"


class Held(Shelf):
    """A shelf at which its process stops, with the books held, until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def take(self, scope: Scope) -> Opened | None:
        self.reached.set()
        self.go_on.wait(20)
        return super().take(scope)


def test_a_decision_that_waited_for_a_merge_is_made_in_the_books_that_stay(engine: Engine, tmp_path: Path) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    world = World(engine, tmp_path, program=GIVEN)
    ben = world.refer("ben", world.advocate("ada")).referral
    world.advocate("ann")
    shelf = Held()
    merges = replace(world.app, shelf=shelf)
    ada, ann = who(world, "ada"), who(world, "ann")
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(merge, merges, ada, ann, cause="cli:eva")
        assert shelf.reached.wait(20)
        decision = Decision(verdict="qualified", via="api", referral=ben.id)
        other = threads.submit(decide_now, world.app, decision, id="a", cause="test")
        _until_somebody_waits(engine)
        shelf.go_on.set()
        one.result(20)
        assert other.result(20).standing == "qualified"
    assert world.points() == {ann: 100, ben.friend: 50}


def test_strangers_who_become_one_are_seen_by_all_books_of_a_campaign_with_a_budget(
    engine: Engine, tmp_path: Path
) -> None:
    """Nobody's friends are in these books, too: a later event of another must not be read past the merge."""
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    world = World(engine, tmp_path, program=BUDGET)
    code = world.advocate()
    touched = Happening(id="t", type="referral.captured", email="zoe@example.com", campaign="spring")
    tell(world.app, replace(touched, data={"code": code}), teller="site", cause="api:site")
    customer = Happening(id="c", type="customer.existing", email="zoe.old@example.com", campaign="spring")
    tell(world.app, customer, teller="crm", cause="api:crm")
    with ThreadPoolExecutor(1) as threads:

        def refer_another(_: object) -> None:
            threads.submit(world.refer, "ben", code)
            _until_somebody_waits(engine)

        old, new = who(world, "zoe.old"), who(world, "zoe")
        event.listen(engine, "commit", refer_another, once=True)
        merge(beside(world.app), old, new, cause="cli:eva")
    assert world.refer("zoe", code).referral.reason == "existing_customer"
    assert audit(world.app) == 0


def _until_somebody_waits(engine: Engine) -> None:
    for _ in range(400):
        if _somebody_waits(engine):
            return
        threading.Event().wait(0.05)
    pytest.fail("nobody waits for the books")


def _somebody_waits(engine: Engine) -> bool:
    with read(engine) as tx:
        return bool(tx.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")))


def test_what_is_told_again_after_a_merge_is_no_conflict(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=SHOP)
    world.refer("bob", world.advocate())
    pay(world, "o1", "bob", "5.00")
    world.advocate("ben")
    become_one(world, "bob", "ben")
    pay(world, "o1", "bob", "5.00")
    assert world.history("conflict") == []
    pay(world, "o1", "bob", "6.00")
    assert len(world.history("conflict")) == 1


def test_a_push_that_waited_for_one_merge_is_not_lost_in_the_next(engine: Engine, tmp_path: Path) -> None:
    """Ada turns out to be Ann, and Bob, who is pushed meanwhile, to be Ben: his referral is written anew."""
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    world = World(engine, tmp_path, program=GIVEN)
    bob = world.refer("bob", world.advocate("ada")).referral
    world.advocate("ann")
    world.advocate("ben")
    ada, ann, ben = (who(world, name) for name in ("ada", "ann", "ben"))
    shelf = Held()
    marking = Stop(engine, "before", "UPDATE referral SET standing")
    written_anew = Stop(engine, "after", "DELETE FROM referral")
    with ThreadPoolExecutor(3) as threads:
        one = threads.submit(merge, replace(world.app, shelf=shelf), ada, ann, cause="cli:eva")
        assert shelf.reached.wait(20)
        push = threads.submit(world.deliver)
        _until_somebody_waits(engine)
        shelf.go_on.set()
        one.result(20)
        assert marking.reached.wait(20)
        other = threads.submit(merge, world.app, bob.friend, ben, cause="cli:eva")
        while not written_anew.reached.wait(0.05) and not _somebody_waits(engine):
            pass
        marking.go_on.set()
        if written_anew.reached.is_set():
            _until_somebody_waits(engine)
        written_anew.go_on.set()
        other.result(20)
        push.result(20)
    assert world.standing(bob.id) == "pushed"


class Stop:
    """Stops whoever first comes to a statement, before it or after it, until they may go on."""

    def __init__(self, engine: Engine, when: str, statement: str) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._statement = statement
        event.listen(engine, f"{when}_cursor_execute", self._stop)

    def _stop(self, conn: object, cursor: object, statement: str, *more: object) -> None:
        if statement.startswith(self._statement) and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(20)


def test_what_somebody_has_is_theirs_while_the_campaign_rests_in_which_they_were_another(world: World) -> None:
    ben = world.refer("ben", world.advocate()).referral
    qualify(world, ben.id)
    eve = world.refer("eve", world.advocate()).referral.friend
    resting = at_rest(world.app)
    merge(resting, ben.friend, eve, cause="cli:eva")

    with read(world.app.database) as tx:
        assert balance_of(tx, eve) == {"POINTS": {"pending": 0, "available": 50, "fulfilled": 0}}
