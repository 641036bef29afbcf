"""What holds for every story: journeys are drawn, told in any order, and the books are held against them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from syncd_rules import Event, Program, Result, Txn, balances, evaluate, reconcile
from syncd_rules.ledger import ISSUED, net
from tests.rules.story import CAMPAIGN, POINTS_FOR_A_FRIEND, day, program

settings.register_profile("rules", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RULES = settings.get_profile("rules")

T = TypeVar("T")

ADVOCATES = {"ada": "ADA", "eve": "EVE"}
FRIENDS = ["bob", "cem", "dan", "fay", "gil"]
END = day(60)

REWARDS: list[dict[str, Any]] = [
    {**POINTS_FOR_A_FRIEND, "hold": "PT36H"},
    {"id": "welcome", "trigger": "referral.qualified", "to": "friend", "kind": "free_shipping"},
    {**POINTS_FOR_A_FRIEND, "id": "met", "trigger": "stage.reached", "stage": "meeting", "amount": "20"},
    {"id": "cash", "trigger": "stage.reached", "stage": "won", "to": "advocate", "kind": "cash"}
    | {"amount": {"USD": "9.99"}},
]
MILESTONES: list[dict[str, Any]] = [
    {"id": "two", "target": "2", "repeat": {}, "rewards": [{"kind": "points", "amount": "500", "hold": "PT12H"}]},
    {"id": "more", "target": "1", "comparison": "gt", "rewards": [{"kind": "gift_card", "amount": {"USD": "5"}}]},
]
QUALIFICATION = {"any_of": [{"type": "stage", "stage": "won"}, {"type": "explicit", "via": ["api"]}]}


def variant(**keys: Any) -> Program:
    return program(**{"qualification": QUALIFICATION, "rewards": REWARDS, "milestones": MILESTONES, **keys})


UNLIMITED = [
    variant(),
    variant(counting="referrals"),
    variant(stages={"on_lost": "reverse_all", "skipped": "skip"}),
    variant(stages={"multiple_deals": "first"}),
]
LIMITED = [
    variant(limits={"per_advocate": {"max_referrals": "2", "friend_reward_when_capped": "false"}}),
    variant(limits={"per_advocate": {"cooldown": "PT30H"}}),
    variant(limits={"per_advocate": {"per_period": {"week": "1"}}}, timezone="Asia/Tokyo"),
]
programs = st.sampled_from([*UNLIMITED, *LIMITED])

FORWARD = ["lead", "meeting", "won", "won", "manual+", "api+"]
BACK = ["lost", "meeting", "manual-", "api-"]


@st.composite
def journeys(draw: st.DrawFn, *, back: bool = True, payments: bool = True) -> list[Event]:
    """Friends who sign up and then walk: deals move to and fro, people decide, some rewards are handed out."""
    events: list[Event] = []

    def happens(hour: int, sort: str, **data: Any) -> None:
        events.append(Event(id=f"e{len(events):03}", type=sort, at=day(hour / 24), campaign=CAMPAIGN, data=data))

    for advocate, code in ADVOCATES.items():
        happens(0, "code.created", code=code, advocate=advocate)
    for friend in draw(st.lists(st.sampled_from(FRIENDS), min_size=1, unique=True)):
        hour = draw(st.integers(0, 48))
        advocate = draw(st.sampled_from(["ada", "ada", "eve"]))
        happens(hour, "friend.signed_up", friend=friend, code=ADVOCATES[advocate])
        for step in draw(st.lists(st.sampled_from(FORWARD + BACK if back else FORWARD), max_size=6)):
            hour += draw(st.integers(0, 50))
            if step[-1] in "+-":
                sort = "referral.qualified" if step[-1] == "+" else "referral.disqualified"
                happens(hour, sort, friend=friend, via=step[:-1])
            else:
                deal = f"{draw(st.sampled_from(['d1', 'd1', 'd2']))}-{friend}"
                happens(hour, "deal.stage_changed", friend=friend, deal=deal, stage=step)
            if payments and draw(st.integers(0, 3)) == 0:
                rule, to = draw(st.sampled_from([("thanks", advocate), ("cash", advocate), ("welcome", friend)]))
                happens(hour + draw(st.integers(0, 40)), "reward.fulfilled", to=to, rule=rule, subject=friend)
    return events


def told(rules: Program, events: Iterable[Event]) -> Result:
    return evaluate([rules], events, END)


def shuffled(things: list[T], seed: int) -> list[T]:
    return random.Random(seed).sample(things, len(things))


def by_entitlement(ledger: Iterable[Txn]) -> dict[str, list[Txn]]:
    groups: dict[str, list[Txn]] = defaultdict(list)
    for txn in ledger:
        groups[txn.entitlement].append(txn)
    return groups


@RULES
@given(programs, journeys(), st.integers(0, 10**6))
def test_neither_the_order_nor_the_number_of_arrivals_matters(rules: Program, events: list[Event], seed: int) -> None:
    copies = shuffled(events + events[::2], seed)

    assert told(rules, copies) == told(rules, events)


@RULES
@given(programs, journeys())
def test_the_books_are_balanced_and_their_keys_unique(rules: Program, events: list[Event]) -> None:
    ledger = told(rules, events).ledger

    assert len({txn.key for txn in ledger}) == len(ledger)
    for txn in ledger:
        sums: dict[str, int] = defaultdict(int)
        for posting in txn.postings:
            assert type(posting.amount) is int
            sums[posting.unit] += posting.amount
        assert not any(sums.values())


@RULES
@given(programs, journeys(), st.integers(0, 400))
def test_what_is_later_neither_shows_before_nor_changes_what_was(
    rules: Program, events: list[Event], hour: int
) -> None:
    then = day(hour / 24)
    before, after = evaluate([rules], events, then), told(rules, events)

    assert after.ledger[: len(before.ledger)] == before.ledger
    assert after.effects[: len(before.effects)] == before.effects
    assert evaluate([rules], [e for e in events if e.at <= then], then) == before


@RULES
@given(programs, journeys())
def test_the_books_say_what_the_rewards_are(rules: Program, events: list[Event]) -> None:
    result = told(rules, events)
    states: dict[tuple[str, str], int] = defaultdict(int)
    for reward in result.rewards:
        event(reward.status)
        event("granted again" if reward.generation > 1 else "granted once")
        Decimal(reward.amount)
        if reward.stands:
            states[f"{reward.to}:{reward.status}", reward.unit] += reward.quantity

    assert {place: n for place, n in net(result.ledger).items() if place[0] != ISSUED} == states


@RULES
@given(programs, journeys())
def test_a_key_is_granted_again_only_after_it_was_taken_back(rules: Program, events: list[Event]) -> None:
    for txns in by_entitlement(told(rules, events).ledger).values():
        steps = [txn.key.rsplit("/", 1)[1] for txn in txns]
        turns = [step for step in steps if step in {"grant", "void", "reverse"}]
        assert turns[::2] == ["grant"] * len(turns[::2])
        assert "grant" not in turns[1::2]


@settings(RULES, max_examples=30)
@given(programs, journeys(), st.integers(0, 10**6))
def test_books_kept_arrival_by_arrival_end_where_they_should(rules: Program, events: list[Event], seed: int) -> None:
    """Events arrive in any order while time goes on; at no moment does a key hold more than one reward."""
    posted: list[Txn] = []
    heard: list[Event] = []
    amounts = {r.key: r.quantity for r in told(rules, events).rewards}
    for number, arrival in enumerate(shuffled(events, seed)):
        heard.append(arrival)
        now = END if number == len(events) - 1 else day(number)
        result = evaluate([rules], heard, now)
        amounts |= {r.key: r.quantity for r in result.rewards}
        for txn in reconcile(shuffled(posted, seed), result.ledger):
            posted.append(txn)
            held = net(t for t in posted if t.entitlement == txn.entitlement)
            total = sum(n for (account, _), n in held.items() if account != ISSUED)
            assert 0 <= total <= amounts[txn.entitlement]
        assert reconcile(posted, result.ledger) == []

    wanted, kept = by_entitlement(told(rules, events).ledger), by_entitlement(posted)
    assert len({txn.key for txn in posted}) == len(posted)
    for entitlement in wanted.keys() | kept.keys():
        assert net(kept[entitlement]) == net(wanted[entitlement])


@RULES
@given(programs, journeys())
def test_books_kept_in_order_are_the_ledger_itself(rules: Program, events: list[Event]) -> None:
    posted: list[Txn] = []
    for now in sorted({e.at for e in events} | {END}):
        posted += reconcile(posted, evaluate([rules], events, now).ledger)

    assert sorted(t.key for t in posted) == sorted(t.key for t in told(rules, events).ledger)


@RULES
@given(programs, journeys(payments=False))
def test_disqualifying_everybody_leaves_nothing(rules: Program, events: list[Event]) -> None:
    out = [
        Event(
            id=f"out-{f}",
            type="referral.disqualified",
            at=day(50),
            campaign=CAMPAIGN,
            data={"friend": f, "via": "manual"},
        )
        for f in FRIENDS
    ]
    result = told(rules, events + out)

    assert balances(result.ledger) == {}
    assert result.milestones == ()


@RULES
@given(st.sampled_from(UNLIMITED[:2]), journeys(back=False), st.integers(0, 400), st.integers(0, 400))
def test_without_setbacks_milestones_are_only_added(
    rules: Program, events: list[Event], hour: int, further: int
) -> None:
    forward = [e for e in events if e.data.get("stage") in {None, "won"}]
    first = evaluate([rules], forward, day(hour / 24)).milestones
    second = evaluate([rules], forward, day((hour + further) / 24)).milestones

    assert set(first) <= set(second)


@RULES
@given(programs, journeys(payments=False))
def test_what_is_rewarded_counts_and_what_counts_is_qualified(rules: Program, events: list[Event]) -> None:
    result = told(rules, events)
    for state in result.referrals.values():
        if state.counted and rules.counting == "conversions":
            assert state.status == "qualified"
        assert (state.qualified_at is None) == (state.status != "qualified") == (state.via is None)
    for reward in result.rewards:
        if reward.rule == "thanks" and reward.stands:
            assert result.referrals[reward.subject].counted


@RULES
@given(st.sampled_from(LIMITED), journeys())
def test_the_limits_hold_over_what_counts(rules: Program, events: list[Event]) -> None:
    result = told(rules, events)
    for advocate in ADVOCATES:
        since = sorted(
            s.qualified_at
            for s in result.referrals.values()
            if s.counted and s.referred_by == advocate and s.qualified_at
        )
        if rules.limits.max_referrals is not None:
            assert len(since) <= rules.limits.max_referrals
        if rules.limits.cooldown:
            assert all(b - a >= rules.limits.cooldown.elapsed for a, b in pairwise(since))
        if rules.limits.per_period:
            weeks = [at.astimezone(rules.timezone).isocalendar()[:2] for at in since]
            assert len(set(weeks)) == len(weeks)


@RULES
@given(programs, journeys())
def test_an_advocates_books_depend_on_their_own_friends_alone(rules: Program, events: list[Event]) -> None:
    """The daemon evaluates one advocate at a time; the whole campaign at once must say the same."""
    whole = told(rules, events)
    for advocate, code in ADVOCATES.items():
        friends = {e.data["friend"] for e in events if e.type == "friend.signed_up" and e.data["code"] == code}
        own = [e for e in events if {advocate, *friends} & {e.data.get(n) for n in ("advocate", "friend", "subject")}]
        part = told(rules, own)
        mine = {reward.key for reward in part.rewards}
        assert [t for t in whole.ledger if t.entitlement in mine] == list(part.ledger)
        assert {f: s for f, s in whole.referrals.items() if s.referred_by == advocate} == part.referrals
        assert [m for m in whole.milestones if m.participant == advocate] == list(part.milestones)


@pytest.mark.parametrize("rules", UNLIMITED)
def test_the_journeys_go_where_it_hurts(rules: Program) -> None:
    """Among eighty drawn stories there are rewards granted again, reversed and handed out."""
    seen: set[str] = set()

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(journeys())
    def look(events: list[Event]) -> None:
        for reward in told(rules, events).rewards:
            seen.add(reward.status)
            if reward.generation > 1:
                seen.add("granted again")

    look()
    assert seen >= {"available", "fulfilled", "reversed", "granted again"}
