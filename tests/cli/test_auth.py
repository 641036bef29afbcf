"""`syncd connectors auth`: a real process, a loopback vendor, and a browser that does as it is told."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy.exc import DBAPIError

from syncd.store import sources
from syncd.store.engine import connect, read, write
from syncd.store.referrals import changes
from tests.cli.oauth_place import OAuthPlace, make
from tests.token_vendor import SECRET, Vendor, vendor


@pytest.fixture
def crm() -> Iterator[Vendor]:
    with vendor() as it:
        yield it


@pytest.fixture
def place(tmp_path: Path, crm: Vendor) -> OAuthPlace:
    return make(tmp_path, crm.url)


@dataclass
class Attempt:
    """A command that waits for the browser."""

    process: subprocess.Popen[str]
    asked: dict[str, str]  # the parameters of the page that it printed

    def visit(self, **parameters: str) -> requests.Response:
        return requests.get(self.asked["redirect_uri"], params=parameters, timeout=10)

    def ended(self) -> tuple[int, str]:
        out, error = self.process.communicate(timeout=30)
        return self.process.returncode, out + error


@contextlib.contextmanager
def attempt(place: OAuthPlace, *args: str) -> Iterator[Attempt]:
    command = [sys.executable, "-m", "syncd", "-c", str(place.config), "connectors", "auth", "crm", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--no-browser", *args],
        cwd=place.folder,
        env={**place.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    url = next((line.strip() for line in process.stdout if "/authorize?" in line), None)
    assert url, process.communicate()[1]
    query = parse_qs(urlsplit(url).query)
    try:
        yield Attempt(process, {name: values[0] for name, values in query.items()})
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        assert process.stderr
        process.stderr.close()


def test_a_consent_brings_tokens_and_tells_whose_account_it_is(place: OAuthPlace, crm: Vendor) -> None:
    with attempt(place) as it:
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/callback", it.asked["redirect_uri"])
        assert it.asked["code_challenge_method"] == "S256"
        page = it.visit(code="code-0", state=it.asked["state"])
        code, told = it.ended()

    assert page.status_code == 200
    assert "syncd is let in" in page.text
    assert code == 0, told
    assert "crm has its tokens\ncrm: Example Ltd (acme account 1)\n  ok       the account can be read\n" in told
    assert not any(secret in told for secret in ("access-1", "refresh-1", "code-0", SECRET))
    files = b"".join(path.read_bytes() for path in place.folder.glob("syncd.db*"))
    assert not any(secret in files for secret in (b"access-1", b"refresh-1", SECRET.encode()))
    again = place.run("connectors", "check", "crm")
    assert (again.returncode, crm.given) == (0, 1), again.stderr


def test_the_pages_are_plain_dark_where_wanted_and_let_nothing_out(place: OAuthPlace) -> None:
    with attempt(place) as it:
        page = it.visit(code="code-0", state=it.asked["state"])

    assert "color-scheme: light dark" in page.text
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_consent_ends_the_rest_of_a_connector_that_was_misconfigured_and_stands_in_the_history(
    place: OAuthPlace,
) -> None:
    assert place.run("connectors", "check", "crm").returncode == 77, "nobody has consented yet"
    database = connect(f"sqlite:///{place.folder / 'syncd.db'}")
    with write(database) as tx:
        source = sources.get(tx, "crm")
        assert source
        sources.mark(tx, "crm", state="misconfigured", held_until=source.created_at.replace(year=2100))

    with attempt(place) as it:
        it.visit(code="code-0", state=it.asked["state"])
        assert it.ended()[0] == 0

    with read(database) as tx:
        source = sources.get(tx, "crm")
        assert source
        assert source.held_until is None
        assert [(change.what, change.connector) for change in changes(tx)] == [("consented", "crm")]
    database.dispose()


def test_a_refusal_changes_nothing(place: OAuthPlace, crm: Vendor) -> None:
    with attempt(place) as it:
        page = it.visit(error="access_denied", state=it.asked["state"])
        code, told = it.ended()

    assert "Nothing was changed" in page.text
    assert (code, told.strip()) == (77, "error: the consent was refused (access_denied); nothing was changed")
    assert not crm.asked


def test_a_reason_that_is_no_plain_word_is_not_shown(place: OAuthPlace) -> None:
    with attempt(place) as it:
        page = it.visit(error="<b>pay here</b>", state=it.asked["state"])
        code, told = it.ended()

    assert code == 77
    assert "pay here" not in told + page.text


@pytest.mark.parametrize("state", ["", "another", "ü"])
def test_a_wrong_state_is_refused_and_its_code_is_not_traded(place: OAuthPlace, crm: Vendor, state: str) -> None:
    with attempt(place) as it:
        page = it.visit(code="code-0", state=state)
        code, told = it.ended()

    assert page.status_code == 400
    assert "wrong state" in told
    assert code == 1
    assert not crm.asked


def test_a_code_that_the_vendor_refuses(place: OAuthPlace) -> None:
    with attempt(place) as it:
        page = it.visit(code="stale", state=it.asked["state"])
        code, told = it.ended()

    assert "Run the command again" in page.text
    assert code == 77
    assert "the vendor does not take the code" in told


def test_a_vendor_that_is_down_is_no_refusal(place: OAuthPlace, crm: Vendor) -> None:
    crm.says = [(503, "maintenance")]
    with attempt(place) as it:
        page = it.visit(code="code-0", state=it.asked["state"])
        code, told = it.ended()

    assert "there is no token" in page.text
    assert code == 69
    assert "status 503" in told


def test_a_wrong_secret_is_told_at_its_line(place: OAuthPlace, crm: Vendor) -> None:
    crm.says = [(401, {"error": "invalid_client_secret"})]
    with attempt(place) as it:
        it.visit(code="code-0", state=it.asked["state"])
        code, told = it.ended()

    assert code == 78
    assert re.search(r"syncd\.yaml:9:\d+: error: connector crm: the vendor says invalid_client_secret", told)


def test_other_addresses_and_idle_connections_end_nothing(place: OAuthPlace) -> None:
    with attempt(place) as it:
        parts = urlsplit(it.asked["redirect_uri"])
        with socket.create_connection(("127.0.0.1", parts.port or 0)):
            assert requests.get(f"http://{parts.netloc}/favicon.ico", timeout=10).status_code == 404
            it.visit(code="code-0", state=it.asked["state"])
            assert it.ended()[0] == 0


def test_a_vendor_that_takes_no_numbers_is_told_another_address_of_this_port(place: OAuthPlace, crm: Vendor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://localhost:{port}/back"
    with attempt(place, "--port", str(port), "--redirect", url) as it:
        assert it.asked["redirect_uri"] == url
        requests.get(f"http://127.0.0.1:{port}/back?code=code-0&state={it.asked['state']}", timeout=10)
        assert it.ended()[0] == 0
    assert crm.asked[0]["redirect_uri"] == url


@pytest.mark.parametrize("url", ["localhost:8788/callback", "/callback", "", "http://", "http://localhost/#a"])
def test_an_address_that_no_browser_comes_back_to_is_refused_at_once(place: OAuthPlace, url: str) -> None:
    done = place.call("connectors", "auth", "crm", "--no-browser", "--redirect", url)

    assert done.exit_code == 2
    assert "such as http://localhost:8788/callback" in done.stderr


def test_waiting_has_an_end(place: OAuthPlace) -> None:
    with attempt(place, "--timeout", "1") as it:
        code, told = it.ended()

    assert (code, told.strip()) == (75, "error: nobody consented within 1 s; run the command again")


def test_a_port_that_is_taken_is_told(place: OAuthPlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = place.run("connectors", "auth", "crm", "--no-browser", "--port", port)

    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be listened on" in done.stderr
    assert "--port" in done.stderr


def test_a_daemon_that_runs_goes_on_with_new_tokens_at_once(place: OAuthPlace) -> None:
    daemon = place.start("run")
    try:
        source = until(place, "misconfigured")
        assert "no admin has consented" in (source.error or "")
        with attempt(place) as it:
            it.visit(code="code-0", state=it.asked["state"])
            assert it.ended()[0] == 0
        assert until(place, "healthy").account == "Example Ltd"
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)


def until(place: OAuthPlace, state: str) -> sources.Source:
    """Wait for the connector to be in a state, for less time than a misconfigured one rests."""
    database = connect(f"sqlite:///{place.folder / 'syncd.db'}")
    try:
        for _ in range(300):
            with contextlib.suppress(DBAPIError), read(database) as tx:  # the daemon makes the tables
                if (source := sources.get(tx, "crm")) and source.state == state:
                    return source
            time.sleep(0.1)
        pytest.fail(f"the connector did not become {state}")
    finally:
        database.dispose()
