"""Behaviours: leads go out, in batches, each with a verdict of its own."""

from __future__ import annotations

import pytest

from syncd.conformance.world import World, deal_of, person_of
from syncd.contract import Misconfigured, Pushed, Rejected

ODD_TEXT = """Zoë "Zed" O'Quill <b>&amp;</b> {{x}} 100% \\n 名前 🙂; --"""


class Pushing:
    """A lead in the CRM."""

    def test_a_friend_becomes_one_person_and_one_deal(self, world: World) -> None:
        """Both carry our id, so that they can be found again, and nothing else is made."""
        world.push(world.lead())

        world.made_one()
        assert world.crm.size() == (1, 1)

    def test_the_deal_hangs_on_the_person(self, world: World) -> None:
        """A deal of nobody is of no use to sales."""
        world.push(world.lead())

        assert world.made_one()

    def test_a_new_deal_starts_in_the_first_stage(self, world: World) -> None:
        """Where it goes from there is up to sales."""
        deal = world.deal()

        assert world.crm.stage(deal) == world.crm.open_stages[0]

    def test_the_verdict_tells_the_records_that_were_made(self, world: World) -> None:
        """The reference leads to the records that carry our id."""
        [pushed] = world.push(world.lead())

        assert [person_of(pushed)] == list(world.crm.persons(pushed.lead))
        assert [deal_of(pushed)] == list(world.crm.deals(pushed.lead))

    def test_an_advocate_becomes_a_person_without_a_deal(self, world: World) -> None:
        """Nobody sells to who invites."""
        [pushed] = world.push(world.lead(role="advocate"))

        assert pushed.ref.deal is None
        assert list(world.crm.persons(pushed.lead)) == [person_of(pushed)]
        assert world.crm.size() == (1, 0)

    def test_a_mapped_field_arrives_letter_for_letter(self, world: World) -> None:
        """Quotes, markup, other scripts and emoji are text like any other."""
        [pushed] = world.push(world.lead(text=ODD_TEXT))

        assert world.crm.value(person_of(pushed), world.crm.text_field) == ODD_TEXT

    def test_an_empty_text_clears_nothing(self, world: World) -> None:
        """What sales found out stays, though the lead does not know it."""
        [pushed] = world.push(world.lead(text="Quillfeather"))

        world.push(world.lead(text=""))

        assert world.crm.value(person_of(pushed), world.crm.text_field) == "Quillfeather"

    def test_created_tells_whether_this_push_made_it(self, world: World) -> None:
        """The history of a referral says who was first."""
        [first], [second] = world.push(world.lead()), world.push(world.lead())

        assert (first.created, second.created) == (True, False)

    def test_a_full_batch_is_taken_in_one_push(self, world: World) -> None:
        """The batch size is a promise."""
        leads = [world.lead(number) for number in range(world.connector.batch_size)]

        world.push(*leads)

        assert world.crm.size() == (len(leads), len(leads))

    def test_a_batch_costs_far_fewer_calls_than_it_has_leads(self, world: World) -> None:
        """The vendor's batch calls are used; a lead at a time would spend the day's quota."""
        leads = [world.lead(number) for number in range(world.connector.batch_size)]

        world.push(*leads)

        assert world.crm.calls().writes <= max(3, len(leads) // 2)

    def test_verdicts_come_in_the_order_of_the_leads(self, world: World) -> None:
        """CRMs answer in an order of their own; each verdict is its lead's all the same."""
        leads = [world.lead(number) for number in (5, 3, 9, 1, 7, 2, 8)][: world.connector.batch_size]

        for pushed in world.push(*leads):
            assert list(world.crm.deals(pushed.lead)) == [deal_of(pushed)]
            assert list(world.crm.persons(pushed.lead)) == [person_of(pushed)]

    def test_one_bad_lead_fails_alone(self, world: World) -> None:
        """Its neighbours in the batch arrive, before it and after it."""
        leads = [world.lead(1), world.crm.unacceptable(world.lead(2)), world.lead(3)]

        verdicts = world.connector.push(leads)

        assert [isinstance(it, Pushed) for it in verdicts] == [True, False, True]
        assert world.made_one(1)
        assert world.made_one(3)

    def test_a_bad_lead_is_rejected(self, world: World) -> None:
        """What can never arrive as it stands is not tried again for days."""
        [verdict] = world.connector.push([world.crm.unacceptable(world.lead())])

        assert isinstance(verdict, Rejected)

    def test_what_befalls_every_lead_is_raised_and_names_its_setting(self, world: World) -> None:
        """A wrong setting is the admin's to mend; no lead becomes a dead letter for it."""
        connector = world.open(push={"referral_id": "no_such_property"})

        with pytest.raises(Misconfigured) as caught:
            connector.push([world.lead(1), world.lead(2)])

        assert caught.value.yaml_path == "push.referral_id"

    def test_a_lead_with_the_address_of_another_does_not_take_its_person(self, world: World) -> None:
        """Two friends can share an address. To write by e-mail would steal the first one's record."""
        [first] = world.push(world.lead(1, email="both@example.com"))

        world.push(world.lead(2, email="both@example.com"))

        assert list(world.crm.persons(first.lead)) == [person_of(first)]
        assert list(world.crm.deals(first.lead)) == [deal_of(first)]
        assert len(world.crm.deals("ref_0002")) == 1

    def test_a_person_whom_the_crm_knows_already_is_linked(self, world: World) -> None:
        """Sales knew the friend before: their record is the lead's, and there is no second one."""
        known = world.crm.add_person("both@example.com")

        [pushed] = world.push(world.lead(email="both@example.com"))

        assert person_of(pushed) == known
        assert world.crm.size() == (1, 1)

    def test_pushing_nothing_calls_nobody(self, world: World) -> None:
        """An empty batch is no error, and no call."""
        assert list(world.connector.push([])) == []
        assert world.http.urls == []
