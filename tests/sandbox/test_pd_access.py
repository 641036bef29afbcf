"""Who may call the sandbox's Pipedrive, how often, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from syncd.sandbox.crm import Company, Fault, Sandbox
from syncd.sandbox.crm.pipedrive import Limits, OAuthApp, Pipedrive
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import PdClient, opened, refusal

APP = OAuthApp(client_id="app", client_secret="secret", refresh_token="refresh-1")
World = tuple[Sandbox, PdClient, Company]


@pytest.fixture
def world(clock: Clock) -> Iterator[World]:
    with opened(clock, app=APP) as opened_world:
        yield opened_world


def dialect(crm: Sandbox) -> Pipedrive:
    account = crm.accounts["pipedrive"]
    assert isinstance(account, Pipedrive)
    return account


# --- credentials ---


def call(crm: Sandbox, path: str = "/v1/users/me", **headers: str) -> requests.Response:
    return requests.get(crm.url("pipedrive") + path, headers=headers, timeout=5)


def refreshed(crm: Sandbox, app: OAuthApp = APP) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    auth = (app.client_id, app.client_secret)
    return requests.post(crm.url("pipedrive") + "/oauth/token", data=form, auth=auth, timeout=5)


def test_the_api_token_is_taken_in_its_header_and_no_other(world: World) -> None:
    crm, _, _ = world
    token = crm.token("pipedrive")

    assert call(crm, **{"x-api-token": token}).status_code == 200
    assert refusal(call(crm, **{"x-api-token": "wrong"})) == (401, "unauthorized access")
    assert refusal(call(crm, Authorization=f"Bearer {token}"))[0] == 401
    assert refusal(call(crm))[0] == 401


def test_a_token_in_the_query_is_taken_too_but_it_is_told(world: World) -> None:
    crm, _, _ = world
    token = crm.token("pipedrive")

    answer = call(crm, f"/api/v2/deals?limit=5&api_token={token}")

    assert answer.status_code == 200
    assert dict(dialect(crm).tokens.in_query) == {"GET /api/v2/deals": 1}
    assert all(token not in str(entry) for entry in crm.log.listed())


def test_an_access_token_of_an_app_lives_for_an_hour_and_the_refresh_token_stays(world: World, clock: Clock) -> None:
    crm, _, _ = world
    grant = refreshed(crm).json()
    bearer = f"Bearer {grant['access_token']}"

    first = call(crm, Authorization=bearer).status_code
    clock.move(3_600)
    later = call(crm, Authorization=bearer).status_code

    assert (first, later) == (200, 401)
    assert (grant["refresh_token"], grant["api_domain"]) == ("refresh-1", "https://acme.pipedrive.com")
    assert refreshed(crm).status_code == 200


def test_a_refresh_token_that_lies_idle_for_60_days_is_dead(world: World, clock: Clock) -> None:
    crm, _, _ = world
    clock.move(61 * 86_400)

    answer = refreshed(crm)

    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid grant: refresh_token is invalid")
    assert refreshed(crm, replace(APP, client_secret="wrong")).status_code == 401


def test_an_app_may_do_what_it_was_granted(clock: Clock) -> None:
    app = OAuthApp(client_id="app", client_secret="secret", refresh_token="refresh-1", scopes=frozenset({"deals:full"}))
    with opened(clock, app=app) as (crm, _, _):
        bearer = f"Bearer {refreshed(crm).json()['access_token']}"

        assert call(crm, "/api/v2/deals", Authorization=bearer).status_code == 200
        assert refusal(call(crm, "/api/v2/persons", Authorization=bearer)) == (403, "Scope and URL mismatch")


BACK = "http://127.0.0.1:1/back"


def consent(crm: Sandbox, **given: str) -> dict[str, str]:
    """Send an admin's browser to the page of consent; tell with what it is led back."""
    query = {"client_id": APP.client_id, "redirect_uri": BACK, "state": "s", **given}
    answer = requests.get(f"{crm.url('pipedrive')}/oauth/authorize", params=query, timeout=5, allow_redirects=False)
    assert answer.headers["Location"].startswith(f"{BACK}?")
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def exchanged(crm: Sandbox, code: str, back: str = BACK) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    auth = (APP.client_id, APP.client_secret)
    return requests.post(f"{crm.url('pipedrive')}/oauth/token", data=form, auth=auth, timeout=5)


def test_an_admin_who_consents_gives_the_app_a_code_that_is_good_once(world: World) -> None:
    crm, _, _ = world
    led = consent(crm)

    grant, again = exchanged(crm, led["code"]), exchanged(crm, led["code"])

    assert (led["state"], grant.json()["refresh_token"]) == ("s", "refresh-1")
    assert call(crm, Authorization=f"Bearer {grant.json()['access_token']}").status_code == 200
    assert (again.status_code, again.json()["message"]) == (400, "Invalid grant: authorization code is invalid")


def test_a_code_is_good_for_five_minutes_and_where_it_was_sent(world: World, clock: Clock) -> None:
    crm, _, _ = world
    elsewhere = exchanged(crm, consent(crm)["code"], "http://127.0.0.1:2/back")
    code = consent(crm)["code"]
    clock.move(300)

    assert (elsewhere.status_code, exchanged(crm, code).status_code) == (400, 400)


def test_an_admin_may_refuse(world: World) -> None:
    crm, _, _ = world
    dialect(crm).tokens.consents = False

    assert consent(crm) == {"error": "access_denied", "state": "s"}


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"redirect_uri": "https://example.com/back"}])
def test_nobody_is_led_to_a_strange_app_or_off_this_machine(world: World, wrong: dict[str, str]) -> None:
    crm, _, _ = world
    query = {"client_id": APP.client_id, "redirect_uri": BACK, "state": "s", **wrong}
    answer = requests.get(f"{crm.url('pipedrive')}/oauth/authorize", params=query, timeout=5, allow_redirects=False)

    assert answer.status_code in {400, 401}
    assert "Location" not in answer.headers


def test_credentials_expire_and_die_on_demand(world: World) -> None:
    crm, pd, _ = world
    crm.faults.add(Fault(action="token_expire", times=1))

    assert [pd.get("/v1/users/me").status_code for _ in range(2)] == [401, 401]
    dialect(crm).revoke()
    assert (refreshed(crm).status_code, refreshed(crm).json()["error"]) == (400, "invalid_grant")
    exchanged(crm, consent(crm)["code"])
    assert refreshed(crm).status_code == 200


# --- limits ---


def test_a_burst_is_refused_until_two_seconds_have_gone(clock: Clock) -> None:
    with opened(clock, limits=Limits(burst=3)) as (_, pd, _company):
        answers = [pd.get("/v1/users/me") for _ in range(4)]
        clock.move(2)
        later = pd.get("/v1/users/me")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].json()["error"] == "request over limit"
    assert "Retry-After" not in answers[3].headers
    assert later.status_code == 200


def test_searches_have_a_burst_of_their_own(clock: Clock) -> None:
    with opened(clock, limits=Limits()) as (_, pd, _company):
        searches = [pd.get("/api/v2/deals/search", term="abc").status_code for _ in range(11)]
        other = pd.get("/api/v2/deals")

    assert searches == [200] * 10 + [429]
    assert (other.status_code, other.headers["x-ratelimit-limit"]) == (200, "20")


@pytest.mark.parametrize(
    ("method", "path", "body", "cost"),
    [
        ("GET", "/api/v2/deals", None, 10),
        ("GET", "/api/v2/deals/archived", None, 20),
        ("GET", "/api/v2/deals/1", None, 1),
        ("GET", "/api/v2/deals/search?term=abc", None, 20),
        ("POST", "/api/v2/deals", {"title": "A"}, 5),
        ("PATCH", "/api/v2/deals/1", {"title": "B"}, 5),
        ("DELETE", "/api/v2/deals/1", None, 3),
        ("GET", "/api/v2/stages", None, 5),
        ("GET", "/v1/leads", None, 20),
        ("GET", "/v1/leads/archived", None, 40),
        ("POST", "/v1/leads", {}, 10),
        ("GET", "/v1/users/me", None, 2),
        ("GET", "/v1/deals/1/changelog", None, 20),
        ("GET", "/v1/deals/1/flow", None, 40),
    ],
)
def test_a_call_costs_tokens_of_the_day(clock: Clock, method: str, path: str, body: object, cost: int) -> None:
    with opened(clock, limits=Limits(daily=1_000)) as (_, pd, company):
        company.open_deal(company.meet("Mika Ito"))
        answer = pd.call(method, path, body)

    assert answer.headers["x-daily-ratelimit-token-remaining"] == str(1_000 - cost)


def test_an_empty_day_refuses_everything_until_midnight(clock: Clock) -> None:
    with opened(clock, limits=Limits(daily=100, others=75)) as (_, pd, _company):
        answers = [pd.get("/api/v2/deals").status_code for _ in range(3)]
        clock.move(60)
        same_day = pd.get("/api/v2/deals")
        clock.move(15 * 3_600)
        next_day = pd.get("/api/v2/deals")

    assert answers == [200, 200, 429]
    assert refusal(same_day) == (429, "API token budget for today is exhausted")
    assert same_day.headers["x-daily-ratelimit-token-remaining"] == "5"
    assert next_day.status_code == 200


def test_who_does_not_heed_429_is_shut_out_by_a_page_that_is_no_json(clock: Clock) -> None:
    with opened(clock, limits=Limits(burst=1, patience=3, shut_out=300)) as (_, pd, _company):
        codes = [pd.get("/v1/users/me").status_code for _ in range(5)]
        clock.move(299)
        out = pd.get("/v1/users/me")
        clock.move(2)
        back = pd.get("/v1/users/me")

    assert codes == [200, 429, 429, 429, 403]
    assert (out.status_code, out.headers["Content-Type"]) == (403, "text/html; charset=UTF-8")
    assert back.status_code == 200


def test_an_app_has_a_larger_burst_and_is_never_shut_out(clock: Clock) -> None:
    with opened(clock, app=APP, limits=Limits(burst=1, burst_oauth=2, patience=1)) as (crm, _, _company):
        bearer = f"Bearer {refreshed(crm).json()['access_token']}"
        codes = [call(crm, Authorization=bearer).status_code for _ in range(5)]

    assert codes == [200, 200, 429, 429, 429]


def test_a_limit_is_said_on_demand(world: World) -> None:
    crm, pd, _ = world
    crm.faults.add(Fault(action="status", code=429, times=1))
    crm.faults.add(Fault(action="status", code=429, policy="daily", times=1))
    crm.faults.add(Fault(action="status", code=402, times=1))
    crm.faults.add(Fault(action="scope_missing", times=1))
    crm.faults.add(Fault(action="html", code=403, times=1))

    burst, daily, closed, scope, html = (pd.get("/v1/users/me") for _ in range(5))

    assert (refusal(burst)[1], burst.headers["x-ratelimit-reset"]) == ("request over limit", "2")
    assert refusal(daily) == (429, "API token budget for today is exhausted")
    assert refusal(closed)[0] == 402
    assert refusal(scope)[0] == 403
    assert (html.status_code, html.text.startswith("<!doctype html>")) == (403, True)
