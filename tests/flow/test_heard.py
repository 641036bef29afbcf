"""What receivers have heard ends in the truth: late news, people who are one, and rewards that come again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from syncd.contract import Person
from syncd.flow import tell
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, decide_now
from syncd.flow.happenings import Happening
from syncd.flow.happenings import tell as told
from syncd.flow.heard import GRANTED, RELEASED, REVERSED, unheard
from syncd.flow.payout import say
from syncd.flow.persons import merge
from syncd.store import people
from syncd.store.engine import write
from syncd.store.heard import Heard
from syncd_rules import Effect
from tests.flow.booking import GIVEN, SHOP, TIED, at_rest, beside, disqualify, pay, qualify, rewards, the_reward, who
from tests.flow.receiving import SILENT, Inbox, effects, replayed, telling_world
from tests.flow.world import START, World

THANKS = GIVEN.replace("  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}\n", "")
HELD = THANKS.replace("rewards:", "settlement: {hold: P3D}\nrewards:")


def heard(world: World, shop: Inbox) -> list[tuple[str, str]]:
    """Let the receiver be told; give what it has heard of rewards: (granted | released | reversed, key)."""
    tell.tell(world.app, "shop")
    some = [it for _, it in shop.got if it["type"].startswith("trigger.reward_")]
    some.sort(key=lambda it: it["timestamp"])
    return [(it["type"].rpartition("_")[2], it["data"]["key"]) for it in some]


def steps(world: World, shop: Inbox) -> list[str]:
    return [step for step, _ in heard(world, shop)]


def told_as(shop: Inbox, step: str) -> list[Mapping[str, Any]]:
    return [it["data"] for _, it in shop.got if it["type"] == f"trigger.reward_{step}"]


def standing(world: World) -> list[str]:
    """Give the keys of the rewards that somebody has."""
    return sorted(it.key for it in rewards(world) if it.status in {"pending", "available", "fulfilled"})


def stranger(world: World, name: str) -> str:
    """Have somebody known who takes part in nothing."""
    with write(world.app.database) as tx:
        address = f"{name}@example.com"
        return people.remember(tx, Person(email=address), world.app.identity(address) or "", world.clock()).id


def become_one(world: World, old: str, into: str) -> None:
    merge(world.app, who(world, old), who(world, into), cause="cli:eva")


class TestLateNews:
    @pytest.mark.parametrize("restarted", [False, True])
    def test_a_reward_that_was_never_due_is_taken_back_and_granted_anew_when_it_is_due_after_all(
        self, engine: Engine, tmp_path: Path, restarted: bool
    ) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=SHOP)
        shop = inboxes["shop"]
        world.refer("ben", world.advocate())
        for order in ("o1", "o2"):
            world.clock.move(hours=1)
            pay(world, order, "ben", "60.00")
        before = standing(world)
        assert before == sorted(key for key, step in replayed(world).items() if step) != []
        if restarted:
            world.app = beside(world.app)

        world.clock.move(hours=1)
        data = {"refund": "r1", "order": "o1", "amount": "60.00", "currency": "EUR"}
        at = world.clock() - timedelta(hours=1, minutes=30)
        back = Happening(id="r1", type="order.refunded", at=at, email="ben@example.com", data=data)
        told(world.app, back, teller="shop", cause="test")
        assert standing(world) == []
        assert not any(replayed(world).values())
        tell.tell(world.app, "shop")
        taken, granted = (told_as(shop, step) for step in ("reversed", "granted"))
        assert sorted(taken, key=str) == sorted(granted, key=str)  # what is taken back is what was told

        world.clock.move(hours=1)
        pay(world, "o3", "ben", "60.00")
        assert {it.rule for it in rewards(world) if it.key in set(before) & set(standing(world))} >= {"thanks"}
        assert standing(world) == sorted(key for key, step in replayed(world).items() if step)
        tell.tell(world.app, "shop")
        assert len(set(shop.ids())) == len(shop.got) == len(effects(world))

    def test_times_put_the_messages_about_a_reward_in_order(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=THANKS)
        ben = world.refer("ben", world.advocate()).referral.id
        qualify(world, ben)
        disqualify(world, ben)
        world.clock.move(hours=1)
        decide_now(world.app, Decision(verdict="qualified", via="api", referral=ben), id="again", cause="test")

        assert steps(world, inboxes["shop"]) == ["granted", "released", "reversed", "granted", "released"]
        assert len({it["timestamp"] for _, it in inboxes["shop"].got if "reward" in it["type"]}) == 5


class TestPeopleWhoAreOne:
    @pytest.mark.parametrize("program", [GIVEN, TIED], ids=["open", "tied"])
    @pytest.mark.parametrize("joined", [True, False])
    def test_an_advocates_effects_are_not_told_again(
        self, engine: Engine, tmp_path: Path, program: str, joined: bool
    ) -> None:
        milestone = "milestones:\n  - {id: one, metric: referrals, target: 1, rewards: [{kind: points, amount: 5}]}\n"
        world = World(engine, tmp_path, program=program + milestone)
        ada = world.advocate("ada")
        for name in ("ben", "cid"):
            qualify(world, world.refer(name, ada).referral.id)
        _ = world.advocate("ann") if joined else stranger(world, "ann")
        before = effects(world)
        become_one(world, "ada", "ann")
        world.clock.move(hours=1)
        decide(world.app)
        assert effects(world) == before

    @pytest.mark.parametrize("program", [GIVEN, TIED], ids=["open", "tied"])
    def test_a_friends_effects_are_not_told_again(self, engine: Engine, tmp_path: Path, program: str) -> None:
        world = World(engine, tmp_path, program=program)
        qualify(world, world.refer("bob", world.advocate("ann")).referral.id)
        stranger(world, "ben")
        before = effects(world)
        become_one(world, "bob", "ben")
        assert effects(world) == before

    def test_a_reward_keeps_its_key_in_messages_and_the_key_goes_on_to_be_taken(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=THANKS)
        ben = world.refer("ben", world.advocate("ada")).referral.id
        qualify(world, ben)
        key = the_reward(world).key
        for into in ("ann", "amy"):
            stranger(world, into)
        become_one(world, "ada", "ann")
        become_one(world, "ann", "amy")
        assert the_reward(world).key != key
        assert say(world.app, "fulfilled", key, by="eva", cause="cli:eva").status == "fulfilled"
        say(world.app, "failed", key, by="eva", cause="cli:eva")

        world.clock.move(hours=1)
        disqualify(world, ben)
        assert heard(world, inboxes["shop"]) == [("granted", key), ("released", key), ("reversed", key)]
        assert inboxes["shop"].got[-1][1]["data"]["to"] == who(world, "amy")

    def test_of_two_rewards_that_are_one_the_one_that_came_less_far_is_taken_back(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        milestone = "milestones:\n  - {id: one, metric: referrals, target: 1, rewards: [{kind: points, amount: 5}]}\n"
        program = HELD[: HELD.index("rewards:")] + milestone
        world, inboxes = telling_world(engine, tmp_path, program=program)
        keys = {}
        for name, friend in (("ada", "ben"), ("ann", "cid")):
            qualify(world, world.refer(friend, world.advocate(name)).referral.id)
            (keys[name],) = [it.key for it in rewards(world) if it.recipient == who(world, name)]
            world.clock.move(days=2)
            decide(world.app)
        become_one(world, "ada", "ann")
        world.clock.move(days=2)
        decide(world.app)

        told = heard(world, inboxes["shop"])
        assert [step for step, key in told if key == keys["ada"]] == ["granted", "released"]
        assert [step for step, key in told if key == keys["ann"]] == ["granted", "reversed"]

    def test_a_friend_who_was_somebody_elses_first_keeps_what_they_were_given_as_one_reward(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        world = World(engine, tmp_path, program=GIVEN)
        world.refer("ben", world.advocate("ann"))
        world.clock.move(hours=1)
        qualify(world, world.refer("bob", world.advocate("ada")).referral.id)
        become_one(world, "bob", "ben")

        told = Counter(key.split("/")[0] for key in effects(world))
        assert told["effect:email.referral_success"] == told["effect:trigger.referral_converted"] == 1
        assert sorted(rule for key, step in replayed(world).items() if step for rule in key.split("/")[1:2]) == [
            "thanks",
            "welcome",
        ]
        assert not [key for key, step in replayed(world).items() if step and who(world, "ada") in key]

    def test_a_reward_that_is_in_nobodys_books_any_more_is_taken_back(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=GIVEN)
        qualify(world, world.refer("bob", world.advocate("ada")).referral.id)
        world.clock.move(hours=1)
        become_one(world, "bob", "ada")  # nobody refers themselves
        assert rewards(world) == []
        assert set(replayed(world).values()) == {None}
        tell.tell(world.app, "shop")
        assert {it["to"] for it in told_as(inboxes["shop"], "reversed")} == {who(world, "ada")}

    def test_a_friend_of_many_names_is_told_of_once(self, engine: Engine, tmp_path: Path) -> None:
        world = World(engine, tmp_path, program=GIVEN)
        ben = world.refer("ben", world.advocate("ann")).referral.id
        world.clock.move(hours=1)
        qualify(world, world.refer("bob", world.advocate("ada")).referral.id)
        disqualify(world, world.refer("bob", world.advocate("ada")).referral.id)
        become_one(world, "bob", "ben")
        stranger(world, "zoe")
        become_one(world, "ben", "zoe")
        qualify(world, ben)
        told = Counter(key.split("/")[0] for key in effects(world))
        assert told["effect:email.referral_success"] == told["effect:trigger.referral_converted"] == 1

    def test_a_message_on_its_way_keeps_its_id_and_its_words(self, engine: Engine, tmp_path: Path) -> None:
        world, inboxes = telling_world(engine, tmp_path, program=THANKS)
        shop = inboxes["shop"]
        shop.always = SILENT
        qualify(world, world.refer("ben", world.advocate("ada")).referral.id)
        for _ in range(20):
            world.clock.move(minutes=10)
            tell.tell(world.app, "shop")
        tried = {id: message for id, message in shop.got}
        stranger(world, "ann")
        become_one(world, "ada", "ann")
        shop.always = None
        world.clock.move(days=1)
        tell.tell(world.app, "shop")

        assert len(set(shop.ids())) == len(effects(world))
        assert all(tried[id] == message for id, message in shop.got if id in tried)

    def test_they_are_one_too_where_the_campaign_was_not_configured_when_that_came_out(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        world = World(engine, tmp_path, program=GIVEN)
        qualify(world, world.refer("ben", world.advocate("ada")).referral.id)
        stranger(world, "ann")
        before = effects(world)
        resting = at_rest(world.app)
        merge(resting, who(world, "ada"), who(world, "ann"), cause="test")
        assert effects(world) == before

        world.app = beside(world.app)
        world.clock.move(days=1, seconds=1)
        decide(world.app)
        assert {it.recipient for it in rewards(world)} == {who(world, "ann"), who(world, "ben")}
        assert effects(world) == before


@pytest.mark.parametrize(
    ("heard", "wanted", "known", "missing"),
    [
        ("", "g1 l1", "", "g1 l1"),
        ("g1", "g1 l1", "g1", "l1"),
        ("g1 l1", "g1 l1 r1 g2", "g1 l1", "r1 g2"),  # each move, though it is as far as it was
        ("g1 l1", "g1 r1", "g1 l1", "r1"),  # it was taken back before it was released
        ("g1 l1", "g1 r1 g2", "g1 l1", "r1 g2"),
        ("g1 l1 r1", "g1 l1", "g1 l1 r1", "g l"),  # it was not taken back: the keys of both were told
        ("g1 l1 r1 h1", "g1 l1 g2", "g1 l1 r1", "r g2"),  # handed out when it had run out
        ("g1 r1 g2", "g1 r3 g2", "g1 r1 g2", ""),  # it was taken back at another time, and is here again
        ("g1 l1", "", "g1 l1", "r"),
        ("g1 r1", "", "g1 r1", ""),
    ],
)
def test_what_has_yet_to_be_heard_ends_where_the_rules_do(heard: str, wanted: str, known: str, missing: str) -> None:
    last = heard.split()[-1:] or [""]
    it = Heard(reward="k", key="k", name=NAMES.get(last[0][:1]), data={"amount": "as told"})
    found = unheard(it, [move(word) for word in wanted.split()], known.split(), whole=True, as_of=START)
    assert [it.key or next(n for n in NAMES if NAMES[n] == it.name) for it in found] == missing.split()


def test_a_move_that_had_been_made_before_the_past_changed_is_told_again() -> None:
    it = Heard(reward="k", key="k", name=GRANTED, data={"amount": "as told"})
    (back,) = unheard(it, [move("r1")], ["g1", "r1"], whole=False, as_of=START)
    assert (back.name, back.key) == (REVERSED, "")


def test_what_is_taken_back_is_what_was_told() -> None:
    it = Heard(reward="k", key="k", name=RELEASED, data={"amount": "as told"})
    (back,) = unheard(it, [move("g1"), move("r1")], ["g1", "l1"], whole=True, as_of=START)
    assert (back.name, back.data) == (REVERSED, {"amount": "as told"})


NAMES = {"g": GRANTED, "l": RELEASED, "r": REVERSED, "h": RELEASED}


def move(word: str) -> Effect:
    return Effect(key=word, name=NAMES[word[0]], at=START, data={"amount": "as it is"})
