"""Telling receivers: every effect one message, under one id, however often it is tried; nobody is hammered."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from syncd.flow import tell as telling
from syncd.flow.announce import announce
from syncd.flow.backlog import catch_up
from syncd.flow.operate import discard, retry
from syncd.flow.persons import erase
from syncd.flow.tell import SCHEDULE, tell
from syncd.flow.tidy import tidy
from syncd.notify import Outcome
from syncd.store import books
from syncd.store.engine import read, write
from syncd.store.tables import outbox
from syncd_rules import EFFECTS, Effect
from tests.flow.booking import SHOP, beside, pay, qualify, refund, who
from tests.flow.receiving import SILENT, Inbox, dead, done, effects, fares, owed, telling_world
from tests.flow.world import World

Told = tuple[World, Inbox]


@pytest.fixture
def told(engine: Engine, tmp_path: Path) -> Told:
    world, inboxes = telling_world(engine, tmp_path)
    return world, inboxes["shop"]


def join(world: World, number: int = 1) -> list[str]:
    """Have people join; each is one effect. Tell what each is called."""
    names = [f"ann{n}" for n in range(number)]
    for name in names:
        world.advocate(name)
    return names


def go_on(world: World, times: int = 200, **by: float) -> None:
    """Let time pass, and the receiver be told whenever it may."""
    for _ in range(times):
        world.clock.move(**by)
        tell(world.app, "shop")


class TestMessages:
    def test_each_effect_is_one_message_under_an_id_of_its_own(self, told: Told) -> None:
        world, shop = told
        id = world.refer("ben", world.advocate()).referral.id
        qualify(world, id)

        assert tell(world.app, "shop") == len(effects(world)) > 4
        assert tell(world.app, "shop") == 0

        assert len(set(shop.ids())) == len(shop.got) == len(effects(world))
        assert {"trigger.participation", "trigger.referral_converted", "trigger.reward_granted"} <= set(shop.types())
        assert set(shop.types()) <= set(EFFECTS)

    def test_a_message_says_what_happened_when_and_to_whom_by_ids_alone(self, told: Told) -> None:
        world, shop = told
        referral = world.refer("ben", world.advocate()).referral
        world.clock.move(hours=3)
        qualify(world, referral.id)
        world.clock.move(hours=3)
        tell(world.app, "shop")

        by_type = {message["type"]: message for _, message in shop.got}
        converted, granted = by_type["trigger.referral_converted"], by_type["trigger.reward_granted"]
        assert converted == {
            "type": "trigger.referral_converted",
            "timestamp": "2026-03-02T12:00:00+00:00",
            "data": {
                "campaign": "spring",
                "referral": referral.id,
                "friend": referral.friend,
                "advocate": referral.advocate,
                "via": "api",
            },
        }
        assert {n: granted["data"][n] for n in ("campaign", "to", "kind", "amount", "rule", "subject")} == {
            "campaign": "spring",
            "to": referral.friend,
            "kind": "points",
            "amount": "50",
            "rule": "friend",
            "subject": referral.friend,
        }
        text = json.dumps(shop.got).lower()
        assert not any(part in text for part in ("ben", "@", "example.com", '"ann"'))

    def test_the_key_of_a_reward_is_the_one_by_which_it_is_handed_out(self, told: Told) -> None:
        world, shop = told
        qualify(world, world.refer("ben", world.advocate()).referral.id)
        tell(world.app, "shop")

        (released,) = [message for _, message in shop.got if message["type"] == "trigger.reward_released"]
        with read(world.app.database) as tx:
            (reward,) = books.rewards(tx)
        assert released["data"]["key"] == reward.key

    def test_an_id_tells_nothing_and_is_another_for_each_receiver(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, {"name": "one"}, {"name": "two"})
        world.advocate()
        for name in inboxes:
            tell(world.app, name)

        ids = [*inboxes["one"].ids(), *inboxes["two"].ids()]
        assert len(set(ids)) == len(ids) == 2
        assert all(id.startswith("msg_") and who(world, "ann") not in id and "trigger" not in id for id in ids)

    def test_a_receiver_is_told_of_the_effects_that_it_wants_and_of_no_others(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        some = ({"name": "all"}, {"name": "few", "effects": ["trigger.referral_converted", "email.milestone"]})
        world, inboxes = telling_world(engine, tmp_path, *some)
        code = world.advocate()
        for friend in ("ben", "cid"):
            qualify(world, world.refer(friend, code).referral.id)
        for name in inboxes:
            tell(world.app, name)

        assert sorted(inboxes["few"].types()) == ["email.milestone"] + ["trigger.referral_converted"] * 2
        assert len(inboxes["all"].got) == len(effects(world))

    def test_a_receiver_that_is_configured_later_is_told_what_happens_from_then_on(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        world = World(engine, tmp_path)
        world.advocate()
        late, inboxes = telling_world(engine, tmp_path)
        code = late.advocate("bea")
        late.refer("ben", code)
        tell(late.app, "shop")

        assert inboxes["shop"].types() == ["trigger.participation", "trigger.new_referral_count"]

    def test_money_that_moves_back_and_forth_is_told_move_by_move(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=SHOP)
        world.refer("ben", world.advocate())
        pay(world, "1", "ben", "150.00")
        refund(world, "1", "1", "ben", "150.00")
        tell(world.app, "shop")

        types = inboxes["shop"].types()
        assert len(set(inboxes["shop"].ids())) == len(types) == len(effects(world))
        assert types.count("trigger.reward_reversed") >= 1


class TestCost:
    def test_without_receivers_an_effect_costs_what_it_did(self, world: World) -> None:
        world.refer("ben", world.advocate())

        with read(world.app.database) as tx:
            assert not tx.scalars(select(outbox.c.id).where(outbox.c.kind == "tell")).all()
        assert world.app.messengers == {}

    def test_what_is_owed_is_owed_in_the_transaction_of_its_effect(self, told: Told) -> None:
        world, _ = told
        effect = Effect(key="k", name="trigger.participation", at=world.clock(), data={"participant": "per_1"})

        def half() -> None:
            with write(world.app.database) as tx:
                announce(tx, world.app, "spring", effect, world.clock())
                raise RuntimeError("the rest of the booking fails")

        with pytest.raises(RuntimeError):
            half()
        assert owed(world) == []

    def test_the_engine_is_nudged_once_the_effect_is_committed(self, told: Told) -> None:
        world, _ = told
        nudged: list[tuple[str, int]] = []
        world.app.nudge = lambda name: nudged.append((name, len(owed(world))))
        world.advocate()

        assert ("shop", 1) in nudged


class TestOnce:
    def test_a_worker_that_is_killed_before_or_after_the_call_leads_to_the_same_id(self, told: Told) -> None:
        world, shop = told
        world.advocate()
        for _ in range(3):
            shop.answers.append(KeyboardInterrupt())  # the call was made; its answer is never written down
            with pytest.raises(KeyboardInterrupt):
                tell(world.app, "shop")
            assert tell(world.app, "shop") == 0  # while the lease lasts nobody else takes it
            world.clock.move(seconds=61)
        assert tell(world.app, "shop") == 1

        assert len(shop.got) == 4
        assert len(set(shop.ids())) == 1
        assert len({json.dumps(message) for _, message in shop.got}) == 1

    def test_the_attempt_is_on_disk_before_the_call_and_no_transaction_is_open_meanwhile(self, told: Told) -> None:
        world, shop = told
        world.advocate()
        seen = []

        def post(id: str, message: Any) -> Any:
            with write(world.app.database) as tx:  # another writer gets in
                seen.append(tx.scalar(select(outbox.c.attempt).where(outbox.c.kind == "tell")))
            return Inbox.post(shop, id, message)

        world.app.messengers["shop"].post = post  # type: ignore[method-assign]
        tell(world.app, "shop")
        assert seen == [1]

    def test_a_lost_answer_and_a_doubled_turn_lead_to_no_second_id(self, told: Told) -> None:
        world, shop = told
        shop.answers += [SILENT, SILENT]
        world.advocate()
        for _ in range(20):
            tell(world.app, "shop")
            tell(beside(world.app), "shop")
            world.clock.move(minutes=10)

        assert (len(shop.got), len(set(shop.ids()))) == (3, 1)

    def test_an_answer_that_is_lost_now_and_then_holds_up_its_own_message_alone(self, told: Told) -> None:
        world, shop = told
        join(world, 30)
        shop.answers += [done(), SILENT, done(), done(), SILENT, done(), SILENT]
        assert tell(world.app, "shop") == 27

        assert (fares(world).state, len(owed(world))) == ("healthy", 3)
        go_on(world, 1, seconds=5)
        assert (len(set(shop.ids())), len(shop.got)) == (30, 33)

    def test_a_late_worker_closes_nothing_that_another_has_taken(self, told: Told) -> None:
        world, shop = told
        world.advocate()

        def slow(id: str, message: Any) -> Any:
            del world.app.messengers["shop"].post
            world.clock.move(seconds=61)
            shop.answer(503)
            tell(beside(world.app), "shop")  # another worker takes it, and is refused
            return Inbox.post(shop, id, message)

        world.app.messengers["shop"].post = slow  # type: ignore[method-assign]
        tell(world.app, "shop")

        assert len(owed(world)) == 1
        go_on(world, 3, minutes=10)
        assert len(set(shop.ids())) == 1
        assert owed(world) == []

    def test_an_effect_that_is_lost_and_reached_again_is_not_told_again(self, told: Told) -> None:
        world, shop = told
        id = world.refer("ben", world.advocate()).referral.id
        world.deliver()
        for stage in ("won", "lost", "won", "lost", "won"):
            world.crm.move(world.crm.deal_of(id), stage)
            world.poll(minutes=20)
        go_on(world, 2, seconds=1)

        assert shop.types().count("trigger.referral_converted") == 1
        assert len(set(shop.ids())) == len(shop.got) == len(effects(world))

    def test_what_was_told_long_ago_is_forgotten_and_not_told_again(self, told: Told) -> None:
        world, shop = told
        id = world.refer("ben", world.advocate()).referral.id
        tell(world.app, "shop")
        world.clock.move(days=36)
        before = len(shop.got)

        assert tidy(world.app) >= before
        qualify(world, id)
        tell(world.app, "shop")

        assert len(set(shop.ids())) == len(shop.got) == len(effects(world)) > before

    def test_tidying_leaves_what_waits_and_what_is_dead(self, told: Told) -> None:
        world, shop = told
        join(world, 3)
        shop.answers += [*[SILENT] * 1]
        shop.answer(410)
        tell(world.app, "shop")
        world.clock.move(minutes=1)
        tell(world.app, "shop")
        world.advocate("late")
        world.clock.move(days=99)
        tidy(world.app)

        assert (len(dead(world)), len(owed(world))) == (3, 1)


class TestRetries:
    def test_the_schedule_is_followed_a_little_early_and_ends_after_three_days(self, told: Told) -> None:
        world, shop = told
        shop.always = Outcome(next="again", told="hooks.example.com answered 400 Bad Request", status=400)
        world.advocate()
        began, at, tries = world.clock(), [], 0
        while owed(world):
            tell(world.app, "shop")
            if len(shop.got) > tries:
                at.append(world.clock())
                tries = len(shop.got)
            if letters := owed(world):
                assert letters[0].due_at
                world.clock.now = letters[0].due_at

        waits = [after - before for before, after in itertools.pairwise(at)]
        assert len(waits) == len(SCHEDULE)
        assert all(wanted * 0.9 <= was <= wanted for was, wanted in zip(waits, SCHEDULE, strict=True))
        assert timedelta(hours=69) < world.clock() - began < timedelta(hours=78)
        (letter,) = dead(world)
        assert (letter.error, letter.attempt) == ("hooks.example.com answered 400 Bad Request", len(SCHEDULE) + 1)
        assert len(set(shop.ids())) == 1
        assert [(it.what, it.connector) for it in world.history("tell_failed")] == [("tell_failed", "shop")]

    def test_a_dead_letter_is_told_again_under_its_old_id_or_given_up(self, told: Told) -> None:
        world, shop = told
        names = join(world, 2)
        assert names
        shop.answer(410)
        tell(world.app, "shop")
        first, second = dead(world)

        assert retry(world.app, [first], by="cli:eve") == 1
        assert discard(world.app, [second], reason="a test", by="cli:eve") == 1
        go_on(world, 1, minutes=10)

        assert (dead(world), owed(world)) == ([], [])
        assert len(set(shop.ids())) == 1

    def test_the_wait_that_a_receiver_asks_for_is_kept_an_hour_at_the_most(self, told: Told) -> None:
        world, shop = told
        start = world.clock()
        shop.answer(429, retry_after=120)
        world.advocate()
        tell(world.app, "shop")
        assert fares(world).held_until == start + timedelta(seconds=120)
        assert owed(world)[0].due_at == start + timedelta(seconds=120)

        world.clock.move(seconds=119)
        tell(world.app, "shop")
        assert len(shop.got) == 1

        world.clock.move(seconds=1)
        shop.answer(503, retry_after=10**12)
        tell(world.app, "shop")
        assert fares(world).held_until == world.clock() + timedelta(hours=1)

    def test_after_410_nothing_that_waits_is_told_and_what_comes_later_is_tried_with_one_message(
        self, told: Told
    ) -> None:
        world, shop = told
        join(world, 5)
        shop.answer(410)
        assert tell(world.app, "shop") == 0

        assert len(shop.got) == 1
        assert {it.error for it in dead(world)} == {"hooks.example.com answered 410 Gone"}
        assert (len(dead(world)), owed(world), fares(world).state) == (5, [], "gone")

        for name in ("bob", "cleo", "dan"):
            world.advocate(name)
        assert tell(world.app, "shop") == 0
        assert len(shop.got) == 1
        world.clock.move(minutes=10)
        shop.answer(410)
        tell(world.app, "shop")
        assert (len(shop.got), len(dead(world))) == (2, 8)

        world.advocate("eli")
        world.clock.move(minutes=10)
        assert tell(world.app, "shop") == 1
        assert fares(world).state == "healthy"


class TestRest:
    def test_a_receiver_that_is_down_is_asked_with_one_message_at_growing_distance(self, told: Told) -> None:
        world, shop = told
        join(world, 40)
        shop.always = SILENT
        go_on(world, 3600, seconds=1)  # an hour

        assert len(shop.got) <= 14
        assert len(owed(world)) == 40
        shop.always = None
        go_on(world, 2, minutes=10)
        go_on(world, 2, hours=10)
        assert owed(world) == []
        assert len(set(shop.ids())) == 40

    def test_a_message_that_is_refused_for_itself_holds_up_no_other(self, told: Told) -> None:
        world, shop = told
        join(world, 5)
        shop.answer(400)

        assert tell(world.app, "shop") == 4
        assert len(owed(world)) == 1
        assert fares(world).state == "healthy"

    def test_what_was_taken_and_not_posted_has_lost_nothing(self, told: Told) -> None:
        world, shop = told
        join(world, 3)
        shop.answer(503, retry_after=30)
        tell(world.app, "shop")

        assert sorted(letter.attempt for letter in owed(world)) == [0, 0, 1]

    def test_falling_ill_and_getting_well_are_said_once(self, told: Told, caplog: pytest.LogCaptureFixture) -> None:
        world, shop = told
        caplog.set_level(logging.INFO, "syncd")
        join(world, 5)
        shop.answers += [SILENT] * 4
        go_on(world, 20, minutes=10)

        lines = [record.message for record in caplog.records if "receiver shop" in record.message]
        assert [line.split(":")[0].split(" after")[0] for line in lines] == [
            "receiver shop is failing",
            "receiver shop is healthy again",
        ]
        assert "k-4711" not in caplog.text

    def test_a_sick_receiver_delays_no_other_and_no_lead(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, {"name": "sick"}, {"name": "well"})
        inboxes["sick"].always = SILENT
        id = world.refer("ben", world.advocate()).referral.id
        for name in inboxes:
            tell(world.app, name)
        world.deliver()

        assert world.standing(id) == "pushed"
        assert len(inboxes["well"].got) == len(effects(world))
        assert len(inboxes["sick"].got) == 2

    def test_a_turn_is_bounded(self, told: Told) -> None:
        world, _ = told
        join(world, telling.AT_ONCE * telling.TURN + 1)

        assert tell(world.app, "shop") == telling.AT_ONCE * telling.TURN
        assert tell(world.app, "shop") == 1

    def test_nothing_is_posted_any_more_once_the_daemon_goes_down(self, told: Told) -> None:
        world, shop = told
        join(world, 3)

        def last(id: str, message: Any) -> Any:
            world.app.stopping.set()
            return Inbox.post(shop, id, message)

        world.app.messengers["shop"].post = last  # type: ignore[method-assign]
        assert tell(world.app, "shop") == 1
        assert tell(world.app, "shop") == 0
        assert [letter.due_at for letter in owed(world)] == [world.clock()] * 2


class TestPrivacy:
    def test_what_waits_for_a_receiver_names_nobody_so_forgetting_has_nothing_to_do_there(self, told: Told) -> None:
        world, shop = told
        referral = world.refer("ben", world.advocate()).referral
        erase(world.app, referral.friend, cause="cli:eve")
        with read(world.app.database) as tx:
            kept = json.dumps([dict(row) for row in tx.scalars(select(outbox.c.payload))])
        assert "@" not in kept
        assert "Ben" not in kept

        tell(world.app, "shop")
        assert any(message["data"].get("friend") == referral.friend for _, message in shop.got)

    def test_what_was_told_leaves_no_copy(self, told: Told) -> None:
        world, _ = told
        world.advocate()
        tell(world.app, "shop")
        with read(world.app.database) as tx:
            rows = tx.execute(select(outbox.c.payload, outbox.c.due_at).where(outbox.c.kind == "tell")).all()
        assert [tuple(row) for row in rows] == [({}, None)]


def test_a_connector_that_takes_the_name_of_a_former_receiver_gets_its_leads(engine: Engine, tmp_path: Path) -> None:
    world, _ = telling_world(engine, tmp_path)
    config, spring = world.app.config, world.app.config.campaigns["spring"]
    world.app.config = replace(config, campaigns={"spring": replace(spring, connectors=())})
    referral = world.refer("ben", world.advocate()).referral
    with write(world.app.database) as tx:
        tx.execute(update(outbox).where(outbox.c.kind == "tell").values(connector="crm"))
    world.app.config = config

    catch_up(world.app)
    world.deliver()

    assert world.standing(referral.id) == "pushed"
