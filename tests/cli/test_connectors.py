"""`syncd connectors`: what is there, and whether it works."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from syncd import registry
from syncd.cli.places import problem_at
from syncd.config import load
from syncd.contract import ConnectorSettings
from tests.cli.conftest import Place, make


class Odd(ConnectorSettings):
    """Settings whose secret has a name that does not give it away."""

    pin: SecretStr


def test_types_are_discovered(place: Place) -> None:
    assert {"type": "hubspot", "problem": None} in json.loads(place.did("connectors", "types", "--format", "json"))


def test_a_third_partys_connector_that_cannot_be_imported_is_told_and_the_others_run(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    info = packages / "acme_for_syncd-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-for-syncd\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[syncd.connectors]\nacme = acme_for_syncd:Acme\n")
    (packages / "acme_for_syncd.py").write_text("import an_sdk_that_nobody_installed\n")
    monkeypatch.syspath_prepend(str(packages))

    rows = {row["type"]: row["problem"] for row in json.loads(place.did("connectors", "types", "--format", "json"))}

    told = "cannot be imported: ModuleNotFoundError: No module named 'an_sdk_that_nobody_installed'"
    assert rows["acme"] == told
    assert rows["hubspot"] is None
    assert "  ok       " in place.did("connectors", "check", "crm")


def test_configured_connectors_are_listed_with_their_campaigns(place: Place) -> None:
    (row,) = json.loads(place.did("connectors", "list", "--format", "json"))

    assert row == {"name": "crm", "type": "hubspot", "campaigns": "spring", "state": "new", "account": None}


def test_a_connector_that_works_tells_its_account_and_what_was_proved(place: Place) -> None:
    told = place.did("connectors", "check", "crm")

    assert told.startswith("crm: ")
    assert "  ok       " in told
    assert not (place.folder / "syncd.db").exists(), "a check needs no database"


def test_a_refused_token_is_told_at_its_line_and_ends_with_77(place: Place) -> None:
    result = place.call("connectors", "check", "crm", CRM_TOKEN="not-the-right-one")

    line = next(n for n, text in enumerate(place.config.read_text().splitlines(), 1) if "token:" in text)
    assert f"{place.config}:{line}:12: error: connector crm: " in result.stderr
    assert "not-the-right-one" not in result.output
    assert result.exit_code == 77


def test_a_setting_that_the_crm_does_not_know_is_told_at_its_line_and_ends_with_78(place: Place) -> None:
    place.config.write_text(
        place.config.read_text().replace("campaigns:\n", "    push: {referral_id: no_such_property}\ncampaigns:\n")
    )

    result = place.call("connectors", "check", "crm")

    line = next(n for n, text in enumerate(place.config.read_text().splitlines(), 1) if "no_such_property" in text)
    assert f"{place.config}:{line}:" in result.stderr
    assert "no_such_property" in result.stderr
    assert result.exit_code == 78


def test_a_literal_secret_is_not_in_the_excerpt(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("${CRM_TOKEN}", "literal-and-wrong"))

    result = place.call("connectors", "check", "crm")

    assert "token: ***" in result.stderr
    assert "literal-and-wrong" not in result.output


def test_what_a_connector_declares_secret_is_masked_whatever_its_name(place: Place) -> None:
    config = load(place.config, env=place.env, connector_types=registry.find)
    settings = Odd(name="crm", type="odd", pin=SecretStr("7351"))
    place.config.write_text(place.config.read_text().replace("token: ${CRM_TOKEN}", 'pin: "7351"'))

    problem = problem_at(replace(config, connectors=(settings,)), settings, "pin", "refused", "")

    assert problem.excerpt.strip() == "pin: ***"


def test_a_crm_that_does_not_answer_ends_with_69(tmp_path: Path) -> None:
    place = make(tmp_path, "http://127.0.0.1:9/hubspot")  # the discard port: nobody listens

    result = place.call("connectors", "check", "crm")

    assert "error: connector crm: the connection to 127.0.0.1 failed; try again later" in result.stderr
    assert result.exit_code == 69


def test_an_unknown_name_suggests_the_right_one(place: Place) -> None:
    result = place.call("connectors", "check", "crn")

    assert "did you mean 'crm'?" in result.stderr
    assert result.exit_code == 1
