"""The Pipedrive connector, against answers that bit others, and at its settings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from pydantic import ValidationError

from syncd.contract import (
    ConnectorError,
    Gone,
    Lead,
    Misconfigured,
    Parked,
    Person,
    Pushed,
    Rejected,
    RemoteId,
    RemoteRef,
    StageFact,
    Throttled,
    Transient,
    Unauthorized,
)
from syncd.http import Session
from syncd_connectors.pipedrive import Pipedrive, PipedriveSettings
from syncd_connectors.pipedrive.client import Sender

TOKEN = "5f3c-api-token"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
PERSON_KEY, DEAL_KEY = "a" * 40, "b" * 40
LEAD_ID = "adf21080-0e10-11eb-879b-05d71fb426ec"


def settings(**given: Any) -> PipedriveSettings:
    section = {"name": "pd", "type": "pipedrive", "company_domain": "acme", "api_token": TOKEN}
    return PipedriveSettings.model_validate(section | given)


def lead(number: int = 1, **given: Any) -> Lead:
    person = Person(email=f"friend{number}@example.com", first_name="Zoe", last_name="Quillfeather")
    return replace(Lead(id=f"ref_{number}", role="friend", person=person, campaign="spring"), **given)


# --- a company of a few answers --------------------------------------------------------------------------------------


class Answers:
    """Answers as scripted; what is not scripted has the two fields, finds nothing and takes every record."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.requests: list[requests.PreparedRequest] = []
        self.headers = {"Date": "Tue, 24 Nov 2026 10:00:00 GMT"}
        self._script: list[tuple[str, list[Any]]] = []
        for method in ("GET", "POST", "PATCH"):
            mock.add_callback(method, re.compile(r"https?://.*"), self._answer)

    def on(self, pattern: str, *replies: Any, **headers: str) -> None:
        """Answer calls whose method and URL match, reply by reply; the last one stays."""
        self._script.insert(0, (pattern, [(reply, headers) for reply in replies]))

    def calls(self, pattern: str = "") -> list[str]:
        return [shown for it in self.requests if re.search(pattern, shown := f"{it.method} {it.url}")]

    def queries(self, pattern: str) -> list[dict[str, str]]:
        return [{k: v[0] for k, v in parse_qs(urlsplit(call).query).items()} for call in self.calls(pattern)]

    def bodies(self, pattern: str) -> list[Any]:
        return [json.loads(it.body or b"null") for it in self.requests if re.search(pattern, f"{it.method} {it.url}")]

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.requests.append(request)
        reply, headers = _by_default(request), {}
        for pattern, replies in self._script:
            if re.search(pattern, f"{request.method} {request.url}"):
                reply, headers = replies.pop(0) if len(replies) > 1 else replies[0]
                break
        status, body = reply if isinstance(reply, tuple) else (200, reply)
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html; charset=UTF-8" if text.startswith("<") else "application/json; charset=utf-8"
        return status, {"Content-Type": kind, **self.headers, **headers}, text


def _by_default(request: requests.PreparedRequest) -> Any:
    path = urlsplit(request.url or "").path
    if path.endswith("/personFields"):
        return page(custom(PERSON_KEY, "Referral ID"), custom("c" * 40, "Note"))
    if path.endswith("/dealFields"):
        return page(custom(DEAL_KEY, "Referral ID"))
    if path.endswith("/search"):
        return {"success": True, "data": {"items": []}, "additional_data": {"next_cursor": None}}
    if path.endswith("/users/me"):
        return {"success": True, "data": {"company_id": 7, "company_name": "Acme", "is_admin": 1}}
    if request.method == "POST":
        return {"success": True, "data": {"id": LEAD_ID if path.endswith("/leads") else 11}}
    return page()


def custom(code: str, name: str, type_: str = "varchar") -> dict[str, Any]:
    return {"field_code": code, "field_name": name, "field_type": type_, "is_custom_field": True}


def page(*rows: dict[str, Any], cursor: str | None = None, more: bool = False) -> dict[str, Any]:
    paging = {"next_cursor": cursor, "pagination": {"start": 0, "limit": 100, "more_items_in_collection": more}}
    return {"success": True, "data": list(rows), "additional_data": paging}


def refusal(error: str = "Forbidden", **more: Any) -> dict[str, Any]:
    return {"success": False, "error": error, "error_info": "Please check", "data": None, **more}


def deal(id_: int = 1, *, ours: str | None = "ref_1", **values: Any) -> dict[str, Any]:
    row = {"id": id_, "person_id": 5, "pipeline_id": 1, "stage_id": 3, "status": "open", "value": 0, "currency": "EUR"}
    times = {"add_time": "2026-11-01T08:00:00Z", "update_time": "2026-11-24T09:00:00Z"}
    return {**row, **times, "is_deleted": False, "custom_fields": {DEAL_KEY: ours}, **values}


def a_lead(id_: str, at: str, **values: Any) -> dict[str, Any]:
    row = {"id": id_, "person_id": 5, "value": None, "is_archived": False, "add_time": "2026-11-01T08:00:00.000Z"}
    return {**row, "update_time": at, DEAL_KEY: "ref_1", **values}


@pytest.fixture
def crm() -> Iterator[Answers]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Answers(mock)


def opened(http: Session, **given: Any) -> Pipedrive:
    return Pipedrive.open(settings(**given), http)


def poll(connector: Pipedrive, since: datetime = NOW - timedelta(minutes=5)) -> list[StageFact | Gone]:
    return [it for page in connector.changes(connector.start(since), NOW) for it in page.facts]


def error_of(connector: Pipedrive) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        poll(connector)
    return caught.value


# --- how it talks ----------------------------------------------------------------------------------------------------


def test_the_token_travels_in_a_header_to_the_companys_own_host(crm: Answers, http: Session) -> None:
    """The SDK would write it into the URL, which proxies and servers log."""
    opened(http).push([lead()])

    assert {it.headers["x-api-token"] for it in crm.requests} == {TOKEN}
    assert [it.url for it in crm.requests if TOKEN in str(it.url)] == []
    assert {urlsplit(str(it.url)).netloc for it in crm.requests} == {"acme.pipedrive.com"}


def test_only_what_version_2_lacks_is_asked_of_version_1(crm: Answers, http: Session) -> None:
    """The twins of version 1 are out of support since August 2026."""
    connector = opened(http, push={"as": "lead"})
    crm.on("/pipelines", page({"id": 1}))
    crm.on(f"/leads/{LEAD_ID}", (404, refusal("Lead not found")))
    connector.check()
    connector.push([lead()])
    poll(connector)
    connector.look_up([RemoteRef(deal=RemoteId(type="lead", id=LEAD_ID), person=RemoteId(type="person", id="5"))])

    old = {urlsplit(str(it.url)).path.removeprefix("/api/v1/") for it in crm.requests if "/api/v1/" in str(it.url)}
    assert old == {"users/me", "leads", f"leads/{LEAD_ID}"}
    assert all("/api/v1/" in call or "/api/v2/" in call for call in crm.calls())


def test_an_address_of_its_own_is_used_as_it_stands(crm: Answers, http: Session) -> None:
    poll(opened(http, base_url="http://127.0.0.1:9/pipedrive"))

    assert all(str(it.url).startswith("http://127.0.0.1:9/pipedrive/api/v") for it in crm.requests)


def test_a_list_is_asked_for_without_milliseconds(crm: Answers, http: Session) -> None:
    """Version 2 answers 400 to them. The window ends before the second that may not be over yet."""
    connector = opened(http, push={"as": "deal"})
    list(connector.changes(connector.start(NOW + timedelta(milliseconds=250)), NOW + timedelta(milliseconds=750)))

    [query] = crm.queries("/v2/deals")
    assert (query["updated_since"], query["updated_until"]) == ("2026-11-24T09:50:00Z", "2026-11-24T10:00:00Z")
    assert (query["sort_by"], query["sort_direction"], query["custom_fields"]) == ("update_time", "asc", DEAL_KEY)


def test_no_creating_call_is_repeated_by_itself(crm: Answers, http: Session) -> None:
    """Pipedrive makes a second record of it."""
    crm.on("POST .*/persons", (503, "<html>busy</html>"))

    with pytest.raises(Transient):
        opened(http).push([lead()])

    assert len(crm.calls("POST")) == 1


def test_the_sdk_is_needed_to_open_and_not_to_read_the_settings(http: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipedrive.client", None)
    read = settings()

    with pytest.raises(ModuleNotFoundError):
        Pipedrive.open(read, http)


# --- what answers mean -----------------------------------------------------------------------------------------------

CLOUDFLARE = "<html><title>Access denied | Cloudflare</title></html>"


@pytest.mark.parametrize(
    ("reply", "expected", "path"),
    [
        ((401, refusal("unauthorized access", errorCode=401)), Unauthorized, "api_token"),
        ((402, refusal("Company account is not open")), Misconfigured, "api_token"),
        ((403, refusal("Scope and URL mismatch")), Misconfigured, "api_token"),
        ((403, refusal("Limit", code="feature_capping_deals_limit")), Misconfigured, "push.as"),
        ((404, refusal("Not found")), Misconfigured, "company_domain"),
        ((404, "<html></html>"), Misconfigured, "company_domain"),
        ((410, refusal("Gone")), Misconfigured, "company_domain"),
        ((415, refusal("Feature is not enabled")), Misconfigured, "push.as"),
        ((400, refusal("Bad cursor")), Misconfigured, "type"),
        ((400, "<html></html>"), Misconfigured, "type"),
        ((405, refusal("Method not allowed")), Misconfigured, "type"),
        ((302, "<html></html>"), Misconfigured, "base_url"),
        (refusal("Something"), Misconfigured, "type"),
    ],
)
def test_what_needs_an_admin_stops_the_connector_and_names_the_setting(
    crm: Answers, http: Session, reply: Any, expected: type[Misconfigured], path: str
) -> None:
    crm.on("/v2/deals", reply)

    error = error_of(opened(http))

    assert isinstance(error, expected)
    assert error.yaml_path == path


@pytest.mark.parametrize(
    "reply",
    [
        (500, refusal("Internal Server Error", code="ERR_UNKNOWN")),
        (502, "<html>Bad gateway</html>"),
        (504, refusal()),
        "<html>Maintenance</html>",
        {},
        {"success": True},
        {"success": True, "data": {"id": 1}},
        {"data": []},
        '{"success": true, "data": [',
        "[]",
        page({"id": 1}),
        page(deal(update_time="yesterday")),
    ],
)
def test_what_cannot_be_read_is_passing_and_hides_no_change(crm: Answers, http: Session, reply: Any) -> None:
    crm.on("/v2/deals", reply)

    assert isinstance(error_of(opened(http)), Transient)


def test_a_block_by_the_gatekeeper_parks_the_connector_for_a_quarter_of_an_hour(crm: Answers, http: Session) -> None:
    """It is HTML with a 403, for those who did not heed a 429; it says nothing of permissions."""
    crm.on("/v2/deals", (403, CLOUDFLARE))

    error = error_of(opened(http))

    assert isinstance(error, Parked)
    assert error.until == NOW + timedelta(minutes=15)


def test_a_burst_waits_until_its_window_is_over(crm: Answers, http: Session) -> None:
    burst = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"}
    crm.on("/v2/deals", (429, refusal("request over limit")), **burst, **{"x-daily-ratelimit-token-remaining": "20000"})

    error = error_of(opened(http))

    assert isinstance(error, Throttled)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        ("API token budget for today is exhausted", {}),
        ("Daily request limit exceeded", {}),
        ("request over limit", {"x-daily-ratelimit-token-remaining": "0"}),
        ("request over limit", {"x-daily-requests-left": "0"}),
    ],
)
def test_a_spent_daily_budget_is_asked_for_again_each_hour(
    crm: Answers, http: Session, error: str, headers: dict[str, str]
) -> None:
    """It ends at midnight of Pipedrive's server, and no answer tells its time zone."""
    crm.on("/v2/deals", (429, refusal(error)), **headers)

    parked = error_of(opened(http))

    assert isinstance(parked, Parked)
    assert parked.until == NOW + timedelta(hours=1)


def test_a_burst_that_does_not_end_is_the_days_budget(http: Session) -> None:
    """What the 429 of a spent day looks like no page says; but a burst is over after two seconds."""
    sender, ends = Sender(settings(), http), []
    for seconds, status in ((0, 429), (2, 429), (9, 429), (10, 429), (71, 429), (80, 200), (82, 429), (92, 429)):
        answer = requests.Response()
        answer.status_code, answer._content = status, b'{"success": true}'
        date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        answer.headers.update({"Content-Type": "application/json", "Date": date})
        try:
            sender.read(answer)
            ends.append("read")
        except ConnectorError as error:
            ends.append(type(error).__name__)

    assert ends == [*["Throttled"] * 3, "Parked", "Throttled", "read", "Throttled", "Parked"]


def test_without_a_date_nothing_is_parked_by_our_own_clock(crm: Answers, http: Session) -> None:
    crm.headers = {}
    crm.on("/v2/deals", (403, CLOUDFLARE))

    error = error_of(opened(http))

    assert isinstance(error, Throttled)  # which, unlike any other error that passes, counts as no attempt
    assert error.retry_after == 900


# --- leads go out ----------------------------------------------------------------------------------------------------


def test_a_lead_is_written_in_the_forms_of_both_versions(crm: Answers, http: Session) -> None:
    """Custom fields of a person stand in an object, those of a lead beside the others; ids are numbers."""
    fields = {"Note": "Hello", "deal.Referral ID": "ours goes first"}
    connector = opened(http, push={"as": "lead", "owner": "42"})
    [pushed] = connector.push([lead(fields=fields, referral_code="C1")])

    assert isinstance(pushed, Pushed)
    assert crm.bodies("POST .*/v2/persons") == [
        {
            "owner_id": 42,
            "name": "Zoe Quillfeather",
            "emails": [{"value": "friend1@example.com", "primary": True, "label": "work"}],
            "custom_fields": {"c" * 40: "Hello", PERSON_KEY: "ref_1"},
        }
    ]
    assert crm.bodies("POST .*/v1/leads") == [
        {"owner_id": 42, "title": "Referral C1", "person_id": 11, DEAL_KEY: "ref_1"}
    ]


def test_a_refusal_tells_why_and_nothing_of_the_person(crm: Answers, http: Session) -> None:
    said = "emails: friend1@example.com of Zoe Quillfeather (Zoe) is no address; Hello is too long"
    crm.on("POST .*/persons", (400, refusal(said)))

    [verdict] = opened(http).push([lead(fields={"Note": "Hello"})])

    assert isinstance(verdict, Rejected)
    assert str(verdict) == "Pipedrive refuses the person: emails: … of … (…) is no address; … is too long"


def test_a_refusal_names_a_field_as_people_do(crm: Answers, http: Session) -> None:
    crm.on("POST .*/persons", (400, refusal(f"Parameter validation failed: {'c' * 40}: too long")))

    [verdict] = opened(http).push([lead(fields={"Note": "Hello"})])

    assert str(verdict) == "Pipedrive refuses the person: Parameter validation failed: Note: too long"


def test_a_field_that_was_made_anew_is_no_leads_fault(crm: Answers, http: Session) -> None:
    """Its key is another one then."""
    connector = opened(http)
    connector.push([lead(1)])
    crm.on("POST .*/persons", (400, refusal(f"{PERSON_KEY}: unknown custom field")))
    crm.on("/personFields", page(custom("d" * 40, "Referral ID")))
    with pytest.raises(Transient):
        connector.push([lead(2)])
    crm.on("POST .*/persons", {"success": True, "data": {"id": 12}})

    connector.push([lead(2)])

    assert crm.bodies("POST .*/persons")[-1]["custom_fields"] == {"d" * 40: "ref_2"}


def test_an_empty_text_is_not_written(crm: Answers, http: Session) -> None:
    opened(http).push([lead(fields={"Note": ""})])

    assert crm.bodies("POST .*/persons")[0]["custom_fields"] == {PERSON_KEY: "ref_1"}


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("owner_id: user not found", "push.owner"),
        ("stage_id is wrong", "push.stage"),
        ("pipeline_id?", "push.pipeline"),
    ],
)
def test_a_refusal_of_what_the_settings_say_is_no_leads_fault(
    crm: Answers, http: Session, said: str, path: str
) -> None:
    crm.on("POST", (400, refusal(said)))
    crm.on("POST .*/persons", (201, {"success": True, "data": {"id": 11}}))
    if path == "push.owner":
        crm.on("POST .*/persons", (400, refusal(said)))

    with pytest.raises(Misconfigured) as caught:
        opened(http, push={"as": "deal", "owner": 42, "pipeline": "1", "stage": "2"}).push([lead(1), lead(2)])

    assert caught.value.yaml_path == path


def test_a_refusal_of_what_no_setting_says_is_the_leads_fault(crm: Answers, http: Session) -> None:
    crm.on("POST .*/deals", (400, refusal("stage_id is wrong")))

    [verdict] = opened(http, push={"as": "deal"}).push([lead()])

    assert isinstance(verdict, Rejected)


def test_a_limit_of_the_plan_keeps_the_leads(crm: Answers, http: Session) -> None:
    crm.on("POST .*/deals", (403, refusal("Open deals limit reached.", code="feature_capping_deals_limit")))

    with pytest.raises(Misconfigured) as caught:
        opened(http, push={"as": "deal"}).push([lead(1), lead(2)])

    assert caught.value.yaml_path == "push.as"
    assert len(crm.calls("POST")) == 2


def test_a_person_who_went_away_meanwhile_is_looked_for_anew(crm: Answers, http: Session) -> None:
    crm.on("POST .*/leads", (404, refusal("Person not found")))

    with pytest.raises(Transient):
        opened(http).push([lead()])


def test_many_changed_persons_are_read_as_far_back_as_the_search_may_lag(crm: Answers, http: Session) -> None:
    recent, older = "2026-11-24T09:59:00Z", "2026-11-24T09:49:00Z"
    rows = [
        {"id": n, "update_time": at, "add_time": at, "custom_fields": {PERSON_KEY: f"ref_{n}"}}
        for n, at in ((1, recent), (2, recent), (3, older), (4, older))
    ]
    crm.on(
        "/persons.*sort_direction=desc",
        page(rows[0], cursor="x"),
        page(rows[1], cursor="y"),
        page(*rows[2:], cursor="z"),
    )
    connector = opened(http)

    verdicts = connector.push([lead(2), lead(3), lead(9)])

    persons = [it.ref.person and it.ref.person.id for it in verdicts if isinstance(it, Pushed)]
    assert persons == ["2", "3", "11"]
    assert len(crm.calls("sort_direction=desc")) == 3


def test_a_deleted_person_is_not_taken_for_the_leads(crm: Answers, http: Session) -> None:
    row = {"id": 1, "update_time": "2026-11-24T09:59:00Z", "custom_fields": {PERSON_KEY: "ref_1"}, "is_deleted": True}
    crm.on("sort_direction=desc", page(row))

    [pushed] = opened(http).push([lead(1)])

    assert isinstance(pushed, Pushed)
    assert pushed.ref.person == RemoteId(type="person", id="11")


def test_a_person_who_was_not_changed_for_long_is_found_by_search(crm: Answers, http: Session) -> None:
    row = {"id": 77, "update_time": "2026-10-01T09:00:00Z", "custom_fields": {PERSON_KEY: "ref_1"}}
    crm.on("/persons/search", {"success": True, "data": {"items": [{"item": {"id": 77}}]}})
    crm.on("/persons.*ids=77", page(row))

    [pushed] = opened(http).push([lead(1)])

    assert isinstance(pushed, Pushed)
    assert pushed.ref.person == RemoteId(type="person", id="77")
    [query] = crm.queries("/persons/search")
    assert query == {"term": "ref_1", "fields": "custom_fields", "exact_match": "true", "limit": "100"}


def test_a_deleted_person_that_the_search_still_shows_is_not_taken(crm: Answers, http: Session) -> None:
    row = {"id": 1, "update_time": "2026-11-24T09:00:00Z", "custom_fields": {PERSON_KEY: "ref_1"}, "is_deleted": True}
    crm.on("/persons/search", {"success": True, "data": {"items": [{"item": {"id": 1}}]}})
    crm.on("/persons.*ids=1", page(row))

    [pushed] = opened(http).push([lead(1)])

    assert isinstance(pushed, Pushed)
    assert pushed.ref.person == RemoteId(type="person", id="11")


def test_what_may_be_there_is_not_made_again(crm: Answers, http: Session) -> None:
    """While an import changes more persons than can be read, and where no answer tells how old the list is."""
    row = {"id": 1, "update_time": "2026-11-24T09:59:00Z", "custom_fields": {}}
    crm.on("sort_direction=desc", *(page(row, cursor=str(number)) for number in range(20)))
    with pytest.raises(Transient, match="so many"):
        opened(http).push([lead()])
    crm.headers = {}
    with pytest.raises(Transient, match="date"):
        opened(http).push([lead()])

    assert crm.calls("POST") == []
    assert len(crm.calls("sort_direction=desc")) == 11 + 1


# --- stages come back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("19.99", "EUR", 1_999),
        ("90071992547409.93", "EUR", 9_007_199_254_740_993),
        ("0.1", "EUR", 10),
        ("500", "JPY", 500),
        ("1.5e3", "EUR", 150_000),
        ("0", "EUR", 0),
        ("null", "EUR", None),
        ("19.99", "", None),
    ],
)
def test_an_amount_is_exact(crm: Answers, http: Session, value: str, currency: str, amount: int | None) -> None:
    body = json.dumps(page(deal(value="VALUE", currency=currency))).replace('"VALUE"', value)
    crm.on("/v2/deals", body)

    [fact] = poll(opened(http, push={"as": "deal"}))

    assert isinstance(fact, StageFact)
    assert (fact.amount, fact.currency) == (amount, currency if amount is not None else None)


def test_what_is_read_after_a_second_is_newer_than_what_was_read_within_it(crm: Answers, http: Session) -> None:
    """Times of deals are whole seconds; the second of two changes in one must not be taken for known."""
    connector, at = opened(http, push={"as": "deal"}), "2026-11-24T09:59:58Z"
    ref = RemoteRef(deal=RemoteId(type="deal", id="1"))
    crm.on("/v2/deals", page(deal(stage_id=3, update_time=at)))
    [within] = connector.look_up([ref])
    crm.on("/v2/deals", page(deal(stage_id=4, update_time=at)))
    [polled] = poll(connector)
    crm.headers = {"Date": "Tue, 24 Nov 2026 10:00:09 GMT"}
    [settled] = connector.look_up([ref])

    versions = [it.version for it in (within, polled, settled) if isinstance(it, StageFact)]
    assert versions[0] < versions[1] == versions[2]


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"stage_change_time": None}, "2026-11-01T08:00:00+00:00"),
        ({"stage_change_time": "2026-11-20T08:00:00Z"}, "2026-11-20T08:00:00+00:00"),
        ({"status": "won", "won_time": "2026-11-21T08:00:00Z"}, "2026-11-21T08:00:00+00:00"),
        ({"status": "lost", "lost_time": "2026-11-22T08:00:00Z"}, "2026-11-22T08:00:00+00:00"),
    ],
)
def test_the_time_is_that_of_the_stage_and_not_of_the_last_change(
    crm: Answers, http: Session, values: dict[str, Any], at: str
) -> None:
    crm.on("/v2/deals", page(deal(**values)))

    [fact] = poll(opened(http, push={"as": "deal"}))

    assert isinstance(fact, StageFact)
    assert fact.at.isoformat() == at


def test_a_list_that_leads_back_to_a_page_is_not_read_for_ever(crm: Answers, http: Session) -> None:
    crm.on("/v2/deals", page(deal(1), cursor="x"), page(deal(2), cursor="y"), page(deal(3), cursor="x"))

    assert isinstance(error_of(opened(http, push={"as": "deal"})), Transient)
    assert len(crm.calls("/v2/deals")) == 3


def test_leads_are_paged_by_the_time_of_their_change(crm: Answers, http: Session) -> None:
    """By position a lead that is changed between two pages would move another one out of sight."""
    first, second = "2026-11-24T09:56:01.500Z", "2026-11-24T09:57:02.750Z"
    crm.on(
        "/v1/leads",
        page(a_lead("1", first), a_lead("2", first), more=True),
        page(a_lead("2", first), a_lead("3", second), more=True),
        page(a_lead("3", second)),
    )

    told = poll(opened(http))

    assert {it.ref.deal.id for it in told if it.ref.deal} == {"1", "2", "3"}
    assert [(it["updated_since"], it["start"]) for it in crm.queries("/v1/leads")] == [
        ("2026-11-24T09:45:00Z", "0"),
        ("2026-11-24T09:56:01Z", "0"),
        ("2026-11-24T09:57:02Z", "0"),
    ]
    assert {it["sort"] for it in crm.queries("/v1/leads")} == {"update_time ASC"}


def test_leads_that_were_changed_in_one_second_are_paged_by_position(crm: Answers, http: Session) -> None:
    at = "2026-11-24T09:56:01.500Z"
    crm.on(
        "/v1/leads",
        page(a_lead("1", at), more=True),
        page(a_lead("1", at), a_lead("2", at), more=True),
        page(a_lead("3", at), a_lead("4", at), more=True),
        page(a_lead("5", at)),
    )

    told = poll(opened(http))

    assert {it.ref.deal.id for it in told if it.ref.deal} == {"1", "2", "3", "4", "5"}
    assert [it["start"] for it in crm.queries("/v1/leads")] == ["0", "0", "2", "4"]


@pytest.mark.parametrize("rows", [[], [a_lead("1", "2026-11-24T09:56:01.500Z")]])
def test_a_list_of_leads_that_does_not_go_on_is_not_read_for_ever(
    crm: Answers, http: Session, rows: list[dict[str, Any]]
) -> None:
    crm.on("/v1/leads", page(*rows, more=True))

    assert isinstance(error_of(opened(http)), Transient)
    assert len(crm.calls("/v1/leads")) <= 3


def test_a_deal_that_became_a_lead_again_is_followed(crm: Answers, http: Session) -> None:
    crm.on("/v1/leads", page(a_lead(LEAD_ID, "2026-11-24T09:56:01.500Z", source_deal_id=17)))

    told = poll(opened(http))

    assert isinstance(told[0], Gone)
    assert told[0].ref.deal == RemoteId(type="deal", id="17")
    assert told[0].into == RemoteRef(deal=RemoteId(type="lead", id=LEAD_ID))


def test_a_lead_that_is_gone_hides_none_beside_it(crm: Answers, http: Session) -> None:
    crm.on("/v1/leads/1", (404, refusal("Lead not found")))
    crm.on("/v1/leads/2", (410, refusal("Gone")))
    crm.on("/v1/leads/3", {"success": True, "data": a_lead("3", "2026-11-24T09:56:01.500Z")})
    refs = [RemoteRef(deal=RemoteId(type="lead", id=id_)) for id_ in ("1", "2", "3")]

    told = opened(http).look_up(refs)

    assert [(it.ref.deal and it.ref.deal.id, type(it).__name__) for it in told] == [
        ("1", "Gone"),
        ("2", "Gone"),
        ("3", "StageFact"),
    ]


def test_a_lead_that_is_marked_as_deleted_is_gone(crm: Answers, http: Session) -> None:
    crm.on("/v1/leads/1", {"success": True, "data": a_lead("1", "2026-11-24T09:56:01.500Z", is_deleted=True)})

    [told] = opened(http).look_up([RemoteRef(deal=RemoteId(type="lead", id="1"))])

    assert isinstance(told, Gone)


def test_leads_are_paged_no_further_than_they_are_wanted(crm: Answers, http: Session) -> None:
    rows = [a_lead(str(number), "2026-11-24T09:56:01.500Z") for number in range(25)]
    crm.on("/v1/leads", page(*rows, more=True))

    told = opened(http).look_up([RemoteRef(deal=RemoteId(type="lead", id=str(number))) for number in range(21)])

    assert len(told) == 21
    assert len(crm.calls("/v1/leads")) == 1


def test_a_lead_is_worth_what_its_value_says(crm: Answers, http: Session) -> None:
    crm.on("/v1/leads", page(a_lead("1", "2026-11-24T09:56:01Z", value={"amount": 250.5, "currency": "EUR"})))

    [fact] = poll(opened(http))

    assert isinstance(fact, StageFact)
    assert (fact.amount, fact.currency) == (25_050, "EUR")


def test_an_empty_list_of_version_1_may_be_null(crm: Answers, http: Session) -> None:
    crm.on("/v1/leads", {"success": True, "data": None, "additional_data": None})

    assert poll(opened(http)) == []


def test_persons_whose_deals_are_not_counted_are_asked_for_them(crm: Answers, http: Session) -> None:
    crm.on("/v2/persons", page({"id": 5, "update_time": "2026-11-24T09:00:00Z", "custom_fields": {}}))
    crm.on("/v2/deals.*person_id=5", page(deal(7, ours=None)))

    [fact] = opened(http, push={"as": "deal"}).look_up([RemoteRef(person=RemoteId(type="person", id="5"))])

    assert (fact.ref.deal, fact.ref.person) == (RemoteId(type="deal", id="7"), RemoteId(type="person", id="5"))


def test_persons_are_asked_for_deals_beside_an_archived_one(crm: Answers, http: Session) -> None:
    """Whether the vendor counts archived deals is not written anywhere."""
    person = {"id": 5, "update_time": "2026-11-24T09:00:00Z", "custom_fields": {}}
    crm.on("/v2/persons", page({**person, "open_deals_count": 1, "closed_deals_count": 0}))
    crm.on("/v2/deals/archived", page(deal(6, is_archived=True)))
    crm.on("/v2/deals.*person_id=5", page(deal(7, ours=None)))
    ref = RemoteRef(person=RemoteId(type="person", id="5"), deal=RemoteId(type="deal", id="6"))

    told = opened(http, push={"as": "deal"}).look_up([ref])

    assert [it.ref.deal and it.ref.deal.id for it in told] == ["6", "7"]


@pytest.mark.parametrize("is_shown", [False, True])
def test_a_lead_that_vanished_is_looked_for_among_its_persons_deals_whatever_their_count(
    crm: Answers, http: Session, is_shown: bool
) -> None:
    """A count that lags must not turn a conversion into a loss."""
    person = {"id": 5, "update_time": "2026-11-24T09:00:00Z", "custom_fields": {}}
    crm.on("/v2/persons", page({**person, "open_deals_count": 0, "closed_deals_count": 0}))
    crm.on("/v2/deals.*person_id=5", page(deal(7, source_lead_id=LEAD_ID)))
    marked = {"success": True, "data": a_lead(LEAD_ID, "2026-11-24T09:56:01Z", is_deleted=True)}
    crm.on(f"/v1/leads/{LEAD_ID}", marked if is_shown else (404, refusal("Lead not found")))
    ref = RemoteRef(person=RemoteId(type="person", id="5"), deal=RemoteId(type="lead", id=LEAD_ID))

    told = opened(http).look_up([ref])

    assert [it.why for it in told if isinstance(it, Gone)] == ["merged"]


def test_archived_leads_are_read_newest_first_and_only_as_far_as_needed(crm: Answers, http: Session) -> None:
    """Their list knows no "since"."""
    connector = opened(http)
    since = connector.start(NOW - timedelta(hours=2))
    crm.on(
        "/leads/archived",
        page(
            a_lead("1", "2026-11-24T09:00:00Z", is_archived=True),
            a_lead("2", "2026-11-24T07:00:00Z", is_archived=True),
            more=True,
        ),
    )

    told = [it for page in connector.changes(since, NOW) for it in page.facts]

    assert [it.ref.deal and it.ref.deal.id for it in told] == ["1"]
    assert [it["sort"] for it in crm.queries("/leads/archived")] == ["update_time DESC"]


def test_the_slow_lists_go_back_by_the_overlap_too(crm: Answers, http: Session) -> None:
    connector = opened(http, push={"as": "deal"})
    list(connector.changes(connector.start(NOW - timedelta(hours=2)), NOW))

    windows = [it["updated_since"] for it in crm.queries("/v2/deals")]
    assert windows == ["2026-11-24T07:50:00Z"] * 3


def changed(time: str, key: str, old: str | None, new: str) -> dict[str, Any]:
    return {"field_key": key, "old_value": old, "new_value": new, "time": time, "actor_user_id": 1}


def test_the_changelog_is_read_to_its_end_and_sorted(crm: Answers, http: Session) -> None:
    """It comes newest first, in naive UTC, with much that is no stage, and perhaps with the deal's creation."""
    times = {"add_time": "2026-11-01T08:00:00Z", "update_time": "2026-11-03T08:00:00Z"}
    crm.on("/v2/deals", page(deal(1, status="won", stage_id=4, won_time="2026-11-03T08:00:00Z", **times)))
    crm.on(
        "/changelog",
        page(
            changed("2026-11-03 08:00:00", "status", "open", "won"),
            changed("2026-11-03 08:00:00", "title", "a", "b"),
            cursor="x",
        ),
        page(
            changed("2026-11-02 08:00:00", "stage_id", "3", "4"), changed("2026-11-01 08:00:00", "stage_id", None, "3")
        ),
    )

    told = opened(http, push={"as": "deal"}).history([RemoteId(type="deal", id="1")])

    assert [(it.stage, it.outcome, f"{it.at:%m-%d}") for it in told] == [
        ("3", "open", "11-01"),
        ("4", "open", "11-02"),
        ("won", "won", "11-03"),
    ]


def test_of_two_changes_within_one_second_the_one_that_is_told_first_came_last(crm: Answers, http: Session) -> None:
    """Applied the wrong way round, a deal that was won and reopened at once would hide that it was won again later."""
    times = {"add_time": "2026-11-01T08:00:00Z", "update_time": "2026-11-03T08:00:00Z"}
    crm.on("/v2/deals", page(deal(1, status="won", stage_id=3, won_time="2026-11-03T08:00:00Z", **times)))
    crm.on(
        "/changelog",
        page(
            changed("2026-11-03 08:00:00", "status", "open", "won"),
            changed("2026-11-02 08:00:00", "status", "won", "open"),
            changed("2026-11-02 08:00:00", "status", "open", "won"),
        ),
    )

    told = opened(http, push={"as": "deal"}).history([RemoteId(type="deal", id="1")])

    assert [(it.stage, f"{it.at:%m-%d}") for it in told] == [("3", "11-01"), ("won", "11-03")]


def test_a_past_that_is_kept_from_us_ends_with_the_present(crm: Answers, http: Session) -> None:
    crm.on("/v2/deals", page(deal(1, status="lost", lost_time="2026-11-02T08:00:00Z")))
    crm.on("/changelog", page(changed("2026-11-02 08:00:00", "stage_id", "2", "3")))

    told = opened(http, push={"as": "deal"}).history([RemoteId(type="deal", id="1")])

    assert [it.stage for it in told] == ["2", "3", "lost"]
    assert sorted({it.version for it in told}) == [it.version for it in told]


def test_a_changelog_that_knows_more_than_the_deal_that_was_read_is_believed(crm: Answers, http: Session) -> None:
    crm.on("/v2/deals", page(deal(1)))
    crm.on("/changelog", page(changed("2026-11-24 09:30:00", "status", "open", "won")))

    told = opened(http, push={"as": "deal"}).history([RemoteId(type="deal", id="1")])

    assert [it.stage for it in told] == ["3", "won"]


def test_a_deal_that_went_away_before_its_changelog_was_read_is_told_as_it_stood(crm: Answers, http: Session) -> None:
    crm.on("/v2/deals", page(deal(1)))
    crm.on("/changelog", (404, refusal("Deal not found")))

    assert [it.stage for it in opened(http, push={"as": "deal"}).history([RemoteId(type="deal", id="1")])] == ["3"]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"company_domain": None},
        {"company_domain": "acme.pipedrive.com"},
        {"company_domain": "https://acme"},
        {"base_url": "http://crm.example.com"},
        {"push": {"as": "contact"}},
        {"push": {"as": "lead", "stage": "3"}},
        {"push": {"as": "deal", "pipeline": "Sales"}},
        {"push": {"as": "deal", "owner": "somebody"}},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_pipedrive_is_polled_every_five_minutes_as_every_minute_would_spend_half_a_small_budget() -> None:
    assert settings().poll.every == timedelta(minutes=5)


def test_a_user_who_is_no_admin_is_warned_of(crm: Answers, http: Session) -> None:
    """What that user may not see looks like no change."""
    crm.on("/users/me", {"success": True, "data": {"company_id": 7, "company_name": "Acme", "is_admin": 0}})
    crm.on("/pipelines", page({"id": 1}))

    account = opened(http, push={"as": "deal"}).check()

    assert (account.name, account.id) == ("Acme", "7")
    assert any("no admin" in warning for warning in account.warnings)


@pytest.mark.parametrize("type_", ["double", "enum", "date"])
def test_our_id_needs_a_field_of_text_that_can_be_searched(crm: Answers, http: Session, type_: str) -> None:
    crm.on("/dealFields", page(custom(DEAL_KEY, "Referral ID", type_)))

    with pytest.raises(Misconfigured) as caught:
        opened(http).check()

    assert (caught.value.yaml_path, caught.value.hint) == (
        "push.referral_id",
        "make it a custom field of the type text",
    )


def test_a_deleted_stage_is_no_stage(crm: Answers, http: Session) -> None:
    crm.on("/pipelines", page({"id": 1}))
    crm.on("/stages", page({"id": 3, "pipeline_id": 1, "name": "A"}, {"id": 4, "pipeline_id": 1, "is_deleted": True}))

    assert [it.id for it in opened(http, push={"as": "deal"}).stages()] == ["3", "won", "lost"]
