"""Behaviours: what the CRM says of a deal, in its own time and terms."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from syncd.conformance.double import Trouble
from syncd.conformance.world import World, of_deal, one, person_of
from syncd.contract import RemoteRef, Transient

UNREADABLE = (Trouble.HTML, Trouble.GARBAGE, Trouble.EMPTY, Trouble.TRUNCATED)


class Reading:
    """A stage fact."""

    def test_a_move_is_told_with_our_id(self, world: World) -> None:
        """So that it finds its referral without any other knowledge."""
        since, deal = world.now(), world.deal()
        world.crm.move(deal, world.crm.open_stages[1])

        fact = one(of_deal(world.news(since), deal))

        assert fact.lead == "ref_0001"

    def test_a_move_is_told_by_the_ids_of_pipeline_and_stage(self, world: World) -> None:
        """The ids that `stages` lists, and never a label."""
        since, deal = world.now(), world.deal()
        world.crm.move(deal, world.crm.open_stages[1])

        fact = one(of_deal(world.news(since), deal))

        assert (fact.pipeline, fact.stage) == (world.crm.pipeline, world.crm.open_stages[1])

    def test_won_lost_and_open_are_what_the_crm_says(self, world: World) -> None:
        """A deal can be lost, reopened and won: the latest word counts."""
        since, deal = world.now(), world.deal()
        told = []
        for stage in (world.crm.lost, world.crm.open_stages[2], world.crm.won):
            world.crm.move(deal, stage)
            told += [fact.outcome for fact in of_deal(world.news(since), deal)]

        assert told == ["lost", "open", "won"]

    def test_a_newer_fact_has_a_greater_version(self, world: World) -> None:
        """Facts arrive in any order; a reopened deal must not lose to its own past."""
        since, deal = world.now(), world.deal()
        world.crm.move(deal, world.crm.won)
        won = one(of_deal(world.news(since), deal))
        world.crm.move(deal, world.crm.open_stages[1])
        reopened = one(of_deal(world.news(since), deal))

        assert reopened.version > won.version

    def test_times_are_the_crms_own_aware_and_in_utc(self, world: World) -> None:
        """The clocks of CRM and daemon differ, by seconds or by years; the CRM's says when a stage was entered."""
        since, deal = world.now(), world.deal()
        moved = world.clock.forward(minutes=5)
        world.crm.move(deal, world.crm.won)
        world.clock.forward(minutes=5)

        fact = one(of_deal(world.news(since), deal))

        assert fact.at.utcoffset() == timedelta()
        assert abs(fact.at - moved) <= timedelta(seconds=1)

    @pytest.mark.parametrize(
        ("text", "currency", "minor"),
        [
            ("19.99", "EUR", 1_999),
            ("90071992547409.93", "EUR", 9_007_199_254_740_993),
            ("500", "JPY", 500),
            ("0", "EUR", 0),
        ],
    )
    def test_an_amount_is_exact_and_in_minor_units(self, world: World, text: str, currency: str, minor: int) -> None:
        """Money never goes through a float, and a yen has no cents."""
        since, deal = world.now(), world.deal()
        world.crm.price(deal, text, currency)

        fact = one(of_deal(world.news(since), deal))

        assert (fact.amount, fact.currency) == (minor, currency)
        assert isinstance(fact.amount, int)

    def test_a_deal_without_an_amount_has_none(self, world: World) -> None:
        """Nothing is not zero: a reward in per cent waits for an amount."""
        since, deal = world.now(), world.deal()

        fact = one(of_deal(world.news(since), deal))

        assert fact.amount is None

    def test_a_deal_that_sales_opened_for_a_lead_names_the_person(self, world: World) -> None:
        """It carries no id of ours; through its person it is found to be the lead's."""
        [pushed] = world.push(world.lead())
        since = world.now()
        deal = world.crm.open_deal(person_of(pushed))

        fact = one(of_deal(world.news(since), deal))

        assert fact.ref.person == person_of(pushed)
        assert fact.lead is None

    def test_history_tells_a_stage_that_was_passed_between_two_readings(self, world: World) -> None:
        """Each stage with the time at which it was entered, by its id, in order of version."""
        deal = world.deal()
        passed = world.clock.forward(minutes=1)
        world.crm.move(deal, world.crm.open_stages[1])
        reached = world.clock.forward(minutes=1)
        world.crm.move(deal, world.crm.won)
        world.clock.forward(hours=1)
        world.crm.touch(deal)

        told = sorted(world.historian().history([deal]), key=lambda fact: fact.version)

        assert [(it.stage, it.at) for it in told][-2:] == [(world.crm.open_stages[1], passed), (world.crm.won, reached)]
        assert told[-1].outcome == "won"
        assert {it.ref.deal for it in told} == {deal}

    def test_the_versions_of_a_history_grow_with_its_times(self, world: World) -> None:
        """Each of its facts is taken only if it is newer than what is known, over days as over minutes."""
        deal = world.deal()
        for stage in (world.crm.lost, world.crm.open_stages[1], world.crm.won):
            world.clock.forward(hours=20)
            world.crm.move(deal, stage)

        told = sorted(world.historian().history([deal]), key=lambda fact: fact.at)

        assert len({it.at for it in told}) >= 3
        assert [(a.at, b.at) for a, b in pairwise(told) if (a.at < b.at) != (a.version < b.version)] == []

    def test_reading_changes_nothing(self, world: World) -> None:
        """Whatever is read, however often."""
        since, [pushed] = world.now(), world.push(world.lead())
        writes = world.crm.calls().writes

        world.poll(since)
        world.look_up(pushed.ref)
        world.connector.stages()

        assert world.crm.calls().writes == writes

    @pytest.mark.parametrize("trouble", UNREADABLE)
    def test_an_unreadable_answer_is_not_taken_for_no_changes(self, world: World, trouble: Trouble) -> None:
        """A maintenance page comes with a 200 too; the cursor must not pass what it hid."""
        world.deal()
        world.crm.trouble(trouble)

        assert isinstance(world.fails("changes"), Transient)

    @pytest.mark.parametrize("trouble", UNREADABLE)
    def test_an_unreadable_answer_is_not_taken_for_a_deletion(self, world: World, trouble: Trouble) -> None:
        """What could not be read is not gone."""
        [pushed] = world.push(world.lead())
        world.crm.trouble(trouble)

        with pytest.raises(Transient):
            world.look_up(RemoteRef(deal=pushed.ref.deal))
