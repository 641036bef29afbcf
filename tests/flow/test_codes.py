"""Codes: spelled as the campaign says, on terms that the caller may set."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.contract import Person
from syncd.flow.capture import enrol
from syncd.flow.codes import NewCode
from tests.flow.world import PROGRAM, World


@pytest.fixture
def spelled(engine: Engine, tmp_path: Path) -> World:
    return World(engine, tmp_path, program=PROGRAM + 'codes: {prefix: W-, pattern: "#"}\n')


def test_a_code_is_spelled_as_the_campaign_says(spelled: World) -> None:
    assert re.fullmatch("W-[A-Z2-9]", spelled.advocate())


def test_once_all_codes_of_a_pattern_are_used_up_they_grow(spelled: World) -> None:
    codes = {spelled.advocate(f"advocate{n}") for n in range(40)}  # of one letter there are thirty
    assert len(codes) == 40
    assert all(re.fullmatch("W-[A-Z2-9]{1,3}", code) for code in codes)


def test_a_code_of_limited_use_takes_so_many_friends(world: World) -> None:
    ann = Person(email="ann@example.com")
    _, (code,) = enrol(world.app, "spring", ann, cause="test", code=NewCode(text="ONCE", redemption_limit=1))
    assert world.refer("ben", code).referral.standing == "captured"
    world.clock.move(seconds=1)
    assert world.refer("eve", code).referral.reason == "redemption_limit_reached"


def test_a_code_works_from_and_until_the_times_it_was_given(world: World) -> None:
    now = world.clock()
    terms = NewCode(valid_from=now + timedelta(days=1), valid_until=now + timedelta(days=2))
    _, (code,) = enrol(world.app, "spring", Person(email="ann@example.com"), cause="test", code=terms)
    assert world.refer("ben", code).referral.reason == "code_not_started"
    world.clock.move(days=1)
    assert world.refer("eve", code).referral.standing == "captured"
    world.clock.move(days=1)
    assert world.refer("mei", code).referral.reason == "code_expired"
