"""Capture: durable, once, and with one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from syncd.contract import Person
from syncd.flow.capture import Captured, Invitation, capture, enrol
from syncd.flow.codes import NewCode
from syncd.flow.refusal import Refusal
from tests.flow.world import World


def test_a_captured_friend_is_owed_to_every_connector_of_the_campaign(world: World) -> None:
    captured = world.refer("ben", world.advocate())

    assert captured.created
    assert captured.referral.standing == "captured"
    assert world.deliver() == 2  # the advocate and the friend
    assert world.standing(captured.referral.id) == "pushed"


def test_the_same_friend_of_the_same_advocate_is_the_same_referral(world: World) -> None:
    code = world.advocate()
    first = world.refer("ben", code)

    again = world.refer("ben", code)

    assert (again.created, again.referral.id) == (False, first.referral.id)


def test_the_first_advocate_of_a_friend_stands(world: World) -> None:
    world.refer("ben", world.advocate("ann"))

    with pytest.raises(Refusal) as refusal:
        world.refer("ben", world.advocate("cid"))

    assert refusal.value.reason == "already_referred"


def test_an_advocate_cannot_refer_themselves(world: World) -> None:
    captured = world.refer("ann", world.advocate("ann"))

    assert (captured.referral.standing, captured.referral.reason) == ("rejected", "self_referral")
    assert world.deliver() == 1  # the advocate alone: a refused friend is no lead


def test_an_address_written_otherwise_is_the_same_person(world: World) -> None:
    code = world.advocate()
    first = world.refer("ben", code)

    invitation = Invitation(friend=Person(email=" Ben+work@Example.COM "), code=f" {code.lower()} ")

    assert capture(world.app, invitation, cause="test").referral.id == first.referral.id


def test_a_key_gives_the_same_referral_for_ever_and_refuses_another_invitation(world: World) -> None:
    code = world.advocate()
    first = world.refer("ben", code, key="k1")

    assert world.refer("ben", code, key="k1").referral.id == first.referral.id
    with pytest.raises(Refusal) as refusal:
        world.refer("eve", code, key="k1")
    assert refusal.value.reason == "key_reused"
    assert len(world.history("captured")) == 1


def test_fifty_equal_requests_at_once_make_one_referral_and_get_one_answer(world: World) -> None:
    code = world.advocate()

    with ThreadPoolExecutor(8) as pool:
        answers: list[Captured] = list(pool.map(lambda _: world.refer("ben", code, key="k1"), range(50)))

    assert len({answer.referral.id for answer in answers}) == 1
    assert all(answer.created for answer in answers)
    assert len(world.history("captured")) == 1


@pytest.mark.parametrize(
    ("invitation", "reason"),
    [
        (Invitation(friend=Person(email="ben@example.com"), code="NO-SUCH"), "code_not_found"),
        (Invitation(friend=Person(email="ben@example.com")), "no_advocate"),
        (
            Invitation(friend=Person(email="nobody"), campaign="spring", advocate=Person(email="a@example.com")),
            "email_invalid",
        ),
        (
            Invitation(friend=Person(email="ben@example.com"), campaign="x", advocate=Person(email="a@example.com")),
            "campaign_not_found",
        ),
    ],
)
def test_what_cannot_be_captured_is_refused_with_a_reason(world: World, invitation: Invitation, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        capture(world.app, invitation, cause="test")

    assert refusal.value.reason == reason
    assert world.history() == []


def test_a_code_is_unique_across_advocates(world: World) -> None:
    enrol(world.app, "spring", Person(email="ann@example.com"), cause="test", code=NewCode(text="FRIEND"))

    with pytest.raises(Refusal) as refusal:
        enrol(world.app, "spring", Person(email="cid@example.com"), cause="test", code=NewCode(text="friend"))

    assert refusal.value.reason == "code_taken"


def test_joining_again_with_the_same_code_in_other_letters_changes_nothing(world: World) -> None:
    ann = Person(email="ann@example.com")
    _, first = enrol(world.app, "spring", ann, cause="test", code=NewCode(text="FRIEND"))

    _, again = enrol(world.app, "spring", ann, cause="test", code=NewCode(text="friend"))

    assert again == first == ["FRIEND"]


def test_no_name_or_address_is_in_the_history_or_the_books(world: World) -> None:
    world.refer("ben", world.advocate())
    world.deliver()

    text = repr(world.history())

    assert "example.com" not in text
    assert "Ben" not in text
