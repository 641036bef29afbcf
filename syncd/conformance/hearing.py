"""Behaviours: what a CRM sends by itself is proved, understood, and believed no further than as a hint."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.conformance.hostile import HEADERS, SHAPES, bodies, with_headers, wounded
from syncd.conformance.listening import texts
from syncd.conformance.secrecy import assert_discreet, held_secrets
from syncd.conformance.world import World, facts, gone, of_deal
from syncd.contract import BadDelivery, Delivery, Poke, RemoteId, RemoteRef

LONGEST_ID = 200


class Hearing:
    """Where the connector is `ReceivesWebhooks`."""

    def test_a_move_is_told_by_itself(self, world: World) -> None:
        """The message names a record, and reading that record gives the new stage: seconds are won, not minutes."""
        deal = _moved(world)

        told = world.look_up(*_refs(world.hear(*world.told())))

        assert {it.stage for it in of_deal(told, deal)} == {world.crm.won}

    def test_a_message_on_a_record_that_is_new_to_us_is_understood(self, world: World) -> None:
        """It can come before the answer to the push that made the record, and to another process."""
        world.listen()
        world.push(world.lead(), connector=world.open())
        [deal] = world.crm.deals("ref_0001")
        world.clock.forward(seconds=1)
        world.crm.move(deal, world.crm.won)

        told = world.look_up(*_refs(world.hear(*world.told())))

        assert {(it.stage, it.lead) for it in of_deal(told, deal)} == {(world.crm.won, "ref_0001")}

    def test_messages_in_disorder_lead_to_the_present_stage(self, world: World) -> None:
        """What is written in a message is old when it comes; each names the record, which says how things stand."""
        deal = _moved(world, world.crm.open_stages[1])
        messages = [world.told()]
        for stage in (world.crm.open_stages[2], world.crm.won):
            world.clock.forward(seconds=1)
            world.crm.move(deal, stage)
            messages.append(world.told())

        for delayed in reversed(messages):
            told = world.look_up(*_refs(world.hear(*delayed)))
            assert {it.stage for it in of_deal(told, deal)} == {world.crm.won}

    def test_several_changes_are_all_told(self, world: World) -> None:
        """A CRM packs many events into one message; none of them is overlooked."""
        world.listen()
        deals = [world.deal(number) for number in (1, 2, 3)]
        world.telling().messages()
        world.clock.forward(seconds=1)
        for deal in deals:
            world.crm.move(deal, world.crm.won)

        told = world.look_up(*_refs(world.hear(*world.told())))

        assert {it.ref.deal for it in facts(told) if it.stage == world.crm.won} == set(deals)

    def test_a_deletion_is_told_by_itself(self, world: World) -> None:
        """The record that is named can no longer be read, and that is what there is to know."""
        world.listen()
        deal = world.deal()
        world.telling().messages()
        world.clock.forward(seconds=1)
        world.crm.delete(deal)

        told = world.look_up(*_refs(world.hear(*world.told())))

        assert [it.ref.deal for it in gone(told)] == [deal]

    def test_a_merge_is_told_by_itself(self, world: World) -> None:
        """The deal that was melted into another is named; reading it says what became of it."""
        merging = world.merging()
        world.listen()
        kept, other = world.deal(1), world.deal(2)
        world.telling().messages()
        world.clock.forward(seconds=1)
        merging.merge(kept, other)

        told = world.look_up(*_refs(world.hear(*world.told())))

        assert other in {it.ref.deal for it in gone(told)}

    def test_a_repeated_message_has_the_same_id(self, world: World) -> None:
        """Whatever was sent before is known again, whichever attempt it is."""
        _moved(world)
        for message in world.told():
            first = _ids(world.hear(message))

            assert _ids(world.hear(message)) == first
            assert _ids(world.hear(world.telling_anything().again(message))) == first

    def test_another_message_has_another_id(self, world: World) -> None:
        """Also where a deal goes to a stage in which it was before: else its second visit would be dropped."""
        first, second, _ = world.crm.open_stages
        _moved(world, second)
        seen = [_ids(world.hear(*world.told()))]
        deal = world.crm.deals("ref_0001")[0]
        for stage in (first, second):
            world.clock.forward(seconds=1)
            world.crm.move(deal, stage)
            seen.append(_ids(world.hear(*world.told())))

        assert all(seen)
        assert len(set().union(*seen)) == sum(map(len, seen))

    def test_what_is_of_no_interest_names_nobody(self, world: World) -> None:
        """Vendors invent events and object types; such a message is taken, thanked for and forgotten."""
        world.listen()

        assert [poke for message in world.telling_anything().strange() for poke in world.hear(message)] == []

    def test_a_forged_message_is_refused(self, world: World) -> None:
        """Whoever knows the address and the API, and not the secret, makes us read nothing."""
        _moved(world)
        for message in world.told():
            forgeries = world.telling().forge(message)

            assert forgeries
            assert [world.refusal(it) for it in forgeries] == ["forged"] * len(forgeries)

    @pytest.mark.parametrize("name", HEADERS)
    def test_odd_headers_bring_nothing_else_out(self, world: World, name: str) -> None:
        """Headers are missing, empty, endless or no text at all; nothing but a `BadDelivery` comes of it."""
        _moved(world)
        for message in world.told():
            for odd in with_headers(message, HEADERS[name]):
                world.refusal(odd)

    def test_a_message_whose_body_was_changed_is_forged(self, world: World) -> None:
        """A signature is one of bytes: a blank more makes it another message, though it says the same."""
        _moved(world)
        for message in world.told():
            for body in (message.body + b" ", message.body.swapcase()):
                assert world.refusal(replace(message, body=body)) == "forged"

    def test_a_message_to_another_address_is_forged(self, world: World) -> None:
        """What was sent to another connector, or with another query, was not meant for us."""
        _moved(world)
        for message in world.told():
            for url in (f"{message.url}?a=1", message.url.replace("https://", "https://other.")):
                assert world.refusal(replace(message, url=url)) == "forged"

    def test_an_old_message_is_stale(self, world: World) -> None:
        """Who has recorded one cannot play it again."""
        _moved(world)

        assert {world.refusal(_later(it, hours=1)) for it in world.told()} == {"stale"}

    def test_a_message_from_the_future_is_stale(self, world: World) -> None:
        """Else one that is dated years ahead could be played again for years."""
        _moved(world)

        assert {world.refusal(_later(it, hours=-1)) for it in world.told()} == {"stale"}

    @pytest.mark.parametrize("seconds", [-30, 60])
    def test_a_clock_that_is_a_little_off_is_no_harm(self, world: World, seconds: int) -> None:
        """No two clocks agree, and the way takes time."""
        _moved(world)

        assert all(world.hear(_later(it, seconds=seconds)) for it in world.told())

    def test_what_cannot_be_read_is_refused(self, world: World) -> None:
        """Cut off, empty, not text, endless, nested without end: also where it is proved to be the CRM's."""
        _moved(world)
        for message in world.told():
            for name, body in bodies(message.body).items():
                assert world.refusal(world.sealed(message, body)), f"a body that is {name} was taken"

    def test_what_is_not_as_it_should_be_brings_nothing_else_out(self, world: World) -> None:
        """Whatever is missing, empty or of another type in a message, it is refused or names somebody."""
        _moved(world)
        for message in world.told():
            for body in (*SHAPES, *wounded(message.body)):
                for poke in world.hear_or_refuse(world.sealed(message, body)):
                    _assert_keepable(poke)

    def test_reading_a_message_calls_nobody(self, world: World) -> None:
        """The CRM waits for an answer, and whoever forges messages would make us call it."""
        _moved(world)
        messages = world.told()
        before = len(world.http.urls)

        for message in messages:
            world.hear(message)
            world.refusal(replace(message, body=b""))

        assert len(world.http.urls) == before

    def test_no_secret_and_no_person_shows_in_what_is_refused(self, world: World) -> None:
        """The reason is shown to whoever sent it, and logged with all that caused it."""
        _moved(world)
        [message, *_] = world.told()
        bad = [*world.telling().forge(message), _later(message, hours=1), _later(message, hours=-1)]
        bad += [world.sealed(message, body) for body in bodies(message.body).values()]
        errors = [error for it in bad if (error := _error(world, it))]
        shown = [*("".join(traceback.format_exception(it)) for it in errors), *(it.getMessage() for it in world.heard)]

        assert errors
        for text in shown:
            assert_discreet(world, text, *held_secrets(world))
        for text in (*map(str, errors), *(it.getMessage() for it in world.heard)):
            assert not any(_quotes(text, it.body) for it in bad), "a part of the message is shown"


def _moved(world: World, *stages: str) -> RemoteId:
    """Listen, push a lead and forget what is told of that, then move its deal through stages; give the deal."""
    world.listen()
    deal = world.deal()
    world.telling().messages()
    for stage in stages or (world.crm.won,):
        world.clock.forward(seconds=1)
        world.crm.move(deal, stage)
    return deal


def _refs(pokes: Sequence[Poke]) -> list[RemoteRef]:
    return [ref for poke in pokes for ref in poke.refs]


def _ids(pokes: Sequence[Poke]) -> set[str]:
    return {poke.id for poke in pokes}


def _later(message: Delivery, **by: float) -> Delivery:
    return replace(message, at=message.at + timedelta(**by))


def _error(world: World, message: Delivery) -> BadDelivery | None:
    try:
        world.hear(message)
    except BadDelivery as error:
        return error
    return None


def _quotes(text: str, body: bytes) -> bool:
    """Tell whether a text repeats a part of a body that is long enough to say something."""
    told = body.decode("utf-8", "replace")
    return any(told[start : start + 24] in text for start in range(0, min(len(told), 2_000) - 24, 8))


def _assert_keepable(poke: Poke) -> None:
    """Want an id and refs that a database can keep."""
    for text in texts([poke]):
        assert 0 < len(text) <= LONGEST_ID, f"a name of {len(text)} characters came out"
        assert text.isprintable(), f"{text!a} came out as a name"
