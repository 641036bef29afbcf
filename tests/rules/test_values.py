"""Money, time and identity: the small pure things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from syncd_rules import company_of, normalise_email
from syncd_rules.money import decimal_text, minor_units
from syncd_rules.time import Duration, Period, add, parse_duration, period_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "currency", "amount", "back"),
    [
        ("10", "EUR", 1000, "10.00"),
        ("10.1", "EUR", 1010, "10.10"),
        ("10.100", "EUR", 1010, "10.10"),
        ("0.05", "USD", 5, "0.05"),
        ("1000", "JPY", 1000, "1000"),
        ("1.234", "KWD", 1234, "1.234"),
        ("9999999999999.99", "USD", 999999999999999, "9999999999999.99"),
    ],
)
def test_money_is_exact_in_the_currencys_own_decimals(text: str, currency: str, amount: int, back: str) -> None:
    assert minor_units(text, currency) == amount
    assert decimal_text(amount, currency) == back


@pytest.mark.parametrize(
    "text", ["1.005", "1,50", "1e3", "", ".5", "5.", "-1", "+1", "NaN", " 1", "1_0", "٣", "9" * 15]
)
def test_what_is_not_exactly_one_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|larger"):
        minor_units(text, "EUR")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P1Y2M", Duration(months=14)),
        ("P2W3D", Duration(days=17)),
        ("PT1H30M5S", Duration(elapsed=timedelta(hours=1, minutes=30, seconds=5))),
        ("P1DT12H", Duration(days=1, elapsed=timedelta(hours=12))),
        ("PT0S", Duration()),
    ],
)
def test_durations_are_iso_8601(text: str, length: Duration) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "30d", "P1.5D", "P-1D", "1D", "PT1D", "P1H", "P1D ", "P99999Y"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        ("2026-01-31T12:00:00+01:00", "P1M", "2026-02-28T12:00:00+01:00"),
        ("2024-02-29T12:00:00+01:00", "P1Y", "2025-02-28T12:00:00+01:00"),
        ("2026-03-28T12:00:00+01:00", "P1D", "2026-03-29T12:00:00+02:00"),  # the clocks go forward: 23 hours
        ("2026-03-28T12:00:00+01:00", "PT24H", "2026-03-29T13:00:00+02:00"),
        ("2026-03-28T02:30:00+01:00", "P1D", "2026-03-29T03:30:00+02:00"),  # 02:30 does not exist that day
        ("2026-12-15T23:30:00+01:00", "P1M", "2027-01-15T23:30:00+01:00"),
    ],
)
def test_days_and_months_follow_the_wall_clock_and_hours_do_not(start: str, length: str, end: str) -> None:
    assert add(datetime.fromisoformat(start), parse_duration(length), BERLIN) == datetime.fromisoformat(end)


@pytest.mark.parametrize(
    ("period", "name"), [("day", (2027, 1, 1)), ("week", (2026, 53)), ("month", (2027, 1)), ("year", (2027,))]
)
def test_a_period_is_local(period: Period, name: tuple[int, ...]) -> None:
    assert period_of(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), period, BERLIN) == name


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Ada.Byron@Example.COM ", "ada.byron@example.com"),
        ("ada+spring@example.com", "ada@example.com"),
        ("a.d.a+x@googlemail.com", "ada@gmail.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@example.com.", "ada@example.com"),
        ("ada", None),
        ("ada@localhost", None),
        ("+tag@example.com", None),
        ("ada@eve@example.com", None),
        ("a da@example.com", None),
        ("ada@exa..mple.com", None),
        ("@example.com", None),
    ],
)
def test_an_address_has_one_spelling(text: str, normal: str | None) -> None:
    assert normalise_email(text) == normal


def test_tags_and_dots_count_where_the_program_says_so() -> None:
    assert normalise_email("a.da+x@gmail.com", strip_plus_tag=False, gmail_dots=False) == "a.da+x@gmail.com"
    assert normalise_email("a.da+x@gmail.com", gmail_dots=False) == "a.da@gmail.com"


def test_a_company_is_a_domain_that_not_everybody_can_have() -> None:
    assert company_of("Ada@Example.com") == "example.com"
    assert company_of("ada@gmail.com") is None
    assert company_of("nobody") is None
