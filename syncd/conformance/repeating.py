"""Behaviours: whatever happened to a push, its repetition ends with each lead in the CRM once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from syncd.conformance.double import Trouble
from syncd.conformance.world import World, deal_of
from syncd.contract import ConnectorError, Pushed, Transient

LOST = (Trouble.DROP_BEFORE, Trouble.DROP_AFTER, Trouble.ERROR_AFTER, Trouble.TRUNCATED, Trouble.GARBAGE)

Verdicts = Sequence[Pushed | ConnectorError]


class Repeating:
    """The same lead again."""

    def test_a_repeated_push_makes_nothing_new(self, world: World) -> None:
        """Whether or not it says where the lead was put before."""
        [first] = world.push(world.lead())

        [again] = world.push(world.lead())
        [known] = world.push(world.lead(known=first.ref))

        assert world.crm.size() == (1, 1)
        assert (again.ref.deal, known.ref.deal) == (first.ref.deal, first.ref.deal)
        assert (again.ref.person, known.ref.person) == (first.ref.person, first.ref.person)

    def test_a_repeated_push_moves_no_deal_back(self, world: World) -> None:
        """Sales has worked on it since; a repetition undoes nothing, whether or not it knows of the first push."""
        [first] = world.push(world.lead())
        world.crm.move(deal_of(first), world.crm.won)

        world.push(world.lead())
        world.push(world.lead(known=first.ref))

        assert world.crm.stage(deal_of(first)) == world.crm.won

    def test_a_repeated_push_in_another_batch_makes_nothing_new(self, world: World) -> None:
        """Leads meet in other batches the second time, with new ones between them."""
        world.push(world.lead(1), world.lead(2))

        world.push(world.lead(2), world.lead(3), world.lead(1))

        assert world.crm.size() == (3, 3)

    @pytest.mark.parametrize("trouble", LOST)
    def test_a_push_that_breaks_off_is_completed_by_its_repetition(self, world: World, trouble: Trouble) -> None:
        """At whichever call it broke off, and whether or not that call had taken effect."""
        world.push(world.lead(0))
        calls = len(world.http.urls)

        for broken_after in range(calls):
            number = broken_after + 1
            world.crm.trouble(trouble, after=broken_after)
            _try(world, number)
            world.crm.mend()
            world.push(world.lead(number))

            assert world.made_one(number), f"after {trouble.name} at call {number} the deal hangs on nobody"
        assert world.crm.size() == (calls + 1, calls + 1)

    @pytest.mark.parametrize("trouble", LOST)
    def test_a_lost_answer_is_not_taken_for_success(self, world: World, trouble: Trouble) -> None:
        """Nobody knows whether the work was done, so it is neither pushed nor given up: it is due again."""
        world.crm.trouble(trouble)

        assert isinstance(world.fails("push"), Transient)

    def test_a_lead_that_two_threads_push_is_made_once(self, world: World) -> None:
        """Two workers can hold one lead for a moment, when a lease ran out."""
        _at_once(world, 1, 1)
        world.push(world.lead(1))

        assert world.made_one(1)
        assert world.crm.size() == (1, 1)

    def test_leads_that_two_threads_push_do_not_mix(self, world: World) -> None:
        """One connector serves several workers at once, and keeps nothing of a call for the next."""
        for number, verdicts in enumerate(_at_once(world, 1, 2), start=1):
            assert [it.lead for it in verdicts if isinstance(it, Pushed)] == [world.lead(number).id]
            assert world.made_one(number)

    def test_a_deal_that_was_merged_away_is_not_made_again(self, world: World) -> None:
        """The survivor carries one id of ours only; the other lead is found by the deal that it had."""
        first, second = world.push(world.lead(1), world.lead(2))
        survivor = world.merging().merge(deal_of(first), deal_of(second))

        [again] = world.push(replace(world.lead(2), known=second.ref))

        assert again.ref.deal == survivor
        assert world.crm.size()[1] == 1


def _at_once(world: World, *numbers: int) -> list[Verdicts]:
    """Push each of these leads in a thread of its own, all at the same moment."""
    ready = threading.Barrier(len(numbers))

    def push(number: int) -> Verdicts:
        ready.wait(timeout=5)
        return _try(world, number)

    with ThreadPoolExecutor(len(numbers)) as threads:
        return list(threads.map(push, numbers))


def _try(world: World, number: int) -> Verdicts:
    """Push a lead of which nobody knows how it will end."""
    try:
        return world.connector.push([world.lead(number)])
    except ConnectorError as error:
        return [error]
