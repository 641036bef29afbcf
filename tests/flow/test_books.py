"""What else goes into the books: orders, agreement, a budget over all, people who are one, people who are forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from syncd.contract import Person
from syncd.flow.audit import audit
from syncd.flow.book import book
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.payout import Word, say
from syncd.flow.persons import erase, merge
from syncd.flow.refusal import Refusal
from syncd.flow.shelf import Shelf
from syncd.store import books, referrals
from syncd.store.books import Booked
from syncd.store.engine import read, write
from syncd.store.tables import event, outbox, participant
from tests.flow.booking import (
    AGREED,
    BUDGET,
    SHOP,
    beside,
    disqualify,
    money,
    pay,
    qualify,
    refund,
    rewards,
    the_reward,
    who,
)
from tests.flow.world import World


class TestHappenings:
    @pytest.fixture
    def shop(self, engine: Engine, tmp_path: Path) -> World:
        return World(engine, tmp_path, program=SHOP)

    def test_a_friends_orders_qualify_and_earn_a_share_that_a_refund_takes_back_exactly(self, shop: World) -> None:
        ben = shop.refer("ben", shop.advocate()).referral
        assert pay(shop, "o1", "ben", "60.05") == ["spring"]
        assert (shop.standing(ben.id), money(shop)) == ("captured", {})

        pay(shop, "o2", "ben", "40.00")
        assert (shop.standing(ben.id), money(shop)) == ("qualified", {"EUR": 1001, "POINTS": 100})
        refund(shop, "r1", "o2", "ben", "0.50")
        assert (shop.standing(ben.id), money(shop)) == ("captured", {})

    def test_an_order_told_twice_counts_once_and_another_order_under_its_id_changes_nothing(self, shop: World) -> None:
        shop.refer("ben", shop.advocate())
        for amount in ("160.00", "160.00", "999.00"):
            pay(shop, "o1", "ben", amount)
        assert money(shop) == {"EUR": 1600, "POINTS": 100}
        assert len(shop.history("conflict")) == 1

    def test_an_advocates_own_orders_count_for_them(self, shop: World) -> None:
        shop.advocate("ann")
        pay(shop, "o1", "ann", "1.00")
        pay(shop, "o2", "ann", "1.00")
        assert shop.points() == {who(shop, "ann"): 7}

    def test_ids_of_any_length_that_is_taken_fit_into_every_table(self, engine: Engine, tmp_path: Path) -> None:
        shop = World(engine, tmp_path, program=SHOP.replace("hold: PT0S", "hold: PT0S, clawback: negative"))
        shop.refer("ben", shop.advocate())
        order, refunded = "ö/" * 60, "r/" * 60
        told = Happening(id="%" * 200, type="order.paid", email="ben@example.com", data={})
        data = {"order": order, "amount": "200.00", "currency": "EUR"}
        tell(shop.app, replace(told, data=data), teller="s" * 64, cause="api:shop")
        assert money(shop) == {"EUR": 2000, "POINTS": 100}
        share = next(it for it in rewards(shop) if it.rule == "share")
        assert say(shop.app, "fulfilled", share.key, by="eva", cause="cli:eva").status == "fulfilled"
        shop.clock.move(hours=1)
        back = replace(told, id="/" * 200, type="order.refunded", data=data | {"refund": refunded, "amount": "1.00"})
        tell(shop.app, back, teller="s" * 64, cause="api:shop")
        assert money(shop)["EUR"] == -10
        assert audit(shop.app) == 0

    def test_one_who_is_friend_and_advocate_has_an_order_in_both_books(self, shop: World) -> None:
        shop.refer("ben", shop.advocate("ann"))
        shop.advocate("ben")
        pay(shop, "o1", "ben", "50.00")
        pay(shop, "o2", "ben", "50.00")
        assert (money(shop), money(shop, "ben")) == ({"EUR": 1000, "POINTS": 100}, {"POINTS": 7})

    def test_what_a_stranger_bought_is_nobodys_and_leaves_nothing_behind(self, shop: World) -> None:
        assert pay(shop, "o1", "zoe", "60.00") == []
        with read(shop.app.database) as tx:
            assert tx.scalar(select(func.count()).select_from(event)) == 0
            assert tx.scalar(select(func.count()).select_from(participant)) == 0

    def test_a_stranger_who_is_a_customer_already_is_no_new_friend_later(self, shop: World) -> None:
        told = Happening(id="c1", type="customer.existing", email="zoe@example.com")
        assert tell(shop.app, told, teller="crm", cause="api:crm") == ["spring"]
        zoe = shop.refer("zoe", shop.advocate()).referral
        assert (zoe.standing, zoe.reason) == ("rejected", "existing_customer")

    def test_a_friend_belongs_to_whose_code_they_touched_first(self, shop: World) -> None:
        first, second = shop.advocate("ann"), shop.advocate("ada")
        told = Happening(id="t1", type="referral.captured", email="ben@example.com", campaign="spring")
        tell(shop.app, replace(told, data={"code": first}), teller="site", cause="api:site")
        shop.clock.move(hours=1)
        assert shop.refer("ben", second).referral.advocate == who(shop, "ann")

    @pytest.mark.parametrize(
        ("happening", "reason"),
        [
            (Happening(id="1", type="order.lost", email="ben@example.com"), "unknown_type"),
            (Happening(id="1", type="order.paid", email="ben@example.com", data={"order": "o"}), "malformed"),
            (Happening(id="1", type="order.paid", email="ben"), "email_invalid"),
            (Happening(id="1", type="order.paid", email="ben@example.com", participant="per_1"), "ambiguous"),
            (Happening(id="1", type="order.paid"), "ambiguous"),
            (Happening(id="1", type="order.paid", participant="per_1"), "not_found"),
            (Happening(id="1", type="order.paid", referral="ref_1"), "not_found"),
            (Happening(id="1", type="order.paid", email="ben@example.com", campaign="winter"), "campaign_not_found"),
        ],
    )
    def test_what_cannot_be_booked_is_refused_with_its_reason(
        self, shop: World, happening: Happening, reason: str
    ) -> None:
        shop.refer("ben", shop.advocate())
        with pytest.raises(Refusal) as refused:
            tell(shop.app, happening, teller="shop", cause="api:shop")
        assert refused.value.reason == reason


class TestPayout:
    @pytest.fixture
    def agreed(self, engine: Engine, tmp_path: Path) -> World:
        world = World(engine, tmp_path, program=AGREED)
        qualify(world, world.refer("ben", world.advocate()).referral.id)
        return world

    def say(self, world: World, word: Word, by: str) -> Booked:
        return say(world.app, word, the_reward(world).key, by=by, cause=f"cli:{by}")

    def test_a_reward_waits_until_two_persons_have_agreed(self, agreed: World) -> None:
        assert (the_reward(agreed).status, the_reward(agreed).approval) == ("pending", "awaiting")
        self.say(agreed, "approved", "eva")
        assert self.say(agreed, "approved", "eva").approval == "awaiting"
        assert (self.say(agreed, "approved", "max").status, the_reward(agreed).approval) == ("available", None)

    def test_one_person_is_one_however_they_write_their_name(self, agreed: World) -> None:
        for by in ("Eva", "eva ", "EVA"):
            assert self.say(agreed, "approved", by).approval == "awaiting"

    def test_what_was_handed_out_is_so_until_it_failed(self, agreed: World) -> None:
        for by in ("eva", "max"):
            self.say(agreed, "approved", by)
        assert self.say(agreed, "fulfilled", "eva").status == "fulfilled"
        with pytest.raises(Refusal, match="is not available: it is fulfilled"):
            self.say(agreed, "fulfilled", "eva")
        assert self.say(agreed, "failed", "eva").status == "available"
        assert self.say(agreed, "fulfilled", "eva").status == "fulfilled"

    def test_a_rejected_reward_is_given_to_nobody_until_somebody_approves_of_it(self, agreed: World) -> None:
        rejected = self.say(agreed, "rejected", "eva")
        assert (rejected.status, rejected.approval, agreed.points()) == ("void", "rejected", {})
        with pytest.raises(Refusal, match="is not open"):
            self.say(agreed, "rejected", "eva")
        assert self.say(agreed, "approved", "eva").approval == "awaiting"
        assert self.say(agreed, "approved", "max").status == "available"

    def test_an_unknown_reward_is_refused(self, agreed: World) -> None:
        with pytest.raises(Refusal) as refused:
            say(agreed.app, "approved", "spring/none", by="eva", cause="cli:eva")
        assert refused.value.reason == "not_found"


class TestBudget:
    def test_a_budget_binds_over_all_advocates_and_who_waits_is_served_when_it_has_room_again(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        world = World(engine, tmp_path, program=BUDGET)
        friends = [world.refer(f"{name}-friend", world.advocate(name)).referral for name in ("ann", "ada", "amy")]
        for friend in friends:
            world.clock.move(minutes=1)
            qualify(world, friend.id)
        assert world.points() == {who(world, "ann"): 100, who(world, "ada"): 100}

        world.clock.move(minutes=1)
        disqualify(world, friends[0].id)
        assert world.points() == {who(world, "ada"): 100, who(world, "amy"): 100}
        with read(world.app.database) as tx:
            owners = {txn.entitlement: owner for owner, txn in books.posted(tx, "spring", None)}
        assert sorted(owners.values()) == sorted(who(world, name) for name in ("ann", "ada", "amy"))


class TestTwoProcesses:
    def test_what_another_process_booked_is_seen_and_not_booked_again(self, world: World) -> None:
        code = world.advocate()
        ben, cid, dan = (world.refer(name, code).referral for name in ("ben", "cid", "dan"))
        other = beside(world.app)
        for app, friend in ((world.app, ben), (other, cid), (world.app, dan)):
            decision = Decision(verdict="qualified", via="api", referral=friend.id)
            decide_now(app, decision, id=f"api:{friend.id}", cause="test")
        assert world.points()[who(world, "ann")] == 500
        assert [world.standing(it.id) for it in (ben, cid, dan)] == ["qualified"] * 3
        assert len(world.history("milestone")) == 1

    def test_what_was_undone_leaves_nothing_on_the_shelf(self, world: World) -> None:
        code = world.advocate()
        ben = world.refer("ben", code).referral

        def half(tx: Any) -> None:
            data = {"friend": ben.friend, "via": "api"}
            it = books.Event(id="lost", type="referral.qualified", at=world.clock(), campaign="spring", data=data)
            book(tx, world.app, "spring", ben.advocate, [it], cause="test", now=world.clock())
            raise RuntimeError

        with pytest.raises(RuntimeError), write(world.app.database) as tx:
            half(tx)
        world.refer("cid", code)
        assert world.standing(ben.id) == "captured"
        assert world.points() == {}

    def test_books_that_were_dropped_from_the_shelf_say_the_same(self, world: World) -> None:
        world.app.shelf = Shelf(most_events=1)
        codes = [world.advocate(name) for name in ("ann", "ada")]
        for number in range(3):
            for name, code in zip(("ann", "ada"), codes, strict=True):
                qualify(world, world.refer(f"{name}-{number}", code).referral.id)
        assert [world.points()[who(world, name)] for name in ("ann", "ada")] == [500, 500]
        assert audit(world.app) == 0


class TestPersons:
    def test_a_forgotten_friend_is_nobody_any_more_and_the_books_stay(self, world: World) -> None:
        code = world.advocate()
        ben, cid = (world.refer(name, code).referral for name in ("ben", "cid"))
        qualify(world, ben.id)
        erase(world.app, ben.friend, cause="cli:eva")

        with read(world.app.database) as tx:
            row = tx.execute(select(participant).where(participant.c.id == ben.friend)).one()
            owed = tx.execute(select(outbox.c.lead).where(outbox.c.due_at.is_not(None))).scalars().all()
        assert {row.email, row.first_name, row.identity} == {None}
        assert ben.id not in owed
        assert cid.id in owed
        assert world.points() == {ben.friend: 50}
        assert world.refer("ben", code).created  # nobody knows that it is the same person

    def test_one_who_is_remembered_as_forgotten_is_never_new_again(self, engine: Engine, tmp_path: Path) -> None:
        world = World(engine, tmp_path, yaml="privacy: {remember_erased: true}\n")
        code = world.advocate()
        erase(world.app, world.refer("ben", code).referral.friend, cause="cli:eva")
        with pytest.raises(Refusal) as refused:
            world.refer("ben", code)
        assert refused.value.reason == "erased"

    def test_two_advocates_who_are_one_have_one_count(self, world: World) -> None:
        codes = [world.advocate(name) for name in ("ann", "ada")]
        for name, code in zip(("ben", "cid"), codes, strict=True):
            qualify(world, world.refer(name, code).referral.id)
        assert len(world.history("milestone")) == 0

        ann, ada = who(world, "ann"), who(world, "ada")
        merge(world.app, ada, ann, cause="cli:eva")
        assert world.points()[ann] == 500
        assert ada not in world.points()
        assert who(world, "ada") == ann
        qualify(world, world.refer("dan", codes[1]).referral.id)
        assert audit(world.app) == 0

    def test_two_friends_who_are_one_count_once(self, world: World) -> None:
        ann, ada = world.advocate("ann"), world.advocate("ada")
        ben = world.refer("ben", ann).referral
        world.clock.move(hours=1)
        bob = world.refer("bob", ada).referral
        for it in (ben, bob):
            qualify(world, it.id)
        merge(world.app, bob.friend, ben.friend, cause="cli:eva")
        assert [world.standing(it.id) for it in (ben, bob)] == ["qualified", "rejected"]
        assert world.points() == {ben.friend: 50}
        assert audit(world.app) == 0

    def test_nobody_can_be_merged_with_themselves_or_with_who_is_not_there(self, world: World) -> None:
        world.advocate("ann")
        ann = who(world, "ann")
        for old, into in ((ann, ann), ("per_0", ann), (ann, "per_0")):
            with pytest.raises(Refusal):
                merge(world.app, old, into, cause="cli:eva")


def test_a_late_event_leads_to_the_same_books_as_one_in_time(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=SHOP)
    code = world.advocate()
    world.refer("ben", code)
    start = world.clock()
    world.clock.move(days=2)
    pay(world, "o2", "ben", "70.00")
    pay(world, "o1", "ben", "40.00", at=start + timedelta(days=1))
    assert money(world) == {"EUR": 1100, "POINTS": 100}
    decide(world.app)
    assert audit(world.app) == 0
    with read(world.app.database) as tx:
        (ben,) = referrals.find(tx)
    assert ben.qualified_at == start + timedelta(days=2)


def test_what_a_late_event_took_back_can_be_earned_again(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=SHOP)
    world.refer("ben", world.advocate())
    for order in ("o1", "o2"):
        world.clock.move(days=1)
        pay(world, order, "ben", "60.00")
    assert money(world) == {"EUR": 1200, "POINTS": 100}
    data = {"refund": "r1", "order": "o1", "amount": "50.00", "currency": "EUR"}
    late = Happening(id="refund-r1", type="order.refunded", email="ben@example.com", data=data)
    tell(world.app, replace(late, at=world.clock() - timedelta(hours=12)), teller="shop", cause="api:shop")
    assert money(world) == {}

    world.clock.move(days=1)
    pay(world, "o3", "ben", "40.00")
    assert money(world) == {"EUR": 1100, "POINTS": 100}
    assert audit(world.app) == 0


def test_looking_at_a_friend_of_whom_nothing_is_new_leaves_them_as_they_are(world: World) -> None:
    ben = world.refer("ben", world.advocate()).referral
    qualify(world, ben.id)
    for app in (world.app, beside(world.app), world.app):
        with write(world.app.database) as tx:
            friends = frozenset({ben.friend})
            book(tx, app, "spring", ben.advocate, (), cause="test", now=world.clock(), friends=friends)
        assert world.standing(ben.id) == "qualified"


def test_a_person_is_named_by_their_referral_too(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, program=SHOP)
    ben = world.refer("ben", world.advocate()).referral
    data = {"order": "o1", "amount": "150.00", "currency": "EUR"}
    tell(world.app, Happening(id="1", type="order.paid", referral=ben.id, data=data), teller="shop", cause="api:shop")
    assert world.standing(ben.id) == "qualified"
    assert Person(email="x@example.com").email not in str(world.history())
