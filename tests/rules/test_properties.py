"""What holds for every story: journeys are drawn, told in any order, and the books are held against them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from syncd_rules import Event, Result, State, Txn, balances, evaluate, reconcile
from syncd_rules.ledger import CLAWBACK, ISSUED, net
from syncd_rules.money import minor_units
from tests.rules.journeys import (
    ADVOCATES,
    BUDGETS,
    END,
    FRIENDS,
    PROGRAMS,
    RULES,
    UNLIMITED,
    any_programs,
    journeys,
    limited,
    programs,
    shuffled,
    told,
    unlimited,
    variant,
)
from tests.rules.story import CAMPAIGN, DAY_0, check, day

PROGRAMS_OWN = {ISSUED, CLAWBACK}


def by_entitlement(ledger: Iterable[Txn]) -> dict[str, list[Txn]]:
    groups: dict[str, list[Txn]] = defaultdict(list)
    for txn in ledger:
        groups[txn.entitlement].append(txn)
    return groups


def step_of(txn: Txn) -> str:
    return txn.key.rsplit("/", 1)[1].partition(":")[0]


def disqualified(*friends: str) -> list[Event]:
    return [
        Event(
            id=f"out-{friend}",
            type="referral.disqualified",
            at=day(55),
            campaign=CAMPAIGN,
            data={"friend": friend, "via": "manual"},
        )
        for friend in friends
    ]


# --- arrival ----------------------------------------------------------------------------------------------------------


@RULES
@given(any_programs, journeys(), st.integers(0, 10**6))
def test_neither_the_order_nor_the_number_of_arrivals_matters(name: str, events: list[Event], seed: int) -> None:
    copies = shuffled(events + events[::2], seed)

    assert told(name, copies) == told(name, events)


@RULES
@given(any_programs, journeys(), st.integers(0, 400))
def test_what_is_later_neither_shows_before_nor_changes_what_was(name: str, events: list[Event], hour: int) -> None:
    then = day(hour / 24)
    before, after = evaluate([PROGRAMS[name]], events, then), told(name, events)

    assert after.ledger[: len(before.ledger)] == before.ledger
    assert after.effects[: len(before.effects)] == before.effects
    assert evaluate([PROGRAMS[name]], [e for e in events if e.at <= then], then) == before


# --- the books --------------------------------------------------------------------------------------------------------


@RULES
@given(any_programs, journeys())
def test_the_books_are_balanced_and_their_keys_unique(name: str, events: list[Event]) -> None:
    ledger = told(name, events).ledger

    assert len({txn.key for txn in ledger}) == len(ledger)
    for txn in ledger:
        sums: dict[str, int] = defaultdict(int)
        for posting in txn.postings:
            assert type(posting.amount) is int
            sums[posting.unit] += posting.amount
        assert not any(sums.values())


@RULES
@given(any_programs, journeys())
def test_the_books_say_what_the_rewards_are(name: str, events: list[Event]) -> None:
    result = told(name, events)
    states: dict[tuple[str, str], int] = defaultdict(int)
    for reward in result.rewards:
        event(reward.status)
        event("granted again" if reward.generation > 1 else "granted once")
        Decimal(reward.amount)
        for pot, amount in reward.pots:
            states[f"{reward.to}:{pot}", reward.unit] += amount

    held = {place: n for place, n in states.items() if n}
    assert {place: n for place, n in net(result.ledger).items() if place[0] not in PROGRAMS_OWN} == held


@RULES
@given(any_programs, journeys(), st.integers(0, 10**6))
def test_no_reward_is_ever_in_a_state_that_cannot_be(name: str, events: list[Event], seed: int) -> None:
    late = set(shuffled([e.id for e in events], seed)[: len(events) // 4])
    state = State([PROGRAMS[name]])
    for e in sorted((e for e in events if e.id not in late), key=lambda e: e.at):
        state.apply(e, e.at)
        check(state)
    for e in events:
        if e.id in late:
            state.apply(e, END)
            check(state)
    state.result(END)
    check(state)


@RULES
@given(any_programs, journeys())
def test_a_key_is_granted_again_only_after_it_was_taken_back(name: str, events: list[Event]) -> None:
    for txns in by_entitlement(told(name, events).ledger).values():
        ended = {"void", "reverse", "clawback", "expire"}
        turns = [step for txn in txns if (step := step_of(txn)) in ended | {"grant"}]
        assert all((before, after) != ("grant", "grant") for before, after in pairwise(turns))
        assert turns[0] == "grant"


@RULES
@given(any_programs, journeys())
def test_a_key_never_holds_more_than_one_reward(name: str, events: list[Event]) -> None:
    for txns in by_entitlement(told(name, events).ledger).values():
        most = next(p.amount for p in txns[0].postings if p.amount > 0)
        held = 0
        for txn in txns:
            held += sum(p.amount for p in txn.postings if p.account not in PROGRAMS_OWN)
            assert held <= most


@settings(RULES, max_examples=30)
@given(programs, journeys(), st.integers(0, 10**6))
def test_books_kept_arrival_by_arrival_end_where_they_should(name: str, events: list[Event], seed: int) -> None:
    """Events arrive in any order while time goes on; what is posted is the difference, and nothing is posted twice."""
    posted: list[Txn] = []
    heard: list[Event] = []
    for number, arrival in enumerate(shuffled(events, seed)):
        heard.append(arrival)
        now = END if number == len(events) - 1 else day(number)
        result = evaluate([PROGRAMS[name]], heard, now)
        posted += reconcile(shuffled(posted, seed), result.ledger)
        assert reconcile(posted, result.ledger) == []
        for txns in by_entitlement(posted).values():
            assert net(txns) == net(by_entitlement(result.ledger)[txns[0].entitlement])

    assert len({txn.key for txn in posted}) == len(posted)
    assert net(posted) == net(told(name, events).ledger)


@RULES
@given(any_programs, journeys())
def test_books_kept_in_order_are_the_ledger_itself(name: str, events: list[Event]) -> None:
    posted: list[Txn] = []
    for now in sorted({e.at for e in events} | {END}):
        posted += reconcile(posted, evaluate([PROGRAMS[name]], events, now).ledger)

    assert sorted(t.key for t in posted) == sorted(t.key for t in told(name, events).ledger)


@RULES
@given(st.sampled_from(sorted(BUDGETS)), journeys(payments=False))
def test_the_campaign_never_gives_more_than_its_budget(name: str, events: list[Event]) -> None:
    budget = PROGRAMS[name].limits.budget
    issued: dict[str, int] = defaultdict(int)
    for txn in told(name, events).ledger:
        for posting in txn.postings:
            if posting.account == ISSUED:
                issued[posting.unit] -= posting.amount
        for unit, most in budget.items():
            assert issued[unit] <= most


# --- what is earned ---------------------------------------------------------------------------------------------------


@RULES
@given(any_programs, journeys(payments=False, own=False))
def test_refunding_everything_and_disqualifying_everybody_leaves_nothing(name: str, events: list[Event]) -> None:
    everything = [*events, *disqualified(*FRIENDS)]
    for e in events:
        if e.type == "order.paid":
            refund = {
                "refund": f"back-{e.id}",
                **{n: e.data[n] for n in ("order", "participant", "amount", "currency")},
            }
            everything.append(
                Event(id=f"back-{e.id}", type="order.refunded", at=day(54), campaign=CAMPAIGN, data=refund)
            )
    result = told(name, everything)

    kept = {r.key for r in result.rewards if r.rule in {"quiet", "third", "journey", "path"}}  # what is for good
    assert balances(txn for txn in result.ledger if txn.entitlement not in kept) == {}
    assert [m for m in result.milestones if m.milestone in {"two", "more", "spent"}] == []


@RULES
@given(st.sampled_from(["plain", "reverse", "cooldown"]), journeys(payments=False))
def test_a_share_is_always_that_of_the_net_amount(name: str, events: list[Event]) -> None:
    result = told(name, events)
    paid = {e.data["order"]: minor_units(e.data["amount"], "USD") for e in events if e.type == "order.paid"}
    back: dict[str, int] = defaultdict(int)
    for e in sorted(events, key=lambda e: e.order):
        if e.type == "order.refunded":
            back[e.data["order"]] += minor_units(e.data["amount"], "USD")
    for reward in result.rewards:
        if reward.rule == "share" and reward.stands:
            left = max(paid[reward.subject] - back[reward.subject], 0)
            shares = {int((left * Decimal(rate)).quantize(Decimal(1), ROUND_HALF_UP)) for rate in ("0.1", "0.155")}
            assert reward.quantity in shares
            assert sum(amount for _, amount in reward.pots) == reward.quantity


@RULES
@given(unlimited, journeys(back=False, payments=False), st.integers(0, 400), st.integers(0, 400))
def test_without_setbacks_milestones_are_only_added(name: str, events: list[Event], hour: int, further: int) -> None:
    assume(name not in {"windows", "expiry", "activity"})
    forward = [e for e in events if e.data.get("stage") in {None, "won"}]
    rules = [PROGRAMS[name]]
    first = evaluate(rules, forward, day(hour / 24)).milestones
    second = evaluate(rules, forward, day((hour + further) / 24)).milestones

    assert set(first) <= set(second)


@RULES
@given(programs, journeys(payments=False))
def test_what_is_rewarded_counts_and_what_counts_is_qualified(name: str, events: list[Event]) -> None:
    result, rules = told(name, events), PROGRAMS[name]
    signed_up = {e.data["friend"] for e in events if e.type == "friend.signed_up"}
    buyers = {e.data["order"]: e.data["participant"] for e in events if e.type == "order.paid"}
    for friend, state in result.referrals.items():
        assert friend in signed_up
        if state.counted and rules.counting == "conversions":
            assert state.status == "qualified"
        assert (state.qualified_at is None) == (state.status != "qualified") == (state.via is None)
    for reward in result.rewards:
        if reward.stands and reward.rule in {"thanks", "share"}:
            assert result.referrals[buyers.get(reward.subject, reward.subject)].counted


@RULES
@given(limited, journeys())
def test_the_limits_hold_over_what_counts(name: str, events: list[Event]) -> None:
    result, rules = told(name, events), PROGRAMS[name]
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


# --- who is concerned -------------------------------------------------------------------------------------------------


@RULES
@given(programs, journeys())
def test_an_advocates_books_depend_on_their_own_friends_alone(name: str, events: list[Event]) -> None:
    """The daemon evaluates one advocate at a time; the whole campaign at once must say the same."""
    assume(not any(e.type == "referral.captured" for e in events))
    whole = told(name, events)
    for advocate, code in ADVOCATES.items():
        friends = {e.data["friend"] for e in events if e.type == "friend.signed_up" and e.data["code"] == code}
        who = ("advocate", "friend", "participant", "to")
        own = [e for e in events if {advocate, *friends} & {e.data.get(n) for n in who}]
        part = told(name, own)
        mine = {reward.key for reward in part.rewards}
        assert [t for t in whole.ledger if t.entitlement in mine] == list(part.ledger)
        assert {f: s for f, s in whole.referrals.items() if s.referred_by == advocate} == part.referrals
        assert [m for m in whole.milestones if m.participant == advocate] == [
            m for m in part.milestones if m.participant == advocate
        ]


@RULES
@given(programs, journeys())
def test_names_mean_nothing(name: str, events: list[Event]) -> None:
    new = {**{friend: f"x{friend}" for friend in FRIENDS}, "ada": "zoe", "eve": "amy"}
    renamed = [
        replace(e, data={k: new.get(v, v) if k not in {"code", "via"} else v for k, v in e.data.items()})
        for e in events
    ]
    before, after = told(name, events), told(name, renamed)

    def moved(held: dict[str, Any]) -> dict[str, Any]:
        return {new[who]: what for who, what in held.items()}

    assert balances(after.ledger) == moved(balances(before.ledger))
    assert {f: (s.status, s.counted) for f, s in after.referrals.items()} == {
        new[f]: (s.status, s.counted) for f, s in before.referrals.items()
    }


@RULES
@given(st.sampled_from(["plain", "referrals", "reverse", "capped", "cooldown", "windows"]), journeys())
def test_the_date_means_nothing_where_no_calendar_is_asked(name: str, events: list[Event]) -> None:
    later = timedelta(days=45, hours=7)
    moved = [replace(e, at=e.at + later) for e in events]
    before, after = told(name, events), evaluate([PROGRAMS[name]], moved, END + later)

    assert balances(after.ledger) == balances(before.ledger)
    assert [r.status for r in after.rewards] == [r.status for r in before.rewards]


# --- rules that change ------------------------------------------------------------------------------------------------


@RULES
@given(programs, any_programs, journeys(), st.integers(1, 20))
def test_a_new_version_changes_nothing_before_it_and_takes_no_milestone(
    name: str, other: str, events: list[Event], start: int
) -> None:
    new = replace(PROGRAMS[other], version=2, effective_from=day(start))
    until = day(start) - timedelta(seconds=1)
    both = [PROGRAMS[name], new]
    old_alone, with_new = evaluate([PROGRAMS[name]], events, until), evaluate(both, events, until)
    assume(not PROGRAMS[other].limits.budget)

    assert with_new.ledger == old_alone.ledger
    assert with_new.referrals == old_alone.referrals
    calm = [e for e in events if e.at < until]
    standing = {(m.participant, m.milestone, m.number) for m in evaluate(both, calm, until).milestones}
    assert standing <= {(m.participant, m.milestone, m.number) for m in evaluate(both, calm, day(start)).milestones}


@RULES
@given(any_programs, journeys())
def test_evaluation_ends_within_events_and_timers(name: str, events: list[Event]) -> None:
    """Each event and each timer moves each reward at most a few steps; nothing goes round."""
    result = told(name, events)
    keys = {txn.entitlement for txn in result.ledger}

    assert len(result.ledger) <= (len(events) + len(keys) + 4) * 12


# --- money ------------------------------------------------------------------------------------------------------------


@RULES
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6))
def test_an_order_in_parts_qualifies_as_the_whole_does(parts: list[int]) -> None:
    basis = {"any_of": [{"type": "purchase", "basis": "cumulative", "min": {"USD": "60"}}]}

    def qualified(amounts: list[int]) -> bool:
        events = [
            Event(id="c", type="code.created", at=DAY_0, campaign=CAMPAIGN, data={"code": "ADA", "advocate": "ada"}),
            Event(id="s", type="friend.signed_up", at=day(1), campaign=CAMPAIGN, data={"friend": "bob", "code": "ADA"}),
        ]
        for number, amount in enumerate(amounts):
            data = {
                "order": f"o{number}",
                "participant": "bob",
                "amount": str(Decimal(amount) / 100),
                "currency": "USD",
            }
            events.append(Event(id=f"o{number}", type="order.paid", at=day(2), campaign=CAMPAIGN, data=data))
        state = evaluate([variant(qualification=basis)], events, END).referrals["bob"]
        return state.status == "qualified"

    assert qualified(parts) == qualified([sum(parts)]) == (sum(parts) >= 6000)


# --- the stories themselves -------------------------------------------------------------------------------------------


def seen_in(result: Result) -> set[str]:
    seen = {reward.status for reward in result.rewards} | {s.reason for s in result.suppressed}
    seen |= {r.reason for r in result.rejected} | {state.status for state in result.referrals.values()}
    for txn in result.ledger:
        seen.add(step_of(txn))
        if "/1/" not in txn.key and step_of(txn) == "grant":
            seen.add("granted again")
    return seen


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain", {"available", "fulfilled", "reversed", "void", "granted again", "amend"}),
        ("referrals", {"clawed_back", "fulfilled", "reversed"}),
        ("reverse", {"clawed_back", "fulfilled", "granted again"}),
        ("activity", {"granted again", "fulfilled", "reversed"}),
        ("expiry", {"expired", "fulfilled"}),
        ("windows", {"clawed_back", "expired", "already_referred"} - {"already_referred"}),
        ("approval", {"pending", "rejected", "restore", "clawed_back"}),
        ("capped", {"max_referrals"}),
        ("cooldown", {"cooldown", "clawed_back"}),
        ("weekly", {"per_period"}),
        ("codes", {"redemption_limit_reached"}),
        ("late codes", {"redemption_limit_reached", "code_expired"}),
        ("suppress", {"budget_exhausted"}),
        ("clamp", {"budget_exhausted"} - {"budget_exhausted"}),
        ("queue", {"budget_queue"}),
    ],
)
def test_the_journeys_go_where_it_hurts(name: str, wanted: set[str]) -> None:
    """Among a hundred and twenty drawn stories there are those that the properties are about."""
    seen: set[str] = set()

    @settings(RULES, max_examples=120, derandomize=True, database=None)
    @given(journeys())
    def look(events: list[Event]) -> None:
        seen.update(seen_in(told(name, events)))

    look()
    assert seen >= wanted
    assert UNLIMITED
