"""Webhooks of CRMs: proved, kept and thanked for; refused in a way that tells nobody anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import requests
from sqlalchemy import insert, select, update

from syncd.contract import Misconfigured, Poke
from syncd.flow import operate, pokes
from syncd.flow.app import Connection
from syncd.flow.decide import decide
from syncd.flow.heed import heed
from syncd.store.engine import read, write
from syncd.store.tables import inbox
from syncd.web.app import create_app
from tests.flow.telling import PATH_SECRET, PUBLIC_URL, SECRET, Telling, tells
from tests.web.site import Site, code


@pytest.fixture
def told(site: Site) -> Telling:
    """What the CRM of `site` sees, once it sends webhooks."""
    return tells(site.world)


@pytest.fixture
def any_told(any_site: Site) -> Telling:
    """The same for `any_site`."""
    return tells(any_site.world)


def send(site: Site, body: object, path: str = "", **more: Any) -> requests.Response:
    """Send as the CRM does; `body` is bytes, or what will be JSON. Of `headers` those that are None are left out."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Proof": SECRET, "Content-Type": "application/json"} | more.pop("headers", {})
    kept = {name: value for name, value in headers.items() if value is not None}
    return site.call("POST", f"/webhooks/crm{path}", token=None, data=raw, headers=kept)


def change(*deals: str, id: str = "m") -> list[dict[str, str]]:
    return [{"id": f"{id}{deal}", "deal": deal} for deal in deals]


def rows(site: Site) -> list[Mapping[str, Any]]:
    with read(site.app.database) as tx:
        mine = select(inbox).where(inbox.c.kind == "poke").order_by(inbox.c.id)
        return [dict(row._mapping) for row in tx.execute(mine)]


def test_a_win_is_booked_as_soon_as_the_crm_tells_of_it(any_site: Site, any_told: Telling) -> None:
    world, id = any_site.world, any_site.refer().json()["id"]
    world.deliver()
    won = world.crm.deal_of(id)
    world.clock.move(seconds=1)
    world.crm.move(won, "won")
    any_site.nudges.clear()

    answer = send(any_site, change(won.id))
    assert any_site.nudges == ["crm"]
    heed(any_site.app, "crm")
    decide(any_site.app)

    assert (answer.status_code, answer.content) == (200, b"<thanks/>")
    assert world.standing(id) == "qualified"


def test_a_repetition_is_thanked_for_and_changes_nothing(any_site: Site, any_told: Telling) -> None:
    first, again = (send(any_site, change("1", "2")) for _ in range(2))
    third = send(any_site, change("2", "3"))

    assert [answer.status_code for answer in (first, again, third)] == [200, 200, 200]
    assert [row["key"] for row in rows(any_site)] == ["poke/crm:m1", "poke/crm:m2", "poke/crm:m3"]


def test_a_message_of_no_interest_is_thanked_for(site: Site, told: Telling) -> None:
    answer = send(site, [])

    assert (answer.status_code, rows(site), site.nudges) == (200, [], [])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Proof": "another"}, (401, "bad_signature")),
        ({"X-Proof": None}, (401, "bad_signature")),
        ({"X-Age": "1000"}, (401, "stale")),
    ],
    ids=["forged", "unproved", "stale"],
)
def test_what_is_not_proved_leaves_nothing_behind(
    site: Site, told: Telling, headers: dict[str, str | None], expected: tuple[int, str]
) -> None:
    answer = send(site, change("1"), headers=headers)

    assert code(answer) == expected
    assert rows(site) == []


def test_the_connector_sees_the_request_as_it_came_under_our_own_address(site: Site, told: Telling) -> None:
    url = f"{site.base}/webhooks/crm/{PATH_SECRET}?a=%2Fb&c"
    forged = {"Host": "evil.example.org", "X-Forwarded-Host": "evil.example.org"}
    requests.post(
        url, data=b"[ ]", headers={"X-Proof": SECRET, "Content-Type": "application/json", **forged}, timeout=30
    )

    (delivery,) = told.deliveries
    assert delivery.url == f"{PUBLIC_URL}/webhooks/crm/{PATH_SECRET}?a=%2Fb&c"
    assert (delivery.method, delivery.secret, delivery.body) == ("POST", PATH_SECRET, b"[ ]")
    assert delivery.at == site.app.clock()
    assert PATH_SECRET not in repr(delivery)


def test_a_header_that_came_twice_proves_nothing(site: Site, told: Telling) -> None:
    head = b"POST /webhooks/crm HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    proof = b"X-Proof: " + SECRET.encode() + b"\r\n"

    answer = site.raw(head + proof + proof + b"Connection: close\r\n\r\n[]")

    assert answer.startswith(b"HTTP/1.1 401")


def test_without_a_public_url_the_host_of_a_request_is_not_believed(
    site: Site, told: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    server = site.app.config.server.model_copy(update={"public_url": None})
    site.app.config = replace(site.app.config, server=server)

    send(site, [], headers={"Host": "evil.example.org"})

    assert told.deliveries[0].url == "http://127.0.0.1:0/webhooks/crm"


def test_what_is_proved_and_cannot_be_understood_is_kept_once_and_not_whole(any_site: Site, any_told: Telling) -> None:
    body = b"\0not JSON" + b"x" * 10_000

    answers = [send(any_site, body) for _ in range(2)]

    (row,) = rows(any_site)
    assert [code(answer) for answer in answers] == [(400, "unusable")] * 2
    assert (row["dead"], row["error"], len(row["payload"]["raw"])) == (True, "the body is no JSON", 4096)


def test_of_what_cannot_be_understood_neither_proof_nor_address_is_kept(site: Site) -> None:
    """Zoho, for one, writes the token that proves a message into the message."""
    tells(site.world, path_secret=PATH_SECRET)
    filler = "x" * (pokes.RAW - 100)  # so that the secret is where the rest is cut off

    send(site, f'"{PATH_SECRET}", "token": "t0ken-of-a-channel", ann@example.com {filler} {PATH_SECRET}'.encode())

    (row,) = rows(site)
    kept = row["payload"]["raw"]
    assert not [it for it in (PATH_SECRET[:8], "t0ken", "ann@") if it in kept]


def test_no_more_dead_letters_are_kept_than_anybody_reads(site: Site, told: Telling) -> None:
    for number in range(pokes.MOST_DEAD + 3):
        send(site, f"no JSON {number}".encode())

    assert len(rows(site)) == pokes.MOST_DEAD


def test_a_fault_of_the_connector_is_ours_and_quotes_nothing(
    site: Site, told: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    answer = send(site, b"boom")

    assert code(answer) == (500, "internal")
    assert rows(site) == []
    assert "connector crm broke down on a webhook: KeyError at telling.py" in caplog.text
    assert "boom" not in caplog.text


@pytest.mark.parametrize(
    "path", ["/webhooks/nobody", f"/webhooks/shop/{PATH_SECRET}", "/webhooks/crm/a/b", "/webhooks/"]
)
def test_an_address_that_nobody_has_is_not_found(site: Site, told: Telling, path: str) -> None:
    answer = site.call("POST", path, token=None, json=[])

    assert code(answer) == (404, "not_found")


def test_a_connector_that_has_no_webhook_section_takes_none(site: Site, told: Telling) -> None:
    connection = site.app.connections["crm"]
    connection.settings = connection.settings.model_copy(update={"webhook": None})

    assert code(send(site, [])) == (404, "not_found")


def test_a_connector_that_cannot_take_webhooks_takes_none(site: Site) -> None:
    told = tells(site.world)
    connection = site.app.connections["crm"]
    plain = type(connection.plug_in()).__mro__[1]
    site.app.connections = {
        "crm": Connection(settings=connection.settings, session=connection.session, opening=plain.open)  # type: ignore[attr-defined]
    }

    assert code(send(site, [])) == (404, "not_found")
    assert told.deliveries == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_only_post_is_taken(site: Site, told: Telling, method: str) -> None:
    assert site.call(method, f"/webhooks/crm/{PATH_SECRET}", token=None).status_code == 405


def test_the_pokes_of_a_paused_connector_are_kept_for_later(site: Site, told: Telling) -> None:
    operate.pause(site.app, "crm", by="test")

    answer = send(site, change("1"))
    forged = send(site, change("2"), headers={"X-Proof": "another"})

    assert answer.status_code == 200
    assert code(forged) == (401, "bad_signature")
    assert len(rows(site)) == 1


def test_a_connector_that_cannot_be_opened_asks_the_crm_to_come_again(site: Site, told: Telling) -> None:
    connection = site.app.connections["crm"]

    def fails(*_: object) -> Any:
        raise Misconfigured("its package is not there", yaml_path="type")

    broken = Connection(settings=connection.settings, session=connection.session, opening=fails)
    site.app.connections = {"crm": broken}

    answer = send(site, change("1"))

    assert (code(answer), answer.headers["Retry-After"]) == ((503, "not_open"), "60")


def test_while_the_database_is_down_the_crm_is_asked_to_come_again(site: Site, told: Telling) -> None:
    with write(site.app.database) as tx:
        tx.exec_driver_sql("ALTER TABLE inbox RENAME TO away")

    answer = send(site, change("1"))

    assert code(answer) == (503, "database_down")
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("media_type", "sent", "taken"),
    [
        ("application/json", "application/json", True),
        ("application/json", "application/json; charset=UTF-8", True),
        ("application/json", "application/cloudevents+json", True),
        ("application/json", "application/json; charset=latin-1", False),
        ("application/json", "text/xml", False),
        ("application/json", "application/x-www-form-urlencoded", False),
        ("application/json", None, False),
        ("text/xml", "text/xml; charset=utf-8", True),
        ("text/xml", "application/soap+xml", True),
        ("text/xml", "application/json", False),
    ],
)
def test_a_body_must_be_of_the_crms_own_kind(site: Site, media_type: str, sent: str | None, taken: bool) -> None:
    tells(site.world, media_type=media_type)

    answer = send(site, [], headers={"Content-Type": sent})

    assert answer.status_code == (200 if taken else 415)
    assert not taken or answer.headers["Content-Type"].startswith(media_type)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: Site, told: Telling) -> None:
    assert code(send(site, b"x" * (256 * 1024 + 1))) == (413, "too_large")
    assert told.deliveries == []


def test_the_secret_of_an_address_is_nowhere_to_be_read(
    site: Site, told: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    answers = [
        send(site, body, f"/{PATH_SECRET}", headers=headers)
        for body, headers in [
            (change("1"), {}),
            (change("1"), {"X-Proof": "another"}),
            (b"no JSON", {}),
            (b"boom", {}),
        ]
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 400, 500]
    kept = json.dumps([row["payload"] | {"key": row["key"], "error": row["error"]} for row in rows(site)])
    # pytest listens also where nobody else does: at the server's own list of requests, and at this test's client.
    ours = "".join(it.getMessage() for it in caplog.records if it.name.split(".")[0] not in {"uvicorn", "urllib3"})
    assert not logging.getLogger("uvicorn.access").propagate
    assert PATH_SECRET not in kept + ours + "".join(answer.text for answer in answers)


@pytest.fixture
def flooded(any_site: Site, any_told: Telling) -> Site:
    """A site at which as many pokes wait as are kept."""
    now = any_site.app.clock()
    row = {"kind": "poke", "source": "crm", "payload": {"refs": []}, "due_at": now, "created_at": now}
    with write(any_site.app.database) as tx:
        tx.execute(insert(inbox), [{**row, "key": f"poke/crm:old{number}"} for number in range(pokes.MOST_OPEN)])
    any_site.world.deliver()
    any_site.world.poll()
    return any_site


def test_the_ten_thousand_and_first_poke_becomes_a_poll(flooded: Site, caplog: pytest.LogCaptureFixture) -> None:
    before = flooded.world.source()
    assert before.due_at is not None
    assert before.due_at > flooded.app.clock()

    answers = [send(flooded, change(str(number))) for number in range(3)]

    after = flooded.world.source()
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(rows(flooded)) == pokes.MOST_OPEN
    assert (after.due_at, after.sweep_at) == (flooded.app.clock(), flooded.app.clock())
    assert len([line for line in caplog.messages if "others are dropped" in line]) == 1


def test_a_flood_asks_for_one_poll_when_it_begins_and_one_when_it_ends(flooded: Site) -> None:
    send(flooded, change("1"))
    flooded.world.poll(seconds=1)
    send(flooded, change("2"))
    resting = flooded.world.source().due_at
    assert resting is not None
    assert resting > flooded.app.clock()

    heed(flooded.app, "crm")
    send(flooded, change("3"))

    assert flooded.world.source().due_at == flooded.app.clock()
    assert rows(flooded)[-1]["key"] == "poke/crm:m3"


def test_a_flood_does_not_end_with_the_first_pokes_that_are_heeded(flooded: Site) -> None:
    send(flooded, change("1"))
    flooded.world.poll(seconds=1)
    with write(flooded.app.database) as tx:
        heeded = select(inbox.c.id).where(inbox.c.kind == "poke").limit(100)
        tx.execute(update(inbox).where(inbox.c.id.in_(heeded)).values(due_at=None))

    send(flooded, change("2"))

    resting = flooded.world.source().due_at
    assert rows(flooded)[-1]["key"] == "poke/crm:m2"
    assert resting is not None
    assert resting > flooded.app.clock()


def test_one_connectors_flood_is_no_others(flooded: Site) -> None:
    with write(flooded.app.database) as tx:
        taken = pokes.take(tx, "other", [Poke(id="m1", refs=())], flooded.app.clock())

    assert (taken.new, taken.dropped) == (1, 0)


def test_at_the_start_it_is_said_that_an_address_is_missing(
    site: Site, told: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    create_app(site.app)
    assert caplog.messages == []
    server = site.app.config.server.model_copy(update={"public_url": None})
    site.app.config = replace(site.app.config, server=server)

    create_app(site.app)

    assert [line for line in caplog.messages if "server.public_url is not set" in line]
