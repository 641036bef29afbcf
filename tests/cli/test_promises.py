"""Rules that were edited although they are in effect: no command books by them, and `status` says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Place

MEI, ANNA = "mei@example.com", "anna@example.com"


@pytest.fixture
def edited(place: Place) -> Place:
    """An installation where somebody was promised 50 points, before somebody else wrote 900 into the file."""
    place.did("referrals", "add", "--campaign", "spring", "--advocate", ANNA, "--friend", MEI)
    place.did("referrals", "qualify", "--email", MEI, "--yes")
    rules = place.folder / "spring.yaml"
    rules.write_text(rules.read_text().replace("amount: 50", "amount: 900"))
    return place


def the_reward(place: Place) -> dict[str, Any]:
    (row,) = json.loads(place.did("rewards", "list", "--format", "json"))
    return dict(row)


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--once"),
        *[("rewards", word, "KEY") for word in ("approve", "reject", "fulfil", "fail")],
        ("referrals", "add", "--campaign", "spring", "--advocate", ANNA, "--friend", "juan@example.com"),
        ("referrals", "qualify", "--email", MEI, "--yes"),
        ("referrals", "disqualify", "--email", MEI, "--reason", "made up", "--yes"),
        ("participants", "erase", MEI, "--yes"),
        ("participants", "merge", MEI, ANNA, "--yes"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_no_command_books_by_rules_by_which_the_daemon_would_not_start(edited: Place, command: tuple[str, ...]) -> None:
    before = the_reward(edited)
    result = edited.call(*(before["key"] if word == "KEY" else word for word in command))
    assert (result.exit_code, result.stdout) == (78, "")
    assert "spring.yaml:2:1: error: version 1 of campaign spring is in effect and has changed since" in result.stderr
    assert (the_reward(edited), before["amount"]) == (before, "50")


def test_status_tells_that_the_rules_in_effect_are_others(edited: Place) -> None:
    result = edited.call("status")
    assert result.exit_code == 1
    assert "campaign spring: the rules in effect are not those of this configuration" in result.stdout
    assert json.loads(edited.call("status", "--format", "json").stdout)["out_of_date"] == ["spring"]
