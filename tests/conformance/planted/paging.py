"""Faults in reading from cursor to cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import requests

from syncd.contract import (
    Cursor,
    Gone,
    JsonObject,
    Page,
    StageFact,
    Transient,
    answered_at,
    json_objects,
    read_time,
    to_ms,
)
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference
from tests.conformance.telling import MODIFIED

Told = Sequence[StageFact | Gone]


@caught_by("a_first_reading_digs_up_no_old_deals")
class FromTheBeginning(Reference):
    """Starts with all the deals that there ever were."""

    def start(self, at: datetime) -> Cursor:
        return json.dumps({"until": 0})


@caught_by("a_reading_without_news_is_one_call")
class LooksTwice(Reference):
    """Reads the stages with every poll."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        self.stages()
        return super().changes(since, until)


@caught_by("a_cursor_is_small_json")
class ProseCursor(Reference):
    """Writes its cursor as a text of its own."""

    def start(self, at: datetime) -> Cursor:
        return f"until:{to_ms(at)}"

    def low(self, since: Cursor) -> int:
        return super().low(json.dumps({"until": int(since.removeprefix("until:"))}))


@caught_by("a_reading_goes_back_by_the_overlap", "what_the_index_shows_late_is_found")
class NoOverlap(Reference):
    """Begins exactly where the last reading ended."""

    def low(self, since: Cursor) -> int:
        return int(json.loads(since)["until"])


@caught_by("a_change_after_the_end_of_the_window_is_left_to_the_next_reading")
class CursorIsNow(Reference):
    """Writes the present into its cursor, and not how far it has read."""

    def judge(self, answer: requests.Response) -> JsonObject:
        self.present = answered_at(answer) or datetime.now(UTC)
        return super().judge(answer)

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        for page in super().changes(since, until):
            yield replace(page, cursor=self.start(self.present))


@caught_by("a_clock_that_went_back_digs_up_no_old_deals")
class FollowsTheClockBack(Reference):
    """Leads its cursor back with a clock that went back."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        for page in super().changes(since, until):
            yield replace(page, cursor=self.start(until))


@caught_by("equal_times_across_a_page_border_lose_nothing")
class PagesByTime(Reference):
    """Goes on after the time of a page's last deal, past all that have the same."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        low, full = self.low(since), True
        while full:
            query = self.query(low, to_ms(until), "0")
            query["sorts"] = [{"propertyName": MODIFIED, "direction": "ASCENDING"}]
            records = json_objects(self.post("objects/2026-09/deals/search", query), "results")
            full = len(records) == self.page_size
            yield Page(facts=self.changed(records), cursor=self.start(until))
            if records:
                low = to_ms(read_time(records[-1]["properties"][MODIFIED])) + 1


@caught_by("writes_between_two_pages_lose_nothing")
class PagesByOffset(Reference):
    """Counts how many deals it has seen, and skips as many."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        seen, full = 0, True
        while full:
            query = {**self.query(self.low(since), to_ms(until), "0"), "after": str(seen)}
            records = json_objects(self.post("objects/2026-09/deals/search", query), "results")
            seen += len(records)
            full = len(records) == self.page_size
            yield Page(facts=self.changed(records), cursor=since if full else self.start(until))


@caught_by("a_full_page_is_followed_by_the_next")
class OnePage(Reference):
    """Reads the first page, and takes it for all."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        yield replace(next(super().changes(since, until)), cursor=self.start(until))


@caught_by("equal_times_across_a_page_border_lose_nothing", "a_full_page_is_followed_by_the_next")
class DropsTheBorder(Reference):
    """Drops the last deal of a full page."""

    def changed(self, records: Sequence[JsonObject]) -> Told:
        return super().changed(records[:-1] if len(records) == self.page_size else records)


@caught_by("a_reading_that_broke_off_goes_on_from_the_last_cursor")
class AheadOfItself(Reference):
    """Gives the first page the cursor of the last."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        for page in super().changes(since, until):
            yield replace(page, cursor=self.start(until))


@caught_by("a_page_that_repeats_itself_is_not_read_for_ever")
class NeverWonders(Reference):
    """Asks for the next page for as long as there is one."""

    def search(self, low: int, high: int, after: str) -> Sequence[JsonObject]:
        return json_objects(self.post("objects/2026-09/deals/search", self.query(low, high, after)), "results")


@caught_by("a_page_that_repeats_itself_is_not_read_for_ever")
class TakesARepetitionForTheEnd(Reference):
    """Ends a reading at a page that it has seen before, as if that were all."""

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        try:
            yield from super().changes(since, until)
        except Transient:
            yield Page(facts=(), cursor=self.start(until))
