"""`syncd secrets`, and a start without the right key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.oauth import DatabaseKeeper
from syncd.store.credentials import Credential
from syncd.store.engine import connect
from syncd.store.migrate import upgrade
from syncd.vault import Vault, fingerprint, is_key
from tests.cli.conftest import Place
from tests.cli.oauth_place import OAuthPlace, make


@pytest.fixture
def place(tmp_path: Path) -> OAuthPlace:
    return make(tmp_path, "http://127.0.0.1:9")


@pytest.fixture
def kept(place: OAuthPlace) -> Iterator[DatabaseKeeper]:
    """Tokens in the place's database, sealed with its old key; a keeper that has the new one alone."""
    database = connect(f"sqlite:///{place.folder / 'syncd.db'}")
    upgrade(database)
    token = Credential(connector="crm", refresh="R", access="A", granted_at=datetime(2026, 3, 1, tzinfo=UTC))
    DatabaseKeeper(database, Vault([place.old_key]), "crm").swap(None, token)
    yield DatabaseKeeper(database, Vault([place.key]), "crm")
    database.dispose()


def test_a_key_is_printed_and_its_fingerprint_beside_it(tmp_path: Path) -> None:
    result = Place(tmp_path).call("secrets", "keygen")

    assert is_key(result.stdout.strip())
    assert result.stderr == f"its fingerprint is {fingerprint(result.stdout.strip())}\n"


def test_a_key_in_a_file_is_the_owners_alone_and_is_taken_by_the_configuration(place: OAuthPlace) -> None:
    path = place.folder / "encryption.key"
    result = place.call("secrets", "keygen", "--out", str(path))

    assert result.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in result.output
    place.write('secrets: {key: "${file:encryption.key}"}')
    done = place.run("validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_told_of_a_new_key_can_be_put_into_the_configuration_as_it_stands(
    place: OAuthPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place.folder / "keys"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = place.call("secrets", "keygen", "--out", "encryption.key")

    place.write(result.stderr.splitlines()[0].partition("in syncd.yaml: ")[2])
    done = place.run("validate")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    path.write_text("precious")

    result = Place(tmp_path).call("secrets", "keygen", "--out", str(path))

    assert (result.exit_code, path.read_text()) == (1, "precious")
    assert "is there already" in result.stderr
    assert Place(tmp_path).call("secrets", "keygen", "--out", str(tmp_path / "no" / "key")).exit_code == 1


@pytest.mark.parametrize("command", [["run", "--once"], ["status"], ["connectors", "check", "crm"]])
def test_without_the_key_of_its_tokens_nothing_starts(
    place: OAuthPlace, kept: DatabaseKeeper, command: list[str]
) -> None:
    done = place.run(*command)

    assert done.returncode == 78, done.stdout + done.stderr
    assert f"the key '{fingerprint(place.old_key)}' is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert place.key not in done.stderr


def test_keys_change_while_both_are_known(place: OAuthPlace, kept: DatabaseKeeper) -> None:
    place.write('secrets: {key: ["${KEY}", "${OLD_KEY}"]}')
    done = place.run("secrets", "rotate")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"2 tokens encrypted with the key {fingerprint(place.key)}\n"
    held = kept.read()
    assert held
    assert (held.refresh, held.access) == ("R", "A")


def test_tokens_whose_key_is_lost_can_be_given_up(place: OAuthPlace, kept: DatabaseKeeper) -> None:
    assert place.run("secrets", "forget", "crm").returncode == 1, "without a word of consent nothing is deleted"
    done = place.run("secrets", "forget", "crm", "--yes")

    assert (done.returncode, done.stdout) == (0, "the tokens of crm are deleted\n")
    assert kept.read() is None
    assert place.run("status").returncode == 0
    assert place.run("secrets", "forget", "crm", "--yes").returncode == 1


def test_oauth_without_a_key_is_told_at_its_line(place: OAuthPlace) -> None:
    place.write("")
    done = place.run("run")

    assert done.returncode == 78
    assert "syncd.yaml:9:5: error: its tokens are kept encrypted, and there is no secrets.key" in done.stderr
    assert "syncd secrets keygen" in done.stderr


@pytest.mark.parametrize(
    ("written", "place_of_it"), [('"${BAD}"', "4:16"), ('["${KEY}", "${BAD}"]', "4:27"), ("m4lformed", "4:16")]
)
def test_a_malformed_key_is_told_at_its_place_and_never_shown(
    place: OAuthPlace, written: str, place_of_it: str
) -> None:
    place.write(f"secrets: {{key: {written}}}")
    done = place.run("validate", BAD="n0-key-at-all")

    assert done.returncode == 78
    assert f"syncd.yaml:{place_of_it}: error: this is no key" in done.stdout + done.stderr
    assert not any(text in done.stdout + done.stderr for text in ("n0-key-at-all", "m4lformed"))


def test_rotating_without_any_key_says_how_to_make_one(place: OAuthPlace, tmp_path: Path) -> None:
    place.config.write_text("database: sqlite:///syncd.db\n")
    done = place.run("secrets", "rotate")

    assert done.returncode == 78
    assert "syncd secrets keygen" in done.stderr
