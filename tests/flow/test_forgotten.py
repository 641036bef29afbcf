"""Somebody who wants to be forgotten: what is left of them, and of others who are called alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from syncd.contract import Person
from syncd.flow.audit import audit
from syncd.flow.backlog import catch_up
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.codes import NewCode
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.persons import erase, merge
from syncd.flow.refusal import Refusal
from syncd.store import work
from syncd.store.engine import read, write
from syncd.store.referrals import Referral
from syncd.store.tables import event, inbox, metadata, outbox, participant
from tests.flow.booking import SHOP, at_rest, beside, qualify, rewards, who
from tests.flow.world import PROGRAM, World

COLLEAGUES = PROGRAM + "eligibility: {same_company_domain: reject}\n"


def deliver(world: World, key: str, dead: str | None = None, **payload: Any) -> None:
    with write(world.app.database) as tx:
        now = world.clock()
        work.told(tx, key=key, kind="delivery", source="shop", payload=payload, now=now, dead=dead)


def carried(world: World) -> dict[str, Any]:
    with read(world.app.database) as tx:
        return {row.key: row.payload for row in tx.execute(select(inbox).where(inbox.c.kind == "delivery"))}


def tables_with(world: World, text: str) -> list[str]:
    with read(world.app.database) as tx:
        held = {table.name: str(tx.execute(select(table)).all()).lower() for table in metadata.sorted_tables}
    return [name for name, content in held.items() if text in content]


def invite(world: World, email: str, code: str) -> Referral:
    return capture(world.app, Invitation(friend=Person(email=email), code=code), cause="test").referral


def owed(world: World) -> list[str | None]:
    with read(world.app.database) as tx:
        return list(tx.scalars(select(outbox.c.lead).where(outbox.c.kind == "push", outbox.c.due_at.is_not(None))))


def test_what_names_them_in_any_spelling_is_emptied_and_what_names_others_is_not(world: World) -> None:
    ann = world.refer("ann", world.advocate("eva")).referral.friend
    deliver(world, "same", email="ann@example.com")
    deliver(world, "spelt", email="Ann+Shop@Example.com")
    deliver(world, "dead", dead="unusable", raw='{"to": "\\"Ann\\" <ann@example.com>"}')
    deliver(world, "joann", email="joann@example.com")
    deliver(world, "ann.example", email="ann@example.com.example.org")
    erase(world.app, ann, cause="cli:eva")
    assert {key for key, payload in carried(world).items() if payload} == {"joann", "ann.example"}
    with read(world.app.database) as tx:
        due = tx.scalars(select(inbox.c.key).where(inbox.c.kind == "delivery", inbox.c.due_at.is_not(None))).all()
    assert set(due) == {"joann", "ann.example"}


def test_no_table_holds_their_name_their_address_or_its_hash_afterwards(world: World) -> None:
    code = world.advocate("eva")
    referral = world.refer("zaphod", code, key="ext:spring:zaphod@example.com").referral
    qualify(world, referral.id)
    hashed = world.app.identity("zaphod@example.com") or ""
    erase(world.app, referral.friend, cause="cli:eva")
    world.app = beside(world.app)
    assert audit(world.app) == 0
    assert (tables_with(world, "zaphod"), tables_with(world, hashed)) == ([], [])


def test_one_who_is_remembered_as_forgotten_joins_no_more_and_is_not_written_down(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, yaml="privacy: {remember_erased: true}\n")
    ben = world.refer("ben", world.advocate()).referral.friend
    erase(world.app, ben, cause="cli:eva")
    with pytest.raises(Refusal) as refused:
        enrol(world.app, "spring", Person(email="ben@example.com", first_name="Ben"), cause="test")
    assert refused.value.reason == "erased"
    with read(engine) as tx:
        assert tx.scalar(select(participant.c.first_name).where(participant.c.id == ben)) is None


def test_a_campaign_that_rests_gives_a_forgotten_person_nothing_when_it_is_back(engine: Engine, tmp_path: Path) -> None:
    program = """
campaign: spring
qualification: {any_of: [{type: explicit, via: [api]}]}
settlement: {hold: P3D}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
"""
    world = World(engine, tmp_path, program=program)
    qualify(world, world.refer("ben", world.advocate()).referral.id)
    resting = at_rest(world.app)
    erase(resting, who(world, "ann"), cause="cli:eva")
    world.clock.move(days=4)
    decide(beside(world.app))
    assert [it.status for it in rewards(world)] == ["void"]


def test_a_text_that_nobody_understood_is_emptied_however_their_address_or_name_is_written(world: World) -> None:
    referral = world.refer("zoë", world.advocate("eva")).referral
    spellings = {
        "json": r'{"to": "zo\u00eb\u0040example.com',
        "json in json": r'"{\"note\": \"Hello\\nzo\\u00eb\\u0040example.com\"',
        "form": "email=zo%C3%AB%40example.com",
        "name": r'{"first": "Zo\u00eb"',
        "id": f"{{referral: {referral.id}",
    }
    for key, raw in {**spellings, "another": r'{"first": "Zoëlla", "email": "zo\u00eb\u0040example.org"'}.items():
        deliver(world, key, dead="unusable: zoë", raw=raw)
    erase(world.app, referral.friend, cause="cli:eva")
    assert {key for key, payload in carried(world).items() if payload} == {"another"}
    with read(world.app.database) as tx:
        assert set(tx.scalars(select(inbox.c.error).where(inbox.c.key.in_(spellings)))) == {None}


def test_what_is_not_decided_and_names_them_by_an_id_is_emptied(world: World) -> None:
    referral = world.refer("ben", world.advocate()).referral
    world.deliver()
    deliver(world, "referral", referral=referral.id, reason="Ben is his own boss")
    deliver(world, "record", connector="crm", record=world.crm.persons[referral.id], reason="Ben is his own boss")
    deliver(world, "happening", happening={"id": "1", "participant": referral.friend, "data": {"review": "Ben's"}})
    deliver(world, "other", connector="other", record=world.crm.persons[referral.id])
    erase(world.app, referral.friend, cause="cli:eva")
    assert {key for key, payload in carried(world).items() if payload} == {"other"}


def test_ids_under_which_callers_told_something_are_kept_as_hashes(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=SHOP)
    world.refer("ben", world.advocate(), key="ben@example.com")
    data = {"order": "ben@example.com/1", "amount": "160.00", "currency": "EUR"}
    order = Happening(id="ben@example.com", type="order.paid", email="ben@example.com", data=data)
    for teller in ("shop", "shop", "till"):
        tell(world.app, order, teller=teller, cause="api:shop")
    erase(world.app, who(world, "ben"), cause="cli:eva")
    assert tables_with(world, "ben") == []
    with read(engine) as tx:
        assert tx.scalar(select(func.count()).select_from(event).where(event.c.type == "order.paid")) == 2


def test_the_reason_of_a_decision_is_told_until_either_of_them_is_forgotten(world: World) -> None:
    code = world.advocate()
    names = {name: world.refer(name, code).referral for name in ("ben", "cid")}
    for name, referral in names.items():
        no = Decision(verdict="disqualified", via="api", referral=referral.id, reason=f"{name} zaphods Ann")
        decide_now(world.app, no, id=name, cause="test")
    assert [line.detail["reason"] for line in world.history("decided")] == ["ben zaphods Ann", "cid zaphods Ann"]

    erase(world.app, names["ben"].friend, cause="cli:eva")
    assert [line.detail.get("reason") for line in world.history("decided")] == [None, "cid zaphods Ann"]
    erase(world.app, who(world, "ann"), cause="cli:eva")
    again = Decision(verdict="disqualified", via="api", referral=names["cid"].id, reason="zaphod")
    decide_now(world.app, again, id="later", cause="test")
    assert tables_with(world, "zaphod") == []


def test_a_code_that_they_chose_is_gone_and_nobody_else_may_take_it(world: World) -> None:
    def choose(name: str) -> str:
        person = Person(email=f"{name}@example.com")
        return enrol(world.app, "spring", person, cause="test", code=NewCode(text="Zaphod-1984"))[1][0]

    ben = world.refer("ben", choose("ann"))
    touch = Happening(id="1", type="referral.captured", email="cid@example.com", campaign="spring")
    tell(world.app, replace(touch, data={"code": "zaphod-1984"}), teller="site", cause="api:site")
    for _ in range(2):  # what is said twice is done once
        erase(world.app, ben.referral.advocate, cause="cli:eva")
    assert tables_with(world, "zaphod") == []
    for take in (lambda: choose("ada"), lambda: world.refer("dan", "zaphod-1984")):
        with pytest.raises(Refusal):
            take()
    world.app = beside(world.app)
    qualify(world, ben.referral.id)
    assert world.points() == {ben.referral.friend: 50}
    assert audit(world.app) == 0


def test_where_somebody_works_is_kept_only_as_long_as_a_colleagues_referral_is_refused_for_it(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, program=COLLEAGUES)
    _, (code,) = enrol(world.app, "spring", Person(email="ann@acme.example.com"), cause="test")
    colleague = invite(world, "zoe@acme.example.com", code)
    stranger = invite(world, "ben@own.example.com", code)
    hashes = {name: world.app.opaque(f"{name}.example.com") for name in ("acme", "own")}
    erase(world.app, stranger.friend, cause="cli:eva")
    erase(world.app, stranger.advocate, cause="cli:eva")
    assert (tables_with(world, hashes["own"]), tables_with(world, hashes["acme"])) == ([], ["event"])
    world.app = beside(world.app)
    qualify(world, stranger.id)
    assert audit(world.app) == 0
    assert [world.referral(it.id).reason for it in (stranger, colleague)] == [None, "same_company_domain"]


@pytest.mark.parametrize("yaml", ["", "privacy: {remember_erased: true}\n"])
def test_nothing_is_written_down_of_a_forgotten_person(engine: Engine, tmp_path: Path, yaml: str) -> None:
    world = World(engine, tmp_path, program=SHOP, yaml=yaml)
    ben = world.refer("ben", world.advocate()).referral
    erase(world.app, ben.friend, cause="cli:eva")
    for n, way in enumerate([{"participant": ben.friend}, {"referral": ben.id}, {"email": "ben@example.com"}]):
        data = {"order": f"o{n}", "amount": "160.00", "currency": "EUR"}
        order = Happening(id=f"o{n}", type="order.paid", campaign="spring", data=data, **way)
        assert tell(world.app, order, teller="shop", cause="api:shop") == []
    with read(engine) as tx:
        assert tx.scalar(select(func.count()).select_from(event).where(event.c.type == "order.paid")) == 0


def test_a_forgotten_person_reaches_no_connector_that_is_added_later(world: World) -> None:
    connected, spring = world.app, world.app.config.campaigns["spring"]
    alone = replace(world.app.config, campaigns={"spring": replace(spring, connectors=())})
    world.app = replace(world.app, config=alone)
    code = world.advocate()
    ben, cid = (world.refer(name, code).referral for name in ("ben", "cid"))
    erase(world.app, ben.friend, cause="cli:eva")
    world.app = connected
    catch_up(world.app)
    assert owed(world) == [cid.id]


def test_a_push_that_is_owed_of_a_forgotten_person_all_the_same_is_not_made(world: World) -> None:
    ben = world.refer("ben", world.advocate()).referral
    erase(world.app, ben.friend, cause="cli:eva")
    again = {"due_at": world.clock(), "payload": {"campaign": "spring"}}
    with write(world.app.database) as tx:
        tx.execute(update(outbox).where(outbox.c.lead == ben.id).values(**again))
    world.deliver()
    assert (ben.id in world.crm.persons, owed(world)) == (False, [])


def test_all_that_is_owed_of_them_is_closed_under_whatever_name(world: World) -> None:
    ben = world.refer("ben", world.advocate("ann")).referral
    world.clock.move(hours=1)
    bob = world.refer("bob", world.advocate("ada")).referral
    merge(world.app, bob.friend, ben.friend, cause="cli:eva")
    assert {ben.id, bob.id} <= set(owed(world))
    erase(world.app, ben.friend, cause="cli:eva")
    assert {ben.id, bob.id}.isdisjoint(owed(world))


@pytest.mark.parametrize("turned", [False, True], ids=["into a forgotten one", "of a forgotten one"])
def test_nobody_turns_out_to_be_somebody_who_is_forgotten(world: World, turned: bool) -> None:
    world.advocate("ann")
    gone = who(world, "ann")
    erase(world.app, gone, cause="cli:eva")
    world.advocate("ada")
    names = [who(world, "ada"), gone]
    with pytest.raises(Refusal) as refused:
        merge(world.app, *(reversed(names) if turned else names), cause="cli:eva")
    assert refused.value.reason == "erased"
    assert tables_with(world, "ada@example.com") == ["participant"]
