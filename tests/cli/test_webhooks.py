"""`syncd webhooks`: which are taken and how they fare, a delivery to try one, and new secrets; no secret is shown."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter

from syncd import registry
from syncd.cli import Options
from syncd.cli.webhooks import command
from syncd.config import load
from syncd.contract import Poke
from syncd.contract.settings import PathSecret
from syncd.flow import pokes
from syncd.flow.opening import open_app
from syncd.signing import signing_key
from syncd.store import sources
from syncd.store.engine import write
from syncd.web.app import create_server
from tests.cli.conftest import Place

PATH_SECRET = "a-path-nobody-guesses-0123456789"
APP_SECRET = "the client secret of an app"
SENDER_SECRET = "a sender's secret of 32 letters."
SENDERS = f"senders:\n  - {{name: shop, secrets: [{json.dumps(SENDER_SECRET)}]}}\n"
WEBHOOK = f"webhook: {{secret: {APP_SECRET}, path_secret: {PATH_SECRET}}}"


@pytest.fixture
def told(place: Place) -> Place:
    """An installation that takes webhooks of its CRM and of a shop."""
    text = place.config.read_text().replace("type: hubspot", f"type: hubspot\n    {WEBHOOK}")
    text = text.replace('listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", public_url: "https://refer.example.com"')
    place.config.write_text(text + SENDERS)
    return place


def call(place: Place, *args: str) -> Result:
    options = Options(config=place.config, debug=False)
    return CliRunner().invoke(command, list(args), obj=options, env=place.env)


def listed(place: Place) -> dict[str, dict[str, Any]]:
    result = call(place, "list", "--format", "json")
    assert result.exit_code == 0, result.output
    return {row["name"]: row for row in json.loads(result.stdout)}


@contextmanager
def running(place: Place) -> Iterator[int]:
    """Run the installation's web server for the length of a block, and have its configuration name the port."""
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    server = create_server(app)
    started, thread = threading.Event(), threading.Thread(target=server.run)
    startup = server.startup

    async def tell(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    thread.start()
    try:
        assert started.wait(20)
        port = server.servers[0].sockets[0].getsockname()[1]
        place.config.write_text(place.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        yield port
    finally:
        server.should_exit = True
        thread.join()
        app.database.dispose()


def test_a_list_tells_addresses_proofs_and_how_they_fare(told: Place) -> None:
    app = open_app(load(told.config, env=told.env, connector_types=registry.find))
    until = datetime(2027, 1, 1, tzinfo=UTC)
    with write(app.database) as tx:
        pokes.take(tx, "crm", [Poke(id="m1", refs=()), Poke(id="m2", refs=())], app.clock())
        pokes.bury(tx, "crm", b"nonsense", "it cannot be read", app.clock())
        sources.mark(tx, "crm", subscribed_until=until)
    app.database.dispose()

    rows = listed(told)

    crm, shop = rows["crm"], rows["shop"]
    assert (crm["kind"], crm["address"]) == ("hubspot", "https://refer.example.com/webhooks/crm/…")
    assert set(crm["proof"].split(", ")) == {"path_secret", "secret"}
    assert (crm["waiting"], crm["dead"], crm["subscribed_until"]) == (2, 1, until.isoformat())
    assert datetime.now(UTC) - datetime.fromisoformat(crm["last_delivery"]) < timedelta(minutes=5)
    assert (shop["kind"], shop["address"]) == ("sender", "https://refer.example.com/webhooks/shop")
    assert (shop["proof"], shop["last_delivery"], shop["waiting"]) == ("signature, 1 secret", None, 0)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_no_form_of_the_list_shows_a_secret(told: Place, form: str) -> None:
    output = call(told, "list", "--format", form).output

    assert "webhooks/crm/…" in output
    assert not [secret for secret in (PATH_SECRET, APP_SECRET, SENDER_SECRET) if secret in output]


def test_a_connector_without_a_webhook_section_is_listed_as_taking_none(place: Place) -> None:
    crm = listed(place)["crm"]

    assert (crm["address"], crm["proof"]) == (None, "none taken: there is no `webhook` in its section")


def test_a_delivery_without_effect_proves_that_the_signature_is_right(told: Place) -> None:
    with running(told):
        result = call(told, "send", "shop")

    assert (result.exit_code, result.output[:8]) == (0, "ignored:")


def test_a_referral_is_qualified_as_by_a_real_delivery(told: Place, tmp_path: Path) -> None:
    who = ("--advocate", "anna@example.com", "--advocate-name", "Anna", "--friend", "ben@example.com")
    lead = told.did("referrals", "add", "--campaign", "spring", *who, "--first-name", "Ben").strip()
    body = tmp_path / "body.json"
    body.write_bytes(b'{"type": "referral.qualified", "data": {}}')

    with running(told):
        accepted = call(told, "send", "shop", "--referral", lead)
        refused = call(told, "send", "shop", "--file", str(body))

    assert (accepted.exit_code, accepted.output[:9]) == (0, "accepted:")
    assert refused.exit_code == 65
    assert "400 unusable: data names no referral" in refused.output
    shop = listed(told)["shop"]
    assert (shop["waiting"], shop["dead"], shop["last_delivery"] is not None) == (1, 1, True)


def test_a_wrong_secret_is_told_as_such(told: Place) -> None:
    with running(told):
        told.config.write_text(told.config.read_text().replace(SENDER_SECRET, SENDER_SECRET[::-1]))
        result = call(told, "send", "shop")

    assert result.exit_code == 65
    assert "401 bad_signature" in result.output


def test_where_no_daemon_answers_it_says_how_to_start_one(told: Place) -> None:
    with running(told) as port:
        pass

    result = call(told, "send", "shop")

    assert result.exit_code == 69
    assert result.output == f"error: no daemon answers at http://127.0.0.1:{port}/webhooks/shop; start it: syncd run\n"


def test_where_something_else_answers_it_says_so(told: Place) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[1]")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        told.config.write_text(told.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{server.server_port}"))
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        result = call(told, "send", "shop")
        thread.join()

    assert result.exit_code == 69
    assert "is no syncd" in result.output


@pytest.mark.parametrize(
    ("name", "said"), [("crm", "crm is a connector, and only its CRM"), ("nobody", "no sender is named 'nobody'")]
)
def test_only_a_sender_can_be_sent_as(told: Place, name: str, said: str) -> None:
    result = call(told, "send", name)

    assert result.exit_code == 1
    assert said in result.output


def test_a_referral_and_a_file_are_two_things(told: Place) -> None:
    result = call(told, "send", "shop", "--referral", "ref_1", "--file", str(told.config))

    assert result.exit_code == 2


def test_new_secrets_are_good_ones_each_time_others_and_alone_on_stdout() -> None:
    made = [CliRunner().invoke(command, ["keys"], obj=None) for _ in range(2)]
    paths = [CliRunner().invoke(command, ["keys", "--path"], obj=None) for _ in range(2)]

    assert {len(signing_key(it.stdout.strip())) for it in made} == {32}
    assert [re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}\n", it.stdout) is not None for it in made] == [True, True]
    for it in paths:
        TypeAdapter(PathSecret).validate_python(it.stdout.strip())
    assert len({it.stdout for it in (*made, *paths)}) == 4
    assert "remove the old one" in made[0].stderr
    assert "path_secret" in paths[0].stderr
