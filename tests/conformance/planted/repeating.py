"""Faults in pushing a lead again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.contract import (
    ConnectorError,
    Lead,
    Pushed,
    Rejected,
    Transient,
)
from tests.conformance.planted import caught_by
from tests.conformance.reference import Place, Reference, Verdict
from tests.conformance.telling import ref

Verdicts = Sequence[Pushed | ConnectorError]


@caught_by("a_push_that_breaks_off_is_completed_by_its_repetition")
class LinksNewDealsOnly(Reference):
    """Links a deal only in the push that made it."""

    def find_deals(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        found = super().find_deals(leads)
        self.old = {it.id for it in found.values() if isinstance(it, Place)}
        return found

    def link(self, pairs: Mapping[str, str]) -> None:
        super().link({deal: contact for deal, contact in pairs.items() if deal not in self.old})


@caught_by("a_repeated_push_moves_no_deal_back")
class MovesDealsBack(Reference):
    """Writes a deal's first stage with every push."""

    def find_deals(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        return {}


@caught_by("a_repeated_push_moves_no_deal_back")
class TrustsOnlyWhatItKnows(Reference):
    """Looks for a deal only where the lead says where it was put."""

    def find_deals(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        return super().find_deals([lead for lead in leads if lead.known])


@caught_by("a_lost_answer_is_not_taken_for_success")
class HopesForTheBest(Reference):
    """Takes a lost answer for success."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        try:
            return super().push(leads)
        except Transient:
            return [Pushed(lead=it.id, ref=ref(contact="0"), created=True) for it in leads]


@caught_by("a_lost_answer_is_not_taken_for_success")
class FearsTheWorst(Reference):
    """Gives a lead up when an answer is lost."""

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        try:
            return super().push(leads)
        except Transient:
            return [Rejected("no answer") for _ in leads]


@caught_by("leads_that_two_threads_push_do_not_mix")
class RemembersTheBatch(Reference):
    """Keeps the leads of a call where those of another thread replace them."""

    together = threading.Barrier(2)

    def push(self, leads: Sequence[Lead]) -> Verdicts:
        self.leads = leads
        self.together.wait(timeout=5)
        return super().push(self.leads)


@caught_by("a_deal_that_was_merged_away_is_not_made_again")
class ForgetsMerges(Reference):
    """Looks for deals by our id alone, which a merge may have taken away."""

    def find_deals(self, leads: Sequence[Lead]) -> dict[str, Verdict]:
        return super().find_deals([replace(lead, known=None) for lead in leads])
