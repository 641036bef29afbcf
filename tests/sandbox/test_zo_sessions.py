"""Who may call the sandbox's Zoho CRM, what it costs, and what goes wrong on demand, in the vendor's form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from syncd.sandbox.crm import Fault
from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import BASE, ZoClient, code, codes, opened, person


@pytest.fixture
def zo(clock: Clock) -> Iterator[ZoClient]:
    with opened(clock) as client:
        yield client


def test_a_refresh_token_gives_an_access_token_of_an_hour(zo: ZoClient, clock: Clock) -> None:
    answer = zo.login()

    body = answer.json()
    assert answer.status_code == 200
    assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
    assert body["api_domain"] == "https://www.zohoapis.eu"
    assert "refresh_token" not in body
    zo.use(body["access_token"])
    clock.move(3599)
    assert zo.call("GET", "/org").status_code == 200
    clock.move(1)
    assert code(zo.call("GET", "/org")) == (401, "INVALID_TOKEN")


def test_a_grant_code_works_once_and_for_three_minutes(zo: ZoClient, clock: Clock) -> None:
    first = zo.login(grant_type="authorization_code", code="1000.sandbox.code")
    again = zo.login(grant_type="authorization_code", code="1000.sandbox.code")

    assert first.json()["refresh_token"] == "1000.sandbox.refresh"
    assert again.json() == {"error": "invalid_code"}
    with opened(clock) as late:
        clock.move(180)
        assert late.login(grant_type="authorization_code", code="1000.sandbox.code").json() == {"error": "invalid_code"}


BACK = "http://127.0.0.1:1/back"


def consent(zo: ZoClient, **given: str) -> dict[str, str]:
    """Send an admin's browser to the page of consent; tell with what it is led back."""
    query = {"client_id": "1000.SANDBOX", "redirect_uri": BACK, "response_type": "code", "state": "s"}
    query |= {"scope": "ZohoCRM.coql.READ", "access_type": "offline", "prompt": "consent", **given}
    answer = requests.get(f"{zo.base}/oauth/v2/auth", params=query, timeout=5, allow_redirects=False)
    assert answer.headers["Location"].startswith(f"{BACK}?")
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def test_an_admin_who_consents_gives_a_code_and_says_where_the_account_lives(zo: ZoClient) -> None:
    led = consent(zo)

    first, again = (
        zo.login(grant_type="authorization_code", code=led["code"], redirect_uri=BACK).json() for _ in range(2)
    )

    assert (led["state"], led["accounts-server"]) == ("s", zo.base)
    assert first["refresh_token"] == "1000.sandbox.refresh"
    assert again == {"error": "invalid_code"}


def test_a_code_without_offline_access_gives_no_refresh_token(zo: ZoClient) -> None:
    code = consent(zo, access_type="online")["code"]

    assert "refresh_token" not in zo.login(grant_type="authorization_code", code=code, redirect_uri=BACK).json()


def test_a_code_is_good_only_where_it_was_sent(zo: ZoClient) -> None:
    code = consent(zo)["code"]

    assert zo.login(grant_type="authorization_code", code=code).json() == {"error": "invalid_code"}


def test_an_admin_may_refuse(zo: ZoClient) -> None:
    zo.account.tokens.consents = False

    assert consent(zo) == {"error": "access_denied", "state": "s"}


@pytest.mark.parametrize(
    "wrong", [{"client_id": "nobody"}, {"redirect_uri": "https://example.com/back"}, {"response_type": "token"}]
)
def test_nobody_is_led_to_a_strange_client_or_off_this_machine(zo: ZoClient, wrong: dict[str, str]) -> None:
    query = {"client_id": "1000.SANDBOX", "redirect_uri": BACK, "response_type": "code", "scope": "x", **wrong}
    answer = requests.get(f"{zo.base}/oauth/v2/auth", params=query, timeout=5, allow_redirects=False)

    assert "error" in answer.json()
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "1000.NOBODY"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "wrong"}, "invalid_code"),
        ({"grant_type": "password"}, "general_error"),
    ],
)
def test_a_login_that_fails_answers_200_with_a_word(zo: ZoClient, form: dict[str, str], error: str) -> None:
    answer = zo.login(**form)

    assert (answer.status_code, answer.json()) == (200, {"error": error})


def test_the_eleventh_refresh_in_ten_minutes_is_denied_with_200(zo: ZoClient, clock: Clock) -> None:
    ten = [zo.login() for _ in range(10)]
    denied = zo.login()
    clock.move(600)

    assert all("access_token" in it.json() for it in ten)
    assert (denied.status_code, denied.json()["error"]) == (200, "Access Denied")
    assert "access_token" in zo.login().json()


def test_the_sixteenth_active_token_ends_the_oldest(zo: ZoClient, clock: Clock) -> None:
    tokens = [zo.login().json()["access_token"] for _ in range(10)]
    clock.move(600)
    tokens += [zo.login().json()["access_token"] for _ in range(6)]

    alive = []
    for token in tokens:
        zo.use(token)
        alive.append(zo.call("GET", "/org").status_code == 200)
    assert alive == [False] + [True] * 15


def test_the_parameters_of_a_login_may_come_in_the_query_as_the_vendors_pages_have_it(zo: ZoClient) -> None:
    query = "grant_type=refresh_token&client_id=1000.SANDBOX&client_secret=sandbox-secret"
    url = f"{zo.base}/oauth/v2/token?{query}&refresh_token=1000.sandbox.refresh"

    assert "access_token" in requests.post(url, timeout=5).json()


def test_an_account_may_name_the_sandbox_itself_as_its_api_domain(clock: Clock) -> None:
    with opened(clock, api_domain="") as zo:
        assert zo.login().json()["api_domain"] == zo.base


@pytest.mark.parametrize("authorization", ["", "Bearer sandbox-zoho", "Zoho-oauthtoken"])
def test_a_call_without_the_vendors_own_kind_of_token_fails(zo: ZoClient, authorization: str) -> None:
    zo.session.headers["Authorization"] = authorization

    assert code(zo.call("GET", "/org")) == (401, "AUTHENTICATION_FAILURE")


def test_an_unknown_token_is_invalid(zo: ZoClient) -> None:
    zo.use("wrong")

    answer = zo.call("GET", "/org")

    assert answer.json() == {
        "code": "INVALID_TOKEN",
        "details": {},
        "message": "invalid oauth token",
        "status": "error",
    }


def test_a_missing_scope_is_a_mismatch_that_names_nothing(zo: ZoClient) -> None:
    zo.account.tokens.scopes -= {"ZohoCRM.modules.ALL"}
    zo.account.tokens.scopes |= {"ZohoCRM.modules.leads.ALL", "ZohoCRM.modules.deals.READ"}

    assert zo.upsert("Leads", person("r1")).status_code == 201
    assert code(zo.call("POST", "/Deals", {"data": [{}]})) == (401, "OAUTH_SCOPE_MISMATCH")
    assert zo.call("GET", "/Deals?fields=Stage").status_code == 204
    assert code(zo.coql("select id from Contacts where id is not null")) == (401, "OAUTH_SCOPE_MISMATCH")


def test_a_search_needs_a_scope_of_its_own(zo: ZoClient) -> None:
    zo.account.tokens.scopes -= {"ZohoSearch.securesearch.READ"}

    assert code(zo.call("GET", "/Leads/search?email=a@example.com")) == (401, "OAUTH_SCOPE_MISMATCH")


def test_credits_are_spent_by_calls_by_ten_records_and_by_rows_asked_for(clock: Clock) -> None:
    with opened(clock, credits=1_000) as zo:
        spent = []
        calls: list[Callable[[], object]] = [
            lambda: zo.call("GET", "/org"),
            lambda: zo.upsert("Leads", *[person(f"r{n}") for n in range(11)]),
            lambda: zo.coql("select id from Leads where id is not null limit 200"),
            lambda: zo.coql("select id from Leads where id is not null limit 201"),
            lambda: zo.coql("select id from Leads where id is not null limit 2000"),
            lambda: zo.call("POST", f"/Leads/{zo.lead('r1')}/actions/convert", {"data": [{}]}),
        ]
        for call in calls:
            before = zo.account.credits.spent
            call()
            spent.append(zo.account.credits.spent - before)

    assert spent == [1, 2, 1, 2, 3, 1 + 5]


def test_spent_credits_end_in_429_and_come_back_after_a_day(clock: Clock) -> None:
    with opened(clock, credits=4) as zo:
        answers = [zo.call("GET", "/org") for _ in range(5)]
        clock.move(86_400)
        later = zo.call("GET", "/org")

    left = [answer.headers.get("X-API-CREDITS-REMAINING") for answer in answers[:4]]
    assert left == [None, "2", "1", "0"], "the header comes with the second half"
    assert code(answers[4]) == (429, "TOO_MANY_REQUESTS")
    assert "Retry-After" not in answers[4].headers
    assert later.status_code == 200


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault(action="status", code=429), (429, "TOO_MANY_REQUESTS")),
        (Fault(action="status", code=401), (401, "INVALID_TOKEN")),
        (Fault(action="status", code=403), (403, "NO_PERMISSION")),
        (Fault(action="status", code=500), (500, "INTERNAL_ERROR")),
        (Fault(action="status", code=503), (503, "SERVICE_UNAVAILABLE")),
        (Fault(action="scope_missing"), (401, "OAUTH_SCOPE_MISMATCH")),
    ],
)
def test_a_fault_speaks_the_vendors_language(zo: ZoClient, fault: Fault, answer: tuple[int, str]) -> None:
    zo.crm.faults.add(fault)

    assert code(zo.upsert("Leads", person("r1"))) == answer
    assert zo.org.records["Leads"] == {}


def test_a_login_may_be_denied_on_demand(zo: ZoClient) -> None:
    zo.crm.faults.add(Fault(action="status", code=200, policy="Access Denied", path="/oauth/", times=1))

    assert zo.login().json() == {"error": "Access Denied"}
    assert "access_token" in zo.login().json()


def test_a_token_may_expire_under_a_call_and_all_may_be_revoked(zo: ZoClient) -> None:
    zo.use(zo.login().json()["access_token"])
    zo.crm.faults.add(Fault(action="token_expire", path="/upsert", times=1))

    assert code(zo.upsert("Leads", person("r1"))) == (401, "INVALID_TOKEN")
    zo.crm.faults.add(Fault(action="token_revoke", times=1))
    assert zo.login().json() == {"error": "invalid_code"}


def test_one_record_of_a_write_may_be_locked(zo: ZoClient) -> None:
    zo.crm.faults.add(Fault(action="row_locked", row=2))

    answer = zo.upsert("Leads", person("r1"), person("r2"))

    assert (answer.status_code, codes(answer)) == (207, ["SUCCESS", "RECORD_LOCKED"])


@pytest.mark.parametrize(("action", "leads"), [("drop_before", 0), ("drop_after", 1)])
def test_an_answer_may_be_lost_before_or_after_the_work(zo: ZoClient, action: Any, leads: int) -> None:
    zo.crm.faults.add(Fault(action=action, times=1))

    with pytest.raises(requests.ConnectionError):
        zo.lead("r1")

    assert len(zo.org.records["Leads"]) == leads
    row = zo.upsert("Leads", person("r1")).json()["data"][0]
    assert row["action"] == ("update" if leads else "insert")


def test_what_is_not_simulated_says_so_with_the_routes_that_are(
    zo: ZoClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = zo.call("GET", "/Leads/1/__timeline")

    assert code(answer) == (501, "NOT_SIMULATED")
    assert f"POST {BASE}/coql" in answer.json()["details"]["routes"]
    assert "/zoho/crm/v8/Leads/1/__timeline is not simulated" in capfd.readouterr().err


def test_the_call_log_knows_what_was_read_and_written_and_no_names(zo: ZoClient) -> None:
    zo.login()
    zo.lead("r1", Email="mei@example.com")
    zo.coql("select id from Leads where Email = 'mei@example.com'")
    zo.call("GET", "/Leads/search?email=mei@example.com")

    calls = zo.crm.log.listed()

    assert [call.kind for call in calls] == ["token", "write", "search", "search"]
    assert "mei" not in repr(calls)
