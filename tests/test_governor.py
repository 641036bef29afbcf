"""Calls go out as often as our share of a CRM's limits allows, and not oftener, whatever clocks and limits do."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from syncd.contract import Parked, Quota, Throttled, Told, Transient
from syncd.governor import PATIENCE, Governor, adopted, heard, pace, quota_text, slot, spend, turned
from syncd.http import Session
from syncd.store import quotas
from syncd.store.engine import read
from syncd.store.quotas import Spent, Usage
from tests.flow.world import START, Clock

API = "http://127.0.0.1/api"
CALLS = Quota(name="calls", limit=100, window=timedelta(seconds=10))
DAILY = Quota(name="daily calls", limit=1000, window=timedelta(days=1))


@dataclass
class Meter:
    """A meter whose quotas and news are set by hand; every call but one to /free costs one unit of each."""

    limits: list[Quota] = field(default_factory=lambda: [CALLS])
    news: list[Told] = field(default_factory=list)

    def quotas(self) -> Sequence[Quota]:
        return self.limits

    def price(self, method: str, path: str) -> Mapping[str, int]:
        return {} if path == "/free" else {quota.name: 1 for quota in self.limits}

    def told(self, answer: requests.Response) -> Sequence[Told]:
        return self.news


class Desk:
    """A governor on a clock that moves when somebody waits, and a note of when each call went out."""

    def __init__(self, engine: Engine, *limits: Quota, share: float = 0.8, free: Sequence[str] = ()) -> None:
        self.clock, self.meter, self.sent = Clock(), Meter(list(limits)), []  # type: Clock, Meter, list[float]
        self.stops = False
        self._args = {"connector": "crm", "share": share, "database": engine, "now": self.clock, "free": free}
        self.engine = engine
        self.restart()

    def restart(self) -> None:
        self.governor = Governor(self.meter, wait=self._wait, **self._args)  # type: ignore[arg-type]

    def _wait(self, seconds: float) -> bool:
        self.clock.move(seconds=seconds)
        return self.stops

    def call(self, status: int = 200, path: str = "", **headers: str) -> None:
        self.governor.enter("GET", API + path, 30.0)
        self.sent.append((self.clock() - START).total_seconds())
        self.answer(status, **headers)

    def answer(self, status: int = 200, **headers: str) -> None:
        answer = requests.Response()
        answer.status_code, answer.request = status, requests.Request("GET", API).prepare()
        answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.governor.note(answer)

    def usage(self, name: str = "calls") -> Usage:
        with read(self.engine) as tx:
            (found,) = [usage for usage in quotas.of(tx, "crm") if usage.name == name]
        return found


def most_in(window: float, moments: Sequence[float]) -> int:
    """Count the moments in the fullest window; it holds its beginning, not its end."""
    return max(sum(first <= each < first + window - 1e-9 for each in moments) for first in moments)


def day_of(limit: int, **values: Any) -> Usage:
    return replace(usage_of(limit, timedelta(days=1)), name="daily calls", **values)


def usage_of(limit: int, window: timedelta) -> Usage:
    return Usage(
        name="calls",
        limit=limit,
        limit_at=None,
        window=window,
        next_at=None,
        spent=(),
        left=None,
        left_at=None,
        resets_at=None,
    )


# --- short windows ---


@given(
    limit=st.integers(1, 300),
    percent=st.integers(1, 100),
    seconds=st.sampled_from([1, 2, 10, 60]),
    pauses=st.lists(st.floats(0, 3), max_size=400),
)
def test_no_window_ever_holds_more_than_our_share_and_a_small_burst(
    limit: int, percent: int, seconds: int, pauses: list[float]
) -> None:
    window, now, moments = timedelta(seconds=seconds), START, []
    usage, burst = usage_of(limit, window), pace(limit, window, percent).burst
    for pause in [*pauses, *[0.0] * 50]:
        now += timedelta(seconds=pause)
        at, usage = slot(usage, percent, 1, now)
        now = max(now, at)
        moments.append((now - START).total_seconds())

    most = most_in(seconds, moments)

    assert most <= limit
    assert most <= -(-limit * percent // 100) + burst - 1
    assert burst <= max(1, 0.04 * limit * percent / 100)


@given(limit=st.integers(1, 2000), percent=st.integers(1, 100), seconds=st.sampled_from([1, 2, 10, 60]))
def test_a_backlog_goes_out_at_95_percent_of_our_share_at_least(limit: int, percent: int, seconds: int) -> None:
    window = timedelta(seconds=seconds)

    assert window / pace(limit, window, percent).interval >= 0.95 * limit * percent / 100


def test_a_call_waits_for_its_slot_and_the_first_after_a_rest_do_not(engine: Engine) -> None:
    desk = Desk(engine, CALLS)

    for _ in range(11):
        desk.call()
    desk.clock.move(seconds=60)
    for _ in range(4):
        desk.call()

    steady, rested = desk.sent[:11], desk.sent[11:]
    assert steady == pytest.approx([0, 0, 0, *(0.125 * n for n in range(1, 9))])
    assert rested == pytest.approx([61, 61, 61, 61.125])


def test_a_restart_gives_no_second_helping(engine: Engine) -> None:
    desk = Desk(engine, CALLS)

    for _ in range(200):
        desk.call()
        desk.restart()

    assert most_in(10, desk.sent) <= 80 + 2


def test_many_processes_at_once_never_get_the_same_slot(engine: Engine) -> None:
    waits, clock, barrier = list[float](), Clock(), threading.Barrier(4)

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    def process() -> None:
        governor = Governor(Meter(), connector="crm", share=0.8, database=engine, now=clock, wait=wait)
        barrier.wait()
        for _ in range(15):
            governor.enter("GET", API, 30.0)

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(waits) == pytest.approx([0.125 * number for number in range(1, 58)])


def test_a_call_whose_slot_is_too_far_off_does_not_wait_and_takes_none(engine: Engine) -> None:
    desk = Desk(engine, replace(CALLS, limit=1), share=0.5)  # one in twenty seconds
    desk.call()
    before = desk.usage()

    with pytest.raises(Throttled, match=r"0\.5 calls in 10 s of 1 ") as throttled:
        desk.call()

    assert throttled.value.retry_after == 20
    assert desk.usage() == before


def test_a_call_waits_no_longer_than_its_deadline_leaves(engine: Engine) -> None:
    desk = Desk(engine, replace(CALLS, limit=5))  # one in two and a half seconds
    desk.call()

    with pytest.raises(Throttled):
        desk.governor.enter("GET", API, 2.0)
    desk.governor.enter("GET", API, 3.0)


def test_who_waits_when_the_daemon_stops_makes_no_call(engine: Engine) -> None:
    stopping, clock = threading.Event(), Clock()
    governor = Governor(
        Meter([replace(CALLS, limit=2)]),
        connector="crm",
        share=0.8,
        database=engine,
        now=clock,
        wait=stopping.wait,
    )
    governor.enter("GET", API, 30.0)
    seen: list[BaseException] = []

    def call() -> None:
        try:
            governor.enter("GET", API, 30.0)
        except Throttled as error:
            seen.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    stopping.set()
    thread.join(5)

    assert not thread.is_alive()
    assert [str(error) for error in seen] == ["the daemon stops; this call was not made"]


def test_a_429_holds_everybody_back_for_as_long_as_was_asked(engine: Engine) -> None:
    desk = Desk(engine, CALLS)
    desk.call(429, Retry_After="4")
    desk.restart()  # stands for another process

    desk.call()

    assert desk.sent == [0, 4]


def test_a_429_that_names_no_wait_holds_everybody_back_until_the_window_has_passed(engine: Engine) -> None:
    desk = Desk(engine, CALLS)
    desk.call(429)

    desk.call()

    assert desk.sent == [0, 10]


def test_a_429_that_asks_for_an_hour_holds_calls_back_for_a_minute(engine: Engine) -> None:
    desk = Desk(engine, CALLS)
    desk.call(429, Retry_After="3600")

    with pytest.raises(Throttled) as throttled:
        desk.call()

    assert throttled.value.retry_after == 60


def test_a_clock_that_is_set_back_an_hour_stops_nothing(engine: Engine) -> None:
    desk = Desk(engine, CALLS, DAILY)
    for _ in range(5):
        desk.call()
    desk.clock.move(hours=-1)

    desk.call()

    assert desk.sent[-1] == pytest.approx(-3600, abs=1)
    assert desk.usage("daily calls").used == 6


def test_a_limit_that_shrinks_is_kept_to_before_the_old_pace_has_filled_the_window(engine: Engine) -> None:
    desk = Desk(engine, CALLS, share=1.0)
    for _ in range(97):
        desk.call()
    desk.meter.news = [Told(quota="calls", limit=50)]
    for _ in range(100):
        desk.call()

    shrunk = desk.sent[97]
    after = [each for each in desk.sent if each >= shrunk + 5]
    fullest = max(sum(end - 10 < each <= end for each in desk.sent) for end in after)
    assert fullest <= 50


def test_a_limit_that_grows_is_used(engine: Engine) -> None:
    desk = Desk(engine, CALLS)
    desk.meter.news = [Told(quota="calls", limit=200)]

    for _ in range(300):
        desk.call()

    assert most_in(10, desk.sent) >= 0.95 * 160
    assert desk.usage().limit == 200


def test_what_an_edition_allows_is_the_crms_word_and_not_the_meters_guess(engine: Engine) -> None:
    desk = Desk(engine, CALLS, DAILY)
    desk.meter.news = [Told(quota="calls", limit=190), Told(quota="daily calls", limit=5000, left=4000)]
    desk.call()
    desk.meter.news = []

    desk.call()

    assert (desk.usage().limit, desk.usage("daily calls").limit) == (190, 5000)


def test_where_others_leave_no_room_a_call_waits_a_quarter_of_the_window() -> None:
    crowded = adopted(usage_of(100, timedelta(seconds=10)), Told(quota="calls", left=0), 80, START)
    ours_alone = adopted(usage_of(20, timedelta(seconds=2)), Told(quota="calls", left=0), 100, START)

    assert crowded.next_at == START + timedelta(seconds=2.5)
    assert ours_alone.next_at is None


# --- long windows ---


def test_a_share_that_is_spent_parks_until_the_window_ends_and_says_which(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    for _ in range(8):
        desk.call()

    with pytest.raises(Parked) as parked:
        desk.call()

    assert str(parked.value) == "our 80 % of 10 daily calls is used up; until 2026-03-03 09:00 UTC nothing is sent"
    assert parked.value.until == START + timedelta(days=1)
    desk.clock.move(days=1)
    desk.call()
    assert desk.usage("daily calls").used == 1


@dataclass(kw_only=True)
class Arrival:
    """A call that wants out: so long after the one before it, held up by other quotas, for so many units."""

    after: float
    held_up: float
    units: int


ARRIVALS = st.builds(
    Arrival,
    # Mostly bunches, as backlogs and polls come, and sometimes hours between them.
    after=st.one_of(st.floats(0, 60), st.floats(0, 40_000), st.sampled_from([3_600.0, 82_800.0, 86_399.0, 86_400.0])),
    held_up=st.one_of(st.just(0.0), st.floats(0, PATIENCE.total_seconds())),
    units=st.sampled_from([1, 1, 1, 2, 5, 20]),
)


@given(limit=st.integers(20, 200), percent=st.integers(10, 100), arrivals=st.lists(ARRIVALS, max_size=150))
def test_no_24_hours_ever_hold_more_than_our_share(limit: int, percent: int, arrivals: list[Arrival]) -> None:
    usage, now, sent = day_of(limit), START, list[tuple[datetime, int]]()
    for each in arrivals:
        now += timedelta(seconds=each.after)
        at = now + timedelta(seconds=each.held_up)
        with suppress(Parked):
            usage = spend(turned(usage, now), percent, each.units, at)
            sent.append((at, each.units))

    assert len(usage.spent) <= 26
    for first, _ in sent:
        last = first + timedelta(days=1)
        assert sum(units for at, units in sent if first <= at < last) * 100 <= limit * percent


@given(limit=st.integers(20, 200), percent=st.integers(10, 100), arrivals=st.lists(ARRIVALS, max_size=60))
def test_when_a_parked_connector_may_go_on_there_is_room_for_the_call(
    limit: int, percent: int, arrivals: list[Arrival]
) -> None:
    usage, now, waits = day_of(limit), START, list[timedelta]()
    for each in arrivals:
        now += timedelta(seconds=each.after)
        units = min(each.units, limit * percent // 100)
        try:
            usage = spend(turned(usage, now), percent, units, now)
        except Parked as parked:
            before, now = now, parked.until
            usage = spend(turned(usage, now), percent, units, now)
            waits.append(now - before)

    assert all(timedelta() < wait <= timedelta(days=1) for wait in waits)


def test_a_day_that_began_slowly_gives_no_second_share_when_it_ends(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=100))
    desk.call()
    desk.clock.move(hours=23, minutes=50)
    for _ in range(79):
        desk.call()
    desk.clock.move(minutes=10)
    desk.call()

    with pytest.raises(Parked) as parked:
        desk.call()

    assert parked.value.until == START + timedelta(days=1, hours=23, minutes=50)


def test_a_call_that_waits_for_its_slot_is_counted_when_it_goes_out(engine: Engine) -> None:
    desk = Desk(engine, replace(CALLS, name="any call", limit=2), DAILY)  # one in more than six seconds

    desk.call()
    desk.call()

    assert desk.usage("daily calls").spent == (Spent(at=START + timedelta(seconds=6.25), units=2),)


def test_a_call_that_has_its_slot_still_to_come_counts_until_a_day_after_it() -> None:
    later = START + timedelta(seconds=8)
    day = spend(day_of(10), 80, 8, later)

    after = turned(turned(day, START + timedelta(seconds=1)), START + timedelta(days=1, seconds=7))

    assert (after.used, turned(after, later + timedelta(days=1)).used) == (8, 0)


def test_hours_are_counted_apart_and_leave_one_by_one() -> None:
    usage = day_of(100)
    for hour in range(30):
        at = START + timedelta(hours=hour, minutes=hour)
        usage = spend(turned(usage, at), 80, 2, at)

    first, *_, last = usage.spent

    assert (len(usage.spent), usage.used) == (24, 48)
    assert (first.at, last.at) == (START + timedelta(hours=6, minutes=6), START + timedelta(hours=29, minutes=29))


# --- long windows and clocks ---


def test_a_clock_that_is_set_back_loses_no_count_and_makes_no_day_longer() -> None:
    day = day_of(10, spent=(Spent(at=START - timedelta(hours=3), units=2), Spent(at=START, units=6)))
    back = START - timedelta(days=400)

    with pytest.raises(Parked) as parked:
        spend(turned(day, back), 80, 1, back)

    assert parked.value.until <= back + timedelta(days=1, seconds=10)


def test_a_clock_that_was_ahead_for_a_while_parks_nobody_for_long(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    desk.clock.move(days=900)
    for _ in range(8):
        desk.call()
    desk.clock.move(days=-900)

    with pytest.raises(Parked) as parked:
        desk.call()

    assert parked.value.until <= START + timedelta(days=1, seconds=10)
    desk.clock.move(days=1, seconds=10)
    desk.call()


def test_a_reset_that_is_further_off_than_a_window_is_none() -> None:
    day = day_of(10, left=1, left_at=START, resets_at=START + timedelta(days=3))

    with pytest.raises(Parked) as parked:
        spend(turned(day, START), 80, 1, START)

    assert parked.value.until == START + timedelta(hours=1)


def test_a_restart_keeps_the_count(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    for _ in range(8):
        desk.call()
        desk.restart()

    with pytest.raises(Parked):
        desk.call()


def test_the_reset_that_the_crm_tells_ends_the_day(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    midnight = START + timedelta(hours=15)
    desk.meter.news = [Told(quota="daily calls", resets_at=midnight)]
    for _ in range(8):
        desk.call()

    with pytest.raises(Parked) as parked:
        desk.call()

    assert parked.value.until == midnight
    desk.clock.move(hours=15)
    desk.call()
    assert desk.usage("daily calls").used == 1


def test_a_reset_that_an_answer_replaces_has_ended_the_day_all_the_same() -> None:
    day = day_of(10, spent=(Spent(at=START, units=8),), left=1, left_at=START, resets_at=START + timedelta(hours=1))
    later = START + timedelta(hours=1, seconds=1)

    after = adopted(day, Told(quota="daily calls", resets_at=START + timedelta(hours=25)), 80, later)

    assert (after.used, after.left, after.resets_at) == (0, None, START + timedelta(hours=25))


def test_a_reset_leaves_what_was_spent_after_it() -> None:
    reset = START + timedelta(minutes=10)
    spent = (Spent(at=START, units=3), Spent(at=reset, units=4))

    after = turned(day_of(10, spent=spent, resets_at=reset), START + timedelta(hours=2))

    assert after.spent == (Spent(at=reset, units=4),)


def test_what_others_took_counts_and_their_part_is_left_to_them(engine: Engine) -> None:
    desk = Desk(engine, DAILY)
    desk.meter.news = [Told(quota="daily calls", left=201, resets_at=START + timedelta(hours=9))]
    desk.call()
    desk.meter.news = []
    desk.call()

    with pytest.raises(Parked, match="of 1,000 daily calls the account has 200 left, of which none is ours") as parked:
        desk.call()

    assert parked.value.until == START + timedelta(hours=9)


def test_where_no_reset_is_told_one_call_asks_again_after_an_hour(engine: Engine) -> None:
    desk = Desk(engine, DAILY)
    desk.meter.news = [Told(quota="daily calls", left=150)]
    desk.call()
    for hour in (1, 2):
        with pytest.raises(Parked) as parked:
            desk.call()
        assert parked.value.until == START + timedelta(hours=hour)
        desk.clock.move(hours=1)
        desk.call()
    desk.meter.news = [Told(quota="daily calls", left=900)]
    desk.clock.move(hours=1)

    for _ in range(5):
        desk.call()


def test_one_call_asks_again_and_no_more_until_it_is_answered(engine: Engine) -> None:
    desk = Desk(engine, DAILY)
    desk.meter.news = [Told(quota="daily calls", left=150)]
    desk.call()
    desk.clock.move(hours=1)
    desk.governor.enter("GET", API, 30.0)

    with pytest.raises(Parked) as parked:
        desk.governor.enter("GET", API, 30.0)

    assert parked.value.until == START + timedelta(hours=2)


def test_a_clock_that_is_set_back_puts_off_no_asking_again() -> None:
    crowded = day_of(100, left=5, left_at=START, spent=(Spent(at=START, units=1),))
    back = START - timedelta(hours=5)

    with pytest.raises(Parked) as parked:
        spend(turned(crowded, back), 80, 1, back)

    assert back + timedelta(hours=1) <= parked.value.until <= back + timedelta(hours=1, seconds=10)


def test_who_took_nothing_believes_what_the_crm_says_is_left_for_an_hour_too() -> None:
    crowded = day_of(100, left=5, left_at=START)

    with pytest.raises(Parked) as parked:
        spend(crowded, 80, 1, START + timedelta(minutes=1))

    assert parked.value.until == START + timedelta(hours=1)
    assert spend(crowded, 80, 1, START + timedelta(hours=1)).used == 1


def test_what_we_took_comes_back_to_what_the_crm_said_is_left() -> None:
    """Zoho tells what is left only while less than half is: it would never tell that all of it has come back."""
    spent = (Spent(at=START, units=30), Spent(at=START + timedelta(hours=5), units=40))
    crowded = day_of(100, spent=spent, left=10, left_at=START + timedelta(hours=6))

    assert turned(crowded, START + timedelta(hours=23)).left == 10
    assert turned(crowded, START + timedelta(hours=24)).left == 40
    assert turned(replace(crowded, left=90), START + timedelta(hours=24)).left == 100


def test_what_the_crm_said_is_left_is_forgotten_when_its_window_has_passed(engine: Engine) -> None:
    """Else a burst of somebody else's, of which no answer tells any more, would leave us one call an hour for ever."""
    desk = Desk(engine, DAILY)
    desk.meter.news = [Told(quota="daily calls", left=150)]
    desk.call()
    desk.meter.news = []
    for _ in range(23):
        desk.clock.move(hours=1)
        desk.call()
        with pytest.raises(Parked):
            desk.call()
    desk.clock.move(hours=1)

    for _ in range(5):
        desk.call()


def test_a_number_that_has_not_changed_is_news_again_after_a_while() -> None:
    told = Told(quota="calls", left=40)
    told = replace(told, limit=100)
    known = day_of(100, limit_at=START, left=40, left_at=START)
    after = START + timedelta(minutes=10)

    assert adopted(known, told, 80, START + timedelta(minutes=9)) == known
    assert adopted(known, told, 80, after) == replace(known, limit_at=after, left_at=after)


def test_a_meter_that_knows_only_the_smallest_edition_parks_nobody_after_a_restart(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    desk.meter.news = [Told(quota="daily calls", limit=1000, left=900)]
    for _ in range(20):
        desk.call()
    desk.restart()

    desk.call()

    assert desk.usage("daily calls").used == 21


def test_a_daily_limit_that_is_changed_in_the_settings_counts_at_once(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=10))
    for _ in range(8):
        desk.call()
    desk.meter.limits = [replace(DAILY, limit=100)]
    desk.restart()

    desk.call()
    desk.meter.limits = [replace(DAILY, limit=11)]
    desk.restart()

    with pytest.raises(Parked, match="our 80 % of 11 daily calls is used up"):
        desk.call()


def test_a_limit_that_the_crm_told_is_forgotten_when_it_is_told_no_more() -> None:
    """A token was told of its day; the app that took its place is told nothing, and has what the settings say."""
    told, sparse = day_of(500_000, limit_at=START), replace(DAILY, limit=100)

    assert heard(told, sparse, START + timedelta(hours=47)).limit == 500_000
    after = heard(told, sparse, START + timedelta(days=2))
    assert (after.limit, after.limit_at) == (100, None)
    assert heard(told, sparse, START - timedelta(days=9)).limit_at == START - timedelta(days=9)


def test_a_call_that_is_parked_takes_nothing_from_its_other_quotas(engine: Engine) -> None:
    desk = Desk(engine, CALLS, replace(DAILY, limit=1), share=1.0)
    desk.call()
    before = desk.usage()

    with pytest.raises(Parked):
        desk.call()

    assert desk.usage() == before


# --- around it ---


def test_what_the_crm_does_not_count_costs_nothing(engine: Engine) -> None:
    desk = Desk(engine, replace(DAILY, limit=2), free=["http://127.0.0.1/token"])
    for _ in range(5):
        desk.governor.enter("GET", "http://127.0.0.1/free?x=1", 30.0)
        desk.governor.enter("POST", "http://127.0.0.1/token", 30.0)

    with read(engine) as tx:
        assert quotas.of(tx, "crm") == []


def test_a_meter_that_breaks_down_on_an_answer_spoils_no_call_and_is_told_of_once(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(engine, CALLS)
    desk.meter.news = [None]  # type: ignore[list-item]

    with caplog.at_level(logging.ERROR, "syncd"):
        desk.call()
        desk.call()

    assert len(caplog.records) == 1


def test_a_database_that_cannot_be_asked_is_a_reason_to_try_later(tmp_path: object) -> None:
    nowhere = create_engine(f"sqlite:///{tmp_path}/none/at/all.db")
    governor = Governor(Meter(), connector="crm", share=0.8, database=nowhere, now=Clock(), wait=lambda _: False)

    with pytest.raises(Transient, match="cannot be asked: OperationalError"):
        governor.enter("GET", API, 30.0)


def test_a_quota_is_told_in_words() -> None:
    short, after = usage_of(100, timedelta(seconds=10)), START + timedelta(hours=1)
    day = day_of(200_000, spent=(Spent(at=START, units=8_800), Spent(at=after, units=1_000)))
    told = replace(day, left=41_200, left_at=after)

    assert quota_text(short, 80, START) == "8 calls a second of 10"
    assert quota_text(short, 3, START) == "3 calls in 10 s of 100"
    assert quota_text(day, 80, after) == "190,200 of 200,000 daily calls left, more from 2026-03-03 09:00 UTC"
    assert quota_text(told, 80, after) == "41,200 of 200,000 daily calls left, more from 2026-03-03 09:00 UTC"
    fixed = replace(told, resets_at=START + timedelta(hours=15))
    assert quota_text(fixed, 80, after) == "41,200 of 200,000 daily calls left, resets 2026-03-03 00:00 UTC"
    assert quota_text(replace(told, spent=()), 80, after) == "41,200 of 200,000 daily calls left"
    assert quota_text(told, 80, after + timedelta(days=1)) == "200,000 of 200,000 daily calls left"


class Gate:
    """Takes a while to let a call through, or does not let it."""

    def __init__(self, clock: list[float], error: Exception | None = None) -> None:
        self.clock, self.error, self.seen = clock, error, []  # type: list[float], Exception | None, list[str]

    def enter(self, method: str, url: str, patience: float) -> None:
        self.seen.append(f"{method} {patience:g}")
        self.clock[0] += 4
        if self.error:
            raise self.error

    def note(self, answer: requests.Response) -> None:
        self.seen.append(str(answer.status_code))


def test_a_call_that_is_not_let_through_is_not_sent_and_not_counted() -> None:
    session = Session(monotonic=lambda: 0.0)
    session.gate = Gate([0.0], Parked("a quota is spent", until=START))

    with pytest.raises(Parked):
        session.request("GET", "http://127.0.0.1:1/", idempotent=True)

    assert session.calls["total"] == 0
    assert session.gate.seen == ["GET 15"]


def test_the_time_at_the_gate_is_part_of_the_calls_deadline_and_every_repetition_waits_there() -> None:
    clock = [0.0]
    session = Session(deadline=20, monotonic=lambda: clock[0], sleep=lambda _: None)
    session.gate = Gate(clock)

    with pytest.raises(Transient):
        session.request("GET", "http://127.0.0.1:1/", idempotent=True)  # nobody listens there

    assert session.gate.seen == ["GET 10", "GET 8", "GET 6"]


def test_a_call_for_which_the_gate_left_no_time_is_not_sent() -> None:
    """With a thousandth of a second for its answer it would have its effect all the same, and nobody would know."""
    clock = [0.0]
    session = Session(deadline=4, monotonic=lambda: clock[0])
    session.gate = Gate(clock)

    with pytest.raises(Throttled, match="was not made"):
        session.request("POST", "http://127.0.0.1:1/")

    assert session.calls["total"] == 0


def test_what_the_gate_took_is_missing_from_the_time_for_the_answer() -> None:
    clock = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = Session(deadline=4.1, monotonic=lambda: clock[0])
        session.gate = Gate(clock)

        with pytest.raises(Transient, match=r"within 0\.1 s"):
            session.request("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/")
