"""Behaviours: records are read by their ids, and what became of them is told."""

from __future__ import annotations

from syncd.conformance.world import World, deal_of, facts, gone, of_deal, one, person_of
from syncd.contract import RemoteRef

MANY = 120  # more than most CRMs take in a call, whatever the connector's batch_size is


class LookingUp:
    """By id, where no index and no window can hide anything."""

    def test_a_deal_is_told_as_it_stands_whatever_the_index_shows(self, world: World) -> None:
        """Reading by id is never late."""
        world.lagging().lag(3_600)
        deal = world.deal()
        world.crm.move(deal, world.crm.won)

        fact = one(of_deal(world.look_up(RemoteRef(deal=deal)), deal))

        assert (fact.stage, fact.outcome, fact.lead) == (world.crm.won, "won", "ref_0001")

    def test_a_person_brings_the_deals_that_sales_opened_for_them(self, world: World) -> None:
        """They carry no id of ours, and the index may not show them yet."""
        [pushed] = world.push(world.lead(role="advocate"))
        deal = world.crm.open_deal(person_of(pushed))

        fact = one(facts(world.look_up(RemoteRef(person=person_of(pushed)))))

        assert (fact.ref.deal, fact.ref.person) == (deal, person_of(pushed))

    def test_a_deleted_deal_is_told_as_gone_beside_the_others(self, world: World) -> None:
        """One that is gone hides none of those that are there, and is no error."""
        first, second = world.push(world.lead(1), world.lead(2))
        world.crm.delete(deal_of(first))

        told = world.look_up(RemoteRef(deal=deal_of(first)), RemoteRef(deal=deal_of(second)))

        assert [(it.ref.deal, it.why) for it in gone(told)] == [(deal_of(first), "deleted")]
        assert of_deal(told, deal_of(second))

    def test_a_deleted_person_is_told_as_gone(self, world: World) -> None:
        """Their lead's record is no more; who was pushed as a person only has no other."""
        [pushed] = world.push(world.lead(role="advocate"))
        world.crm.delete(person_of(pushed))

        assert [it.ref.person for it in gone(world.look_up(RemoteRef(person=person_of(pushed))))] == [person_of(pushed)]

    def test_a_restored_deal_is_told_again(self, world: World) -> None:
        """A mistake that sales undid is undone here too."""
        deal = world.deal()
        world.crm.delete(deal)
        world.look_up(RemoteRef(deal=deal))
        world.restoring().restore(deal)

        told = world.look_up(RemoteRef(deal=deal))

        assert of_deal(told, deal)
        assert gone(told) == []

    def test_a_merged_deal_leads_to_the_survivor(self, world: World) -> None:
        """The old name is told to be merged and into what, and the survivor's stage with it."""
        first, second = world.push(world.lead(1), world.lead(2))
        world.crm.move(deal_of(first), world.crm.won)
        survivor = world.merging().merge(deal_of(first), deal_of(second))

        told = world.look_up(RemoteRef(deal=deal_of(second)))

        assert [(it.why, it.into and it.into.deal) for it in gone(told)] == [("merged", survivor)]
        assert [it.stage for it in of_deal(told, survivor)] == [world.crm.won]

    def test_a_merged_person_leads_to_the_survivors_deals(self, world: World) -> None:
        """A lead whose person was melted into another follows its deals there."""
        first, second = world.push(world.lead(1, role="advocate"), world.lead(2, role="advocate"))
        deal = world.crm.open_deal(person_of(first))
        survivor = world.merging().merge(person_of(first), person_of(second))

        told = world.look_up(RemoteRef(person=person_of(second)))

        assert of_deal(told, deal)
        assert {it.into.person for it in gone(told) if it.into} <= {survivor}

    def test_many_records_are_read_in_few_calls(self, world: World) -> None:
        """Ten thousand open referrals are read every hour; a call for each would spend the quota."""
        [pushed] = world.push(world.lead(role="advocate"))
        deals = [world.crm.open_deal(person_of(pushed)) for _ in range(MANY)]
        before = len(world.http.urls)

        told = facts(world.look_up(*(RemoteRef(deal=deal) for deal in deals)))

        assert {it.ref.deal for it in told} == set(deals)
        assert len(world.http.urls) - before <= MANY // 10

    def test_a_record_that_is_asked_for_twice_is_told_once(self, world: World) -> None:
        """Two leads can share a deal, and the same answer twice says nothing more."""
        [pushed] = world.push(world.lead())

        told = world.look_up(pushed.ref, pushed.ref, RemoteRef(deal=pushed.ref.deal))

        assert len(of_deal(told, deal_of(pushed))) == 1

    def test_looking_up_nothing_calls_nobody(self, world: World) -> None:
        """No refs, no call, no answers."""
        assert world.look_up() == []
        assert world.http.urls == []

    def test_a_page_for_people_is_a_web_address(self, world: World) -> None:
        """Where a record has a page, its link is one that a browser opens."""
        [pushed] = world.push(world.lead())

        assert pushed.ref.url is None or pushed.ref.url.startswith("https://")
