"""Books after long random lives: two processes, late news, merges, payouts; the facts weighed anew say the same."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from syncd.contract import Person
from syncd.flow.app import App
from syncd.flow.audit import audit
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.decide import decide
from syncd.flow.decisions import Decision, Verdict, decide_now
from syncd.flow.happenings import Happening, tell
from syncd.flow.payout import Word, say
from syncd.flow.persons import erase, merge
from syncd.flow.refusal import Refusal
from syncd.flow.shelf import Shelf
from syncd.flow.written import Scope, milestones_of, read_written
from syncd.store import books, people, referrals
from syncd.store.engine import connect, read, write
from syncd.store.tables import code, setting
from syncd_rules import ReferralState, evaluate
from tests.database import Databases
from tests.flow.receiving import effects, replayed
from tests.flow.world import World

OPEN = """
campaign: spring
base_currency: EUR
counting: conversions
qualification: {any_of: [{type: purchase, basis: cumulative, min: {EUR: "50.00"}}, {type: explicit, via: [api]}]}
settlement: {hold: P3D, clawback: within_balance, approval: {required_above: {points: 60}, persons: 2}}
limits: {per_advocate: {cooldown: PT1H}}
rewards:
  - {id: share, trigger: order.paid, to: advocate, kind: revenue_share, rate: "0.10"}
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
milestones:
  - {id: two-orders, metric: orders, target: 2, rewards: [{kind: points, amount: 7}]}
  - {id: two-friends, metric: referrals, target: 2, repeat: {max: 3}, rewards: [{kind: points, amount: 20}]}
"""
TIED = OPEN.replace("limits: {", "limits: {campaign: {budget: {points: 300}, when_exhausted: queue}, ")

FLEETING = """
campaign: spring
counting: conversions
attribution: {model: first_touch, click_window: P2D}
codes: {default_valid_for: P4D}
qualification: {any_of: [{type: signup}, {type: explicit, via: [api]}]}
rewards:
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
milestones:
  - {id: two-friends, metric: referrals, target: 2, repeat: {max: 3}, rewards: [{kind: points, amount: 20}]}
"""
LAST = FLEETING.replace("first_touch", "last_touch")
FLEETING_TIED = FLEETING + "limits: {campaign: {budget: {points: 100000}}}\n"
FEW = FLEETING_TIED.replace("codes: {", "codes: {default_redemption_limit: 2, ")

NAMES = st.sampled_from(["ann", "ben", "cid", "dan", "eve"])
CHANCE = st.integers(0, 10**6)


class Meetings(RuleBasedStateMachine):
    """Two processes on one database, either of which does what comes next: who meets whom, and who is whom."""

    databases: Databases
    program = OPEN

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = self.databases.migrated()
        self.engine = connect(self.database.__enter__())
        self.world = World(self.engine, Path(self.folder.name), program=self.program)
        self.apps = [self.world.app, replace(self.world.app, shelf=Shelf(most_events=20))]
        self.number = self.sent = 0

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()
            self.database.__exit__(None, None, None)
            self.folder.cleanup()

    def app(self, chance: int) -> App:
        return self.apps[chance % 2]

    def next(self) -> int:
        self.number += 1
        return self.number

    @rule(name=NAMES, chance=CHANCE)
    def joins(self, name: str, chance: int) -> None:
        with suppress(Refusal):
            enrol(self.app(chance), "spring", Person(email=f"{name}@example.com"), cause="test")

    @rule(friend=NAMES, advocate=NAMES, chance=CHANCE)
    def refers(self, friend: str, advocate: str, chance: int) -> None:
        self.world.clock.move(seconds=1)  # of two in one instant chance decides which was the first
        who = Person(email=f"{advocate}@example.com")
        invitation = Invitation(friend=Person(email=f"{friend}@example.com"), campaign="spring", advocate=who)
        with suppress(Refusal):
            capture(self.app(chance), invitation, cause="test")

    @rule(verdict=st.sampled_from(["qualified", "qualified", "disqualified"]), chance=CHANCE)
    def is_decided(self, verdict: Verdict, chance: int) -> None:
        with read(self.engine) as tx:
            found = sorted(referrals.find(tx), key=lambda it: it.id)
        if found:
            decision = Decision(verdict=verdict, via="api", referral=found[chance % len(found)].id)
            with suppress(Refusal):
                decide_now(self.app(chance // 7), decision, id=f"d{self.next()}", cause="test")

    @rule(one=NAMES, other=NAMES, chance=CHANCE)
    def turn_out_to_be_one(self, one: str, other: str, chance: int) -> None:
        with read(self.engine) as tx:
            found = [
                people.participant_by_identity(tx, self.world.app.identity(f"{name}@example.com") or "")
                for name in (one, other)
            ]
        if found[0] and found[1]:
            with suppress(Refusal):
                merge(self.app(chance), found[0].id, found[1].id, cause="test")

    @rule(name=NAMES, chance=CHANCE)
    def is_forgotten(self, name: str, chance: int) -> None:
        with read(self.engine) as tx:
            found = people.participant_by_identity(tx, self.world.app.identity(f"{name}@example.com") or "")
        if found and chance % 3 == 0:
            with suppress(Refusal):
                erase(self.app(chance), found.id, cause="test")

    @rule(hours=st.integers(-3, 40), chance=CHANCE)
    def time_passes(self, hours: int, chance: int) -> None:
        self.world.clock.move(hours=hours, seconds=1)
        decide(self.app(chance))

    @rule(chance=CHANCE)
    def a_process_is_started_anew(self, chance: int) -> None:
        self.apps[chance % 2] = replace(self.app(chance), shelf=Shelf())

    @invariant()
    def the_facts_weighed_anew_say_the_same(self) -> None:
        if not hasattr(self, "engine"):
            return
        with write(self.engine) as tx:
            tx.execute(delete(setting).where(setting.c.name == "audit"))
        assert audit(self.apps[0]) == 0, self.world.history("books_differ")

    @invariant()
    def all_books_together_say_the_same(self) -> None:
        if not hasattr(self, "engine"):
            return
        decide(self.apps[0])
        with read(self.engine) as tx:
            told = books.events(tx, "spring", None)
            rewards, found = books.rewards(tx), referrals.find(tx)
            written = read_written(tx, Scope(campaign="spring", advocate=None))
        as_of = max([self.world.clock(), *written.times(), *(it.received_at for it in told)])
        programs = self.world.app.config.campaigns["spring"].programs
        result = evaluate(programs, [it.event for it in told], as_of)
        assert {it.key: it.status for it in rewards} == {it.key: it.status for it in result.rewards}
        assert written.milestones == milestones_of(result.milestones)
        said: defaultdict[str, set[str]] = defaultdict(set)
        for refused in result.rejected:
            said[refused.friend].add(refused.reason)
        for it in found:
            if it.reason == "already_referred":
                assert it.standing == "rejected"
            elif state := result.referrals.get(it.friend):
                assert (it.advocate, it.captured_at) == (state.referred_by, state.signed_up_at)
                assert (it.standing, it.reason) == _standing(state)
            else:
                assert it.standing == "rejected"
                assert it.reason in said[it.friend]

    @invariant()
    def what_was_told_of_rewards_ends_in_what_they_are(self) -> None:
        if not hasattr(self, "engine"):
            return
        heard = replayed(self.world)
        with read(self.engine) as tx:
            rewards = {reward.key: reward for reward in books.rewards(tx)}
            now = {key: people.renamed(tx, key) for key in heard}
        live = [now[key] for key, step in heard.items() if step]
        assert len(set(live)) == len(live)
        assert set(live) <= rewards.keys()
        for reward in rewards.values():
            assert (reward.key in live) == (reward.status not in {"void", "reversed", "clawed_back"}), reward
            steps = {step for key, step in heard.items() if now[key] == reward.key and step}
            assert steps <= {"granted"} or reward.status != "pending"
            assert steps <= {"released"} or reward.status != "available"

    @invariant()
    def no_message_is_sent_twice_for_one_person(self) -> None:
        if not hasattr(self, "engine"):
            return
        keys = [key for key in effects(self.world) if not key.startswith("effect:trigger.reward_")]
        with read(self.engine) as tx:
            before = {people.renamed(tx, key) for key in keys[: self.sent]}
            new = [people.renamed(tx, key) for key in keys[self.sent :]]
        assert len(set(new)) == len(new)
        assert not before & set(new)
        self.sent = len(keys)

    @invariant()
    def the_ledger_holds_what_the_rewards_say(self) -> None:
        if not hasattr(self, "engine"):
            return
        held: defaultdict[str, int] = defaultdict(int)
        with read(self.engine) as tx:
            for _, txn in books.posted(tx, "spring", None):
                for account, _, amount in txn.postings:
                    if not account.startswith("program:"):
                        held[txn.entitlement] += amount
            rewards = books.rewards(tx)
        for reward in rewards:
            standing = reward.status in {"pending", "available", "fulfilled"}
            minor = int(reward.amount.replace(".", ""))
            assert held.pop(reward.key, 0) == (minor if standing else 0), reward
        assert not any(held.values())


class Touches(Meetings):
    """People who touch codes before they sign up by another one, which is told in time or late; codes that expire."""

    @rule(name=NAMES, hours=st.integers(-60, 5), chance=CHANCE)
    def touches(self, name: str, hours: int, chance: int) -> None:
        with read(self.engine) as tx:
            codes = list(tx.scalars(select(code.c.code).order_by(code.c.created_at, code.c.code)))
        if codes:
            number, at = self.next(), self.world.clock() + timedelta(hours=hours)
            data = {"code": codes[chance % len(codes)]}
            whose: dict[str, Any] = {"email": f"{name}@example.com", "campaign": "spring"}
            touch = Happening(id=f"t{number}", type="referral.captured", at=at, data=data, **whose)
            with suppress(Refusal):
                tell(self.app(chance // 7), touch, teller="site", cause="test")

    @rule(name=NAMES, hours=st.integers(-60, 5), chance=CHANCE)
    def was_a_customer(self, name: str, hours: int, chance: int) -> None:
        number, at = self.next(), self.world.clock() + timedelta(hours=hours)
        known: dict[str, Any] = {"email": f"{name}@example.com", "campaign": "spring"}
        if chance % 5 == 0:
            with suppress(Refusal):
                customer = Happening(id=f"c{number}", type="customer.existing", at=at, **known)
                tell(self.app(chance // 7), customer, teller="crm", cause="test")


class Lives(Meetings):
    """Who buys, brings back, and is paid."""

    @rule(name=NAMES, euros=st.integers(1, 60), hours=st.integers(-50, 10), chance=CHANCE)
    def pays(self, name: str, euros: int, hours: int, chance: int) -> None:
        number, at = self.next(), self.world.clock() + timedelta(hours=hours)
        data = {"order": f"o{number}", "amount": f"{euros}.00", "currency": "EUR"}
        paid = Happening(id=f"o{number}", type="order.paid", at=at, email=f"{name}@example.com", data=data)
        tell(self.app(chance), paid, teller="shop", cause="test")

    @rule(name=NAMES, euros=st.integers(1, 60), order=st.integers(1, 30), chance=CHANCE)
    def is_refunded(self, name: str, euros: int, order: int, chance: int) -> None:
        number = self.next()
        data = {"refund": f"r{number}", "order": f"o{order}", "amount": f"{euros}.00", "currency": "EUR"}
        back = Happening(id=f"r{number}", type="order.refunded", email=f"{name}@example.com", data=data)
        tell(self.app(chance), back, teller="shop", cause="test")

    @rule(
        word=st.sampled_from(["approved", "rejected", "fulfilled", "fulfilled", "failed"]),
        by=st.sampled_from(["eva", "max"]),
        chance=CHANCE,
    )
    def is_said_of_a_reward(self, word: Word, by: str, chance: int) -> None:
        with read(self.engine) as tx:
            found = sorted(books.rewards(tx), key=lambda it: it.key)
        if found:
            with suppress(Refusal):
                reward = found[chance % len(found)]
                before = reward.status, reward.approval
                after = say(self.app(chance // 7), word, reward.key, by=by, cause="test")
                if word != "approved":
                    assert (after.status, after.approval) != before, word


def _standing(state: ReferralState) -> tuple[str, str | None]:
    """Say where a referral stands whose friend no CRM has told anything of."""
    if state.barred or state.status == "disqualified":
        return "rejected", state.barred or "disqualified"
    return "qualified" if state.status == "qualified" else "captured", None


FEW_LIVES = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@pytest.mark.parametrize("program", [OPEN, TIED], ids=["an advocate", "a campaign"])
def test_whatever_happens_in_whichever_process_the_books_say_what_the_facts_say(
    sqlite_databases: Databases, program: str
) -> None:
    lives = type("Lives", (Lives,), {"databases": sqlite_databases, "program": program})
    run_state_machine_as_test(lives, settings=FEW_LIVES)


@pytest.mark.parametrize(
    "program", [FLEETING, LAST, FLEETING_TIED, FEW], ids=["first touch", "last touch", "a campaign", "few redemptions"]
)
def test_whoever_came_by_whichever_codes_is_the_friend_of_whom_the_rules_say(
    sqlite_databases: Databases, program: str
) -> None:
    touches = type("Touches", (Touches,), {"databases": sqlite_databases, "program": program})
    run_state_machine_as_test(touches, settings=FEW_LIVES)
