"""Log lines: in the form that the reader needs, and without secrets."""

from __future__ import annotations

import json
import logging

import pytest

from syncd import registry
from syncd.cli import logs
from syncd.config import Config, load
from tests.cli.conftest import TOKEN, Place

log = logging.getLogger("syncd")


def configured(place: Place, form: str, **env: str) -> Config:
    place.config.write_text(place.config.read_text().replace("format: json", f"format: {form}"))
    return load(place.config, env={**place.env, **env}, connector_types=registry.find)


def test_a_json_line_holds_what_was_said_and_its_extras(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(configured(place, "json"))
    log.warning("connector %s is failing", "crm", extra={"connector": "crm"})

    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["connector"]) == ("warning", "connector crm is failing", "crm")
    assert line["time"].endswith("+00:00")


def test_text_begins_with_the_time(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(configured(place, "text"))
    log.error("connector crm is misconfigured")

    assert capsys.readouterr().err[8:] == " error connector crm is misconfigured\n"


@pytest.mark.parametrize("form", ["json", "text"])
def test_configured_secrets_and_addresses_never_reach_a_line(
    place: Place, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.set_up(configured(place, form))
    try:
        raise ValueError(f"mei@example.com with {TOKEN}")
    except ValueError:
        log.exception("no luck with %s", TOKEN)

    told = capsys.readouterr().err
    assert "no luck with" in told
    assert "ValueError" in told
    assert TOKEN not in told
    assert "mei@" not in told


def test_the_databases_password_is_a_secret_too(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("sqlite:///syncd.db", "${DB}"))
    config = configured(place, "json", DB="postgresql://syncd:pass-word@db.example.com/syncd")

    assert set(logs.secrets(config)) == {TOKEN, "pass-word"}


def test_libraries_speak_of_troubles_only(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.config.write_text(place.config.read_text().replace("format: json", "level: debug, format: json"))
    logs.set_up(configured(place, "json"))
    logging.getLogger("urllib3.connectionpool").debug('"GET /x?api_token=secret"')
    log.debug("a detail")

    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["a detail"]
