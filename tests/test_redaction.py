"""Secrets, addresses and forged lines do not reach a log."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from syncd.redaction import Redaction, redact


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /v1/deals?api_token=s3cret&start=0", "s3cret"),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("{'X-Api-Token': 'abc123'}", "abc123"),
        ('{"client_secret": "with space and, comma"}', "comma"),
        ("token pat-eu1-1111-2222-3333 was used", "1111"),
        ("postgresql://syncd:hunter22@db/syncd", "hunter22"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8"),
        ("syncd_" + "Qm9vLXk" * 6 + "A was refused", "Qm9v"),
        ("https://x.example.com/cb?code=4f2a&state=1", "4f2a"),
        ("Key (email)=(ann.lee+x@mail.example.com) already exists", "ann"),
        ("/contacts?email=ann%40example.com", "ann"),
        ("call +49 170 123-45-67 now", "170"),
    ],
)
def test_what_looks_like_a_credential_or_an_address_is_hidden(text: str, hidden: str) -> None:
    assert hidden not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "connector hubspot-eu fell ill: the connection to api.hubapi.com failed",
        "in syncd_connectors/hubspot.py, line 12",
        "lead ref_01JD pushed as deal 9007199254740993",
        "error code: 404 at 2026-11-24T10:00:00+00:00",
        "push.referral_id is not unique; correlation id 0191-ab",
    ],
)
def test_an_ordinary_line_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_line_break_in_a_value_cannot_begin_a_line_of_its_own() -> None:
    assert redact("name\r\n2026-11-24 INFO all is well\u2028x") == r"name\r\n2026-11-24 INFO all is well\u2028x"


def test_a_long_text_without_any_secret_takes_no_time_worth_speaking_of() -> None:
    """Patterns are bounded: a quadratic one would need minutes for this text, and the test run would not end."""
    text = "a-" * 100_000

    assert redact(text) == text


def log(filter_: Redaction) -> tuple[logging.Logger, io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(filter_)
    logger = logging.Logger("of this test alone")
    logger.addHandler(handler)
    return logger, out


def test_a_registered_secret_is_hidden_in_the_message_also_as_a_part_of_a_url() -> None:
    logger, out = log(Redaction(["p/ss word"]))
    logger.warning("said %s and %s", "p/ss word", "p%2Fss%20word")

    assert out.getvalue() == "said [hidden] and [hidden]\n"


def test_a_traceback_is_redacted_and_none_of_its_lines_can_pass_for_a_record() -> None:
    logger, out = log(Redaction(["canary-1234"]))
    try:
        raise RuntimeError("canary-1234 for ann@example.com\nINFO forged")
    except RuntimeError:
        logger.exception("failed")

    lines = out.getvalue().splitlines()
    assert "canary" not in out.getvalue()
    assert "ann@" not in out.getvalue()
    assert lines[0] == "failed"
    assert all(line.startswith("    ") for line in lines[1:])


def test_texts_given_as_extra_are_redacted() -> None:
    record = logging.makeLogRecord({"msg": "pushed", "person": "ann@example.com", "count": 3})

    assert Redaction().filter(record)
    assert (vars(record)["person"], vars(record)["count"]) == ("[e-mail]", 3)


def test_the_raw_exception_does_not_stay_on_the_record_for_another_formatter() -> None:
    try:
        raise RuntimeError("canary-1234")
    except RuntimeError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    Redaction(["canary-1234"]).filter(record)

    assert record.exc_info is None


def test_arguments_that_do_not_fit_are_not_printed() -> None:
    logger, out = log(Redaction())
    logger.warning("only one: %s", "ann@example.com", "s3cret")

    assert out.getvalue() == "only one: %s (its arguments do not fit)\n"


def test_a_text_too_short_to_be_a_secret_does_not_blot_out_the_log() -> None:
    logger, out = log(Redaction(["a"]))
    logger.warning("a car")

    assert out.getvalue() == "a car\n"
