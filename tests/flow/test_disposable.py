"""Disposable addresses: the campaign says what becomes of a friend who comes with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from disposable_email_domains import blocklist
from sqlalchemy import Engine

from syncd.contract import Person
from syncd.flow.capture import Invitation, capture
from syncd.flow.disposable import is_disposable
from tests.flow.world import PROGRAM, World

SERVICE = min(blocklist)


@pytest.mark.parametrize(("verdict", "reason"), [("allow", None), ("reject", "disposable_email")])
def test_a_friend_with_a_disposable_address(engine: Engine, tmp_path: Path, verdict: str, reason: str | None) -> None:
    world = World(engine, tmp_path, program=PROGRAM + f"eligibility: {{disposable_email: {verdict}}}\n")
    friend = Person(email=f"Ben@Mail.{SERVICE.upper()}")
    captured = capture(world.app, Invitation(friend=friend, code=world.advocate()), cause="test")
    assert captured.referral.reason == reason


@pytest.mark.parametrize("email", ["ben@example.com", f"ben@not{SERVICE}", f"{SERVICE}@example.com", "", "@"])
def test_an_address_elsewhere_is_not_disposable(email: str) -> None:
    assert not is_disposable(email)
