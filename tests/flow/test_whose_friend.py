"""Whose friend somebody is: what the list and the books say is what the rules say of the whole campaign."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from syncd.flow.audit import audit
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.persons import erase, merge
from syncd.flow.refusal import Refusal
from syncd.store import books
from syncd.store.engine import read
from syncd_rules import Result, evaluate
from tests.flow.booking import GIVEN, TIED, beside, money, qualify, rewards, who
from tests.flow.world import World

SHORT_LIVED = "codes: {default_valid_for: P9D}\n"

both = pytest.mark.parametrize("program", [GIVEN, TIED], ids=["an advocate's books", "a campaign's"])


def touch(world: World, name: str, code: str, **more: Any) -> None:
    data = {"code": code}
    seen: dict[str, Any] = {"id": f"{name}-{code}", "email": f"{name}@example.com", "campaign": "spring"}
    told = Happening(type="referral.captured", data=data, **seen, **more)
    tell(world.app, told, teller="site", cause="api:site")


def weighed(world: World) -> Result:
    """Give what the rules say of all that has happened."""
    with read(world.app.database) as tx:
        told = books.events(tx, "spring", None)
    return evaluate(world.app.config.campaigns["spring"].programs, [it.event for it in told], world.clock())


def agree(world: World) -> bool:
    """Tell whether rewards are what the rules say of all that has happened, and the books what the facts say."""
    said = {it.key: (it.book, it.status) for it in weighed(world).rewards}
    return {it.key: (it.advocate, it.status) for it in rewards(world)} == said and audit(world.app) == 0


def become_one(world: World, old: str, into: str) -> None:
    merge(world.app, who(world, old), who(world, into), cause="cli:eva")


# --- codes that count no more -----------------------------------------------------------------------------------------


@both
def test_who_once_touched_the_code_of_somebody_forgotten_is_the_friend_of_whose_code_they_use(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program)
    ann, ada = world.advocate("ann"), world.advocate("ada")
    touch(world, "ben", ann)
    world.clock.move(hours=1)
    erase(world.app, who(world, "ann"), cause="cli:eva")
    world.clock.move(hours=1)
    ben = world.refer("ben", ada).referral
    assert (ben.advocate, ben.standing) == (who(world, "ada"), "captured")


@both
def test_who_first_touched_a_code_that_has_expired_is_nobodys_friend(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program + SHORT_LIVED)
    touch(world, "ben", world.advocate("ann"))
    world.clock.move(days=20)
    ben = world.refer("ben", world.advocate("ada")).referral
    assert (ben.standing, ben.reason) == ("rejected", "code_expired")
    assert [(it.friend, it.reason) for it in weighed(world).rejected] == [(ben.friend, "code_expired")]
    with pytest.raises(Refusal):
        qualify(world, ben.id)


@both
def test_who_was_refused_for_an_expired_code_may_come_by_a_good_one(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program + SHORT_LIVED)
    old = world.advocate("ann")
    world.clock.move(days=10)
    refused = world.refer("ben", old)
    assert refused.referral.reason == "code_expired"
    world.clock.move(hours=1)

    again = world.refer("ben", world.advocate("ada"))
    assert again.created
    assert (again.referral.id, again.referral.standing) == (refused.referral.id, "captured")
    assert again.referral.advocate == who(world, "ada")
    world.deliver()
    assert world.standing(again.referral.id) == "pushed"
    qualify(world, again.referral.id)
    assert (money(world, "ann"), money(world, "ada")) == ({}, {"POINTS": 100})
    assert agree(world)


@both
def test_who_was_refused_since_a_code_was_used_up_may_come_by_another(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program + "codes: {default_redemption_limit: 1}\n")
    ann, ada = world.advocate("ann"), world.advocate("ada")
    for name, code in (("cid", ann), ("ben", ann), ("ben", ada)):
        world.clock.move(hours=1)
        last = world.refer(name, code).referral
    assert (last.standing, last.advocate) == ("captured", who(world, "ada"))
    world.app = beside(world.app)
    qualify(world, last.id)
    assert (money(world, "ann"), money(world, "ada")) == ({}, {"POINTS": 100})
    assert agree(world)


def test_what_books_must_know_of_the_owner_of_a_code_makes_nobody_a_friend(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=GIVEN.replace("{type: explicit, via: [api]}", "{type: signup}"))
    ada, eve = world.advocate("ada"), world.advocate("eve")
    touch(world, "ann", eve)
    world.clock.move(hours=1)
    touch(world, "ann", ada)
    world.clock.move(hours=1)
    world.refer("ann", eve)
    code = world.advocate("ann")
    world.refer("ben", ada)
    world.clock.move(hours=1)
    touch(world, "ben", code)  # from now on Ada's books have to know of Ann's code
    assert (money(world, "eve"), money(world, "ada")) == ({"POINTS": 100}, {"POINTS": 100})
    assert agree(world)


def test_who_is_refused_again_has_the_referral_that_they_had(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    known = Happening(id="c1", type="customer.existing", email="ben@example.com", campaign="spring")
    tell(world.app, known, teller="crm", cause="api:crm")
    world.clock.move(hours=1)
    first = world.refer("ben", world.advocate("ann"))
    second = world.refer("ben", world.advocate("ada"))
    assert (second.created, second.referral) == (False, first.referral)
    assert second.referral.reason == "existing_customer"


def test_who_cannot_qualify_by_a_code_that_has_expired_is_refused_for_that(engine: Engine, tmp_path: Path) -> None:
    codes = "codes: {default_valid_for: P9D, checked_at: qualification}\n"
    world = World(engine, tmp_path, program=GIVEN + codes)
    ben = world.refer("ben", world.advocate()).referral
    world.clock.move(days=10)
    qualify(world, ben.id)
    assert (world.standing(ben.id), world.referral(ben.id).reason) == ("rejected", "code_expired")


# --- touches that are told late ---------------------------------------------------------------------------------------


@both
def test_a_touch_that_is_told_late_gives_a_friend_to_whom_they_touched_first(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program)
    ann, ada = world.advocate("ann"), world.advocate("ada")
    other = beside(world.app)
    world.clock.move(days=1)
    ben = world.refer("ben", ada).referral
    decide_now(other, Decision(verdict="qualified", via="api", referral=ben.id), id="a:ben", cause="test")
    assert (money(world, "ann"), money(world, "ada"), money(world, "ben")) == ({}, {"POINTS": 100}, {"POINTS": 50})

    world.clock.move(days=1)
    touch(world, "ben", ann, at=world.clock() - timedelta(days=1, hours=1))
    assert world.referral(ben.id).advocate == who(world, "ann")
    assert (money(world, "ann"), money(world, "ada"), money(world, "ben")) == ({"POINTS": 100}, {}, {"POINTS": 50})
    (line,) = world.history("reattributed")
    assert (line.referral, line.participant, line.cause) == (ben.id, who(world, "ann"), "api:site")
    assert agree(world)


def test_another_process_sees_that_a_friend_has_gone_into_other_books(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    ann, ada = world.advocate("ann"), world.advocate("ada")
    other = beside(world.app)

    def won_there(name: str, code: str) -> None:
        id = world.refer(name, code).referral.id
        decide_now(other, Decision(verdict="qualified", via="api", referral=id), id=f"a:{id}", cause="test")

    world.clock.move(days=1)
    won_there("ben", ada)
    won_there("cid", ann)
    touch(world, "ben", ann, at=world.clock() - timedelta(hours=1))
    won_there("dan", ada)
    won_there("eve", ann)
    assert (money(world, "ann"), money(world, "ada")) == ({"POINTS": 300}, {"POINTS": 100})
    assert agree(world)


def test_a_touch_after_the_sign_up_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=GIVEN)
    ann, ada = world.advocate("ann"), world.advocate("ada")
    ben = world.refer("ben", ada).referral
    world.clock.move(hours=1)
    touch(world, "ben", ann)
    qualify(world, ben.id)
    assert (world.referral(ben.id).advocate, money(world, "ada")) == (who(world, "ada"), {"POINTS": 100})
    assert agree(world)


# --- merges -----------------------------------------------------------------------------------------------------------


@both
def test_a_referral_that_gave_way_to_one_that_turned_out_to_be_of_oneself_stands(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program)
    ann, ada = world.advocate("ann"), world.advocate("ada")
    world.clock.move(hours=1)
    ben = world.refer("ben", ann).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", ada).referral
    qualify(world, bob.id)
    become_one(world, "bob", "ben")  # Ann's was the first
    assert [world.standing(it.id) for it in (ben, bob)] == ["qualified", "rejected"]
    world.clock.move(hours=1)

    become_one(world, "ben", "ann")  # who had referred herself
    assert [world.standing(it.id) for it in (ben, bob)] == ["rejected", "qualified"]
    assert world.referral(bob.id).advocate == who(world, "ada")
    assert (money(world, "ada"), money(world, "ann")) == ({"POINTS": 100}, {"POINTS": 50})
    assert agree(world)


@both
def test_the_referral_that_the_rules_accept_stands_where_the_first_had_come_by_an_expired_code(
    engine: Engine, tmp_path: Path, program: str
) -> None:
    world = World(engine, tmp_path, program=program + SHORT_LIVED)
    old = world.advocate("ann")
    world.clock.move(days=10)
    ben = world.refer("ben", old).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", world.advocate("ada")).referral
    qualify(world, bob.id)
    become_one(world, "bob", "ben")
    assert [world.standing(it.id) for it in (ben, bob)] == ["rejected", "qualified"]
    assert (money(world, "ada"), money(world, "ben")) == ({"POINTS": 100}, {"POINTS": 50})
    assert agree(world)
