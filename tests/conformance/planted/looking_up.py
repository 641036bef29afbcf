"""Faults in reading records by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from syncd.contract import (
    Gone,
    JsonObject,
    Rejected,
    RemoteRef,
    StageFact,
    json_objects,
)
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference

Told = Sequence[StageFact | Gone]


@caught_by("a_deal_is_told_as_it_stands_whatever_the_index_shows")
class LooksUpInTheIndex(Reference):
    """Searches for a deal whose id it has."""

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        told: list[StageFact | Gone] = []
        for ref in refs:
            query = self.query(0, 10**14, str(int(ref.deal.id) - 1) if ref.deal else "0")
            told += self.changed(json_objects(self.post("objects/2026-09/deals/search", query), "results"))
        return told


@caught_by("a_person_brings_the_deals_that_sales_opened_for_them")
class IgnoresPersons(Reference):
    """Looks up deals and no persons."""

    def persons(self, ids: Iterable[str], told: list[StageFact | Gone]) -> Iterable[str]:
        return ()


@caught_by("a_deleted_deal_is_told_as_gone_beside_the_others")
class RaisesForDeletions(Reference):
    """Raises an error for a deal that was deleted."""

    def fates(self, kind: str, ids: Iterable[str], records: Sequence[JsonObject], missing: set[str]) -> list[Gone]:
        if missing:
            raise Rejected("some of them are not there")
        return super().fates(kind, ids, records, missing)


@caught_by("a_deleted_deal_is_told_as_gone_beside_the_others", "a_deleted_person_is_told_as_gone")
class SilentOnDeletions(Reference):
    """Leaves out what was deleted, as if nobody had asked."""

    def fates(self, kind: str, ids: Iterable[str], records: Sequence[JsonObject], missing: set[str]) -> list[Gone]:
        return super().fates(kind, ids, records, set())


@caught_by("a_restored_deal_is_told_again")
class NeverForgets(Reference):
    """Remembers what was deleted, and does not ask again."""

    buried: frozenset[RemoteRef] = frozenset()

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        told = super().look_up([it for it in refs if it not in self.buried])
        self.buried |= {it.ref for it in told if isinstance(it, Gone)}
        return told


@caught_by("a_merged_deal_leads_to_the_survivor")
class IgnoresMerges(Reference):
    """Does not say that a deal goes by another name now."""

    def fates(self, kind: str, ids: Iterable[str], records: Sequence[JsonObject], missing: set[str]) -> list[Gone]:
        return [it for it in super().fates(kind, ids, records, missing) if it.why == "deleted"]


@caught_by("a_merged_person_leads_to_the_survivors_deals")
class LosesMergedPersons(Reference):
    """Looks for the deals of a person under the old name alone."""

    def persons(self, ids: Iterable[str], told: list[StageFact | Gone]) -> Iterable[str]:
        asked = set(ids)
        return [it for it in super().persons(asked, told) if it in asked]


@caught_by("many_records_are_read_in_few_calls", "a_record_that_is_asked_for_twice_is_told_once")
class ReadsOneByOne(Reference):
    """Makes a call for each record."""

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        return [it for ref in refs for it in super(ReadsOneByOne, self).look_up([ref])]


@caught_by("many_records_are_read_in_few_calls")
class ReadsAsItWrites(Reference):
    """Takes leads one by one, and so reads records one by one."""

    batch_size: ClassVar[int] = 1

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        return [it for ref in dict.fromkeys(refs) for it in super(ReadsAsItWrites, self).look_up([ref])]


@caught_by("many_records_are_read_in_few_calls")
class NeverCuts(Reference):
    """Sends all ids in one call, however many the CRM takes."""

    read_size: ClassVar[int] = 10_000


@caught_by("looking_up_nothing_calls_nobody")
class LooksUpNothing(Reference):
    """Asks for the stages before it looks whether there is anything to look up."""

    def look_up(self, refs: Sequence[RemoteRef]) -> Told:
        self.stages()
        return super().look_up(refs)
