"""Behaviours: a reading may repeat and must not skip, whatever happens between its pages."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from syncd.conformance.double import Trouble
from syncd.conformance.world import World, facts, of_deal, person_of
from syncd.contract import ConnectorError, Cursor, RemoteId, StageFact

LAG = 20.0  # seconds; less than the shortest overlap that the settings take


class Paging:
    """From cursor to cursor."""

    def test_a_first_reading_digs_up_no_old_deals(self, world: World) -> None:
        """The cursor for "from now on" leaves out what happened before, overlap included."""
        deal = world.deal()
        world.clock.forward(days=3)

        assert of_deal(world.news(world.now()), deal) == []

    def test_a_reading_without_news_is_one_call(self, world: World) -> None:
        """Most readings find nothing, and each costs a part of the day's quota."""
        world.deal()
        world.clock.forward(days=3)
        before = len(world.http.urls)

        world.news(world.now())

        assert len(world.http.urls) - before == 1

    def test_a_cursor_is_small_json(self, world: World) -> None:
        """It is kept in the database and shown to people."""
        world.deal()
        _, cursor = world.poll(world.now(), world.clock.forward(seconds=2))

        for text in (world.now(), cursor):
            assert len(text) < 1_000
            assert _is_json(text)

    def test_a_reading_goes_back_by_the_overlap(self, world: World) -> None:
        """What a list showed too late for the last reading is found by the next."""
        deal = world.deal()
        world.clock.forward(seconds=20)

        assert of_deal(world.news(world.now()), deal)

    def test_what_the_index_shows_late_is_found(self, world: World) -> None:
        """A search that lags behind the writes hides a change from one reading, and not from the next."""
        since, deal = world.now(), world.deal()
        world.lagging().lag(LAG)
        world.crm.move(deal, world.crm.won)
        world.clock.forward(seconds=2)
        _, since = world.poll(since)
        world.clock.forward(seconds=LAG)

        assert [it.stage for it in of_deal(world.poll(since)[0], deal)] == [world.crm.won]

    def test_a_change_after_the_end_of_the_window_is_left_to_the_next_reading(self, world: World) -> None:
        """The cursor goes as far as was read, and not to the present."""
        since, until, deal = world.now(), world.clock(), world.deal()
        world.clock.forward(hours=1)
        world.crm.move(deal, world.crm.won)
        world.clock.forward(hours=1)

        _, since = world.poll(since, until)

        assert of_deal(world.news(since), deal)

    def test_a_clock_that_went_back_digs_up_no_old_deals(self, world: World) -> None:
        """A window that ends before it begins is empty, and its cursor stays where the last reading ended."""
        deal = world.deal()
        world.clock.forward(days=3)

        told, cursor = world.poll(world.now(), world.clock() - timedelta(days=4))

        assert told == []
        assert of_deal(world.news(cursor), deal) == []

    def test_equal_times_across_a_page_border_lose_nothing(self, world: World) -> None:
        """An import or a bulk edit gives hundreds of deals the same time."""
        since, deals = world.now(), _deals(world, 2 * world.crm.page_size + 1)

        assert _told(world.news(since)) >= deals

    def test_a_full_page_is_followed_by_the_next(self, world: World) -> None:
        """Exactly as many deals as a page holds, and one more."""
        since, deals = world.now(), _deals(world, world.crm.page_size)
        world.clock.forward(seconds=1)
        deals |= _deals(world, 1, first=9_000)

        assert _told(world.news(since)) >= deals

    def test_writes_between_two_pages_lose_nothing(self, world: World) -> None:
        """Deals that leave the window while it is read shift the others, which must not fall between two pages."""
        since, deals = world.now(), _deals(world, 2 * world.crm.page_size + 1)
        until = world.clock.forward(hours=6)
        pages = world.connector.changes(since, until)
        first = next(pages)
        seen = _told(facts(first.facts))
        world.clock.forward(hours=6)
        for fact in facts(first.facts):
            if fact.ref.deal:
                world.crm.touch(fact.ref.deal)

        cursor = first.cursor
        for page in pages:
            seen |= _told(facts(page.facts))
            cursor = page.cursor

        assert seen | _told(world.news(cursor)) >= deals

    def test_a_reading_that_broke_off_goes_on_from_the_last_cursor(self, world: World) -> None:
        """A page's cursor is true once its facts are stored: what follows starts there and skips nothing."""
        since, deals = world.now(), _deals(world, 2 * world.crm.page_size + 1)
        until = world.clock.forward(hours=6)
        pages = world.connector.changes(since, until)
        first = next(pages)
        world.crm.trouble(Trouble.DROP_BEFORE)
        with pytest.raises(ConnectorError):
            list(pages)
        world.crm.mend()

        assert _told(facts(first.facts)) | _told(world.news(first.cursor)) >= deals

    def test_a_page_that_repeats_itself_is_not_read_for_ever(self, world: World) -> None:
        """A CRM that loses its place ends the reading, and the cursor does not pass what was never shown."""
        since, deals = world.now(), _deals(world, 2 * world.crm.page_size + 1)
        world.clock.forward(hours=6)
        world.crm.trouble(Trouble.SAME_PAGE)

        told, cursor = _as_far_as_it_goes(world, since)
        world.crm.mend()

        assert _told(told) | _told(world.news(cursor)) >= deals


def _deals(world: World, count: int, *, first: int = 1) -> set[RemoteId]:
    """Push leads at one moment; give their deals."""
    leads = [world.lead(number) for number in range(first, first + count)]
    return {pushed.ref.deal for pushed in world.push(*leads) if pushed.ref.deal and person_of(pushed)}


def _told(told: list[StageFact]) -> set[RemoteId]:
    return {fact.ref.deal for fact in told if fact.ref.deal}


def _as_far_as_it_goes(world: World, since: Cursor) -> tuple[list[StageFact], Cursor]:
    told: list[StageFact] = []
    try:
        for number, page in enumerate(world.connector.changes(since, world.clock())):
            assert number < 10, "the reading of three pages does not end"
            told += facts(page.facts)
            since = page.cursor
    except ConnectorError:
        pass
    return told, since


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
