"""Whoever hears all news of books knows what is in them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from syncd_rules import Effect, Event, News, Program, Result, Reward, State, Txn, reconcile
from tests.rules.journeys import END, PROGRAMS, RULES, journeys, shuffled, variant
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, program

VERSIONS: dict[str, list[Program]] = {
    **{name: [rules] for name, rules in PROGRAMS.items()},
    "two versions": [
        variant(),
        variant(version="2", effective_from=day(6).isoformat(), attribution={"conversion_window": "P3D"}),
    ],
}
names = st.sampled_from(sorted(VERSIONS))
readers = st.sampled_from([None, "ada", "eve"])


class Reader:
    """Somebody who asks for news, and never for all."""

    def __init__(self, programs: list[Program], participant: str | None) -> None:
        self.state = State(programs)
        self.participant = participant
        self.known = Result()
        self.times: list[bool] = []  # whether what was told was everything

    def hear(self, events: list[Event], now: datetime) -> None:
        self.state.add(events, now)
        news = self.state.news(now, self.participant)
        self.times.append(news.whole)
        self.known = news.result if news.whole else folded(self.known, news)

    def follow(self, events: list[Event]) -> None:
        """Hear events one by one as they happen, and be right each time."""
        for event in sorted(events, key=lambda it: it.order):
            self.hear([event], event.at)
            self.check(event.at)

    def check(self, now: datetime) -> None:
        """Compare what was heard with what there is."""
        whole, known = self.state.result(now, self.participant), self.known
        assert known.referrals == whole.referrals
        assert sorted(known.rejected, key=str) == sorted(whole.rejected, key=str)
        assert set(known.milestones) == set(whole.milestones)
        assert {it.key: it for it in known.rewards} == {it.key: it for it in whole.rewards}
        assert known.next_due == whole.next_due
        assert sorted(known.effects, key=str) == sorted(whole.effects, key=str)
        if self.participant is None:  # what comes late into one's books comes last, and first into those of all
            assert sorted(known.ledger, key=str) == sorted(whole.ledger, key=str)
            assert reconcile(known.ledger, whole.ledger) == []
        else:
            assert known.ledger == whole.ledger


def folded(known: Result, news: News) -> Result:
    """Add news to what was known."""
    new = news.result
    rewards: dict[str, Reward] = {it.key: it for it in (*known.rewards, *new.rewards)}
    txns: tuple[Txn, ...] = (*known.ledger, *new.ledger)
    effects: tuple[Effect, ...] = (*known.effects, *new.effects)
    kept = [it for it in known.milestones if (it.participant, it.milestone, it.number) not in news.milestones]
    return Result(
        referrals={f: s for f, s in known.referrals.items() if f not in news.friends} | dict(new.referrals),
        rejected=(*(it for it in known.rejected if it.friend not in news.friends), *new.rejected),
        milestones=(*kept, *new.milestones),
        rewards=tuple(rewards.values()),
        ledger=txns,
        effects=effects,
        next_due=new.next_due,
    )


def nearly_in_order(events: list[Event], seed: int) -> list[Event]:
    """Tell most events when they happen, and some later."""
    drawn = random.Random(seed)
    delays = {event.id: timedelta(hours=drawn.choice([0, 0, 0, 0, 0, 0, 0, 40])) for event in events}
    return sorted(events, key=lambda event: (event.at + delays[event.id], event.order))


@settings(RULES, max_examples=150)
@given(names, readers, journeys(), st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_news_of_events_in_any_order_add_up_to_what_there_is(
    name: str, who: str | None, events: list[Event], seed: int, size: int, calm: bool
) -> None:
    reader = Reader(VERSIONS[name], who)
    arrivals = nearly_in_order(events, seed) if calm else shuffled(events + events[::4], seed)
    now = day(0)
    for number in range(0, len(arrivals), size):
        batch = arrivals[number : number + size]
        now = max([now, *(event.at for event in batch)]) if calm else day(number)
        reader.hear(batch, now)
        reader.check(now)
    reader.hear([], max(now, END))
    reader.check(max(now, END))


@settings(RULES, max_examples=150)
@given(names, readers, journeys())
def test_news_of_events_in_their_order_add_up_to_what_there_is(name: str, who: str | None, events: list[Event]) -> None:
    reader = Reader(VERSIONS[name], who)
    reader.follow(events)
    reader.hear([], END)
    reader.check(END)


def test_what_comes_in_time_is_told_alone() -> None:
    story = Story().wins("bob", "cem").signs_up("dan", 3).signs_up("bob", 4)
    reader = Reader([PROGRAMS["plain"]], "ada")
    reader.hear(story.events[:-2], day(2))
    reader.hear(story.events[-2:-1], day(3))
    assert reader.times == [True, False]

    reader.state.add(story.events[-1:], day(4))
    news = reader.state.news(day(4), "ada")
    assert (news.whole, news.friends) == (False, {"bob"})
    assert [it.reason for it in news.result.rejected] == ["already_referred"]
    assert news.result.referrals["bob"].status == "qualified"
    assert reader.state.news(day(4), "ada").result.ledger == ()


def test_everything_is_told_where_the_past_has_changed_or_somebody_else_asks() -> None:
    story = Story().wins("bob", "cem", on=5).deal("bob", "lost", 3)
    reader = Reader([PROGRAMS["plain"]], "ada")
    reader.hear(story.events[:-1], day(6))
    reader.hear(story.events[-1:], day(6))
    assert reader.times == [True, True]

    assert [reader.state.news(day(6), who).whole for who in ("ada", "ada", None, "ada")] == [False, False, True, True]


def test_a_code_that_comes_later_than_the_sign_up_that_named_it_brings_its_refusal() -> None:
    story = Story().signs_up("bob", 1, code="NEW").happened(2, "code.created", code="NEW", advocate="ada")
    reader = Reader([PROGRAMS["plain"]], "ada")
    reader.follow(story.events)
    assert [it.reason for it in reader.known.rejected] == ["code_not_found"]


def test_an_approval_is_news_although_nothing_moves() -> None:
    rules = program(
        rewards=[POINTS_FOR_A_FRIEND],
        settlement={"hold": "P30D", "approval": {"required_above": {"points": "50"}}},
    )
    story = Story().wins("bob").happened(3, "reward.approved", to="ada", rule="thanks", subject="bob", by="eva")
    reader = Reader([rules], "ada")
    reader.follow(story.events)
    assert [(it.status, it.approval) for it in reader.known.rewards] == [("pending", None)]


def test_so_is_what_becomes_of_a_reward_that_waits_for_the_budget() -> None:
    share = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}
    budget = {"campaign": {"budget": {"USD": "1.50"}, "when_exhausted": "queue"}}
    story = Story().wins("bob", "cem").buys("bob", "10", 3, "o1").deal("bob", "lost", 4).buys("cem", "10", 5)
    story.returns("bob", "o1", "3", 6).deal("bob", "won", 7).returns("bob", "o1", "1", 8)
    reader = Reader([program(rewards=[share], limits=budget)], None)
    reader.follow(story.events)
    assert [(it.amount, it.status) for it in reader.known.rewards if it.subject == "o1"] == [("0.60", "reversed")]
