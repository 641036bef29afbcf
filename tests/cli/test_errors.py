"""What a command says when it fails, and with which code."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DatabaseError, DataError, OperationalError

from syncd.cli.errors import explained
from syncd.config import ConfigError, Problem
from syncd.contract import ConnectorError, Misconfigured, Parked, Rejected, Transient, Unauthorized
from syncd.flow.refusal import Refusal
from syncd.store.engine import UnusableDatabase

PROBLEM = Problem(file="syncd.yaml", line=3, col=5, message="unknown key 'naem'")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([PROBLEM]), 78),
        (UnusableDatabase("cannot be created"), 78),
        (Refusal("code_not_found", "no campaign knows this referral code"), 65),
        (Refusal("email_invalid", "this is none"), 65),
        (Refusal("already_referred", "the first one counts"), 1),
        (Refusal("not_found", "no referral matches"), 1),
        (Unauthorized("refused", yaml_path="token"), 77),
        (Misconfigured("no such property", yaml_path="push.referral_id"), 78),
        (Transient("no answer"), 69),
        (Parked("the quota is spent", until=datetime(2026, 3, 2, tzinfo=UTC)), 75),
        (Rejected("bad row"), 1),
        (ConnectorError("odd"), 1),
        (OperationalError("SELECT 1", {}, Exception("database is locked")), 75),
        (DatabaseError("SELECT 1", {}, Exception("file is not a database")), 78),
        (DataError("INSERT", {}, Exception("value too long for type character varying(64)")), 65),
        (KeyError("anything"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert explained(error).exit_code == code


def test_the_problems_of_a_configuration_are_all_told_and_counted() -> None:
    other = Problem(file="spring.yaml", line=9, col=1, message="no such stage")

    told = explained(ConfigError([PROBLEM, other])).message

    assert "syncd.yaml:3:5: error: unknown key 'naem'" in told
    assert "spring.yaml:9:1: error: no such stage" in told
    assert told.endswith("2 errors")


def test_an_unknown_error_is_placed_but_not_quoted() -> None:
    """Its text may hold anything: a row of the database, a secret."""

    def fails() -> None:
        raise RuntimeError("mei@example.com")

    with pytest.raises(RuntimeError) as caught:
        fails()
    told = explained(caught.value).message

    assert "RuntimeError at tests/cli/test_errors.py:" in told
    assert "mei@example.com" not in told


def test_a_database_error_shows_its_first_line_without_addresses() -> None:
    error = OperationalError("INSERT", {}, Exception("duplicate mei@example.com\nDETAIL: Key (email)=(x)"))

    told = explained(error).message

    assert "duplicate" in told
    assert "example.com" not in told
    assert "DETAIL" not in told
