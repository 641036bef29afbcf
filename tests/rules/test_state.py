"""Books kept as events arrive say the same as books that are weighed at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd_rules import Event, State, evaluate
from tests.rules.journeys import END, PROGRAMS, RULES, any_programs, journeys, shuffled
from tests.rules.story import Story, day, rejections


@settings(RULES, max_examples=120)
@given(any_programs, journeys(), st.integers(0, 10**6))
def test_books_kept_event_by_event_in_any_order_say_the_same(name: str, events: list[Event], seed: int) -> None:
    state = State([PROGRAMS[name]])
    for event in shuffled(events, seed):
        state.apply(event, END)

    assert state.result(END) == evaluate([PROGRAMS[name]], events, END)


@settings(RULES, max_examples=80)
@given(any_programs, journeys(), st.integers(0, 10**6), st.integers(1, 9))
def test_so_do_books_kept_batch_by_batch_while_time_goes_on(
    name: str, events: list[Event], seed: int, size: int
) -> None:
    state = State([PROGRAMS[name]])
    arrivals = shuffled(events + events[::4], seed)
    for number in range(0, len(arrivals), size):
        now = day(number)
        state.add(arrivals[number : number + size], now)
        assert state.result(now) == evaluate([PROGRAMS[name]], arrivals[: number + size], now)


@settings(RULES, max_examples=50)
@given(any_programs, journeys())
def test_so_do_books_kept_in_order_with_a_look_after_each_event(name: str, events: list[Event]) -> None:
    state = State([PROGRAMS[name]])
    ordered = sorted(events, key=lambda event: event.order)
    for number, event in enumerate(ordered, 1):
        state.apply(event, event.at)
        seen = state.result(event.at)
        if number % 5 == 0 or number == len(ordered):
            assert seen == evaluate([PROGRAMS[name]], ordered[:number], event.at)


def test_a_late_event_changes_the_books_of_its_advocate_alone() -> None:
    rules = PROGRAMS["plain"]
    story = Story().happened(0, "code.created", code="EVE", advocate="eve").wins("bob", "cem", on=5)
    story.signs_up("dan", 1, code="EVE").deal("dan", "won", 6)
    state = State([rules])
    state.add(story.events, day(20))
    state.result(day(20))
    eve = state.books_of("dan")

    late = story.deal("bob", "meeting", 3).deal("bob", "lost", 5.5).events[-2:]
    for event in reversed(late):
        state.apply(event, day(20))

    assert state.result(day(20)) == evaluate([rules], story.events, day(20))
    assert state.books_of("dan") is eve


def test_a_sign_up_that_arrives_after_what_followed_it_is_told_in_order() -> None:
    rules = PROGRAMS["plain"]
    story = Story().wins("bob", on=5).buys("bob", "10", 6)
    state = State([rules])
    for event in reversed(story.events):
        state.apply(event, day(20))

    assert state.result(day(20)) == evaluate([rules], story.events, day(20))
    assert state.result(day(20)).referrals["bob"].status == "qualified"


def test_the_books_of_one_participant_can_be_asked_for_alone() -> None:
    state = State([PROGRAMS["plain"]])
    story = Story().happened(0, "code.created", code="EVE", advocate="eve").wins("bob").signs_up("bob", 5, code="EVE")
    state.add(story.events, day(20))

    ada, eve = state.result(day(20), "ada"), state.result(day(20), "eve")
    assert {reward.rule for reward in ada.rewards} == {"thanks", "welcome", "met", "cash"}
    assert ada == evaluate([PROGRAMS["plain"]], story.events, day(20), "ada")
    assert eve.ledger == state.result(day(20), "nobody").ledger == ()
    assert (rejections(ada), rejections(eve)) == ([], [("bob", "already_referred")])


def test_whose_friend_somebody_is_can_be_asked_and_who_is_a_friend_of_others() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve")
    story.signs_up("bob", 1, code="NONE").signs_up("bob", 2, code="EVE").signs_up("cem", 3)
    state = State([PROGRAMS["plain"]])
    state.add(story.events, day(4))

    assert state.referral_of("bob") == ("eve", story.events[-2])
    assert state.referral_of("dan") is None
    assert (state.strangers("ada"), state.strangers("eve")) == (["bob"], ["cem"])


def test_a_touch_that_comes_late_brings_the_refusal_of_the_sign_up_to_whose_code_it_was() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve").signs_up("bob", 2, code="NONE")
    story.happened(3, "referral.captured", friend="bob", code="EVE")
    state = State([PROGRAMS["plain"]])
    state.add(story.events[:-1], day(4))
    assert state.news(day(4), "eve").result.rejected == ()

    state.add(story.events[-1:], day(4))
    assert rejections(state.news(day(4), "eve").result) == [("bob", "code_not_found")]


def test_time_does_not_go_back() -> None:
    state = State([PROGRAMS["plain"]])
    state.result(day(2))

    with pytest.raises(ValueError, match="time went back"):
        state.result(day(1))
