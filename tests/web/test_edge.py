from __future__ import annotations

import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.store.engine import connect
from syncd.web.app import THREADS
from syncd.web.edge import SECURITY_HEADERS, Limits
from tests.database import Databases
from tests.web.site import Site, code, running

KIB = 1024


def chunked(path: str, size: int) -> list[bytes]:
    """A request whose body comes in chunks and names no length."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    chunk = b"x" * 16 * KIB
    return [head.encode(), *[b"%x\r\n%s\r\n" % (len(chunk), chunk)] * (size // len(chunk) + 1), b"0\r\n\r\n"]


@pytest.mark.parametrize(("path", "limit"), [("/webhooks/shop", 256 * KIB), ("/api/v1/referrals", 1024 * KIB)])
@pytest.mark.parametrize("more", [1, 16 * KIB])
def test_w14_a_body_that_is_too_large_is_refused(shared_site: Site, path: str, limit: int, more: int) -> None:
    assert code(shared_site.call("POST", path, data=b" " * (limit + more))) == (413, "too_large")


def test_a_body_of_just_the_size_that_is_taken_arrives(shared_site: Site) -> None:
    body = b" " * 1024 * KIB

    answer = shared_site.call("POST", "/api/v1/referrals", data=body, headers={"Content-Type": "application/json"})

    assert code(answer) == (400, "bad_json")


@pytest.mark.parametrize("path", ["/webhooks/shop", "/api/v1/referrals"])
def test_w14_a_body_of_unknown_length_is_counted_while_it_comes(shared_site: Site, path: str) -> None:
    size = (256 if path.startswith("/webhooks") else 1024) * KIB

    answer = shared_site.raw(*chunked(path, size))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_body_without_end_is_given_up(shared_site: Site) -> None:
    *endless, _ = chunked("/webhooks/shop", 2 * 256 * KIB)

    assert shared_site.raw(*endless).startswith(b"HTTP/1.1 413 ")


def test_a_caller_who_asks_first_is_refused_before_sending(shared_site: Site) -> None:
    head = b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nExpect: 100-continue\r\n\r\n"

    assert shared_site.raw(head).startswith(b"HTTP/1.1 413 ")


def test_w15_a_body_that_comes_too_slowly_is_given_up(sqlite_databases: Databases, tmp_path: Path) -> None:
    head = b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n"
    with sqlite_databases.migrated() as url, running(connect(url), tmp_path, limits=Limits(seconds=0.2)) as site:
        answer = site.raw(head, b"{", b'"')

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


def test_a_caller_who_hangs_up_midway_does_no_harm(site: Site) -> None:
    host, port = site.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    assert site.call("GET", "/livez").status_code == 200


def test_too_many_at_once_are_told_to_come_again(sqlite_databases: Databases, tmp_path: Path) -> None:
    with sqlite_databases.migrated() as url, running(connect(url), tmp_path, limits=Limits(at_once=1)) as site:
        host, port = site.base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            answers = [site.call("GET", "/readyz") for _ in range(5)]
            alive = site.call("GET", "/livez")
        again = any(site.call("GET", "/readyz").status_code == 200 for _ in range(1000))

    assert (code(answers[-1]), answers[-1].headers["Retry-After"]) == ((503, "busy"), "1")
    assert alive.status_code == 200
    assert again, "a place is taken for ever"


@pytest.mark.parametrize("path", ["/webhooks/shop", "/api/v1/referrals", "/nowhere"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_w16_an_encoded_body_is_refused(shared_site: Site, path: str, encoding: str) -> None:
    answer = shared_site.call("POST", path, data=b"x", headers={"Content-Encoding": encoding})

    assert code(answer) == (415, "encoded")


@pytest.mark.parametrize("name", ["token", "access_token", "API_KEY", "anything"])
def test_a1_a_token_in_the_address_is_refused_even_beside_a_good_one(shared_site: Site, name: str) -> None:
    answer = shared_site.call("GET", f"/api/v1/referrals?{name}={shared_site.reader}")

    assert code(answer) == (401, "token_in_address")
    assert shared_site.reader not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/api/v1/referrals", "/api/v1/openapi.json", "/webhooks/shop"])
def test_every_answer_forbids_what_a_browser_could_be_talked_into(shared_site: Site, path: str) -> None:
    answer = shared_site.call("GET", path, None)

    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in answer.headers


def test_an_address_that_is_none_is_not_found(shared_site: Site) -> None:
    for path in ("/", "/api", "/docs", "/api/v1/referrals/", "/api/v1/../../etc/passwd", "/%00", "/webhooks/a/b/c"):
        assert code(shared_site.call("GET", path)) == (404, "not_found")


def test_a_fault_of_ours_shows_nothing_but_where_the_log_has_it(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> datetime:
        raise RuntimeError("clock of ann@example.com")

    now, site.app.clock = site.app.clock(), broken
    with caplog.at_level(logging.ERROR, "syncd"):
        answer = site.deliver({}, at=now)

    id = answer.json()["id"]
    assert code(answer) == (500, "internal")
    assert "clock" not in answer.text
    assert [record for record in caplog.records if id in record.getMessage() and record.exc_info]


def test_no_more_threads_work_than_there_are_connections_to_the_database_for(site: Site) -> None:
    too_many, inside, most = threading.Event(), 0, 0
    lock, now = threading.Lock(), site.app.clock()

    def crowded() -> datetime:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside > THREADS:
                too_many.set()
        too_many.wait(0.5)
        with lock:
            inside -= 1
        return now - timedelta(days=1)  # so that nothing of it is taken

    site.app.clock = crowded
    with ThreadPoolExecutor(2 * THREADS) as pool:
        calls = [pool.submit(site.deliver, {}, at=now) for _ in range(2 * THREADS)]

    assert {code(call.result()) for call in calls} == {(401, "stale")}
    assert most == THREADS


def test_ready_means_that_the_schema_is_there(sqlite_databases: Databases, site: Site) -> None:
    well = site.call("GET", "/readyz", None)
    whole = site.app.database
    with sqlite_databases.empty() as url:
        site.app.database = connect(url)
        empty = site.call("GET", "/readyz", None)
        site.app.database.dispose()
    site.app.database = whole
    site.app.stopping.set()
    stopping = site.call("GET", "/readyz", None)

    assert (well.status_code, well.json()) == (200, {"ready": True})
    assert [code(empty), code(stopping)] == [(503, "not_ready")] * 2
    assert site.call("GET", "/livez", None).json() == {"live": True}


def test_ready_means_that_the_database_answers(any_site: Site, engine: Engine) -> None:
    assert any_site.call("GET", "/readyz", None).status_code == 200

    any_site.app.database = connect("postgresql://nobody@127.0.0.1:1/none")

    assert code(any_site.call("GET", "/readyz", None)) == (503, "not_ready")
    assert json.loads(any_site.call("GET", "/livez", None).content) == {"live": True}
