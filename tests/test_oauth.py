"""Access tokens: renewed in time, asked for once by all, and no refresh token that is good once is ever lost."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import Engine

from syncd.contract import (
    AccessToken,
    ConnectorError,
    ConnectorSettings,
    Misconfigured,
    OAuth,
    OAuthSettings,
    Parked,
    Throttled,
    Transient,
    Unauthorized,
)
from syncd.http import Session
from syncd.oauth import Consent, DatabaseKeeper, Given, Grant, Keeper, MemoryKeeper, equip
from syncd.oauth.tokens import judged
from syncd.store import credentials
from syncd.store.credentials import Credential
from syncd.store.engine import read, write
from syncd.vault import Vault, new_key
from tests.token_vendor import SECRET, Vendor, vendor

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
KEY = new_key()
REFRESH = SecretStr("refresh-0")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # with its challenge from RFC 7636, appendix B


@dataclass
class Clock:
    at: datetime = T0

    def __call__(self) -> datetime:
        return self.at

    def tick(self, **passed: float) -> None:
        self.at += timedelta(**passed)


@dataclass
class World:
    """One vendor, one clock, and grants as several processes would have them."""

    vendor: Vendor
    keeper: Keeper = field(default_factory=MemoryKeeper)
    clock: Clock = field(default_factory=Clock)
    slept: list[float] = field(default_factory=list)

    def grant(self, keeper: Keeper | None = None, session: Session | None = None, **more: Any) -> Grant:
        oauth = self.vendor.oauth(**{"refresh": REFRESH, **more})
        session = session or Session(deadline=5)
        grant = Grant(oauth, session, keeper or self.keeper, connector="crm", now=self.clock, sleep=self.slept.append)
        grant.seed()
        return grant

    def held(self) -> Credential:
        held = self.keeper.read()
        assert held
        return held


@pytest.fixture
def world() -> Iterator[World]:
    with vendor() as it:
        yield World(it)


# --- by age, and by nothing else ---


def test_a_token_is_had_once_and_used_until_a_tenth_of_its_time_is_left(world: World) -> None:
    grant = world.grant()
    assert grant.access_token() == AccessToken(text="access-1")

    world.clock.tick(minutes=53, seconds=59)
    assert grant.access_token().text == "access-1"
    world.clock.tick(seconds=2)
    assert grant.access_token().text == "access-2"
    assert len(world.vendor.asked) == 2


def test_a_restart_asks_for_no_token(world: World) -> None:
    world.grant().access_token()

    assert world.grant().access_token().text == "access-1"
    assert len(world.vendor.asked) == 1


def test_only_the_refusal_of_the_present_token_brings_a_new_one(world: World) -> None:
    grant = world.grant()
    first = grant.access_token()
    second = grant.access_token(first)
    assert second.text == "access-2"

    assert grant.access_token(first) == second, "another thread had been refused the same token"
    assert len(world.vendor.asked) == 2


def test_a_lifetime_that_is_not_told_is_the_vendors_usual_one(world: World) -> None:
    world.vendor.lifetime = None
    grant = world.grant(lifetime=timedelta(minutes=30))
    grant.access_token()
    world.clock.tick(minutes=26)
    assert grant.access_token().text == "access-1"
    world.clock.tick(minutes=2)
    assert grant.access_token().text == "access-2"


def test_a_token_endpoint_that_is_down_is_not_noticed_while_the_token_lasts_and_is_asked_ever_later(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    grant = world.grant()
    grant.access_token()
    world.vendor.says = [(503, "maintenance")] * 9
    world.clock.tick(minutes=55)
    for _ in range(299):
        assert grant.access_token().text == "access-1"
        world.clock.tick(seconds=1)
    assert len(world.vendor.asked) <= 4
    assert "goes on with its present access token" in caplog.text

    world.clock.tick(seconds=1)
    with pytest.raises(Transient):
        grant.access_token()
    world.vendor.says = []
    assert grant.access_token().text == "access-2"


# --- refresh tokens that are good once ---


def test_the_new_refresh_token_is_kept_with_the_old_one_beside_it_until_it_has_worked(world: World) -> None:
    grant = world.grant()
    grant.access_token()
    assert (world.held().refresh, world.held().spare) == ("refresh-1", "refresh-0")

    world.vendor.rotates = False
    world.clock.tick(hours=2)
    grant.access_token()
    assert (world.held().refresh, world.held().spare) == ("refresh-1", None)


def test_a_lost_answer_costs_one_attempt(world: World) -> None:
    world.vendor.keeps_old, world.vendor.lose = True, 1
    grant = world.grant()
    with pytest.raises(Transient):
        grant.access_token()

    assert grant.access_token().text == "access-2"
    assert world.held().leased_until is None


def test_a_newest_refresh_token_that_the_vendor_does_not_know_is_followed_by_the_one_before_it(world: World) -> None:
    grant = world.grant()
    grant.access_token()
    world.vendor.good = {"refresh-0"}
    world.clock.tick(hours=2)

    assert grant.access_token().text == "access-2"
    assert [form["refresh_token"] for form in world.vendor.asked[1:]] == ["refresh-1", "refresh-0"]
    assert (world.held().refresh, world.held().spare) == ("refresh-2", "refresh-0")


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Crashing:
    """A keeper under which the process ends at the nth write, before or after it."""

    inner: Keeper
    at: int
    after: bool

    def read(self) -> Credential | None:
        return self.inner.read()

    def swap(self, old: Credential | None, new: Credential) -> bool:
        self.at -= 1
        if self.at == 0 and not self.after:
            raise Crash
        done = self.inner.swap(old, new)
        if self.at == 0:
            raise Crash
        return done


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_crash_at_any_write_loses_nothing(world: World, engine: Engine, at: int, after: bool) -> None:
    world.vendor.keeps_old = True
    world.keeper = DatabaseKeeper(engine, Vault([KEY]), "crm")
    grant = world.grant()
    grant.keeper = Crashing(world.keeper, at, after)
    with pytest.raises(Crash):
        grant.access_token()

    world.clock.tick(seconds=91)  # the lease of the dead
    assert world.grant().access_token().text in {"access-1", "access-2"}
    world.clock.tick(hours=2)
    assert world.grant().access_token().text.startswith("access-")


def test_what_the_database_would_not_take_is_kept_at_the_next_call(world: World) -> None:
    class Full(Exception):
        pass

    @dataclass
    class Filling(Crashing):
        def swap(self, old: Credential | None, new: Credential) -> bool:
            try:
                return super().swap(old, new)
            except Crash:
                raise Full from None

    grant = world.grant()
    grant.keeper = Filling(world.keeper, at=2, after=False)
    with pytest.raises(Full):
        grant.access_token()

    assert grant.access_token().text == "access-1"
    assert world.held().refresh == "refresh-1"
    assert len(world.vendor.asked) == 1


def test_what_another_thread_is_keeping_at_this_moment_is_its_own_affair(world: World) -> None:
    class Overtaken(Grant):
        """Its other thread has kept what came before this one looks a second time."""

        looks = 0

        @property
        def _unkept(self) -> Any:
            self.looks += 1
            held = self.keeper.read()
            given = Given(access="access-1", refresh=None, until=T0 + timedelta(hours=1), api="")
            return (held, "refresh-0", given) if self.looks == 1 else None

        @_unkept.setter
        def _unkept(self, _: object) -> None: ...

    world.grant().access_token()
    grant = Overtaken(world.vendor.oauth(), Session(deadline=5), world.keeper, connector="crm", now=world.clock)

    assert grant.access_token().text == "access-1"


class Interrupted(Session):
    """Lets others do something between an answer and whoever waits for it."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(deadline=5)
        self.meanwhile = meanwhile

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        answer = super().request(*args, **kwargs)
        self.meanwhile()
        return answer


def test_tokens_that_come_when_their_asker_was_taken_for_dead_are_kept_though_another_was_refused(world: World) -> None:
    def meanwhile() -> None:
        world.clock.tick(seconds=91)
        with pytest.raises(Unauthorized):
            world.grant().access_token()
        assert world.held().refused

    assert world.grant(session=Interrupted(meanwhile)).access_token().text == "access-1"
    assert (world.held().refresh, world.held().refused) == ("refresh-1", None)


def test_tokens_that_come_while_the_keys_are_changed_are_kept_though_the_new_key_is_not_ours(
    world: World, engine: Engine
) -> None:
    """An admin rotates before the daemon was restarted with the new key."""
    world.keeper = DatabaseKeeper(engine, Vault([KEY]), "crm")
    both = Vault([new_key(), KEY])

    def rotate() -> None:
        with write(engine) as tx:
            credentials.reseal(tx, both.reseal)

    assert world.grant(session=Interrupted(rotate)).access_token().text == "access-1"
    held = DatabaseKeeper(engine, both, "crm").read()
    assert held
    assert (held.refresh, held.spare) == ("refresh-1", "refresh-0")


def test_tokens_of_an_older_consent_do_not_replace_those_of_a_newer_one(world: World) -> None:
    newer = Given(access="access-9", refresh="refresh-9", until=T0 + timedelta(hours=1), api="")

    grant = world.grant(session=Interrupted(lambda: world.grant().renew_with(newer)))

    assert grant.access_token().text == "access-9"
    assert (world.held().refresh, world.held().spare) == ("refresh-9", None)


# --- one for all ---


def test_of_many_threads_that_want_a_token_one_asks(world: World, engine: Engine) -> None:
    world.keeper = DatabaseKeeper(engine, Vault([KEY]), "crm")
    grants = [world.grant() for _ in range(2)]  # as of two processes
    for grant in grants:
        grant._sleep = time.sleep

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda n: grants[n % 2].access_token().text, range(8)))

    assert tokens == ["access-1"] * 8
    assert len(world.vendor.asked) == 1


RACER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from pydantic import SecretStr
from syncd.contract import OAuth, OAuthSettings
from syncd.http import Session
from syncd.oauth import DatabaseKeeper, Grant
from syncd.store.engine import connect
from syncd.vault import Vault

database, key, url = sys.argv[1:]
app = OAuthSettings(client_id="app", client_secret=SecretStr("s"), refresh_token=SecretStr("refresh-0"))
oauth = OAuth(app=app, authorize_url=url, token_url=f"{url}/token", scopes=())
keeper = DatabaseKeeper(connect(database), Vault([key]), "crm")
grant = Grant(oauth, Session(), keeper, connector="crm", now=lambda: datetime.now(UTC))
print("ready", flush=True)
sys.stdin.readline()
grant.seed()
print(grant.access_token().text)
"""


def test_of_two_processes_that_race_for_a_renewal_one_asks(world: World, database_url: str) -> None:
    command = [sys.executable, "-c", RACER, database_url, KEY, world.vendor.url]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in "ab"
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"

    told = []
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
    for racer in racers:
        told.append(racer.communicate(timeout=60)[0])

    assert told == ["access-1\n"] * 2
    assert len(world.vendor.asked) == 1


def test_while_one_renews_the_others_go_on_with_the_present_token_to_its_end(world: World) -> None:
    world.grant().access_token()
    world.clock.tick(minutes=59, seconds=50)
    seen: list[str] = []

    def meanwhile() -> None:
        world.clock.tick(seconds=9.9)
        seen.append(world.grant().access_token().text)

    assert world.grant(session=Interrupted(meanwhile)).access_token().text == "access-2"
    assert seen == ["access-1"]
    assert not world.slept


def test_waiting_for_another_process_has_an_end_and_its_death_is_noticed(world: World) -> None:
    grant = world.grant()
    held = world.held()
    world.keeper.swap(held, replace(held, leased_until=T0 + timedelta(seconds=90)))
    with pytest.raises(Transient, match="another process"):
        grant.access_token()
    assert 30 < sum(world.slept) < 60
    assert not world.vendor.asked

    world.clock.tick(seconds=90)
    assert grant.access_token().text == "access-1"


def test_a_lease_from_before_the_clock_was_set_back_keeps_nobody_waiting(world: World) -> None:
    grant = world.grant()
    held = world.held()
    world.keeper.swap(held, replace(held, leased_until=T0 + timedelta(seconds=90)))
    world.clock.tick(hours=-1)

    assert grant.access_token().text == "access-1"
    assert not world.slept


# --- what vendors answer ---


def answer(status: int, body: str, **headers: str) -> requests.Response:
    it = requests.Response()
    it.status_code, it._content = status, body.encode()
    it.headers.update(headers)
    return it


APP = OAuth(
    app=OAuthSettings(client_id="app", client_secret=SecretStr(SECRET)),
    authorize_url="https://example.com/authorize",
    token_url="https://example.com/token",
    scopes=(),
    api="api_domain",
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "path"),
    [
        (400, '{"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}', Unauthorized, "oauth"),
        (400, '{"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}', Unauthorized, "oauth"),
        (400, '{"status": "BAD_HUB"}', Unauthorized, "oauth"),
        (400, '{"error": "access_denied"}', Unauthorized, "oauth"),
        (200, '{"error": "invalid_code"}', Unauthorized, "oauth"),
        (400, '{"success": false, "message": "Invalid grant: refresh_token is invalid"}', Unauthorized, "oauth"),
        (401, '{"error": "invalid_client"}', Misconfigured, "oauth.client_id"),
        (200, '{"error": "invalid_client_secret"}', Misconfigured, "oauth.client_secret"),
        (400, '{"status": "BAD_CLIENT_SECRET", "error": "invalid_client"}', Misconfigured, "oauth.client_secret"),
        (400, '{"error": "redirect_uri_mismatch"}', Misconfigured, "oauth"),
        (400, '{"error": "invalid_scope"}', Misconfigured, "oauth"),
        (200, '{"error": "Access Denied"}', Parked, None),
        (400, '{"error": "Access Denied"}', Parked, None),
        (429, "", Throttled, None),
        (503, '{"error": "invalid_grant?"}', Transient, None),
        (500, "<html>", Transient, None),
        (200, "<html>", Transient, None),
        (200, "{}", Transient, None),
        (200, "[]", Transient, None),
        (200, "[" * 100_000, Transient, None),
        (200, '{"access_token": ""}', Transient, None),
        (200, '{"access_token": 7}', Transient, None),
        (200, '{"access_token": "a b"}', Transient, None),
        (200, '{"access_token": "a\\r\\nX: y"}', Transient, None),
        (302, "", Transient, None),
    ],
)
def test_an_answer_without_a_token_is_judged_by_its_words(
    status: int, body: str, kind: type[ConnectorError], path: str | None
) -> None:
    with pytest.raises(ConnectorError) as caught:
        judged(answer(status, body), APP, T0)

    assert type(caught.value) is kind
    assert getattr(caught.value, "yaml_path", None) == path


@pytest.mark.parametrize(
    ("more", "until"),
    [("", 3600), (', "expires_in": 1800', 1800), (', "expires_in": "1800"', 1800), (', "expires_in": 0', 3600)]
    + [(f', "expires_in": {odd}', 3600) for odd in ("-5", "null", "true", "1.5", '"soon"')]
    + [(', "expires_in": 999999999999', 365 * 86400)],
)
def test_an_answer_with_a_token_is_good_whatever_its_status(more: str, until: int) -> None:
    given = judged(answer(400, f'{{"access_token": "a", "api_domain": "https://api.example.com"{more}}}'), APP, T0)

    assert (given.access, given.refresh, given.api) == ("a", None, "https://api.example.com")
    assert given.until == T0 + timedelta(seconds=until)


def test_a_grant_that_is_over_is_asked_for_no_more_until_there_is_a_new_one(world: World) -> None:
    world.vendor.good.clear()
    grant = world.grant()
    for one in (grant, grant, world.grant()):
        with pytest.raises(Unauthorized, match="invalid_grant") as caught:
            one.access_token()
        assert caught.value.yaml_path == "oauth"
        assert caught.value.hint == "run: syncd connectors auth crm"
    assert len(world.vendor.asked) == 1

    world.vendor.good.add("refresh-new")
    assert world.grant(refresh=SecretStr("refresh-new")).access_token().text == "access-1"


def test_nobody_has_consented_yet(world: World) -> None:
    with pytest.raises(Unauthorized, match="no admin has consented") as caught:
        world.grant(refresh=None).access_token()
    assert caught.value.hint == "run: syncd connectors auth crm"


def test_a_wrong_secret_or_too_many_tokens_do_not_end_a_grant(world: World) -> None:
    world.vendor.says = [(401, {"error": "invalid_client"}), (200, {"error": "Access Denied"})]
    grant = world.grant()
    with pytest.raises(Misconfigured):
        grant.access_token()
    with pytest.raises(Parked) as caught:
        grant.access_token()
    assert caught.value.until == T0 + timedelta(minutes=10)

    assert grant.access_token().text == "access-1"


def test_no_more_tokens_are_asked_for_than_a_vendor_gives_and_a_restart_forgets_none(world: World) -> None:
    most = (3, timedelta(minutes=10))
    token = world.grant(most=most).access_token()
    for _ in range(2):
        world.clock.tick(minutes=1)
        token = world.grant(most=most).access_token(token)
    with pytest.raises(Parked) as caught:
        world.grant(most=most).access_token(token)

    assert caught.value.until == T0 + timedelta(minutes=10)
    assert len(world.vendor.asked) == 3
    assert world.grant(most=most).access_token() == token, "what is there can be used"

    world.clock.at = T0 + timedelta(minutes=10)
    assert world.grant(most=most).access_token(token).text == "access-4"


# --- seeds and consents ---


def test_a_configured_refresh_token_is_taken_once_and_a_changed_one_replaces_what_grew_from_it(world: World) -> None:
    world.grant().access_token()
    world.grant()
    assert world.held().refresh == "refresh-1"

    world.grant(refresh=SecretStr("refresh-new"))
    assert (world.held().refresh, world.held().spare, world.held().access) == ("refresh-new", None, None)
    world.grant(refresh=None)
    assert world.held().refresh == "refresh-new"


def test_a_consent_outlasts_the_refresh_token_in_the_configuration(world: World) -> None:
    world.grant().renew_with(Given(access="A", refresh="R", until=T0 + timedelta(hours=1), api="https://x.example.com"))

    assert world.grant().access_token() == AccessToken(text="A", api="https://x.example.com")


def test_the_page_to_consent_on_is_told_all_and_no_secret(world: World) -> None:
    oauth = world.vendor.oauth(pkce=True, scope_separator=",", parameters={"access_type": "offline"})
    consent = Consent(oauth=oauth, redirect_url="http://127.0.0.1:1/callback", state="st", verifier=VERIFIER)

    assert consent.url == (
        f"{world.vendor.url}/authorize?response_type=code&client_id=app"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&scope=a%2Cb&state=st&access_type=offline"
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    )
    assert consent.is_mine({"state": "st"})
    assert not any(consent.is_mine(odd) for odd in ({}, {"state": ""}, {"state": "sü"}, {"state": "sta"}))


def test_a_code_is_traded_with_what_proves_that_it_is_ours(world: World) -> None:
    grant = world.grant(refresh=None, pkce=True)
    consent = Consent(oauth=grant.oauth, redirect_url="http://127.0.0.1:1/callback")

    grant.renew_with(grant.trade(consent, "code-0"))

    assert grant.access_token().text == "access-1"
    assert world.vendor.asked[0]["code_verifier"] == consent.verifier
    assert world.vendor.asked[0]["redirect_uri"] == consent.redirect_url
    world.vendor.gives_refresh = False
    world.vendor.codes.add("code-1")
    with pytest.raises(Misconfigured, match="access token alone"):
        grant.trade(consent, "code-1")


# --- secrets ---


def test_tokens_are_sealed_in_the_database_and_stand_in_no_url_error_log_or_repr(
    world: World, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.keeper = DatabaseKeeper(engine, Vault([KEY]), "crm")
    grant = world.grant()
    token = grant.access_token()
    told = [repr(token), repr(world.held()), repr(grant), caplog.text, *world.vendor.urls]
    world.vendor.good.clear()
    with pytest.raises(Unauthorized) as caught:
        grant.access_token(token)
    told += [repr(caught.value), str(caught.value), caplog.text]

    with read(engine) as tx:
        row = credentials.get(tx, "crm")
    assert row
    told += [row.refresh or "", row.spare or "", row.access or ""]
    for secret in ("access-1", "refresh-0", "refresh-1", SECRET):
        assert not any(secret in text for text in told)


def test_the_apps_secret_goes_in_the_form_or_in_a_header_as_the_vendor_wants_it(world: World) -> None:
    world.grant().access_token()
    world.grant(refresh=SecretStr("refresh-1"), basic=True).access_token()

    assert world.vendor.asked[0]["client_secret"] == SECRET
    assert "client_secret" not in world.vendor.asked[1]
    assert world.vendor.headers[1]["Authorization"] == "Basic YXBwOnMzY3JldC1vZi10aGUtYXBw"


def test_tokens_that_no_key_opens_are_left_alone(world: World, engine: Engine) -> None:
    world.grant(DatabaseKeeper(engine, Vault([KEY]), "crm"))

    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        DatabaseKeeper(engine, Vault([new_key()]), "crm").read()
    assert "syncd secrets forget crm" in caught.value.hint


# --- wiring ---


class Settings(ConnectorSettings):
    """Of a connector that may or may not come by OAuth."""

    url: str = ""


class Crm:
    @classmethod
    def oauth(cls, settings: Settings) -> OAuth | None:
        app = OAuthSettings(client_id="app", client_secret=SecretStr(SECRET), refresh_token=REFRESH)
        token_url = f"{settings.url}/token"
        asked = OAuth(app=app, authorize_url=settings.url, token_url=token_url, scopes=(), api="api_domain")
        return asked if settings.url else None


def test_a_session_is_equipped_where_the_connector_wants_it(world: World) -> None:
    session = Session()

    assert equip(session, object, Settings(name="crm", type="crm")) is None
    assert equip(session, Crm, Settings(name="crm", type="crm")) is None
    with pytest.raises(Misconfigured):
        session.access_token()
    assert equip(session, Crm, Settings(name="crm", type="crm", url=world.vendor.url))
    assert session.access_token() == AccessToken(text="access-1", api=world.vendor.url)
