"""`syncd connectors`: pausing one, creating what one lacks, and finding out what its CRM has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd import registry
from syncd.cli.installation import operator
from syncd.cli.outline import outline
from syncd.config import load
from syncd.contract import ConnectorSettings, RemoteField, Stage
from syncd.flow.opening import open_app
from syncd.sandbox.crm import Fault, HubSpotSetup, Sandbox
from syncd.store import sources
from syncd.store.engine import read, write
from tests.cli.conftest import Place, make


def source(place: Place, **values: Any) -> sources.Source:
    """Read what the database says of the connector, after writing these values."""
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    with write(app.database) as tx:
        if values:
            sources.mark(tx, "crm", **values)
    with read(app.database) as tx:
        found = sources.get(tx, "crm")
    app.database.dispose()
    assert found is not None
    return found


def status(place: Place) -> dict[str, Any]:
    (connector,) = json.loads(place.did("status", "--format", "json"))["connectors"]
    return dict(connector)


# --- pause and resume ---


def test_a_paused_connector_stays_so_until_it_is_resumed(place: Place) -> None:
    assert place.did("connectors", "pause", "crm") == "crm is paused until this: syncd connectors resume crm\n"

    told, data = place.did("status"), status(place)
    assert "paused" in told
    assert f"by {operator()}, until this: syncd connectors resume crm" in told
    assert (data["paused_by"], data["paused_until"]) == (operator(), None)
    assert "paused" in place.did("connectors", "list")

    assert place.did("connectors", "resume", "crm") == "crm is resumed\n"
    assert "paused" not in place.did("status")
    assert status(place)["paused_at"] is None


def test_a_pause_may_have_an_end_that_is_told(place: Place) -> None:
    place.did("connectors", "pause", "crm", "--until", "2h")
    end = source(place).paused_until
    assert end is not None
    assert timedelta(minutes=119) < end - datetime.now(UTC) <= timedelta(hours=2)

    place.did("connectors", "pause", "crm", "--until", "2099-03-02T09:00")
    assert source(place).paused_until == datetime(2099, 3, 2, 9, tzinfo=UTC)
    assert "until 2099-03-02 09:00:00Z" in place.did("status")


def test_a_time_without_a_zone_is_in_utc_wherever_the_machine_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/New_York")
        time.tzset()
        place.did("connectors", "pause", "crm", "--until", "2099-03-02 09:00")
    time.tzset()

    assert source(place).paused_until == datetime(2099, 3, 2, 9, tzinfo=UTC)


def test_a_pause_that_has_ended_is_told_no_more(place: Place) -> None:
    past = datetime(2026, 1, 1, tzinfo=UTC)
    source(place, paused_at=past, paused_until=past, paused_by="cli:eve")

    assert "paused" not in place.did("status")


def test_a_connector_that_failed_and_is_paused_is_no_failure(place: Place) -> None:
    source(place, state="failing", error="HubSpot says no")
    assert place.call("status").exit_code == 1

    place.did("connectors", "pause", "crm")

    assert place.call("status").exit_code == 0


@pytest.mark.parametrize("until", ["tomorrow", "2", "-1h", "2001-01-01", "999999d"])
def test_an_end_that_is_none_or_is_past_is_refused(place: Place, until: str) -> None:
    result = place.call("connectors", "pause", "crm", f"--until={until}")

    assert result.exit_code == 2
    assert source(place).paused_at is None


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_misspelt_name_is_answered_with_the_right_one(place: Place, verb: str) -> None:
    result = place.call("connectors", verb, "crn")

    assert "did you mean 'crm'?" in result.stderr
    assert result.exit_code == 1


# --- check --fix ---


@pytest.fixture
def bare() -> Iterator[Sandbox]:
    """A CRM in which nobody has made the property yet."""
    with Sandbox(now=lambda: datetime.now(UTC), accounts=[HubSpotSetup(referral_property=False)]) as crm:
        yield crm


@pytest.fixture
def unprepared(tmp_path: Path, bare: Sandbox) -> Place:
    return make(tmp_path, bare.url())


def has_key(crm: Sandbox, kind: Any) -> bool:
    known = crm.model().schema.properties[kind].get("referral_id")
    return known is not None and known.unique


def test_what_is_missing_is_created_told_and_proved_once(unprepared: Place, bare: Sandbox) -> None:
    assert unprepared.call("connectors", "check", "crm").exit_code == 78

    told = unprepared.did("connectors", "check", "crm", "--fix")
    again = unprepared.call("connectors", "check", "crm", "--fix")

    assert told.startswith(
        "created: the unique property referral_id on contacts\ncreated: the unique property referral_id on deals\ncrm: "
    )
    assert "contacts have the unique property referral_id" in told
    assert has_key(bare, "contacts")
    assert has_key(bare, "deals")
    assert (again.exit_code, "created:" in again.stdout) == (0, False)
    assert "nothing had to be created" in again.stderr


def test_only_what_is_pushed_gets_the_property(unprepared: Place, bare: Sandbox) -> None:
    text = unprepared.config.read_text()
    unprepared.config.write_text(text.replace("campaigns:\n", "    push: {as: contact}\ncampaigns:\n"))

    unprepared.did("connectors", "check", "crm", "--fix")

    assert (has_key(bare, "contacts"), has_key(bare, "deals")) == (True, False)


def test_an_answer_that_is_lost_after_the_work_was_done_is_no_failure(unprepared: Place, bare: Sandbox) -> None:
    bare.faults.add(Fault(action="drop_after", method="POST", path="/properties/", times=1))

    unprepared.did("connectors", "check", "crm", "--fix")

    assert has_key(bare, "contacts")
    assert has_key(bare, "deals")


def test_a_property_that_is_there_without_unique_values_is_left_alone_and_told(tmp_path: Path) -> None:
    with Sandbox(now=lambda: datetime.now(UTC), accounts=[HubSpotSetup(unique=False)]) as crm:
        result = make(tmp_path, crm.url()).call("connectors", "check", "crm", "--fix")

        assert not has_key(crm, "contacts")
    assert result.exit_code == 78
    assert "referral_id is not unique on contacts" in result.stderr


def test_a_credential_that_may_not_create_is_told_at_its_line(unprepared: Place, bare: Sandbox) -> None:
    scope = "crm.schemas.contacts.write"
    bare.faults.add(Fault(action="scope_missing", method="POST", path="/properties/", scope=scope))

    result = unprepared.call("connectors", "check", "crm", "--fix")

    assert result.exit_code == 78
    assert f"needed: {scope}" in result.stderr


def test_a_refusal_to_create_says_what_to_do_by_hand(unprepared: Place, bare: Sandbox) -> None:
    known = bare.model().schema.properties["contacts"]
    for number in range(10):
        known[f"own_{number}"] = replace(known["firstname"], name=f"own_{number}", unique=True, own=True)

    result = unprepared.call("connectors", "check", "crm", "--fix")

    assert result.exit_code == 78
    assert "the property referral_id could not be created on contacts: " in result.stderr
    assert "create it in HubSpot: contacts, single-line text" in result.stderr


READ_ONLY = """
from syncd.contract import Account, ConnectorSettings
class Plain:
    Settings = ConnectorSettings
    batch_size = 1
    @classmethod
    def open(cls, settings, http): return cls()
    def check(self): return Account(name="Plain", id="1", checked=("token",))
    def stages(self): return []
connector = Plain
"""


def test_a_connector_that_creates_and_lists_nothing_says_so_and_is_checked(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import syncd_connectors

    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "plain.py").write_text(READ_ONLY)
    monkeypatch.setattr(syncd_connectors, "__path__", [*syncd_connectors.__path__, str(shelf)])
    config = place.config.read_text().replace("type: hubspot", "type: plain")
    place.config.write_text(
        "\n".join(line for line in config.splitlines() if "token:" not in line and "_url" not in line)
    )

    result = place.call("connectors", "check", "crm", "--fix")

    assert "a connector of type plain creates nothing; it is only checked" in result.stderr
    assert (result.exit_code, result.stdout) == (0, "crm: Plain (plain account 1)\n  ok       token\n")
    assert "Field ->" not in place.did("connectors", "discover", "crm")


# --- discover ---


def test_what_is_discovered_can_be_pasted_and_changes_nothing(place: Place) -> None:
    before = load(place.config, env=place.env, connector_types=registry.find).connectors[0]

    told = place.did("connectors", "discover", "crm")

    place.config.write_text(place.config.read_text().replace("campaigns:\n", f"{told}campaigns:\n"))
    after = load(place.config, env=place.env, connector_types=registry.find).connectors[0]
    assert after.stages == {"default": {"closedwon": "won", "closedlost": "lost"}}
    assert after.push == before.push
    assert "# qualifiedtobuy: ...  # Qualified To Buy (open)" in told
    assert "the campaign's stage: lead, meeting, won, lost." in told


def test_fields_are_listed_as_push_names_them_but_those_that_cannot_be_written(place: Place) -> None:
    told = place.did("connectors", "discover", "crm")

    assert "    #     firstname: ...  # First name (string)\n" in told
    assert "    #     deal.amount: ...  # Amount (number)\n" in told
    assert "createdate" not in told
    assert "referral_id" not in told


def stage(id: str, outcome: Any = "open", *, pipeline: str = "p", label: str = "Label") -> Stage:
    return Stage(pipeline=pipeline, id=id, label=label, outcome=outcome)


def test_a_pipeline_of_which_nothing_is_mapped_is_commented_as_a_whole() -> None:
    settings = ConnectorSettings(name="crm", type="x")

    told = outline(settings, [stage("new"), stage("done", "won", pipeline="q")], [], ["won"])

    assert told.splitlines()[1:] == [
        "    stages:",
        "      # p:",
        "        # new: ...  # Label (open)",
        "      q:",
        "        done: won  # Label (won)",
    ]


def test_what_the_settings_map_already_stays_as_it_is() -> None:
    settings = ConnectorSettings(name="crm", type="x", stages={"p": {"talk": "meeting", "done": "meeting"}})

    told = outline(settings, [stage("talk"), stage("done", "won")], [], ["meeting", "won"])

    assert told.splitlines()[3:] == ["        talk: meeting  # Label (open)", "        done: meeting  # Label (won)"]


def test_a_stage_that_the_campaigns_do_not_have_is_commented() -> None:
    settings = ConnectorSettings(name="crm", type="x")

    told = outline(settings, [stage("done", "won")], [], ["customer"])

    assert told.splitlines()[1:] == ["    # stages:", "      # p:", "        # done: ...  # Label (won)"]


def test_what_a_crm_names_oddly_can_break_neither_the_yaml_nor_the_terminal() -> None:
    odd = stage('12: "#\u202e', "won", pipeline="null", label="Won\n    evil: true\x1b[2J")
    field = RemoteField(of="contact", name="on", label="Line\nbreak", type="text")

    told = outline(ConnectorSettings(name="crm", type="x"), [odd], [field], ["won"])

    assert '      "null":' in told
    assert r'        "12: \"#\u202e": won  # Won' in told
    assert "\x1b" not in told
    assert not any(line.startswith(("    evil", "break")) for line in told.splitlines())
