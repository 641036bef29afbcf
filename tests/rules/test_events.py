"""Events: well-formed, each once, in an order that arrival does not change."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from syncd_rules import Event, State, evaluate
from tests.rules.story import CAMPAIGN, DAY_0, Story, day, effects, program


def event(name: str, sort: str, on: float = 0, **data: Any) -> Event:
    return Event(id=name, type=sort, at=day(on), campaign=CAMPAIGN, data=data)


ORDER = {"order": "o", "participant": "a", "amount": "1.00", "currency": "EUR"}


@pytest.mark.parametrize(
    ("sort", "data", "why"),
    [
        ("friend.signed_off", {}, "no events of type"),
        ("friend.signed_up", {"friend": "bob"}, "lacks code"),
        ("friend.signed_up", {"friend": "", "code": "ADA"}, "malformed friend"),
        ("friend.signed_up", {"friend": 7, "code": "ADA"}, "malformed friend"),
        ("code.created", {"code": "A", "advocate": "a", "valid_from": "yesterday"}, "malformed valid_from"),
        ("code.created", {"code": "A", "advocate": "a", "valid_until": "2026-03-01"}, "malformed valid_until"),
        ("code.created", {"code": "A", "advocate": "a", "redemption_limit": "3"}, "malformed redemption_limit"),
        ("points.earned", {"participant": "a", "points": 10**9 + 1}, "malformed points"),
        ("order.paid", {**ORDER, "amount": "1.001"}, "malformed amount: 1.001 has more decimals than EUR"),
        ("order.paid", {**ORDER, "amount": 1}, "malformed amount: it is no text"),
        ("order.paid", {**ORDER, "currency": "EURO"}, "malformed currency: there is no 'EURO'"),
        ("points.earned", {"participant": "a", "points": -1}, "malformed points"),
    ],
)
def test_an_event_that_exists_is_well_formed(sort: str, data: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        event("e", sort, **data)


def test_an_event_without_a_zone_is_refused_and_any_zone_becomes_utc() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Event(id="e", type="link.shared", at=datetime(2026, 3, 2), campaign=CAMPAIGN, data={"advocate": "a"})  # noqa: DTZ001 - the case at hand

    east = DAY_0.astimezone(timezone(timedelta(hours=9)))
    shared = Event(id="e", type="link.shared", at=east, campaign=CAMPAIGN, data={"advocate": "a"})
    assert shared.at.isoformat() == DAY_0.isoformat()


def test_within_an_instant_facts_come_first_and_payments_last() -> None:
    told = [
        event("a", "reward.fulfilled", to="ada", rule="r", subject="s"),
        event("b", "referral.disqualified", friend="bob", via="manual"),
        event("c", "referral.qualified", friend="bob", via="manual"),
        event("d", "deal.stage_changed", friend="bob", deal="d", stage="won"),
        event("e", "friend.signed_up", friend="bob", code="ADA"),
        event("f", "code.created", code="ADA", advocate="ada"),
    ]

    assert [e.id for e in sorted(told, key=lambda e: e.order)] == ["f", "e", "d", "c", "b", "a"]


def test_later_events_wait_and_those_of_other_campaigns_are_left_out() -> None:
    story = Story().happened(1, "link.shared", advocate="ada").happened(1.001, "link.shared", advocate="ada")
    story.events.append(Event(id="x", type="link.shared", at=DAY_0, campaign="autumn", data={"advocate": "ada"}))

    assert effects(story.told(on=1), "trigger.referral_link_shared") == 1
    assert effects(story.told(on=2), "trigger.referral_link_shared") == 2


def test_one_id_with_two_contents_keeps_the_earlier_and_is_reported_in_any_order() -> None:
    story = Story().happened(2, "link.shared", "e", advocate="bob").happened(1, "link.shared", "e", advocate="ada")
    first, second = story.events[1:]

    for told in ([first, second, first], [second, first]):
        result = evaluate([program()], told, day(3))
        assert result.conflicts == ("e",)
        assert [effect.data["advocate"] for effect in result.effects] == ["ada"]
    state = State([program()])
    for event in (first, second, first):
        state.apply(event, day(3))
    assert state.result(day(3)) == evaluate([program()], [first, second], day(3))


def test_one_id_with_two_contents_waits_for_its_time_with_both() -> None:
    now = event("now", "link.shared", 1, advocate="ada")
    copies = [event("later", "link.shared", 5, advocate=who) for who in ("eve", "ada", "eve")]
    state = State([program()])
    state.add([now, copies[0]], day(0))
    state.add([copies[1]], day(2))
    state.add([copies[2]], day(3))

    assert state.result(day(4)).conflicts == ()
    assert state.result(day(6)) == evaluate([program()], [now, *copies], day(6))
    assert state.result(day(6)).conflicts == ("later",)


def test_conflicts_reach_the_result() -> None:
    story = (
        Story().happened(1, "link.shared", "same", advocate="ada").happened(2, "link.shared", "same", advocate="ada")
    )

    assert story.told(program()).conflicts == ("same",)
