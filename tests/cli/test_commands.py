"""The commands that look and act, each on a database of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from syncd.cli import cli
from syncd.cli.installation import operator
from syncd.flow.opening import open_app
from syncd.store import sources
from syncd.store.engine import write
from tests.cli.conftest import Place

ANNA = ("--campaign", "spring", "--advocate", "anna@example.com", "--advocate-name", "Anna Maria Berg")


def add(place: Place, friend: str = "mei@example.com", *more: str) -> str:
    return place.did("referrals", "add", *ANNA, "--friend", friend, *more).strip()


def listed(place: Place, *args: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(place.did(*args, "--format", "json"))
    return rows


# --- referrals ---


def test_a_referral_that_is_added_is_listed_with_names(place: Place) -> None:
    id = add(place, "mei@example.com", "--first-name", "Mei", "--channel", "whatsapp")

    (row,) = listed(place, "referrals", "list")

    assert (row["id"], row["standing"], row["counted"]) == (id, "captured", False)
    assert (row["advocate"], row["friend"], row["channel"]) == ("Anna Maria Berg", "Mei", "whatsapp")


def test_adding_the_same_friend_again_gives_the_same_referral(place: Place) -> None:
    first = add(place)

    again = place.call("referrals", "add", *ANNA, "--friend", "Mei@Example.com")

    assert (again.stdout.strip(), again.exit_code) == (first, 0)
    assert "was there already" in again.stderr


def test_a_code_names_advocate_and_campaign_by_itself(place: Place) -> None:
    add(place)
    (row,) = listed(place, "referrals", "list")

    other = place.did("referrals", "add", "--code", row["code"].lower(), "--friend", "juan@example.com").strip()

    assert {row["id"] for row in listed(place, "referrals", "list")} == {row["id"], other}


def refused(result: Result, code: int, text: str) -> None:
    assert result.exit_code == code
    assert text in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_a_friend_who_refers_themselves_is_kept_as_rejected_and_told(place: Place) -> None:
    result = place.call("referrals", "add", *ANNA, "--friend", "anna@example.com")

    assert "rejected: self_referral" in result.stderr
    assert result.exit_code == 1


def test_what_cannot_be_added_is_refused_with_a_sentence(place: Place) -> None:
    friend = ("referrals", "add", "--friend", "mei@example.com")

    refused(place.call(*friend), 2, "name who referred the friend")
    refused(place.call(*friend, "--code", "NONE"), 65, "no campaign knows this referral code")
    refused(place.call("referrals", "add", *ANNA, "--friend", "nobody"), 65, "this is not one e-mail address")


def test_lists_can_be_narrowed_and_cut(place: Place) -> None:
    ids = [add(place, f"friend{number}@example.com") for number in range(3)]
    place.did("referrals", "qualify", ids[0])

    assert [row["id"] for row in listed(place, "referrals", "list", "--standing", "qualified")] == [ids[0]]
    assert [row["id"] for row in listed(place, "referrals", "list", "--limit", "1")] == [ids[2]]
    assert listed(place, "referrals", "list", "--campaign", "autumn") == []


def test_a_referral_is_shown_with_its_history_in_sentences(place: Place) -> None:
    id = add(place, "mei@example.com", "--channel", "link")
    place.did("referrals", "qualify", id)

    told = place.did("referrals", "show", id)
    data = json.loads(place.did("referrals", "show", id, "--format", "json"))

    assert "captured through link" in told
    assert "qualified through manual" in told
    assert [line["what"].split()[0] for line in data["history"]] == ["captured", "decided", "qualified"]
    assert {line["cause"] for line in data["history"]} == {operator()}
    assert (data["standing"], data["email"]) == ("qualified", "mei@example.com")


@pytest.mark.parametrize(
    ("friend", "more"),
    [
        ("mei;bcc@example.com", ()),
        ("<mei@example.com", ()),
        ("mei@example.com", ("--first-name", "Mei\nBcc: x@example.com")),
        ("mei@example.com", ("--channel", "x" * 100)),
    ],
)
def test_a_referral_is_held_to_what_the_api_takes(place: Place, friend: str, more: tuple[str, ...]) -> None:
    called = place.call(
        "referrals", "add", "--campaign", "spring", "--advocate", "anna@example.com", "--friend", friend, *more
    )
    refused(called, 65, "error: ")


def test_a_referral_that_is_not_there_cannot_be_shown(place: Place) -> None:
    refused(place.call("referrals", "show", "ref_none"), 1, "there is no referral 'ref_none'")


def test_a_referral_is_qualified_by_its_friends_address(place: Place) -> None:
    id = add(place)

    told = place.did("referrals", "qualify", "--email", "mei@example.com")

    assert told == f"{id} is qualified\n"


def test_a_disqualified_referral_loses_its_reward(place: Place) -> None:
    id = add(place)
    place.did("referrals", "qualify", id)
    place.did("referrals", "disqualify", id, "--reason", "made up")

    (reward,) = listed(place, "rewards", "list")

    assert reward["status"] == "reversed"
    assert listed(place, "referrals", "list")[0]["standing"] == "rejected"


def test_a_decision_that_names_nothing_or_two_things_is_refused(place: Place) -> None:
    refused(place.call("referrals", "qualify"), 2, "name the referral")
    refused(place.call("referrals", "qualify", "ref_1", "--email", "mei@example.com"), 2, "name the referral")
    refused(place.call("referrals", "qualify", "ref_none"), 1, "no referral matches")


def test_a_decision_on_a_campaign_that_is_not_configured_any_more_is_refused(place: Place) -> None:
    id = add(place)
    campaign = place.folder / "spring.yaml"
    campaign.write_text(campaign.read_text().replace("campaign: spring", "campaign: autumn"))

    refused(place.call("referrals", "qualify", id), 65, "campaign is not configured any more")


def test_a_person_at_a_terminal_is_asked_first(place: Place) -> None:
    id = add(place, "mei@example.com", "--first-name", "Mei")
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")

    asked = subprocess.run(
        [sys.executable, "-m", "syncd", "-c", place.config, "referrals", "qualify", id],
        env=place.env,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)

    assert "Qualify Mei, referred by Anna Maria Berg in spring, now captured? [y/N]" in asked.stdout
    assert asked.returncode == 1
    assert listed(place, "referrals", "list")[0]["standing"] == "captured"


# --- the way errors are told ---


def test_a_fault_of_ours_is_a_sentence_and_with_debug_a_traceback(place: Place) -> None:
    place.did("status")
    database = sqlite3.connect(place.folder / "syncd.db")
    database.execute("UPDATE source SET stages = '[1]'")  # as no version of ours ever writes it
    database.commit()
    database.close()

    refused(place.call("connectors", "list"), 1, "which is a fault in syncd; --debug shows how it came about")
    result = CliRunner().invoke(cli, ["--debug", "-c", str(place.config), "connectors", "list"], env=place.env)
    assert isinstance(result.exception, TypeError)


def test_no_configuration_anywhere_is_told_with_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"SYNCD_CONFIG": None, "XDG_CONFIG_HOME": str(tmp_path)}

    result = CliRunner().invoke(cli, ["status"], env=env)

    assert result.exit_code == 78
    assert str(tmp_path / "syncd" / "syncd.yaml") in result.stderr


# --- rewards ---


def test_rewards_are_listed_with_the_recipients_name(place: Place) -> None:
    place.did("referrals", "qualify", add(place, "mei@example.com", "--first-name", "Mei", "--last-name", "Tan"))

    (row,) = listed(place, "rewards", "list", "--recipient", "mei@example.com")

    assert (row["name"], row["rule"], row["kind"], row["amount"]) == ("Mei Tan", "welcome", "points", "50")
    assert listed(place, "rewards", "list", "--recipient", "anna@example.com") == []


def test_what_somebody_has_is_shown_by_unit(place: Place) -> None:
    place.did("referrals", "qualify", add(place, "mei@example.com"))

    has = {"unit": "POINTS", "pending": 0, "available": 50, "fulfilled": 0}
    assert listed(place, "participants", "balance", "mei@example.com") == [has]
    assert listed(place, "participants", "balance", "anna@example.com") == []
    refused(place.call("participants", "balance", "nobody@example.com"), 65, "nobody is known")


def test_an_unknown_recipient_is_told_and_is_not_an_empty_list(place: Place) -> None:
    refused(place.call("rewards", "list", "--recipient", "nobody@example.com"), 65, "nobody is known")


def test_a_formula_in_a_name_does_not_reach_the_spreadsheet(place: Place) -> None:
    place.did("referrals", "qualify", add(place, "mei@example.com", "--first-name", "=HYPERLINK(1)"))

    (row,) = csv.DictReader(io.StringIO(place.did("rewards", "list", "--format", "csv"), newline=""))

    assert row["name"] == "'=HYPERLINK(1)"


# --- tokens ---


def test_a_token_is_printed_once_alone_on_stdout_and_is_not_kept(place: Place) -> None:
    token = place.did("tokens", "add", "landing-page", "--role", "write").strip()

    assert token.startswith("syncd_")
    assert " " not in token
    assert token not in place.did("tokens", "list")
    assert token.encode() not in (place.folder / "syncd.db").read_bytes()


def test_a_token_is_revoked_once(place: Place) -> None:
    place.did("tokens", "add", "script", "--role", "read")
    place.did("tokens", "revoke", "script")

    (row,) = listed(place, "tokens", "list")
    assert row["revoked_at"] is not None
    refused(place.call("tokens", "revoke", "script"), 1, "there is no good token 'script'")


def test_a_name_is_given_to_one_token(place: Place) -> None:
    place.did("tokens", "add", "script", "--role", "read")

    refused(place.call("tokens", "add", "script", "--role", "read"), 1, "choose another name")
    refused(place.call("tokens", "add", "no spaces", "--role", "read"), 2, "a token's name")


# --- status ---


def test_status_of_a_fresh_installation_is_no_failure(place: Place) -> None:
    told = place.did("status")

    assert "crm" in told
    assert "never" in told
    assert "referrals: none yet" in told
    assert "ledger: balanced" in told


def test_status_tells_of_queue_and_standings(place: Place) -> None:
    add(place)

    data = json.loads(place.did("status", "--format", "json"))

    (connector,) = data["connectors"]
    assert (connector["name"], connector["state"], connector["outbox"]["open"]) == ("crm", "new", 2)
    assert data["referrals"]["captured"] == 1
    assert data["ledger"] == {"balanced": True, "audited_at": None, "differing": 0}


@pytest.mark.parametrize(("state", "code"), [("failing", 1), ("misconfigured", 1), ("parked", 0), ("healthy", 0)])
def test_status_fails_while_a_connector_does(place: Place, state: str, code: int) -> None:
    place.did("status")
    mark(place, state=state, error="HubSpot says no", held_until=datetime(2099, 1, 1, tzinfo=UTC))

    result = place.call("status")

    assert result.exit_code == code
    assert state in result.stdout
    assert "HubSpot says no" in result.stdout
    assert "2099-01-01" in result.stdout


def test_a_connector_that_was_taken_out_of_the_file_is_told_and_is_no_failure(place: Place) -> None:
    place.did("status")
    mark(place, state="failing")
    place.config.write_text(place.config.read_text().replace("name: crm", "name: other").replace("[crm]", "[other]"))

    told = place.did("status")

    assert "removed" in told


def mark(place: Place, **values: Any) -> None:
    """Write what the daemon would write of its connector."""
    from syncd import registry
    from syncd.config import load

    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    with write(app.database) as tx:
        sources.mark(tx, "crm", **values)
    app.database.dispose()
