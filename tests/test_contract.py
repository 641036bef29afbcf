"""The contract: how answers are read, batches are cut, errors are worded, and settings are checked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from pydantic import TypeAdapter, ValidationError

import syncd.contract
from syncd.contract import (
    BadDelivery,
    BaseUrl,
    ConnectorError,
    ConnectorSettings,
    Misconfigured,
    Rejected,
    Stage,
    Throttled,
    Transient,
    Unauthorized,
    answered_at,
    check_stages,
    in_halves,
    is_loopback,
    json_object,
    json_objects,
    minor_units,
    parts,
    read_id,
    read_json,
    read_time,
    retry_after,
    status_error,
    to_ms,
    veiled,
)
from syncd_rules import money


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-05:30")
        time.tzset()
        yield
    time.tzset()


AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def answer(body: bytes = b"{}", kind: str = "application/json", **headers: str) -> requests.Response:
    it = requests.Response()
    it.status_code = 200
    it._content = body
    it.headers.update({"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()})
    return it


def test_everything_that_the_contract_names_is_there() -> None:
    assert [name for name in syncd.contract.__all__ if not hasattr(syncd.contract, name)] == []
    assert sorted(syncd.contract.__all__, key=str.swapcase) == sorted(
        (name for name, it in vars(syncd.contract).items() if not _is_private_or_module(name, it)), key=str.swapcase
    )


def _is_private_or_module(name: str, it: Any) -> bool:
    return name.startswith("_") or name == "annotations" or type(it).__name__ == "module"


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_json_object_keeps_fractions_exactly() -> None:
    assert str(json_object(answer(b'{"a": 0.1}', "application/json; charset=utf-8"))["a"]) == "0.1"
    assert json_object(answer(b'{"a": 1}', "application/vnd.example+json")) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Maintenance</html>", "text/html"),
        (b"{}", "text/plain"),
        (b"{}", ""),
        (b"", "application/json"),
        (b'{"results": [', "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"a": 1, "a": 2}', "application/json"),
        (b'{"a": NaN}', "application/json"),
        (b'{"a": "\xff"}', "application/json"),
        (b"\xef\xbb\xbf{}", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"a": 1e99999999999999999999}', "application/json"),
    ],
)
def test_what_is_not_one_whole_json_object_is_refused_and_not_repeated_in_the_error(body: bytes, kind: str) -> None:
    with pytest.raises(Transient, match="status 200") as caught:
        json_object(answer(body, kind))

    assert caught.value.__cause__ is None
    assert "Maintenance" not in str(caught.value)


def test_a_message_is_read_as_exactly_as_an_answer() -> None:
    assert read_json(b'[{"a": 0.1}, 7]') == [{"a": Decimal("0.1")}, 7]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b'{"Maintenance": ',
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e99999999999999999999}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"9" * 100_000 + b"}",
        b"[" * 100_000,
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_a_message_that_is_no_json_is_unreadable_and_not_repeated_in_the_error(body: bytes) -> None:
    with pytest.raises(BadDelivery) as caught:
        read_json(body)

    assert caught.value.reason == "unreadable"
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert "Maintenance" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"rows": None}, {"rows": {}}, {"rows": ["text"]}, {"rows": [{}, None]}])
def test_a_list_of_objects_is_that_and_nothing_else(body: Any) -> None:
    with pytest.raises(Transient, match="list of rows"):
        json_objects(body, "rows")


def test_only_an_optional_list_may_be_absent() -> None:
    assert json_objects({}, "rows", optional=True) == []
    assert json_objects({"rows": [{"a": 1}]}, "rows") == [{"a": 1}]
    with pytest.raises(Transient):
        json_objects({"rows": None}, "rows", optional=True)


@pytest.mark.parametrize(("given", "read"), [("9", "9"), (9, "9"), (0, "0"), (2**70, str(2**70))])
def test_an_id_is_text_however_it_is_written(given: object, read: str) -> None:
    assert read_id(given) == read


@pytest.mark.parametrize("given", [None, "", True, 1.5, {}, ["9"]])
def test_what_is_no_id_is_not_taken_for_one(given: object) -> None:
    with pytest.raises(Transient):
        read_id(given)


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-11-24T10:00:00Z", AT),
        ("2026-11-24t10:00:00z", AT),
        ("2026-11-24T11:30:00+01:30", AT),
        ("2026-11-24T10:00:00.000+0000", AT),
        ("2026-11-24 10:00:00", AT),
        ("2026-11-24T10:00:00.123Z", AT + timedelta(milliseconds=123)),
        ("1795514400123", AT + timedelta(milliseconds=123)),
        (1795514400123, AT + timedelta(milliseconds=123)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_an_aware_one_in_utc(given: object, moment: datetime) -> None:
    read = read_time(given)

    assert (read, read.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "given",
    [None, "", "soon", "2026-11-24", "2026-13-24T10:00:00Z", "-1", 1.5, True, "1" * 15, "0001-01-01T00:00:00+02:00"],
)
def test_what_is_no_time_is_an_error_and_not_the_epoch(given: object) -> None:
    with pytest.raises(Transient, match="time"):
        read_time(given)


def test_milliseconds_are_whole_and_lead_back_to_their_time() -> None:
    at = AT + timedelta(microseconds=123_999)

    assert to_ms(at) == 1795514400123
    assert read_time(to_ms(at)) == AT + timedelta(milliseconds=123)


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Tue, 24 Nov 2026 10:00:00 GMT", AT),
        ("Tue, 24 Nov 2026 10:00:00 -0000", AT),
        ("Tue, 24 Nov 2026 12:00:00 +0200", AT),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_answer_tells_its_time_by_the_crms_clock_or_not_at_all(date: str, moment: datetime | None) -> None:
    assert answered_at(answer(Date=date)) == moment
    assert answered_at(answer()) is None


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("20", 20.0),
        ("0", 0.0),
        ("Tue, 24 Nov 2026 10:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 10:01:00 -0000", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("9" * 16, None),
        ("soon", None),
    ],
)
def test_a_wait_is_a_number_or_a_date_on_the_servers_own_clock(asked: str, seconds: float | None) -> None:
    assert retry_after(answer(Date="Tue, 24 Nov 2026 10:00:00 GMT", Retry_After=asked)) == seconds


def test_a_date_to_wait_for_is_worth_nothing_without_the_servers_own() -> None:
    assert retry_after(answer(Retry_After="Tue, 24 Nov 2026 10:01:00 GMT")) is None
    assert retry_after(answer()) is None


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("10", "USD", 1000),
        ("0.005", "USD", 1),
        ("-3.10", "EUR", -310),
        ("1500", "JPY", 1500),
        ("1.234", "KWD", 1234),
        ("1.5E3", "USD", 150000),
        ("123456789012345.67", "USD", 12345678901234567),
        ("9007199254740993.01", "USD", None),
        ("1.234,56", "EUR", None),
        ("NaN", "EUR", None),
        ("1e99", "EUR", None),
        ("1_0", "EUR", None),
        ("\u0661", "EUR", None),
        ("", "EUR", None),
        ("10", "euros", None),
        ("10", "", None),
    ],
)
def test_an_amount_becomes_minor_units_without_a_float_and_garbage_becomes_none(
    amount: str, currency: str, expected: int | None
) -> None:
    assert minor_units(amount, currency) == expected


def test_the_contract_and_the_rules_agree_on_every_currencys_decimals() -> None:
    assert {code: minor_units("1", code) for code in money.CURRENCIES} == {
        code: money.minor_units("1", code) for code in money.CURRENCIES
    }


# --- batches ---------------------------------------------------------------------------------------------------------


def test_parts_are_in_order_and_none_is_too_long_or_empty() -> None:
    assert list(parts("abcde", 2)) == ["ab", "cd", "e"]
    assert list(parts("abcd", 2)) == ["ab", "cd"]
    assert list(parts("", 2)) == []


class Picky:
    """A CRM that refuses a batch as a whole if one of some rows is in it."""

    def __init__(self, *bad: str) -> None:
        self.bad, self.calls = set(bad), 0

    def __call__(self, rows: Mapping[str, int]) -> Mapping[str, int]:
        self.calls += 1
        if self.bad & rows.keys():
            raise Rejected("no")
        return {name: row * 10 for name, row in rows.items()}


def test_a_batch_that_is_taken_is_one_call() -> None:
    crm = Picky()

    assert in_halves({"a": 1, "b": 2}, crm, Rejected) == {"a": 10, "b": 20}
    assert crm.calls == 1


def test_a_refused_batch_is_halved_down_to_the_rows_at_fault_and_the_others_go_in() -> None:
    crm = Picky("r3", "r7")

    verdicts = in_halves({f"r{number}": number for number in range(8)}, crm, Rejected)

    assert list(verdicts) == [f"r{number}" for number in range(8)]
    assert {name for name, it in verdicts.items() if isinstance(it, Rejected)} == {"r3", "r7"}
    assert verdicts["r6"] == 60
    assert crm.calls == 11


def test_an_empty_batch_is_not_sent_and_another_error_ends_it() -> None:
    crm = Picky("a")

    assert in_halves({}, crm, Rejected) == {}
    assert crm.calls == 0
    with pytest.raises(Rejected):
        in_halves({"a": 1, "b": 2}, crm, Misconfigured)
    assert crm.calls == 1


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Misconfigured),
        (302, Misconfigured),
        (408, Transient),
        (423, Transient),
        (425, Transient),
        (429, Throttled),
        (500, Transient),
        (503, Transient),
        (400, Rejected),
        (404, Rejected),
        (422, Rejected),
    ],
)
def test_a_status_says_what_happens_next(status: int, kind: type[ConnectorError]) -> None:
    error = status_error(status, "it said no", retry_after=7)

    assert type(error) is kind
    assert str(error) == "it said no"
    assert getattr(error, "retry_after", 7) == 7


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_is_no_error(status: int) -> None:
    assert status_error(status, "fine") is None


def test_what_was_sent_and_every_address_is_veiled() -> None:
    said = "Ann Lee <x@example.com> is bad: no ANN LEE here, nor Ann Leeds; (1+1) is 2"

    assert veiled(said, ["Ann Lee", "Ann", "(1+1)", "a", ""]) == "… <…> is bad: no … here, nor … Leeds; … is 2"
    assert veiled(said, []) == said.replace("x@example.com", "…")


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://127.0.0.1:9001/hubspot/", "http://127.0.0.1:9001/hubspot"),
        ("http://localhost:9001", "http://localhost:9001"),
        ("http://[::1]:9001", "http://[::1]:9001"),
    ],
)
def test_an_address_keeps_its_path_and_loses_its_last_slash(given: str, kept: str) -> None:
    assert TypeAdapter(BaseUrl).validate_python(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://api.example.com",
        "https://user@api.example.com",
        "https://:pw@api.example.com",
        "ftp://127.0.0.1",
        "api.example.com",
        "https://",
        "https://h.example.com/?a=b",
        "https://h.example.com/#a",
    ],
)
def test_an_address_that_would_carry_a_credential_in_the_open_or_lead_elsewhere_is_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(BaseUrl).validate_python(given)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost.example.com", False)],
)
def test_loopback_is_this_machine_and_nothing_that_is_called_like_it(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def stage(id: str, pipeline: str = "sales") -> Stage:
    return Stage(pipeline=pipeline, id=id, label=id.title(), outcome="open")


@pytest.mark.parametrize(
    ("mapped", "first", "path", "has"),
    [
        ({"market": {"new": "x"}}, None, "stages.market", "it has sales"),
        ({"sales": {"new": "x", "New": "x"}}, None, "stages.sales.New", "it has new, won"),
        ({}, ("market", "new"), "push.pipeline", "it has sales"),
        ({}, ("sales", "New"), "push.stage", "it has new, won"),
    ],
)
def test_a_stage_that_the_crm_does_not_have_is_named_by_its_setting_and_with_what_there_is(
    mapped: Any, first: tuple[str, str] | None, path: str, has: str
) -> None:
    settings = ConnectorSettings(name="crm", type="acme", stages=mapped)
    with pytest.raises(Misconfigured) as caught:
        check_stages(settings, [stage("new"), stage("won")], first=first)

    assert (caught.value.yaml_path, caught.value.hint) == (path, has)


def test_stages_that_the_crm_has_are_no_cause_for_complaint() -> None:
    settings = ConnectorSettings(name="crm", type="acme", stages={"sales": {"won": "won"}, "market": {"new": "x"}})

    check_stages(settings, [stage("new"), stage("won"), stage("new", "market")], first=("sales", "new"))


def test_a_lead_and_its_person_are_not_shown() -> None:
    person = syncd.contract.Person(email="ann@example.com", first_name="Ann", phone="+1 555 0100")
    lead = syncd.contract.Lead(id="r1", role="friend", person=person, campaign="spring", fields={"note": "Ann's"})

    assert "Ann" not in repr(lead)
    assert "example.com" not in json.dumps(repr(lead))
    assert "0100" not in repr(lead)
