"""How the HubSpot connector comes in, by a static token or an app's, and how much it knows itself to be allowed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
from pydantic import ValidationError

from syncd.contract import AccessToken, Meters, Quota, Told, Unauthorized, UsesOAuth
from syncd.http import Session
from syncd_connectors.hubspot import HubSpot, HubSpotSettings

HOST = "https://api.hubapi.com"
PIPELINES = f"{HOST}/crm/pipelines/2026-09/deals"
APP = {"client_id": "app-1", "client_secret": "app-secret"}


def settings(**given: Any) -> HubSpotSettings:
    return HubSpotSettings.model_validate({"name": "hubspot", "type": "hubspot", **given})


class Grant:
    """Gives token after token: a new one only in place of the one that it gave last."""

    def __init__(self) -> None:
        self.given = 1

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        self.given += instead_of is not None
        return AccessToken(text=f"access-{self.given}")


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(sleep=lambda _: None) as session:
        session.grant = Grant()
        yield session


def tokens(mock: responses.RequestsMock) -> list[str]:
    return [str(call.request.headers["Authorization"]) for call in mock.calls]


# --- by whom ---------------------------------------------------------------------------------------------------------


def test_it_uses_oauth_and_meters(session: Session) -> None:
    connector = HubSpot.open(settings(token="x"), session)

    assert isinstance(connector, UsesOAuth)
    assert isinstance(connector, Meters)


@pytest.mark.parametrize("given", [{}, {"token": "x", "oauth": APP}])
def test_one_credential_is_wanted_and_no_more(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give token, or oauth"):
        settings(**given)


def test_a_static_token_needs_no_oauth() -> None:
    assert HubSpot.oauth(settings(token="x")) is None


@pytest.mark.parametrize(
    ("base_url", "page", "token_url"),
    [
        (HOST, "https://app.hubspot.com/oauth/authorize", f"{HOST}/oauth/2026-09/token"),
        (
            "https://api-eu1.hubapi.com",
            "https://app.hubspot.com/oauth/authorize",
            "https://api-eu1.hubapi.com/oauth/2026-09/token",
        ),
        (
            "https://not-hubapi.com",
            "https://not-hubapi.com/oauth/authorize",
            "https://not-hubapi.com/oauth/2026-09/token",
        ),
        (
            "http://127.0.0.1:8700/hubspot",
            "http://127.0.0.1:8700/hubspot/oauth/authorize",
            "http://127.0.0.1:8700/hubspot/oauth/2026-09/token",
        ),
    ],
)
def test_tokens_are_had_at_the_dated_endpoint(base_url: str, page: str, token_url: str) -> None:
    oauth = HubSpot.oauth(settings(oauth=APP, base_url=base_url))

    assert oauth
    assert (oauth.authorize_url, oauth.token_url) == (page, token_url)
    assert oauth.app.client_id == "app-1"
    assert {"oauth", "crm.objects.deals.write", "crm.schemas.contacts.read"} <= set(oauth.scopes)


def test_every_call_carries_the_token_of_now(mock: responses.RequestsMock, session: Session) -> None:
    """The SDK keeps the one that it was built with."""
    mock.get(PIPELINES, json={"results": []})
    connector = HubSpot.open(settings(oauth=APP), session)

    connector.stages()
    session.grant.given = 7  # type: ignore[union-attr]
    connector.stages()

    assert tokens(mock) == ["Bearer access-1", "Bearer access-7"]


def test_a_call_that_was_refused_for_an_old_token_is_made_once_more(
    mock: responses.RequestsMock, session: Session
) -> None:
    mock.get(PIPELINES, status=401, json={"category": "EXPIRED_AUTHENTICATION"})
    mock.get(PIPELINES, json={"results": []})

    HubSpot.open(settings(oauth=APP), session).stages()

    assert tokens(mock) == ["Bearer access-1", "Bearer access-2"]


def test_a_new_token_that_is_refused_too_asks_for_the_admins_consent(
    mock: responses.RequestsMock, session: Session
) -> None:
    mock.get(PIPELINES, status=401, json={"category": "INVALID_AUTHENTICATION"})

    with pytest.raises(Unauthorized) as caught:
        HubSpot.open(settings(oauth=APP), session).stages()

    assert (caught.value.yaml_path, len(mock.calls)) == ("oauth", 2)


def test_a_static_token_that_is_refused_is_not_sent_again(mock: responses.RequestsMock, session: Session) -> None:
    mock.get(PIPELINES, status=401, json={"category": "EXPIRED_AUTHENTICATION"})

    with pytest.raises(Unauthorized) as caught:
        HubSpot.open(settings(token="pat-eu1"), session).stages()

    assert (caught.value.yaml_path, tokens(mock)) == ("token", ["Bearer pat-eu1"])


# --- how much --------------------------------------------------------------------------------------------------------


def answer(**headers: str) -> requests.Response:
    answer = requests.Response()
    answer.headers.update({f"X-HubSpot-RateLimit-{name.replace('_', '-')}": text for name, text in headers.items()})
    return answer


def limits(connector: HubSpot) -> dict[str, int]:
    return {it.name: it.limit for it in connector.quotas()}


def test_until_it_is_told_otherwise_an_account_is_of_the_smallest_edition(session: Session) -> None:
    connector = HubSpot.open(settings(token="x"), session)

    assert connector.quotas() == [
        Quota(name="calls", limit=100, window=timedelta(seconds=10)),
        Quota(name="search", limit=5, window=timedelta(seconds=1)),
        Quota(name="daily calls", limit=250_000, window=timedelta(days=1)),
    ]


def test_an_app_has_no_quota_of_a_day_unless_an_admin_says_so(session: Session) -> None:
    assert limits(HubSpot.open(settings(oauth=APP), session)) == {"calls": 110, "search": 5}
    limited = HubSpot.open(settings(oauth=APP, limits={"daily": 9_000}), session)
    assert limits(limited)["daily calls"] == 9_000


def test_what_an_answer_says_of_the_account_is_kept_to(session: Session) -> None:
    connector = HubSpot.open(settings(token="x", limits={"daily": 9_000}), session)
    said = answer(Max="190", Remaining="180", Interval_Milliseconds="10000", Daily="625000", Daily_Remaining="0")

    assert connector.told(said) == [
        Told(quota="calls", limit=190, left=180),
        Told(quota="daily calls", limit=625_000, left=0),
    ]
    assert limits(connector) == {"calls": 190, "search": 5, "daily calls": 625_000}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Max": "100", "Remaining": "1", "Interval_Milliseconds": "1000"},
        {"Max": "many", "Interval_Milliseconds": "10000", "Daily": "-1"},
        {"Max": "0", "Interval_Milliseconds": "10000"},
    ],
)
def test_what_an_answer_does_not_say_is_not_made_up(session: Session, headers: dict[str, str]) -> None:
    """A search's has no such headers, and a limit of another window would space calls wrongly."""
    connector = HubSpot.open(settings(token="x"), session)

    assert connector.told(answer(**headers)) == []
    assert limits(connector)["calls"] == 100


@pytest.mark.parametrize(
    ("path", "price"),
    [
        ("/crm/objects/2026-09/deals/batch/read", {"calls": 1, "daily calls": 1}),
        ("/hubspot/crm/objects/2026-09/deals/search", {"search": 1, "daily calls": 1}),
        ("/hubspot/oauth/2026-09/token", {}),
    ],
)
def test_a_call_has_its_price(session: Session, path: str, price: dict[str, int]) -> None:
    assert HubSpot.open(settings(token="x"), session).price("POST", path) == price
