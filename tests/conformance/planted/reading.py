"""Faults in reading what a deal is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import requests

from syncd.contract import (
    Gone,
    JsonObject,
    Outcome,
    RemoteId,
    RemoteRef,
    StageFact,
    Transient,
    read_time,
    to_ms,
)
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference
from tests.conformance.telling import MODIFIED

Told = Sequence[StageFact | Gone]


@caught_by("a_move_is_told_with_our_id")
class Anonymous(Reference):
    """Tells a deal without our id."""

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        return replace(super().fact(record, person), lead=None)


@caught_by("won_lost_and_open_are_what_the_crm_says")
class ClosedIsWon(Reference):
    """Takes every closed deal for won."""

    def outcome(self, values: Mapping[str, str]) -> Outcome:
        return "won" if values["hs_is_closed"] == "true" else "open"


@caught_by("a_newer_fact_has_a_greater_version")
class Timeless(Reference):
    """Gives every fact the same version."""

    def version(self, at: datetime) -> int:
        return 1


@caught_by("times_are_the_crms_own_aware_and_in_utc")
class LocalClock(Reference):
    """Tells the time of this machine."""

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        return replace(super().fact(record, person), at=datetime.now(UTC))


@caught_by("times_are_the_crms_own_aware_and_in_utc")
class NaiveTimes(Reference):
    """Tells times without their zone."""

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        fact = super().fact(record, person)
        return replace(fact, at=fact.at.replace(tzinfo=None))


@caught_by("times_are_the_crms_own_aware_and_in_utc")
class TimesOfTheOffice(Reference):
    """Takes a time in UTC for one of the account's own zone."""

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        fact = super().fact(record, person)
        return replace(fact, at=fact.at.replace(tzinfo=timezone(timedelta(hours=2))).astimezone(UTC))


@caught_by("an_amount_is_exact_and_in_minor_units")
class FloatAmounts(Reference):
    """Reads money as a float."""

    def amount(self, text: str, currency: str) -> int | None:
        return round(float(text) * (1 if currency == "JPY" else 100)) if text else None


@caught_by("an_amount_is_exact_and_in_minor_units")
class CentsOfAYen(Reference):
    """Gives every currency two decimals."""

    def amount(self, text: str, currency: str) -> int | None:
        return int(Decimal(text) * 100) if text else None


@caught_by("a_deal_without_an_amount_has_none")
class NothingIsZero(Reference):
    """Takes no amount for an amount of zero."""

    def amount(self, text: str, currency: str) -> int | None:
        return super().amount(text or "0", currency or "EUR")


@caught_by("a_deal_that_sales_opened_for_a_lead_names_the_person")
class OursAlone(Reference):
    """Does not ask whose a deal without our id is."""

    def changed(self, records: Sequence[JsonObject]) -> Told:
        return self.facts(records, {})


@caught_by("history_tells_a_stage_that_was_passed_between_two_readings")
class HistoryWithoutTime(Reference):
    """Tells past stages with the time of the deal's last change."""

    def entered(self, record: JsonObject, past: JsonObject, outcome: Outcome) -> StageFact:
        at = read_time(record["properties"][MODIFIED])
        return replace(super().entered(record, past, outcome), at=at)


@caught_by("history_tells_a_stage_that_was_passed_between_two_readings")
class NoPast(Reference):
    """Tells the present stage for all of the history."""

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        return [it for it in self.look_up([RemoteRef(deal=deal) for deal in deals]) if isinstance(it, StageFact)]


@caught_by("the_versions_of_a_history_grow_with_its_times")
class TimeOfDay(Reference):
    """Orders facts by the time of the day."""

    def version(self, at: datetime) -> int:
        return to_ms(at) % to_ms(datetime(1970, 1, 2, tzinfo=UTC))


@caught_by("reading_changes_nothing")
class LeavesMarks(Reference):
    """Writes into a deal that it was seen."""

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        rows = [{"id": it.deal.id, "properties": {"description": "seen"}} for it in refs if it.deal]
        self.post("objects/2026-09/deals/batch/update", {"inputs": rows})
        return super().look_up(refs)


@caught_by("an_unreadable_answer_is_not_taken_for_no_changes")
class NothingNew(Reference):
    """Takes a page that it cannot read for one without changes."""

    def judge(self, answer: requests.Response) -> JsonObject:
        try:
            return super().judge(answer)
        except Transient:
            return {"results": []}


@caught_by("an_unreadable_answer_is_not_taken_for_a_deletion")
class AllGone(Reference):
    """Takes what it could not read for deleted."""

    def read(
        self, kind: str, ids: Sequence[str], properties: Sequence[str] = (), *, by: str = "", past: Sequence[str] = ()
    ) -> tuple[list[JsonObject], set[str]]:
        try:
            return super().read(kind, ids, properties, by=by, past=past)
        except Transient:
            return [], set(ids)
