"""The Salesforce connector, against answers that bit others, and at its settings."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import jwt as pyjwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from syncd.contract import (
    Connector,
    ConnectorError,
    Gone,
    KeepsHistory,
    Lead,
    Misconfigured,
    Parked,
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
from syncd_connectors.salesforce import Salesforce, SalesforceSettings, connector
from tests.connectors.salesforce_leads import SECRET, lead, settings

HOST = "https://acme.my.salesforce.com"
TOKEN = "token-1"
NOW = "Tue, 24 Nov 2026 10:00:00 GMT"
DEALS = {"as": "contact_opportunity"}
LEAD, CONTACT, DEAL = "00Q000000000001AAA", "003000000000001AAA", "006000000000001AAA"

# --- a Salesforce of a few answers -----------------------------------------------------------------------------------

Reply = tuple[int, Any]


class Org:
    """Answers as scripted; what is not scripted signs in, finds nothing and takes every record."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.requests: list[requests.PreparedRequest] = []
        self._script: list[tuple[str, list[Any]]] = []
        for method in ("GET", "POST", "PATCH"):
            mock.add_callback(method, re.compile(r"https?://.*"), self._answer)

    def on(self, pattern: str, *replies: Any) -> None:
        """Answer calls whose method and URL match, reply by reply; the last one stays."""
        self._script.insert(0, (pattern, list(replies)))

    def calls(self, pattern: str) -> list[requests.PreparedRequest]:
        return [it for it in self.requests if re.search(pattern, _shown(it))]

    def bodies(self, pattern: str) -> list[Any]:
        return [json.loads(it.body or b"null") for it in self.calls(pattern)]

    def queries(self, pattern: str = "") -> list[str]:
        found = [parse_qs(urlsplit(it.url or "").query)["q"][0] for it in self.calls(r"/query(All)?/\?")]
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
        kind = "text/html" if text[:1] in {"<", "\n"} else "application/json;charset=UTF-8"
        return status, {"Content-Type": kind, "Date": NOW, "Sforce-Limit-Info": "api-usage=18/15000"}, text


def _shown(request: requests.PreparedRequest) -> str:
    return f"{request.method} {unquote_plus(request.url or '')}"


def _by_default(request: requests.PreparedRequest) -> Reply:
    if "/oauth2/token" in str(request.url):
        return 200, session()
    if str(request.url).endswith("/describe"):
        return 200, {"fields": []}
    if request.method == "GET":
        return 200, rows()
    records = json.loads(request.body or b"{}")["records"]
    return 200, [
        {"id": f"00Q00000000000{n}AAA", "success": True, "errors": [], "created": True}
        for n, _ in enumerate(records, 1)
    ]


def session(token: str = TOKEN, instance: str = HOST) -> dict[str, str]:
    return {"access_token": token, "instance_url": instance, "token_type": "Bearer"}


def rows(*records: dict[str, Any]) -> dict[str, Any]:
    return {"totalSize": len(records), "done": True, "records": list(records)}


def record(kind: str, id_: str, at: str = "2026-11-24T09:00:00.250+0000", **values: Any) -> dict[str, Any]:
    common = {"attributes": {"type": kind}, "Id": id_, "SystemModstamp": at, "IsDeleted": False}
    own: dict[str, Any] = {"Contact": {"MasterRecordId": None}}.get(kind, {})
    if kind == "Lead":
        own = {"MasterRecordId": None, "Status": "New", "IsConverted": False}
        own |= {"ConvertedContactId": None, "ConvertedOpportunityId": None}
    if kind == "Opportunity":
        own = {"StageName": "Prospecting", "IsClosed": False, "IsWon": False, "Amount": None}
    return common | own | values


def failed(code: str, message: str = "no", *fields: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def error(code: str, message: str = "no") -> list[dict[str, str]]:
    return [{"errorCode": code, "message": message}]


@pytest.fixture
def org() -> Iterator[Org]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Org(mock)


@pytest.fixture
def salesforce(org: Org, http: Session) -> Salesforce:
    return Salesforce.open(settings(), http)


@pytest.fixture
def with_deals(org: Org, http: Session) -> Salesforce:
    return Salesforce.open(settings(**{"as": "contact_opportunity"}), http)


def verdict_of(salesforce: Salesforce, *leads: Lead) -> Pushed | ConnectorError:
    [verdict] = salesforce.push(leads or [lead()])
    return verdict


def told(connector_: Salesforce, until: datetime | None = None) -> list[StageFact | Gone]:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    return [fact for page in connector_.changes(connector_.start(at), until or at) for fact in page.facts]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["acme.my", "ACME.my.salesforce.com", "acme--dev.sandbox.my", "acme"])
def test_a_domain_is_a_host_with_or_without_its_ending(domain: str) -> None:
    assert settings(domain=domain).domain == domain.lower().removesuffix(".salesforce.com")


@pytest.mark.parametrize(
    "domain", ["https://acme.my", "acme.my/x", "acme.my:443", "a b", "", ".my", "a@example.com", "acme.my?x"]
)
def test_a_domain_that_is_no_host_is_refused(domain: str) -> None:
    with pytest.raises(ValidationError, match="My Domain without https"):
        settings(domain=domain)


@pytest.mark.parametrize("name", ["username", "password", "security_token"])
def test_a_password_is_refused_with_the_reason_and_the_date_and_is_not_repeated(name: str) -> None:
    with pytest.raises(ValidationError, match="Summer '27") as caught:
        settings(**{name: "hunter2"})

    assert caught.value.errors()[0]["loc"] == (name,)
    assert "hunter2" not in str(caught.value)


def test_the_schema_does_not_offer_what_is_refused() -> None:
    properties = SalesforceSettings.model_json_schema()["properties"]

    assert not {"username", "password", "security_token"} & properties.keys()


@pytest.mark.parametrize(
    "given",
    [
        {"client_secret": None},
        {"client_id": None},
        {"client_id": None, "client_secret": None},
        {
            "client_id": "x",
            "jwt": {"username": "u@example.com", "client_id": "x", "key": "-----BEGIN PRIVATE KEY-----"},
        },
        {"domain": "login"},
    ],
)
def test_exactly_one_whole_credential_is_needed_and_the_apps_own_one_needs_the_orgs_domain(
    given: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError, match="client_id and client_secret"):
        settings(**given)


@pytest.mark.parametrize("version", ["v66.0", "66", "45.0", "66.0 ", "6.0"])
def test_an_api_version_that_cannot_work_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match="api_version"):
        settings(api_version=version)


def test_the_name_of_the_unique_field_cannot_smuggle_a_query() -> None:
    with pytest.raises(ValidationError, match="referral_id"):
        settings(push={"referral_id": "Id FROM User"})


def test_a_key_that_is_no_key_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="PEM") as caught:
        settings(jwt={"username": "u@example.com", "client_id": "x", "key": "secrets/sf.pem"})

    assert "sf.pem" not in str(caught.value)


def test_readings_overlap_by_a_quarter_of_an_hour_unless_said_otherwise() -> None:
    assert settings().poll.overlap == timedelta(minutes=15)
    assert settings(poll={"overlap": "1h"}).poll.overlap == timedelta(hours=1)


def test_it_is_a_connector_that_keeps_history(salesforce: Salesforce) -> None:
    typed: type[Connector] = connector  # the type checker compares every signature

    assert typed is Salesforce
    assert isinstance(salesforce, Connector)
    assert isinstance(salesforce, KeepsHistory)


def test_opening_calls_nobody(salesforce: Salesforce, org: Org) -> None:
    assert org.requests == []


# --- signing in ------------------------------------------------------------------------------------------------------


def test_an_app_signs_in_by_its_own_credentials_once_for_all_calls(salesforce: Salesforce, org: Org) -> None:
    salesforce.push([lead(1)])
    salesforce.push([lead(2)])

    [signing_in] = org.calls("oauth2/token")
    assert signing_in.url == f"{HOST}/services/oauth2/token"
    assert signing_in.body == "grant_type=client_credentials"
    assert signing_in.headers["Authorization"].startswith("Basic ")
    assert {it.headers["Authorization"] for it in org.calls("/services/data/")} == {"Bearer token-1"}


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, nothing).decode()


def public_half(pem: str) -> rsa.RSAPublicKey:
    private = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return private.public_key()


@pytest.mark.parametrize("domain", ["acme.my", "login"])
def test_a_certificate_signs_in_as_its_user(org: Org, http: Session, pem: str, domain: str) -> None:
    jwt = {"username": "robot@example.com", "client_id": "3MVG9.app", "key": pem}
    Salesforce.open(settings(domain=domain, jwt=jwt), http).push([lead()])

    [signing_in] = org.calls("oauth2/token")
    form = parse_qs(str(signing_in.body))
    assert signing_in.url == f"https://{domain}.salesforce.com/services/oauth2/token"
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = pyjwt.decode(
        form["assertion"][0], public_half(pem), algorithms=["RS256"], audience=f"https://{domain}.salesforce.com"
    )
    assert (claims["iss"], claims["sub"]) == ("3MVG9.app", "robot@example.com")


def test_a_broken_key_is_named_and_not_repeated(org: Org, http: Session) -> None:
    jwt = {
        "username": "robot@example.com",
        "client_id": "x",
        "key": "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
    }
    with pytest.raises(Misconfigured) as caught:
        Salesforce.open(settings(jwt=jwt), http).push([lead()])

    assert caught.value.yaml_path == "jwt.key"
    assert "abc" not in _whole_text(caught.value)


@pytest.mark.parametrize(
    ("reply", "kind", "path"),
    [
        (
            (400, {"error": "invalid_client", "error_description": "invalid client credentials"}),
            Unauthorized,
            "client_secret",
        ),
        (
            (400, {"error": "invalid_client_id", "error_description": "client identifier invalid"}),
            Unauthorized,
            "client_id",
        ),
        (
            (400, {"error": "invalid_grant", "error_description": "no client credentials user enabled"}),
            Unauthorized,
            "client_secret",
        ),
        ((503, "<html>Down for maintenance</html>"), Transient, None),
        ((200, "<html>Down for maintenance</html>"), Transient, None),
        ((429, {"error": "rate"}), Throttled, None),
        ((500, {"error": "server_error"}), Transient, None),
        ((400, {"error": "unknown_error", "error_description": "retry your request"}), Transient, None),
        ((400, {"error": "login_rate_exceeded"}), Throttled, None),
        ((200, {"access_token": "x"}), Transient, None),
        ((200, ["token"]), Transient, None),
        ((200, '{"access_token": "y", ' + json.dumps(session())[1:]), Transient, None),
        ((200, '{"took": 1e99999999999999999999, ' + json.dumps(session())[1:]), Transient, None),
        ((400, '{"took": 1e99999999999999999999}'), Transient, None),
        ((200, {"instance_url": HOST}), Transient, None),
        ((200, session(instance="https://evil.example/x?")), Transient, None),
        ((200, session(token="a\r\nX-Y: z")), Transient, None),
        ((302, "<html/>"), Misconfigured, "domain"),
    ],
)
def test_a_sign_in_that_fails_tells_an_outage_from_a_refusal(
    salesforce: Salesforce, org: Org, reply: Reply, kind: type[Exception], path: str | None
) -> None:
    org.on("oauth2/token", reply)

    with pytest.raises(ConnectorError) as caught:
        salesforce.push([lead()])

    assert type(caught.value) is kind
    assert getattr(caught.value, "yaml_path", None) == path
    assert SECRET not in _whole_text(caught.value)
    assert org.calls("/services/data/") == []


@pytest.mark.parametrize(
    ("code", "path"), [("invalid_grant", "jwt"), ("invalid_client_id", "jwt.client_id"), ("invalid_app_access", "jwt")]
)
def test_a_certificate_that_is_refused_is_named(org: Org, http: Session, pem: str, code: str, path: str) -> None:
    org.on("oauth2/token", (400, {"error": code, "error_description": "user hasn't approved this consumer"}))
    jwt = {"username": "robot@example.com", "client_id": "x", "key": pem}

    with pytest.raises(Unauthorized) as caught:
        Salesforce.open(settings(jwt=jwt), http).push([lead()])

    assert (caught.value.yaml_path, caught.value.hint) == (path, "user hasn't approved this consumer")


def _whole_text(problem: BaseException) -> str:
    """Give all that a log would show of an error, its causes included."""
    text, link = "", problem
    while link:
        text += f"{link} {link!r} {getattr(link, 'hint', '')}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)  # type: ignore[assignment]
    return text


EXPIRED = (401, error("INVALID_SESSION_ID", "Session expired or invalid"))


@pytest.mark.parametrize("body", [error("INVALID_SESSION_ID"), {"message": "no list"}, "<html/>", ""])
def test_an_ended_session_is_renewed_once_whatever_the_refusal_looks_like(
    salesforce: Salesforce, org: Org, body: Any
) -> None:
    org.on("oauth2/token", (200, session("token-1")), (200, session("token-2")))
    org.on("/query/", (401, body), (200, rows()))

    assert isinstance(verdict_of(salesforce), Pushed)
    assert len(org.calls("oauth2/token")) == 2
    assert org.requests[-1].headers["Authorization"] == "Bearer token-2"


def test_a_session_that_is_refused_for_ever_costs_two_sign_ins_and_two_calls(salesforce: Salesforce, org: Org) -> None:
    org.on("/services/data/", EXPIRED)

    with pytest.raises(Unauthorized, match="refuses our session"):
        salesforce.push([lead()])

    assert (len(org.calls("oauth2/token")), len(org.calls("/services/data/"))) == (2, 2)


def test_the_sdks_client_has_no_way_to_sign_in_by_itself(salesforce: Salesforce, org: Org) -> None:
    salesforce.push([lead()])

    assert salesforce._door.client()._salesforce_login_partial is None


def test_after_a_move_to_another_instance_the_old_one_is_not_called(salesforce: Salesforce, org: Org) -> None:
    org.on("oauth2/token", (200, session("token-1", HOST)), (200, session("token-2", "https://eu99.salesforce.com")))
    org.on("GET https://acme.my.salesforce.com/services/data/", EXPIRED)

    pushed = verdict_of(salesforce)

    assert isinstance(pushed, Pushed)
    assert pushed.ref.url == "https://eu99.salesforce.com/00Q000000000001AAA"
    assert len(org.calls("acme.my.salesforce.com/services/data/")) == 1


def test_threads_that_find_a_session_ended_renew_it_together(salesforce: Salesforce, org: Org) -> None:
    org.on("oauth2/token", (200, session("token-1")), (200, session("token-2")))
    salesforce.push([lead()])  # with the first session
    all_have_failed = threading.Barrier(4, timeout=10)

    def old_or_new(request: requests.PreparedRequest) -> Reply:
        if request.headers["Authorization"] == "Bearer token-1":
            all_have_failed.wait()
            return EXPIRED
        return 200, rows()

    org.on("/query/", old_or_new)
    verdicts: list[Any] = []
    threads = [threading.Thread(target=lambda n=n: verdicts.append(verdict_of(salesforce, lead(n)))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [type(it) for it in verdicts] == [Pushed] * 4
    assert len(org.calls("oauth2/token")) == 2


def test_a_netrc_file_does_not_replace_the_token(
    salesforce: Salesforce, org: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine acme.my.salesforce.com login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    salesforce.push([lead()])

    assert org.requests[-1].headers["Authorization"] == "Bearer token-1"


def test_everything_goes_to_the_base_url_with_its_path(org: Org, http: Session) -> None:
    base = "http://127.0.0.1:9/salesforce"
    here = Salesforce.open(settings(base_url=base), http)
    org.on(
        "/query/.* FROM Lead WHERE",
        (
            200,
            {
                **rows(record("Lead", LEAD)),
                "totalSize": 2,
                "done": False,
                "nextRecordsUrl": "/services/data/v66.0/query/01g-1",
            },
        ),
    )

    pushed = verdict_of(here)

    assert {str(it.url)[: len(base)] for it in org.requests} == {base}
    assert f"GET {base}/services/data/v66.0/query/01g-1" in [_shown(it) for it in org.requests]
    assert isinstance(pushed, Pushed)
    assert str(pushed.ref.url).startswith(f"{HOST}/00Q")  # where people are, not where we call


# --- leads go out ----------------------------------------------------------------------------------------------------


def test_a_friend_becomes_a_lead_by_an_upsert_of_our_id(org: Org, http: Session) -> None:
    here = Salesforce.open(settings(fields={"LeadSource": {"text": "Referral"}}), http)
    pushed = verdict_of(here, lead(first_name="Ann", phone="1", fields={"LeadSource": "Referral", "Title": ""}))

    [body] = org.bodies("PATCH .*/services/data/v66.0/composite/sobjects/Lead/Referral_Id__c$")
    assert body == {
        "allOrNone": False,
        "records": [
            {
                "attributes": {"type": "Lead"},
                "Email": "friend1@example.com",
                "FirstName": "Ann",
                "LastName": "Archer",
                "Phone": "1",
                "Company": "Acme",
                "LeadSource": "Referral",
                "Referral_Id__c": "ref_1",
            }
        ],
    }
    record_ = RemoteId(type="Lead", id=LEAD)
    assert pushed == Pushed(
        lead="ref_1", ref=RemoteRef(person=record_, deal=record_, url=f"{HOST}/{LEAD}"), created=True
    )


def test_an_id_of_ours_is_never_a_piece_of_a_query(salesforce: Salesforce, org: Org) -> None:
    odd = replace(lead(), id="a\\' OR Name != 'b")

    salesforce.push([odd])

    assert org.queries()[0].endswith(r"WHERE Referral_Id__c IN ('a\\\' OR Name != \'b')")


def test_names_that_salesforce_requires_and_nobody_gave_are_stood_in_for(salesforce: Salesforce, org: Org) -> None:
    salesforce.push([lead(last_name=None, company=None)])

    [body] = org.bodies("PATCH")
    assert (body["records"][0]["LastName"], body["records"][0]["Company"]) == ("Unknown", "[not provided]")


def test_two_hundred_leads_cost_one_reading_and_one_writing_call(
    salesforce: Salesforce, org: Org, http: Session
) -> None:
    verdicts = salesforce.push([lead(number) for number in range(200)])

    assert [type(it) for it in verdicts] == [Pushed] * 200
    assert (http.calls["writes"], http.calls["reads"]) == (2, 1)  # one of the writes is the sign-in


def test_a_lead_that_is_there_is_left_as_sales_has_it(salesforce: Salesforce, org: Org) -> None:
    org.on("FROM Lead", (200, rows(record("Lead", LEAD, Referral_Id__c="ref_1", Status="Working"))))

    pushed = verdict_of(salesforce)

    assert isinstance(pushed, Pushed)
    assert (pushed.created, pushed.ref.deal) == (False, RemoteId(type="Lead", id=LEAD))
    assert org.calls("PATCH") == []


def test_a_converted_lead_is_where_its_contact_and_its_opportunity_are(salesforce: Salesforce, org: Org) -> None:
    converted: dict[str, Any] = {"IsConverted": True, "ConvertedContactId": CONTACT, "ConvertedOpportunityId": DEAL}
    org.on("FROM Lead", (200, rows(record("Lead", LEAD, Referral_Id__c="ref_1", **converted))))

    pushed = verdict_of(salesforce)

    assert isinstance(pushed, Pushed)
    assert (pushed.ref.person, pushed.ref.deal) == (
        RemoteId(type="Contact", id=CONTACT),
        RemoteId(type="Opportunity", id=DEAL),
    )


@pytest.mark.parametrize("code", ["CANNOT_UPDATE_CONVERTED_LEAD", "DUPLICATE_VALUE"])
def test_what_arrived_between_our_reading_and_writing_has_arrived(salesforce: Salesforce, org: Org, code: str) -> None:
    org.on("FROM Lead", (200, rows()), (200, rows(record("Lead", LEAD, Referral_Id__c="ref_1"))))
    org.on("PATCH", (200, [failed(code)]))

    pushed = verdict_of(salesforce)

    assert isinstance(pushed, Pushed)
    assert (pushed.created, pushed.ref.person) == (False, RemoteId(type="Lead", id=LEAD))


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        (failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), Transient, "UNABLE_TO_LOCK_ROW"),
        (failed("DUPLICATES_DETECTED", "Use one of these records?"), Rejected, "push.duplicates"),
        (failed("DUPLICATE_VALUE", "duplicate value found: Tax__c", "Tax__c"), Rejected, "Tax__c"),
        (failed("DUPLICATE_EXTERNAL_ID", "Referral_Id__c: more than one record found"), Rejected, "more than one"),
        (
            failed("REQUIRED_FIELD_MISSING", "Required fields are missing: [Region__c]", "Region__c"),
            Rejected,
            "Region__c",
        ),
        (failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Phone: give one", "Phone"), Rejected, "Phone: give one"),
        (
            failed("INVALID_EMAIL_ADDRESS", "Email: invalid: friend1@example.com", "Email"),
            Rejected,
            "INVALID_EMAIL_ADDRESS (Email)",
        ),
        (failed("STRING_TOO_LONG", "Company: data value too large: Acme", "Company"), Rejected, "too large: …"),
        (failed("ENTITY_IS_DELETED"), Rejected, "ENTITY_IS_DELETED"),
        (failed("CANNOT_UPDATE_CONVERTED_LEAD"), Transient, "could not be read"),
        (failed("INSUFFICIENT_ACCESS_OR_READONLY"), Misconfigured, "INSUFFICIENT"),
        ({"success": False, "errors": []}, Rejected, "no code"),
    ],
)
def test_a_row_that_fails_has_its_own_verdict_and_its_neighbour_arrives(
    salesforce: Salesforce, org: Org, row: dict[str, Any], kind: type[Exception], text: str
) -> None:
    org.on("PATCH", (200, [row, {"id": LEAD, "success": True, "errors": [], "created": True}]))

    first, second = salesforce.push([lead(1), lead(2)])

    assert type(first) is kind
    assert text in str(first)
    assert "example.com" not in str(first)
    assert isinstance(second, Pushed)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (
            failed("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: Region__c", "Region__c"),
            "push.fields.Region__c",
        ),
        (failed("INSUFFICIENT_ACCESS_OR_READONLY"), "push.as"),
        (failed("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"), "type"),
    ],
)
def test_what_every_lead_fails_of_stops_the_connector(org: Org, http: Session, row: Any, path: str) -> None:
    org.on("PATCH", (200, [row, row]))
    here = Salesforce.open(settings(fields={"Region__c": "referral.code"}), http)

    with pytest.raises(Misconfigured) as caught:
        here.push([lead(1), lead(2)])

    assert caught.value.yaml_path == path


@pytest.mark.parametrize(
    ("status", "body", "path"),
    [
        (400, error("INVALID_FIELD", "No such column 'Region__c' on sobject of type Lead"), "push.fields.Region__c"),
        (
            404,
            error("NOT_FOUND", "Provided external ID field does not exist or is not accessible: X"),
            "push.referral_id",
        ),
        (400, error("INVALID_TYPE", "sObject type 'Lead' is not supported."), "push.as"),
        (403, error("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner"), "client_id"),
        (403, error("INSUFFICIENT_ACCESS", "no"), "client_id"),
        (410, error("GONE", "version retired"), "api_version"),
        (404, "<html/>", "base_url"),
        (404, error("UNSUPPORTED_API_VERSION"), "api_version"),
        (301, "", "base_url"),
        (414, "", "type"),
        (415, error("UNSUPPORTED_MEDIA_TYPE"), "type"),
    ],
)
def test_a_call_that_the_settings_doom_stops_the_connector_at_once(
    org: Org, http: Session, status: int, body: Any, path: str
) -> None:
    org.on("PATCH", (status, body))
    here = Salesforce.open(settings(fields={"Region__c": "referral.code"}), http)

    with pytest.raises(Misconfigured) as caught:
        here.push([lead(number) for number in range(8)])

    assert caught.value.yaml_path == path
    assert len(org.calls("PATCH")) == 1


@pytest.mark.parametrize(("status", "body"), [(400, error("JSON_PARSER_ERROR", "bad value")), (300, ["/x/1", "/x/2"])])
def test_a_batch_that_is_refused_as_a_whole_goes_in_halves_down_to_the_row_at_fault(
    salesforce: Salesforce, org: Org, status: int, body: Any
) -> None:
    def answer(request: requests.PreparedRequest) -> Reply:
        return (status, body) if "ref_3" in str(request.body) else _by_default(request)

    org.on("PATCH", answer)
    verdicts = salesforce.push([lead(number) for number in range(8)])

    assert [type(it) for it in verdicts] == [Rejected if number == 3 else Pushed for number in range(8)]


@pytest.mark.parametrize(
    "reply",
    [
        (200, []),
        (200, [{"id": LEAD, "success": True, "created": True}] * 2),
        (200, [{"success": True, "created": True}]),
        (200, ["yes"]),
        (200, {}),
        (200, '[{"id": "00Q", "succ'),
        (200, f'[{{"id": "{LEAD}", "success": false, "success": true, "created": true, "errors": []}}]'),
        (200, f'[{{"id": "{LEAD}", "success": true, "created": true, "took": 1e99999999999999999999}}]'),
        (200, "<html>Down for maintenance</html>"),
        (204, ""),
        (500, error("UNKNOWN_EXCEPTION")),
        (503, "<html/>"),
        (420, ""),
        (409, error("CONFLICT")),
        (403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")),
    ],
)
def test_an_answer_that_says_nothing_certain_means_again_later_and_is_not_repeated_by_itself(
    salesforce: Salesforce, org: Org, reply: Reply
) -> None:
    org.on("PATCH", reply)

    with pytest.raises(Transient):
        salesforce.push([lead()])

    assert len(org.calls("PATCH")) == 1


def test_a_day_without_calls_left_parks_the_connector_for_a_quarter_of_an_hour(
    salesforce: Salesforce, org: Org
) -> None:
    org.on("/services/data/", (403, error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")))

    with pytest.raises(Parked) as caught:
        salesforce.push([lead()])

    assert caught.value.until == datetime(2026, 11, 24, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(("duplicates", "header"), [("report", None), ("allow", "allowSave=true")])
def test_duplicate_rules_are_passed_over_only_where_the_admin_says_so(
    org: Org, http: Session, duplicates: str, header: str | None
) -> None:
    Salesforce.open(settings(duplicates=duplicates), http).push([lead()])

    assert org.calls("PATCH")[0].headers.get("Sforce-Duplicate-Rule-Header") == header


def test_an_advocate_becomes_a_contact_only(salesforce: Salesforce, org: Org) -> None:
    org.on("PATCH", (200, [{"id": CONTACT, "success": True, "errors": [], "created": True}]))
    pushed = verdict_of(salesforce, lead(role="advocate", fields={"Company": "Acme", "Contact.Title": "Dr"}))

    [body] = org.bodies("PATCH .*/composite/sobjects/Contact/Referral_Id__c$")
    assert body["records"][0] == {
        "attributes": {"type": "Contact"},
        "Email": "friend1@example.com",
        "LastName": "Archer",
        "Title": "Dr",
        "Referral_Id__c": "ref_1",
    }
    assert isinstance(pushed, Pushed)
    assert (pushed.ref.person, pushed.ref.deal) == (RemoteId(type="Contact", id=CONTACT), None)


def test_a_friend_becomes_a_contact_with_an_opportunity_in_which_it_has_a_role(org: Org, http: Session) -> None:
    here = Salesforce.open(settings(**{"as": "contact_opportunity", "close_in": "10d", "stage": "Qualification"}), http)
    org.on("PATCH .*Contact", (200, [{"id": CONTACT, "success": True, "errors": [], "created": False}]))
    org.on("PATCH .*Opportunity", (200, [{"id": DEAL, "success": True, "errors": [], "created": True}]))
    pushed = verdict_of(here, lead(fields={"Opportunity.Description": "From a friend"}))

    [deal] = org.bodies("PATCH .*/composite/sobjects/Opportunity/Referral_Id__c$")
    [role] = org.bodies("POST .*/composite/sobjects$")
    assert deal["records"] == [
        {
            "attributes": {"type": "Opportunity"},
            "Name": "Referral CODE1",
            "StageName": "Qualification",
            "CloseDate": "2026-12-04",
            "Description": "From a friend",
            "Referral_Id__c": "ref_1",
        }
    ]
    assert role["records"] == [
        {"attributes": {"type": "OpportunityContactRole"}, "OpportunityId": DEAL, "ContactId": CONTACT}
    ]
    assert isinstance(pushed, Pushed)
    assert pushed.ref == RemoteRef(
        person=RemoteId(type="Contact", id=CONTACT), deal=RemoteId(type="Opportunity", id=DEAL), url=f"{HOST}/{DEAL}"
    )
    assert pushed.created


def test_a_deal_that_is_there_is_not_written_and_a_role_that_is_there_is_not_made_again(
    with_deals: Salesforce, org: Org
) -> None:
    org.on("FROM Contact", (200, rows(record("Contact", CONTACT, Referral_Id__c="ref_1"))))
    org.on("FROM Opportunity WHERE", (200, rows(record("Opportunity", DEAL, Referral_Id__c="ref_1"))))
    org.on("FROM OpportunityContactRole", (200, rows({"OpportunityId": DEAL, "ContactId": CONTACT})))

    pushed = verdict_of(with_deals)

    assert isinstance(pushed, Pushed)
    assert not pushed.created
    assert org.calls("PATCH|POST .*composite") == []


def test_a_push_that_broke_off_before_the_role_was_made_makes_it(with_deals: Salesforce, org: Org) -> None:
    org.on("FROM Contact", (200, rows(record("Contact", CONTACT, Referral_Id__c="ref_1"))))
    org.on("FROM Opportunity WHERE", (200, rows(record("Opportunity", DEAL, Referral_Id__c="ref_1"))))

    assert isinstance(verdict_of(with_deals), Pushed)
    assert len(org.calls("POST .*composite")) == 1
    assert org.calls("PATCH") == []


@pytest.mark.parametrize(
    ("call", "row", "kind"),
    [
        ("PATCH .*Opportunity", failed("FIELD_CUSTOM_VALIDATION_EXCEPTION"), Rejected),
        ("POST .*composite", failed("UNABLE_TO_LOCK_ROW"), Transient),
    ],
)
def test_a_lead_arrives_when_its_last_part_has(
    with_deals: Salesforce, org: Org, call: str, row: Any, kind: type
) -> None:
    org.on(call, (200, [row]))

    assert type(verdict_of(with_deals)) is kind


def test_a_stage_that_is_none_is_the_settings_fault(with_deals: Salesforce, org: Org) -> None:
    org.on("PATCH .*Opportunity", (200, [failed("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value", "StageName")]))

    with pytest.raises(Misconfigured) as caught:
        with_deals.push([lead()])

    assert caught.value.yaml_path == "push.stage"


def test_a_lead_that_was_merged_into_another_is_found_by_its_old_id(salesforce: Salesforce, org: Org) -> None:
    old, new = "00Q000000000007AAA", "00Q000000000008AAA"
    org.on(rf"queryAll.*'{old}'", (200, rows(record("Lead", old, IsDeleted=True, MasterRecordId=new))))
    org.on(rf"queryAll.*'{new}'", (200, rows(record("Lead", new, Referral_Id__c="ref_9"))))
    known = RemoteRef(person=RemoteId(type="Lead", id=old), deal=RemoteId(type="Lead", id=old))

    pushed = verdict_of(salesforce, lead(known=known))

    assert isinstance(pushed, Pushed)
    assert pushed.ref.deal == RemoteId(type="Lead", id=new)
    assert org.calls("PATCH") == []


# --- stages come back ------------------------------------------------------------------------------------------------


def test_an_idle_poll_is_two_calls_of_a_window_with_its_overlap(salesforce: Salesforce, org: Org) -> None:
    told(salesforce)
    before = len(org.requests)
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    pages = list(salesforce.changes(salesforce.start(at), at + timedelta(minutes=2, milliseconds=250)))

    assert len(org.requests) - before == 2
    for query, kind in zip(org.queries()[-2:], ("Lead", "Opportunity"), strict=True):
        assert f" FROM {kind} WHERE SystemModstamp >= 2026-11-24T09:45:00.000Z" in query
        assert query.endswith(" AND SystemModstamp <= 2026-11-24T10:02:00.250Z ORDER BY SystemModstamp, Id")
    assert all("/queryAll/" in _shown(it) for it in org.requests[before:])
    assert [page.facts for page in pages] == [()]
    assert pages[0].cursor == salesforce.start(at + timedelta(minutes=2, milliseconds=250))


def test_of_contacts_only_the_deleted_ones_are_asked_for(with_deals: Salesforce, org: Org) -> None:
    told(with_deals)

    assert [" WHERE IsDeleted = true AND SystemModstamp" in it for it in org.queries("FROM Contact|FROM Opp")] == [
        True,
        False,
    ]


def test_a_cursor_never_moves_back(salesforce: Salesforce, org: Org) -> None:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

    [page] = salesforce.changes(salesforce.start(at), at - timedelta(hours=1))

    assert page.cursor == salesforce.start(at)


def page(number: int, *records: dict[str, Any], last: bool = False, **other: Any) -> Reply:
    following = {} if last else {"nextRecordsUrl": f"/services/data/v66.0/query/01g{number}-2000"}
    return 200, {"totalSize": 3, "done": last, "records": list(records)} | following | other


def test_every_page_is_followed_and_the_cursor_moves_with_the_last(salesforce: Salesforce, org: Org) -> None:
    ids = [f"00Q00000000000{number}AAA" for number in range(3)]
    org.on("FROM Lead WHERE System", page(1, record("Lead", ids[0])))
    org.on("query/01g1-2000$", page(2, record("Lead", ids[1])))
    org.on("query/01g2-2000$", page(3, record("Lead", ids[2]), last=True))
    start = salesforce.start(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))

    pages = list(salesforce.changes(start, datetime(2026, 11, 24, 10, 1, tzinfo=UTC)))

    assert [fact.ref.deal.id for it in pages for fact in it.facts if fact.ref.deal] == ids
    assert [it.cursor == start for it in pages] == [True, True, True, False]


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}),
        (200, []),
        (200, {"records": []}),
        (200, {"totalSize": 0, "done": "yes", "records": []}),
        (200, {"totalSize": 1, "done": True, "records": [{}]}),
        (200, rows({**record("Lead", LEAD), "SystemModstamp": None})),
        (200, rows({key: it for key, it in record("Lead", LEAD).items() if key != "IsConverted"})),
        (200, "<html>Down for maintenance</html>"),
        (200, '{"totalSize": 0, "done": true, "records": ['),
        (200, '{"totalSize": NaN, "done": true, "records": []}'),
        (200, '{"totalSize": 0, "totalSize": 0, "done": true, "records": []}'),
        (200, '{"totalSize": 1e99999999999999999999, "done": true, "records": []}'),
        (200, '"yes"'),
        (200, '\n{"totalSize": 0, "done": true, "records": []}'),  # from a portal that says it is a web page
        page(1, record("Lead", LEAD), nextRecordsUrl=None),
        page(1, record("Lead", LEAD), nextRecordsUrl=".evil.example/services/data/v66.0/query/01g"),
        page(1, record("Lead", LEAD), nextRecordsUrl="/services/data/v66.0/query/../../x"),
        page(1),
        (400, error("INVALID_QUERY_LOCATOR", "invalid query locator")),
    ],
)
def test_a_poll_never_takes_a_broken_answer_for_no_news(salesforce: Salesforce, org: Org, reply: Reply) -> None:
    org.on("FROM Lead WHERE System|query/01g", reply)

    with pytest.raises(Transient):
        told(salesforce)

    assert not [it for it in org.requests if "evil" in str(it.url)]


def test_a_query_without_end_is_broken_off(salesforce: Salesforce, org: Org) -> None:
    org.on("FROM Lead WHERE System|query/01g", page(1, record("Lead", LEAD)))

    with pytest.raises(Transient):
        told(salesforce)

    assert len(org.calls("query/01g")) <= 3


def test_a_query_that_fails_shows_nothing_of_itself(
    salesforce: Salesforce, org: Org, caplog: pytest.LogCaptureFixture
) -> None:
    query = "SELECT Id FROM Lead WHERE Email = 'friend1@example.com'"
    org.on("FROM Lead", (400, error("MALFORMED_QUERY", f"{query}\n ^\nERROR at Row:1")))

    with caplog.at_level(logging.DEBUG), pytest.raises(Misconfigured) as caught:
        salesforce.push([lead()])

    for shown in (_whole_text(caught.value), caplog.text):
        assert "example.com" not in shown
        assert "token-1" not in shown
        assert "https://" not in shown


def test_a_lead_stands_at_its_status_and_is_open(salesforce: Salesforce, org: Org) -> None:
    org.on("FROM Lead WHERE System", (200, rows(record("Lead", LEAD, Status="Working", Referral_Id__c="ref_1"))))

    own = RemoteId(type="Lead", id=LEAD)
    assert told(salesforce) == [
        StageFact(
            ref=RemoteRef(person=own, deal=own),
            lead="ref_1",
            pipeline="Lead",
            stage="Working",
            outcome="open",
            at=datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=UTC),
            version=1_795_510_800_250,
        )
    ]


@pytest.mark.parametrize(
    ("closed", "won", "outcome"), [(False, False, "open"), (True, True, "won"), (True, False, "lost")]
)
def test_a_deal_is_won_or_lost_by_what_salesforce_says(
    with_deals: Salesforce, org: Org, closed: bool, won: bool, outcome: str
) -> None:
    org.on("describe", (200, {"fields": [{"name": "CurrencyIsoCode"}]}))
    values: dict[str, Any] = {
        "IsClosed": closed,
        "IsWon": won,
        "Amount": 1200.5,
        "CurrencyIsoCode": "EUR",
        "Referral_Id__c": "ref_1",
    }
    org.on("FROM Opportunity WHERE", (200, rows(record("Opportunity", DEAL, StageName="Renamed", **values))))

    [fact] = told(with_deals)

    assert isinstance(fact, StageFact)
    assert (fact.pipeline, fact.stage, fact.outcome) == ("Opportunity", "Renamed", outcome)
    assert (fact.amount, fact.currency, fact.lead) == (120_050, "EUR", "ref_1")


@pytest.mark.parametrize(
    ("currency", "number", "amount"),
    [("JPY", 1200.0, 1200), ("EUR", 19.99, 1999), ("EUR", 0.0, 0), ("EUR", None, None), (None, 1200.0, None)],
)
def test_in_an_org_of_one_currency_the_settings_name_it(
    org: Org, http: Session, currency: str | None, number: float | None, amount: int | None
) -> None:
    here = Salesforce.open(settings(currency=currency, **DEALS), http)
    org.on("FROM Opportunity WHERE", (200, rows(record("Opportunity", DEAL, Amount=number, Referral_Id__c="ref_1"))))

    [fact] = told(here)

    assert isinstance(fact, StageFact)
    assert (fact.amount, fact.currency) == (amount, None if amount is None else currency)
    assert "CurrencyIsoCode" not in org.queries("FROM Opportunity")[0]


def test_ten_thousand_ids_are_asked_for_in_uris_that_salesforce_takes(salesforce: Salesforce, org: Org) -> None:
    ids = [f"00Q{number:012}AAA" for number in range(10_000)]
    told_ = salesforce.look_up([RemoteRef(person=RemoteId(type="Lead", id=id_)) for id_ in ids])

    assert [it.ref.person.id for it in told_ if isinstance(it, Gone) and it.ref.person] == ids
    assert max(len(urlsplit(it.url or "").path + urlsplit(it.url or "").query) for it in org.requests) < 16_384
    assert len(org.queries("FROM Lead")) <= 25


def test_a_thing_that_is_no_salesforce_id_is_not_asked_for(salesforce: Salesforce, org: Org) -> None:
    [gone] = salesforce.look_up([RemoteRef(person=RemoteId(type="Lead", id="x') OR Name LIKE ('%"))])

    assert isinstance(gone, Gone)
    assert gone.why == "invisible"
    assert org.queries("FROM Lead") == []


# --- the start -------------------------------------------------------------------------------------------------------


def described(*fields: str, **flags: Any) -> dict[str, Any]:
    """Describe an object with our unique field and these, `name` or `name:type`; flags are those of the object."""
    key = {"name": "Referral_Id__c", "type": "string", "externalId": True, "unique": True, "createable": True}
    others = [
        {"name": name, "type": type_ or "string", "createable": True, "nillable": True}
        for name, _, type_ in (it.partition(":") for it in fields)
    ]
    return {"createable": True, "updateable": True, "queryable": True, "fields": [key, *others]} | flags


@pytest.fixture
def complete(org: Org) -> Org:
    """An org in which nothing is missing."""
    org.on("describe", (200, described("LastName", "Company", "LeadSource", "Region__c", "Score__c:double")))
    org.on("/services/data/$", (200, [{"version": "65.0"}, {"version": "66.0"}, {"version": "67.0"}]))
    org.on("FROM Organization", (200, rows({"Id": "00D000000000001AAA", "Name": "Acme Inc."})))
    org.on("FROM LeadStatus", (200, rows({"ApiName": "New", "MasterLabel": "Neu"}, {"ApiName": "Working"})))
    stages = [("Prospecting", False, False), ("Closed Won", True, True), ("Closed Lost", True, False)]
    told_ = [{"ApiName": it, "MasterLabel": it, "IsClosed": closed, "IsWon": won} for it, closed, won in stages]
    org.on("FROM OpportunityStage", (200, rows(*told_)))
    return org


def test_a_whole_org_is_named_and_what_was_proved_of_it(complete: Org, salesforce: Salesforce) -> None:
    account = salesforce.check()

    assert (account.name, account.id) == ("Acme Inc.", "00D000000000001AAA")
    assert {"credentials", "API version", "Lead can be written", "Contact can be written", "stages"} < set(
        account.checked
    )
    assert account.warnings == ()


def test_stages_are_known_by_their_api_names_and_by_what_salesforce_calls_won(
    complete: Org, salesforce: Salesforce
) -> None:
    found = {(it.pipeline, it.id): (it.label, it.outcome) for it in salesforce.stages()}

    assert found == {
        ("Lead", "New"): ("Neu", "open"),
        ("Lead", "Working"): ("Working", "open"),
        ("Opportunity", "Prospecting"): ("Prospecting", "open"),
        ("Opportunity", "Closed Won"): ("Closed Won", "won"),
        ("Opportunity", "Closed Lost"): ("Closed Lost", "lost"),
    }


NOT_UNIQUE = [{"name": "Referral_Id__c", "externalId": True, "unique": False, "createable": True}]
NOT_EXTERNAL = [{"name": "Referral_Id__c", "externalId": False, "unique": True, "createable": True}]
READ_ONLY = [{"name": "Referral_Id__c", "externalId": True, "unique": True, "createable": False}]


@pytest.mark.parametrize(
    ("given", "script", "path", "hint"),
    [
        ({"api_version": "68.0"}, None, "api_version", "65.0, 66.0, 67.0"),
        ({}, ("Lead/describe", (404, error("NOT_FOUND"))), "push.as", "permission"),
        ({}, ("Opportunity/describe", (404, error("NOT_FOUND"))), "push.as", "permission"),
        ({}, ("Lead/describe", (200, described(createable=False))), "push.as", "permission"),
        ({}, ("Lead/describe", (200, described(fields=[]))), "push.referral_id", "create it on Lead"),
        ({}, ("Lead/describe", (200, described(fields=NOT_UNIQUE))), "push.referral_id", "unique"),
        ({}, ("Lead/describe", (200, described(fields=NOT_EXTERNAL))), "push.referral_id", "external id"),
        ({}, ("Contact/describe", (200, described(fields=READ_ONLY))), "push.referral_id", "Contact"),
        (DEALS, ("Opportunity/describe", (200, described(fields=[]))), "push.referral_id", "Opportunity"),
        ({"fields": {"Regoin__c": "referral.code"}}, None, "push.fields.Regoin__c", "did you mean Region__c?"),
        ({"fields": {"Lead.Nope": "referral.code"}}, None, "push.fields.Lead.Nope", "create it"),
        ({"fields": {"Score__c": "referral.code"}}, None, "push.fields.Score__c", "text field"),
        ({"fields": {"Opportunity.Name": "friend.name"}}, None, "push.fields.Opportunity.Name", "Lead or Contact"),
        ({"stages": {"Lead": {"Wrking": "meeting"}}}, None, "stages.Lead.Wrking", "New, Working"),
        ({"stages": {"Deal": {"New": "meeting"}}}, None, "stages.Deal", "Lead, Opportunity"),
        (DEALS | {"stage": "Prospect"}, None, "push.stage", "Prospecting, Closed Won"),
    ],
)
def test_a_setting_that_does_not_fit_the_org_is_named_at_the_start(
    complete: Org, http: Session, given: dict[str, Any], script: tuple[str, Reply] | None, path: str, hint: str
) -> None:
    if script:
        complete.on(*script)

    with pytest.raises(Misconfigured) as caught:
        Salesforce.open(settings(**given), http).check()

    assert caught.value.yaml_path == path
    assert hint in caught.value.hint


def test_without_advocates_contacts_need_no_field(complete: Org, http: Session) -> None:
    complete.on("Contact/describe", (404, error("NOT_FOUND")))

    assert Salesforce.open(settings(advocates=False), http).check()


def test_a_required_field_to_which_nothing_is_mapped_is_a_warning(complete: Org, http: Session) -> None:
    lead_ = described("LastName", "Region__c", "OwnerId")
    for it, default in zip(lead_["fields"][1:], (False, False, True), strict=True):
        it |= {"nillable": False, "defaultedOnCreate": default}
    complete.on("Lead/describe", (200, lead_))

    [warning] = Salesforce.open(settings(), http).check().warnings

    assert warning.startswith("Lead.Region__c is required")
    assert Salesforce.open(settings(fields={"Region__c": {"text": "EU"}}), http).check().warnings == ()
