"""How an app comes by its tokens in the sandbox's HubSpot: consent, codes that are good once, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from syncd.sandbox.crm import NO_LIMITS, Fault, HubSpotSetup, OAuthApp, Sandbox
from syncd.sandbox.crm.hubspot import HubSpot
from tests.sandbox.crm_client import Client, Clock

BACK = "http://127.0.0.1:9/callback"
SCOPES = "oauth crm.objects.contacts.read crm.schemas.deals.read"


class Installing(Client):
    """A client that installs its app first."""

    def page(self, **changes: str | None) -> requests.Response:
        asked = {"client_id": "id", "redirect_uri": BACK, "scope": SCOPES, "state": "s 1", **changes}
        return self.call("GET", "/oauth/authorize", params=asked, allow_redirects=False)

    def code(self) -> str:
        return led(self.page())["code"]

    def grant(self, kind: str = "authorization_code", **changes: str) -> requests.Response:
        form = {"grant_type": kind, "client_id": "id", "client_secret": "secret"}
        form |= {"redirect_uri": BACK} if kind == "authorization_code" else {}
        return self.session.post(f"{self.base}/oauth/2026-09/token", data=form | changes, timeout=5)

    def comes_with(self, answer: requests.Response) -> None:
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def led(answer: requests.Response) -> dict[str, str]:
    """What the page tells the app, at its own address."""
    assert answer.status_code == 302
    to = urlsplit(answer.headers["Location"])
    assert to._replace(query="").geturl() == BACK
    return {name: value for name, [value] in parse_qs(to.query).items()}


@pytest.fixture
def crm(clock: Clock) -> Iterator[Sandbox]:
    app = OAuthApp(client_id="id", client_secret="secret", rotates=True)
    with Sandbox(now=clock.now, accounts=[HubSpotSetup(app=app, limits=NO_LIMITS)]) as crm:
        yield crm


@pytest.fixture
def app(crm: Sandbox) -> Installing:
    return Installing(crm)


def test_the_page_leads_back_with_a_code_and_the_state(app: Installing) -> None:
    told = led(app.page())

    assert told.keys() == {"code", "state"}
    assert told["state"] == "s 1"


def test_an_admin_may_say_no(app: Installing, crm: Sandbox) -> None:
    account = crm.accounts["hubspot"]
    assert isinstance(account, HubSpot)
    account.tokens.consent.gives = False

    told = led(app.page())

    assert (told["error"], told["state"]) == ("access_denied", "s 1")
    assert "code" not in told


@pytest.mark.parametrize(
    "changes", [{"client_id": "x"}, {"redirect_uri": "https://example.com/"}, {"scope": None}, {"colour": "red"}]
)
def test_a_page_that_was_asked_for_wrongly_leads_nowhere(app: Installing, changes: dict[str, Any]) -> None:
    assert app.page(**changes).status_code == 400


def test_a_code_is_traded_once_for_tokens_that_open_what_was_consented_to(app: Installing) -> None:
    code = app.code()

    first, second = app.grant(code=code), app.grant(code=code)
    app.comes_with(first)

    assert first.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (second.status_code, second.json()["status"]) == (400, "BAD_AUTH_CODE")
    assert app.call("GET", "/crm/pipelines/2026-09/deals").status_code == 200
    assert app.read("deals", "1").json()["category"] == "MISSING_SCOPES"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"code": "sandbox-code-0"}, "BAD_AUTH_CODE"),
        ({"redirect_uri": f"{BACK}/other"}, "BAD_AUTH_CODE"),
        ({"client_id": "x"}, "BAD_CLIENT_ID"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
    ],
)
def test_what_does_not_fit_is_refused(app: Installing, changes: dict[str, str], status: str) -> None:
    answer = app.grant(**{"code": app.code(), **changes})

    assert (answer.status_code, answer.json()["status"]) == (400, status)


def test_a_code_is_not_good_for_long(app: Installing, clock: Clock) -> None:
    codes = [app.code(), app.code()]
    clock.move(599)
    in_time = app.grant(code=codes[0])
    clock.move(1)
    late = app.grant(code=codes[1])

    assert (in_time.status_code, late.status_code) == (200, 400)


def test_the_refresh_token_of_a_code_rotates(app: Installing) -> None:
    first = app.grant(code=app.code()).json()["refresh_token"]
    second = app.grant("refresh_token", refresh_token=first).json()["refresh_token"]

    old = app.grant("refresh_token", refresh_token=first)

    assert first != second
    assert old.json()["status"] == "BAD_REFRESH_TOKEN"
    assert app.grant("refresh_token", refresh_token=second).ok


def test_an_app_that_is_not_installed_has_no_refresh_token(app: Installing) -> None:
    assert app.grant("refresh_token", refresh_token="").status_code == 400


def test_a_401_on_demand_says_what_it_is(app: Installing, crm: Sandbox, clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[HubSpotSetup()]) as static:
        for sandbox in (crm, static):
            sandbox.faults.add(Fault(action="status", code=401))

        told = [Client(it).read("deals", "1").json()["category"] for it in (crm, static)]

    assert told == ["EXPIRED_AUTHENTICATION", "INVALID_AUTHENTICATION"]
