"""The Zoho connector, against answers that bit others, and at its settings."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
import requests
import responses
from pydantic import ValidationError

from syncd.contract import (
    Connector,
    ConnectorError,
    Gone,
    KeepsHistory,
    ListsFields,
    ManagesWebhooks,
    Meters,
    Misconfigured,
    Parked,
    Pushed,
    ReceivesWebhooks,
    Rejected,
    RemoteId,
    RemoteRef,
    StageFact,
    Throttled,
    Transient,
    Unauthorized,
    UsesOAuth,
)
from syncd.http import Session
from syncd.oauth import equip
from syncd_connectors.zoho import Zoho, ZohoSettings, connector
from tests.connectors.zoho_leads import REFRESH, SECRET, lead, settings

ACCOUNTS, API = "https://accounts.zoho.eu", "https://www.zohoapis.eu"
NOW, NOW_TEXT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC), "Tue, 24 Nov 2026 10:00:00 GMT"
DEALS = {"as": "deal"}
PIPELINE = "Standard (Standard)"
LEAD, CONTACT, DEAL = "410888000300001", "410888000300002", "410888000300003"

# --- a Zoho of a few answers -----------------------------------------------------------------------------------------

Reply = tuple[int, Any]


class Account:
    """Answers as scripted; what is not scripted signs in, finds nothing and takes every record."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.requests: list[requests.PreparedRequest] = []
        self.headers: dict[str, str] = {}
        self._script: list[tuple[str, list[Any]]] = []
        for method in ("GET", "POST", "PUT"):
            mock.add_callback(method, re.compile(r"https?://.*"), self._answer)

    def on(self, pattern: str, *replies: Any) -> None:
        """Answer calls whose method and URL match, reply by reply; the last one stays."""
        self._script.insert(0, (pattern, list(replies)))

    def calls(self, pattern: str) -> list[requests.PreparedRequest]:
        return [it for it in self.requests if re.search(pattern, _shown(it))]

    def bodies(self, pattern: str) -> list[Any]:
        return [json.loads(it.body or b"null") for it in self.calls(pattern)]

    def queries(self, pattern: str = "") -> list[str]:
        found = [it["select_query"] for it in self.bodies("/coql$")]
        return [it for it in found if re.search(pattern, it)]

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.requests.append(request)
        for pattern, replies in self._script:
            if re.search(pattern, _shown(request)):
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                status, body = reply(request) if callable(reply) else reply
                break
        else:
            status, body = _by_default(request)
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if text.startswith("<") else "application/json;charset=UTF-8"
        return status, {"Content-Type": kind, "Date": NOW_TEXT, **self.headers}, text


def _shown(request: requests.PreparedRequest) -> str:
    return f"{request.method} {unquote_plus(request.url or '')}"


def _by_default(request: requests.PreparedRequest) -> Reply:
    path = urlsplit(request.url or "").path
    if path.endswith("/token"):
        return 200, token()
    if path.endswith("/settings/fields"):
        return 200, {"fields": [field_("Referral_ID", unique={"casesensitive": "false"})]}
    if path.endswith("/settings/layouts"):
        return 200, {"layouts": [{"id": "1"}]}
    if path.endswith("/settings/pipeline"):
        return 200, pipelines()
    if path.endswith("/org"):
        return 200, {"org": [{"id": "7", "company_name": "Acme", "iso_code": "EUR"}]}
    if request.method == "GET" or path.endswith("/coql"):
        return 204, ""
    rows = json.loads(request.body or b"{}")["data"]
    return 201, {"data": [done(f"41088800030{number:04}") for number, _ in enumerate(rows, 1)]}


def token(text: str = "token-1", **given: Any) -> dict[str, Any]:
    return {"access_token": text, "api_domain": API, "token_type": "Bearer", "expires_in": 3600} | given


def field_(name: str, **given: Any) -> dict[str, Any]:
    return {"api_name": name, "data_type": "text", "unique": {}, "operation_type": {"api_create": True}} | given


def pipelines(label: str = "Closed Won", won: str = "Closed Won") -> dict[str, Any]:
    maps = [
        {"actual_value": "Qualification", "display_value": "Qualification", "forecast_type": "Open"},
        {"actual_value": "Closed Won", "display_value": label, "forecast_type": won},
    ]
    return {"pipeline": [{"actual_value": PIPELINE, "display_value": PIPELINE, "maps": maps}]}


def done(id_: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": {"id": id_}, "message": "record added", "status": "success"}


def refused(code: str, message: str = "invalid data", **details: Any) -> dict[str, Any]:
    return {"code": code, "details": details, "message": message, "status": "error"}


def rows(*records: dict[str, Any], more: bool = False, **info: Any) -> dict[str, Any]:
    return {"data": list(records), "info": {"count": len(records), "more_records": more, **info}}


def deal(id_: str = DEAL, **values: Any) -> dict[str, Any]:
    at = {"Modified_Time": "2026-11-24T11:30:00+02:00"}
    return {"id": id_, **at, "Stage": "Closed Won", "Pipeline": PIPELINE, "Referral_ID": "ref_1"} | values


@pytest.fixture
def zoho() -> Iterator[Account]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Account(mock)


def opened(http: Session, **given: Any) -> Zoho:
    known = settings(**given)
    equip(http, Zoho, known, now=lambda: NOW)
    return Zoho.open(known, http)


def verdict_of(http: Session, account: Account, result: dict[str, Any], **given: Any) -> Pushed | ConnectorError:
    account.on(r"^POST \S+/(Leads|Contacts|Deals)$", (400, {"data": [result]}))
    [verdict] = opened(http, **given).push([lead()])
    return verdict


def poll(it: Zoho, since: str | None = None) -> list[StageFact | Gone]:
    pages = it.changes(since or it.start(NOW - timedelta(hours=1)), NOW)
    return [fact for page in pages for fact in page.facts]


def poll_often(it: Zoho) -> None:
    """Poll until each list has had its turn."""
    since = it.start(NOW - timedelta(hours=1))
    for _ in range(6):
        *_, page = it.changes(since, NOW)
        since = page.cursor


# --- the connector and its settings ----------------------------------------------------------------------------------


def test_it_has_every_ability_that_zoho_has(http: Session) -> None:
    it, typed = opened(http), connector
    kind: type[Connector] = typed  # the type checker compares every signature

    assert kind is Zoho
    for ability in (Connector, KeepsHistory, ListsFields, Meters, ReceivesWebhooks, ManagesWebhooks, UsesOAuth):
        assert isinstance(it, ability)


def test_it_imports_nothing_of_ours_but_the_contract_and_itself() -> None:
    folder = Path(str(Zoho.__init__.__code__.co_filename)).parent
    imported = {
        name
        for file in folder.glob("*.py")
        for name in re.findall(r"^(?:from|import) (syncd\S*)", file.read_text(), re.MULTILINE)
    }

    assert {name for name in imported if not name.startswith("syncd_connectors.zoho")} == {"syncd.contract"}


@pytest.mark.parametrize(
    "given",
    [
        {"data_center": None},
        {"data_center": "uk"},
        {"data_center": None, "accounts_url": "https://accounts.example.com"},
        {"base_url": "http://www.zohoapis.eu"},
        {"trigger": ["workflows"]},
        {"referral_id": "Referral ID"},
        {"referral_id": "x) or (id > 0"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"accounts_url": "https://accounts.example.com", "base_url": "https://api.example.com"},
        {"accounts_url": "http://127.0.0.1:1"},
    ],
)
def test_a_data_centre_that_is_not_in_the_list_is_given_by_its_addresses(given: dict[str, Any]) -> None:
    assert settings(data_center=None, **given).data_center is None


@pytest.mark.parametrize(
    ("center", "accounts", "api"),
    [
        ("us", "https://accounts.zoho.com", "https://www.zohoapis.com"),
        ("au", "https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
        ("ca", "https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
        ("cn", "https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    ],
)
def test_each_data_centre_has_its_own_hosts(http: Session, zoho: Account, center: str, accounts: str, api: str) -> None:
    zoho.on("/token$", (200, token(api_domain=api)))

    opened(http, data_center=center).stages()

    assert [urlsplit(it.url or "").hostname for it in zoho.requests[:2]] == [
        urlsplit(accounts).hostname,
        urlsplit(api).hostname,
    ]


# --- signing in ------------------------------------------------------------------------------------------------------


def test_secrets_travel_in_the_body_and_the_token_in_a_header(http: Session, zoho: Account) -> None:
    opened(http).stages()

    sign_in, call, *_ = zoho.requests
    assert sign_in.url == f"{ACCOUNTS}/oauth/v2/token"
    assert parse_qs(str(sign_in.body))["client_secret"] == [SECRET]
    assert call.headers["Authorization"] == "Zoho-oauthtoken token-1"


@pytest.mark.parametrize(
    "domain",
    [
        "https://www.zohoapis.com",
        "https://www.zohoapis.eu.example.com",
        "https://evil.example.com",
        "http://www.zohoapis.eu",
        "http://127.0.0.1:80",
        "",
    ],
)
def test_the_token_goes_to_no_host_that_the_data_centre_does_not_have(
    http: Session, zoho: Account, domain: str
) -> None:
    zoho.on("/token$", (200, token(api_domain=domain)))

    with pytest.raises(Misconfigured) as caught:
        opened(http).stages()

    assert caught.value.yaml_path == "data_center"
    assert len(zoho.requests) == 1


@pytest.mark.parametrize("domain", ["https://sandbox.zohoapis.eu", "https://developer.zohoapis.eu"])
def test_the_api_may_be_that_of_a_test_account(http: Session, zoho: Account, domain: str) -> None:
    zoho.on("/token$", (200, token(api_domain=domain)))

    opened(http).stages()

    assert zoho.calls(f"^GET {domain}/crm/v8/settings/layouts")


@pytest.mark.parametrize("code", ["INVALID_TOKEN", "INVALID_OAUTHTOKEN", "AUTHENTICATION_FAILURE"])
def test_a_token_that_is_refused_is_renewed_once(http: Session, zoho: Account, code: str) -> None:
    zoho.on("/token$", (200, token("token-1")), (200, token("token-2")))
    zoho.on("/settings/layouts", (401, refused(code)), (200, {"layouts": []}))

    opened(http).stages()

    assert [it.headers["Authorization"][-7:] for it in zoho.calls("/settings/layouts")] == ["token-1", "token-2"]


def test_a_new_token_that_is_refused_too_is_unauthorized(http: Session, zoho: Account) -> None:
    zoho.on("/settings/layouts", (401, refused("INVALID_TOKEN")))

    with pytest.raises(Unauthorized):
        opened(http).stages()

    assert len(zoho.calls("/token$")) == 2


def test_at_most_three_calls_run_at_once(http: Session, zoho: Account) -> None:
    """Zoho counts them for the whole account, and the smallest may have five."""
    running, most, lock = 0, 0, threading.Lock()
    fourth = threading.Barrier(4)

    def slow(_: requests.PreparedRequest) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with suppress(threading.BrokenBarrierError):  # nobody comes as the fourth
            fourth.wait(timeout=0.1)
        with lock:
            running -= 1
        return 200, {"layouts": []}

    it = opened(http)
    it.stages()
    zoho.on("/settings/layouts", slow)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: it.stages(), range(8)))

    assert most == 3


# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "path"),
    [
        (403, refused("NO_PERMISSION", permissions=["Crm_Implied_View_Deals"]), "oauth.refresh_token"),
        (403, "<html>", "oauth.refresh_token"),
        (400, refused("INVALID_MODULE", resource_path_index=0), "push.as"),
        (400, {"data": [refused("INVALID_MODULE")]}, "push.as"),
        (400, refused("INVALID_QUERY", column_name="Referral_ID"), "push.referral_id"),
        (400, refused("INVALID_QUERY", column_name="Company"), "push.fields.Company"),
        (400, refused("INVALID_QUERY", column_name="Pipeline"), "type"),
        (404, refused("INVALID_URL_PATTERN"), "base_url"),
        (302, "", "base_url"),
        (400, refused("SYNTAX_ERROR", near="x"), "type"),
        (415, "<html>", "type"),
    ],
)
def test_what_befalls_every_call_names_its_setting(
    http: Session, zoho: Account, status: int, body: Any, path: str
) -> None:
    zoho.on("/coql$", (status, body))

    with pytest.raises(Misconfigured) as caught:
        poll(opened(http, fields={"Company": "friend.company"}))

    assert caught.value.yaml_path == path
    assert not isinstance(caught.value, Unauthorized)


def test_a_missing_permission_is_named(http: Session, zoho: Account) -> None:
    zoho.on("/coql$", (403, refused("NO_PERMISSION", permissions=["Crm_Implied_View_Deals"])))

    with pytest.raises(Misconfigured) as caught:
        poll(opened(http))

    assert "Crm_Implied_View_Deals" in caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [
        ("/coql$", "ZohoCRM.coql.READ"),
        ("/settings/fields", "ZohoCRM.settings.fields.READ"),
        ("^POST .*/Leads$", "ZohoCRM.modules.leads.CREATE"),
    ],
)
def test_a_missing_scope_is_named(http: Session, zoho: Account, pattern: str, scope: str) -> None:
    """Zoho does not say which; we know what the call needs."""
    zoho.on(pattern, (401, refused("OAUTH_SCOPE_MISMATCH", "Unauthorized")))

    with pytest.raises(Misconfigured, match=re.escape(scope)) as caught:
        opened(http).push([lead()])

    assert caught.value.yaml_path == "oauth.refresh_token"
    assert not isinstance(caught.value, Unauthorized)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, refused("INTERNAL_ERROR")),
        (503, "<html>"),
        (200, "<html>"),
        (200, '{"data": [{"id"'),
        (200, "[]"),
        (200, {"info": {}}),
        (200, {"data": {}}),
        (400, refused("EXPIRED_VALUE")),
        (400, refused("TOKEN_BOUND_DATA_MISMATCH", param_name="page_token")),
    ],
)
def test_what_cannot_be_read_or_is_over_soon_is_passing(http: Session, zoho: Account, status: int, body: Any) -> None:
    zoho.on("/coql$", (status, body))

    with pytest.raises(Transient):
        poll(opened(http))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-API-CREDITS-REMAINING": "0"}, Parked),
        ({"X-API-CREDITS-REMAINING": "900"}, Throttled),
        ({"Retry-After": "97"}, Throttled),
        ({}, Throttled),
    ],
)
def test_too_many_calls_at_once_and_too_many_in_a_day_are_told_apart(
    http: Session, zoho: Account, headers: dict[str, str], expected: type[ConnectorError]
) -> None:
    it = opened(http)
    it.stages()
    zoho.headers = headers
    zoho.on("/coql$", (429, refused("TOO_MANY_REQUESTS")))

    with pytest.raises(expected) as caught:
        poll(it)

    if isinstance(caught.value, Transient):
        assert caught.value.retry_after == float(headers.get("Retry-After", 30))
    if isinstance(caught.value, Parked):
        assert caught.value.until == NOW + timedelta(minutes=15)


def test_fewer_credits_than_a_call_costs_are_none(http: Session, zoho: Account) -> None:
    """A hundred records cost ten; the answer before the refusal told that nine are left."""

    def spent(_: requests.PreparedRequest) -> Reply:
        zoho.headers = {}
        return 429, refused("TOO_MANY_REQUESTS")

    it = opened(http)
    zoho.headers = {"X-API-CREDITS-REMAINING": "9"}
    it.stages()
    zoho.on("^POST .*/Leads$", spent)

    with pytest.raises(Parked):
        it.push([lead(number) for number in range(100)])


def test_spent_credits_without_a_date_count_as_no_attempt_either(http: Session, zoho: Account) -> None:
    it = opened(http)
    it.stages()
    zoho.headers = {"X-API-CREDITS-REMAINING": "0", "Date": ""}
    zoho.on("/coql$", (429, refused("TOO_MANY_REQUESTS")))

    with pytest.raises(Throttled) as caught:
        poll(it)

    assert caught.value.retry_after == 900


def test_credits_that_came_back_are_not_held_against_a_later_refusal(http: Session, zoho: Account) -> None:
    it = opened(http)
    zoho.headers = {"X-API-CREDITS-REMAINING": "0"}
    it.stages()
    zoho.headers = {}
    it.stages()
    zoho.on("/coql$", (429, refused("TOO_MANY_REQUESTS")))

    with pytest.raises(Throttled):
        poll(it)


# --- a push ----------------------------------------------------------------------------------------------------------


def test_a_push_inserts_with_an_explicit_trigger(http: Session, zoho: Account) -> None:
    opened(http).push([lead()])

    [body] = zoho.bodies("^POST .*/Leads$")
    assert body["trigger"] == []
    assert body["data"] == [
        {"Email": "friend1@example.com", "Last_Name": "Archer", "Company": "Acme", "Referral_ID": "ref_1"}
    ]
    assert not zoho.calls("/upsert")


def test_an_empty_text_is_not_sent(http: Session, zoho: Account) -> None:
    opened(http).push([lead(fields={"Website": "", "Phone": "1"})])

    [body] = zoho.bodies("^POST .*/Leads$")
    assert (body["data"][0]["Phone"], "Website" in body["data"][0]) == ("1", False)


def test_a_record_with_another_id_is_not_taken_for_the_leads(http: Session, zoho: Account) -> None:
    """A query may compare without regard to case."""
    zoho.on("/coql$", (200, rows({"id": CONTACT}, {"id": DEAL, "Referral_ID": "REF_1"})))

    [verdict] = opened(http).push([lead()])

    assert isinstance(verdict, Pushed)
    assert verdict.created


@pytest.mark.parametrize("status", [200, 201, 202, 207, 400])
def test_each_result_is_judged_by_its_own_code_whatever_the_status(http: Session, zoho: Account, status: int) -> None:
    results = [done(LEAD), refused("INVALID_DATA", api_name="Email"), done(CONTACT)]
    zoho.on("^POST .*/Leads$", (status, {"data": results}))

    first, second, third = opened(http).push([lead(1), lead(2), lead(3)])

    assert isinstance(second, Rejected)
    assert [it.ref.person and it.ref.person.id for it in (first, third) if isinstance(it, Pushed)] == [LEAD, CONTACT]


@pytest.mark.parametrize("results", [[], [done(LEAD)], [done(LEAD)] * 3])
def test_results_that_are_not_one_for_each_lead_are_passing(http: Session, zoho: Account, results: list[Any]) -> None:
    zoho.on("^POST .*/Leads$", (200, {"data": results}))

    with pytest.raises(Transient):
        opened(http).push([lead(1), lead(2)])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (refused("MANDATORY_NOT_FOUND", "required field not found", api_name="Website"), "Leads.Website: required"),
        (refused("INVALID_DATA", api_name="Email", expected_data_type="email"), "Leads.Email: invalid data"),
        (refused("INVALID_DATA", api_name="Email", id=LEAD), "Leads.Email: invalid data"),
        (refused("SOMETHING_NEW", "no"), "SOMETHING_NEW"),
        ({}, "no code"),
    ],
)
def test_a_record_that_is_refused_is_rejected_and_names_its_field(
    http: Session, zoho: Account, result: dict[str, Any], expected: str
) -> None:
    verdict = verdict_of(http, zoho, result)

    assert isinstance(verdict, Rejected)
    assert expected in str(verdict)


def test_a_refusal_does_not_repeat_what_was_sent(http: Session, zoho: Account) -> None:
    verdict = verdict_of(http, zoho, refused("INVALID_DATA", "Archer <friend1@example.com> is not valid"))

    assert "Archer" not in f"{verdict}{verdict!r}"
    assert "example.com" not in f"{verdict}{verdict!r}"


@pytest.mark.parametrize("code", ["RECORD_LOCKED", "INTERNAL_ERROR"])
def test_a_record_that_is_busy_is_tried_again(http: Session, zoho: Account, code: str) -> None:
    assert isinstance(verdict_of(http, zoho, refused(code, "later")), Transient)


@pytest.mark.parametrize(
    ("result", "given", "path"),
    [
        (
            refused("INVALID_DATA", "the field api name given seems to be invalid", api_name="Title"),
            {"fields": {"Title": "friend.title"}},
            "push.fields.Title",
        ),
        (
            refused("INVALID_DATA", "the field api name given seems to be invalid", api_name="Referral_ID"),
            {},
            "push.referral_id",
        ),
        (refused("NO_PERMISSION", "permission denied"), {}, "oauth.refresh_token"),
    ],
)
def test_a_refusal_that_befalls_every_lead_is_raised(
    http: Session, zoho: Account, result: dict[str, Any], given: dict[str, Any], path: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        verdict_of(http, zoho, result, **given)

    assert caught.value.yaml_path == path


@pytest.mark.parametrize("name", ["Stage", "Pipeline"])
def test_a_stage_that_the_pipeline_does_not_have_is_the_settings_fault(http: Session, zoho: Account, name: str) -> None:
    result = refused("MAPPING_MISMATCH", "Pipeline doesn't contain the Stage", api_name=name)
    zoho.on("^POST .*/Deals$", (400, {"data": [result]}))

    with pytest.raises(Misconfigured) as caught:
        opened(http, **DEALS).push([lead()])

    assert caught.value.yaml_path == f"push.{name.lower()}"


@pytest.mark.parametrize(
    "details",
    [
        {"api_name": "Referral_ID", "id": CONTACT},
        {"api_name": "Referral_ID", "duplicate_record": {"id": CONTACT, "module": {"api_name": "Contacts"}}},
        {"api_name": "Referral_ID", "duplicate_record": {"id": CONTACT}, "id": CONTACT, "more_records": False},
    ],
)
def test_the_record_that_is_there_already_is_read_in_every_form(
    http: Session, zoho: Account, details: dict[str, Any]
) -> None:
    zoho.on("^POST .*/Contacts$", (400, {"data": [refused("DUPLICATE_DATA", "duplicate data", **details)]}))

    [verdict] = opened(http).push([lead(role="advocate")])

    assert isinstance(verdict, Pushed)
    assert (verdict.ref.person, verdict.created) == (RemoteId(type="Contacts", id=CONTACT), False)


def test_a_duplicate_that_names_no_record_is_passing(http: Session, zoho: Account) -> None:
    """The next push finds it, or Zoho names it then."""
    assert isinstance(verdict_of(http, zoho, refused("DUPLICATE_DATA", api_name="Email")), Transient)


def test_a_holder_that_cannot_be_read_is_passing(http: Session, zoho: Account) -> None:
    with pytest.raises(Transient):
        verdict_of(http, zoho, refused("DUPLICATE_DATA", api_name="Email", id=CONTACT))


def test_a_holder_that_may_not_be_marked_has_the_reason_as_its_verdict(http: Session, zoho: Account) -> None:
    holder = {"id": LEAD, "Modified_Time": "2026-11-24T11:30:00+02:00", "Referral_ID": None}
    zoho.on("^GET .*/Leads", (200, rows(holder)))
    zoho.on("^PUT .*/Leads", (400, {"data": [refused("RECORD_LOCKED", "locked")]}))

    assert isinstance(verdict_of(http, zoho, refused("DUPLICATE_DATA", api_name="Email", id=LEAD)), Transient)


def test_a_quote_in_an_id_stays_text(http: Session, zoho: Account) -> None:
    """Ids of leads are ours, but a query is no place to trust that."""
    opened(http).push([replace(lead(), id="o'x\\")])

    assert r"Referral_ID in ('o\'x\\')" in zoho.queries("from Leads")[0]


# --- stages come back ------------------------------------------------------------------------------------------------


def test_times_with_an_offset_are_told_in_utc(http: Session, zoho: Account) -> None:
    zoho.on("/coql$", lambda it: (200, rows(deal())) if "from Deals" in str(it.body) else (204, ""))

    [fact] = poll(opened(http))

    assert isinstance(fact, StageFact)
    assert (fact.at, fact.at.utcoffset()) == (datetime(2026, 11, 24, 9, 30, tzinfo=UTC), timedelta())


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("19.99", "EUR", (1_999, "EUR")),
        ("90071992547409.93", "EUR", (9_007_199_254_740_993, "EUR")),
        ("500", "JPY", (500, "JPY")),
        ("0", None, (0, "EUR")),
        ("null", "EUR", (None, None)),
        ("1", "euro", (None, None)),
    ],
)
def test_an_amount_is_exact_as_the_answer_has_it(
    http: Session, zoho: Account, amount: str, currency: str | None, expected: tuple[int | None, str | None]
) -> None:
    text = json.dumps(rows(deal(Amount="AMOUNT", Currency=currency))).replace('"AMOUNT"', amount)
    zoho.on("^GET .*/Deals", (200, text))

    [fact] = opened(http).look_up([RemoteRef(deal=RemoteId(type="Deals", id=DEAL))])

    assert isinstance(fact, StageFact)
    assert (fact.amount, fact.currency) == expected


def test_won_is_what_zoho_forecasts_and_never_a_label(http: Session, zoho: Account) -> None:
    zoho.on("/settings/pipeline", (200, pipelines(label="Closed Lost")))
    zoho.on("^GET .*/Deals", (200, rows(deal())))

    [fact] = opened(http).look_up([RemoteRef(deal=RemoteId(type="Deals", id=DEAL))])

    assert isinstance(fact, StageFact)
    assert fact.outcome == "won"


def test_a_stage_that_no_pipeline_has_is_told_without_an_outcome(http: Session, zoho: Account) -> None:
    zoho.on("^GET .*/Deals", (200, rows(deal(Stage="Removed"))))

    [fact] = opened(http).look_up([RemoteRef(deal=RemoteId(type="Deals", id=DEAL))])

    assert isinstance(fact, StageFact)
    assert (fact.stage, fact.outcome) == ("Removed", None)


def test_a_stage_that_is_new_is_looked_for_once(http: Session, zoho: Account) -> None:
    it = opened(http)
    it.stages()
    zoho.on("/settings/pipeline", (200, pipelines()))
    zoho.on("^GET .*/Deals", (200, rows(deal(), deal(CONTACT))))

    it.look_up([RemoteRef(deal=RemoteId(type="Deals", id=id_)) for id_ in (DEAL, CONTACT)])

    assert len(zoho.calls("/settings/pipeline")) == 1


def test_a_reading_goes_on_after_the_last_id_and_with_bigger_pages(http: Session, zoho: Account) -> None:
    """The first page costs one credit; that there is more makes it worth three."""
    zoho.on("/coql$", (200, rows(deal("9"), deal("10"), more=True)), (200, rows(deal("11"))), (204, ""))

    poll(opened(http, **DEALS))

    first, second = zoho.queries("from Deals")
    window = "(Modified_Time >= '2026-11-24T08:50:00+00:00' and Modified_Time <= '2026-11-24T10:00:00+00:00')"
    assert first.endswith(f"where {window} order by id asc limit 200")
    assert second.endswith(f"where ({window} and id > '10') order by id asc limit 2000")


@pytest.mark.parametrize("ids", [["10", "9"], ["9", "9"], ["x"]])
def test_a_page_out_of_order_is_passing(http: Session, zoho: Account, ids: list[str]) -> None:
    """To go on from it would skip some, or never end."""
    zoho.on("/coql$", (200, rows(*(deal(id_) for id_ in ids), more=True)))

    with pytest.raises(Transient):
        poll(opened(http))


def test_nothing_newer_is_no_error(http: Session, zoho: Account) -> None:
    zoho.on("^GET .*/(Leads|deleted)", (304, ""))
    poll_often(opened(http))

    assert zoho.calls("converted=true")
    assert zoho.calls("/Deals/deleted")


def test_a_list_of_conversions_goes_on_by_its_token(http: Session, zoho: Account) -> None:
    lead_1, lead_2 = (
        {"id": id_, "Modified_Time": "2026-11-24T11:30:00+02:00", "Referral_ID": f"ref_{id_}", "Converted__s": True}
        | {"Converted_Contact": {"name": "Archer", "id": "7"}}
        for id_ in ("1", "2")
    )
    first, second = rows(lead_1, more=True, next_page_token="p2"), rows(lead_2)
    zoho.on("converted=true", lambda it: (200, second if "page_token=p2" in str(it.url) else first))
    it = opened(http)
    marks = {"Deals": 0, "Leads": 2_000_000_000_000, "deleted Leads": 2_000_000_000_000}

    told = poll(it, json.dumps({**marks, "deleted Deals": 2_000_000_000_000, "converted": 1_764_000_000_000}))

    assert [gone.ref.person and gone.ref.person.id for gone in told if isinstance(gone, Gone)] == ["1", "2"]
    assert zoho.calls("converted=true")[0].headers["If-Modified-Since"] == "2025-11-24T15:50:00+00:00"


def test_a_list_that_gives_the_same_token_again_is_passing(http: Session, zoho: Account) -> None:
    zoho.on("converted=true", (200, rows(more=True, next_page_token="p2")))
    with pytest.raises(Transient):
        poll_often(opened(http))

    assert len(zoho.calls("converted=true")) == 2


@pytest.mark.parametrize(
    "detail",
    [{"contact": CONTACT, "deal": DEAL}, {"contact": {"id": CONTACT, "name": "Archer"}, "deal": {"id": DEAL}}],
)
def test_a_conversion_that_the_list_does_not_show_is_asked_of_the_record(
    http: Session, zoho: Account, detail: dict[str, Any]
) -> None:
    record = {"id": LEAD, "Modified_Time": "2026-11-24T11:30:00+02:00", "Referral_ID": "ref_1", "Converted__s": True}
    zoho.on(r"^GET \S+/Leads\?", (200, rows(record)))
    zoho.on(rf"^GET \S+/Leads/{LEAD}", (200, {"data": [record | {"$converted_detail": detail}]}))

    told = opened(http).look_up([RemoteRef(person=RemoteId(type="Leads", id=LEAD))])

    [into] = [gone.into for gone in told if isinstance(gone, Gone)]
    assert into == RemoteRef(person=RemoteId(type="Contacts", id=CONTACT), deal=RemoteId(type="Deals", id=DEAL))


def test_records_that_were_not_asked_for_are_ignored(http: Session, zoho: Account) -> None:
    zoho.on("^GET .*/Deals", (200, rows(deal(), deal("999"))))

    told = opened(http).look_up([RemoteRef(deal=RemoteId(type="Deals", id=DEAL))])

    assert [fact.ref.deal and fact.ref.deal.id for fact in told] == [DEAL]


def test_a_search_for_missing_records_ends(http: Session, zoho: Account) -> None:
    zoho.on("/Deals/deleted", (200, rows({"id": "1"}, more=True)))

    [gone] = opened(http).look_up([RemoteRef(deal=RemoteId(type="Deals", id=DEAL))])

    assert isinstance(gone, Gone)
    assert gone.why == "invisible"
    assert len(zoho.calls("/Deals/deleted")) == 10


def test_other_connectors_records_are_not_asked_for(http: Session, zoho: Account) -> None:
    assert opened(http).look_up([RemoteRef(deal=RemoteId(type="deal", id="1"))]) == []
    assert zoho.requests == []


def test_a_history_that_is_kept_from_us_is_the_present_stage(http: Session, zoho: Account) -> None:
    zoho.on(r"^GET \S+/Deals\?", (200, rows(deal())))

    [step] = opened(http).history([RemoteId(type="Deals", id=DEAL)])

    assert (step.stage, step.outcome, step.at) == ("Closed Won", "won", datetime(2026, 11, 24, 9, 30, tzinfo=UTC))


def test_secrets_show_in_no_repr(http: Session, zoho: Account) -> None:
    it = opened(http)
    it.stages()

    for text in (repr(it), repr(settings()), ZohoSettings.model_dump_json(settings())):
        assert not [secret for secret in (SECRET, REFRESH, "token-1") if secret in text]
