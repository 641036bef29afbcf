"""How the Pipedrive connector signs in as an app, and what its calls are counted for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from pydantic import ValidationError

from syncd.conformance.probe import Probe
from syncd.conformance.world import opened
from syncd.contract import AccessToken, Misconfigured, Quota, RemoteId, RemoteRef, Told, Unauthorized
from syncd.http import Session
from syncd.sandbox.crm.pipedrive import Pipedrive as Account
from syncd_connectors.pipedrive import Pipedrive, PipedriveSettings
from tests.conformance.pipedrive import PipedriveDouble

APP = {"client_id": "app", "client_secret": "s3cret-7f3c"}
API = "https://acme.pipedrive.com"
EMPTY = {"success": True, "data": [], "additional_data": {"next_cursor": None}}


def settings(**given: Any) -> PipedriveSettings:
    return PipedriveSettings.model_validate({"name": "pd", "type": "pipedrive", "oauth": APP, **given})


class Grant:
    """Gives one token after the other."""

    def __init__(self, *texts: str, api: str = API) -> None:
        self._texts, self._api, self.refused = list(texts), api, list[str]()

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        if instead_of:
            self.refused.append(instead_of.text)
            self._texts.pop(0)
        return AccessToken(text=self._texts[0], api=self._api)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def asked(http: Session, grant: Grant, **given: Any) -> Pipedrive:
    """Open a connector as an app and ask for the pipelines and stages."""
    http.grant = grant
    connector = Pipedrive.open(settings(**given), http)
    connector.stages()
    return connector


# --- signing in ---


@pytest.mark.parametrize(
    "given",
    [
        {"api_token": "t", "company_domain": "acme"},
        {"oauth": None, "company_domain": "acme"},
        {"oauth": None, "api_token": "t"},
    ],
)
def test_there_is_one_credential_and_a_company(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**given)


def test_an_app_signs_in_at_pipedrives_own_address() -> None:
    oauth = Pipedrive.oauth(settings())

    assert oauth
    assert (oauth.authorize_url, oauth.token_url) == (
        "https://oauth.pipedrive.com/oauth/authorize",
        "https://oauth.pipedrive.com/oauth/token",
    )
    assert (oauth.basic, oauth.api) == (True, "api_domain")
    assert Pipedrive.oauth(settings(oauth=None, api_token="t", company_domain="acme")) is None


def test_a_call_goes_to_the_company_that_the_token_is_for(http: Session, mock: responses.RequestsMock) -> None:
    mock.get(re.compile(r"https://acme\.pipedrive\.com/api/v2/.*"), json=EMPTY)

    asked(http, Grant("token-1"))

    sent = mock.calls[0].request.headers
    assert (sent["Authorization"], sent.get("x-api-token")) == ("Bearer token-1", None)


@pytest.mark.parametrize(
    "api",
    [
        "",
        "https://evil.example.com",
        "http://acme.pipedrive.com",
        "https://acme.pipedrive.com.example.com",
        "https://acme.pipedrive.com:8443",
        "https://acme.pipedrive.com/elsewhere",
        "https://user@acme.pipedrive.com",
        "https://a.b.pipedrive.com",
        "http://127.0.0.1:80",
    ],
)
def test_a_token_goes_to_no_other_place(http: Session, mock: responses.RequestsMock, api: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        asked(http, Grant("token-1", api=api))

    assert caught.value.yaml_path == "oauth"
    assert len(mock.calls) == 0


def test_a_sign_in_to_another_company_than_the_settings_name_sends_nothing(
    http: Session, mock: responses.RequestsMock
) -> None:
    """Its leads would be there, and nobody would look for them."""
    with pytest.raises(Misconfigured, match="another company") as caught:
        asked(http, Grant("token-1"), company_domain="other")

    assert caught.value.yaml_path == "company_domain"
    assert len(mock.calls) == 0


def test_a_refused_token_is_replaced_once(http: Session, mock: responses.RequestsMock) -> None:
    mock.get(f"{API}/api/v2/pipelines", status=401, json={"success": False, "error": "unauthorized access"})
    mock.get(re.compile(rf"{API}/api/v2/.*"), json=EMPTY)
    grant = Grant("token-1", "token-2")

    asked(http, grant)

    assert grant.refused == ["token-1"]
    assert [it.request.headers["Authorization"] for it in mock.calls][:2] == ["Bearer token-1", "Bearer token-2"]


def test_a_new_token_that_is_refused_too_says_how_to_sign_in(http: Session, mock: responses.RequestsMock) -> None:
    mock.get(re.compile(rf"{API}/api/v2/.*"), status=401, json={"success": False, "error": "unauthorized access"})

    with pytest.raises(Unauthorized) as caught:
        asked(http, Grant("token-1", "token-2"))

    assert (caught.value.yaml_path, "auth" in caught.value.hint) == ("oauth.refresh_token", True)
    assert len(mock.calls) == 2


# --- what is counted ---


class Counting(Probe):
    """A session that notes method and path of every call."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        self.sent = [*getattr(self, "sent", ()), (str(request.method), urlsplit(str(request.url)).path)]
        return super().send(request, **kwargs)


@pytest.mark.parametrize("kind", ["deal", "lead"])
def test_every_call_costs_what_pipedrive_takes_for_it(kind: str) -> None:
    """The simulated company charges by the vendor's list of prices."""
    crm = PipedriveDouble()
    with opened(crm) as world, Counting(world.clock) as http:
        account = crm._crm.accounts["pipedrive"]
        assert isinstance(account, Account)
        before = account.meter.spent
        connector = world.open(http, push={"as": kind})
        assert isinstance(connector, Pipedrive)

        connector.check()
        connector.push([world.lead(number) for number in (1, 2)])
        world.clock.forward(hours=2)
        list(connector.changes(connector.start(world.clock() - timedelta(hours=1)), world.clock()))
        [deal] = [RemoteId(type=kind, id=it.id) for it in crm.company.listed(kind) if it.custom][:1]  # type: ignore[arg-type]
        connector.look_up([RemoteRef(deal=deal)])
        if kind == "deal":
            crm.move(deal, "won")
            connector.history([deal])
        connector.subscribe(crm.webhook_url)
        connector.unsubscribe(crm.webhook_url)

        prices = [connector.price(method, path) for method, path in http.sent]
        assert sum(it["daily tokens"] for it in prices) == account.meter.spent - before
        searches = sum(path.endswith("/search") for _, path in http.sent)
        assert sum(it.get("search", 0) for it in prices) == searches == 2
        assert sum(it.get("calls", 0) for it in prices) == len(http.sent) - searches


def test_signing_in_costs_nothing() -> None:
    connector = Pipedrive.open(settings(), Session())

    assert connector.price("POST", "/oauth/token") == {}


@pytest.mark.parametrize(
    ("given", "calls", "tokens"),
    [({}, 80, 30_000), ({"oauth": None, "api_token": "t", "company_domain": "a", "limits": {"daily": 900}}, 20, 900)],
)
def test_until_pipedrive_says_more_the_smallest_plan_is_taken_to_be_ours(
    given: dict[str, Any], calls: int, tokens: int
) -> None:
    burst = timedelta(seconds=2)

    assert Pipedrive.open(settings(**given), Session()).quotas() == [
        Quota(name="calls", limit=calls, window=burst),
        Quota(name="search", limit=10, window=burst),
        Quota(name="daily tokens", limit=tokens, window=timedelta(days=1)),
    ]


@pytest.mark.parametrize(("path", "window"), [("deals", "calls"), ("persons/search", "search")])
def test_the_headers_of_an_answer_tell_what_is_left(path: str, window: str) -> None:
    answer = requests.Response()
    answer.request = requests.Request("GET", f"{API}/api/v2/{path}").prepare()
    answer.headers.update({"Date": "Tue, 24 Nov 2026 10:00:00 GMT", "x-ratelimit-reset": "2"})
    answer.headers.update({"x-ratelimit-limit": "40", "x-ratelimit-remaining": "7"})
    daily = {"x-daily-ratelimit-token-limit": "60000", "x-daily-ratelimit-token-remaining": "59980"}

    at = datetime(2026, 11, 24, 10, 0, 2, tzinfo=UTC)
    burst = Told(quota=window, limit=40, left=7, resets_at=at)
    connector = Pipedrive.open(settings(), Session())
    assert connector.told(answer) == [burst]
    answer.headers.update(daily)
    assert connector.told(answer) == [burst, Told(quota="daily tokens", limit=60_000, left=59_980)]
    answer.headers.update({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1"})
    assert connector.told(answer) == [Told(quota="daily tokens", limit=60_000, left=59_980)]
