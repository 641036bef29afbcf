"""The session is bounded in time and size, keeps to its host, and tells nothing of what it sent."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import requests

from syncd.contract import Transient
from syncd.http import Session, is_read

Part = Callable[[socket.socket], None]


@contextmanager
def server(*scenes: Part) -> Iterator[tuple[str, list[bytes]]]:
    """A loopback server that answers its nth request with the nth scene, each on a connection of its own."""
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for scene in scenes:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed: the test asked less often than it had scenes
            with connection:
                seen.append(connection.recv(65536))
                with suppress(OSError):  # the client goes away, as some tests want it to
                    scene(connection)
        listener.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread in accept() for ever
        listener.close()
        thread.join(5)


def says(status: str = "200 OK", *headers: str, body: bytes = b"{}") -> Part:
    head = "\r\n".join((f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"))
    return lambda connection: connection.sendall(head.encode() + b"\r\n\r\n" + body)


def drips(start: bytes) -> Part:
    def scene(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.05)

    return scene


def says_nothing_until(event: threading.Event) -> Part:
    def scene(_: socket.socket) -> None:
        event.wait(5)

    return scene


def hangs_up(connection: socket.socket) -> None:
    connection.close()


class Hand:
    """A clock that moves only when somebody sleeps by it."""

    def __init__(self) -> None:
        self.at, self.slept = 0.0, []  # type: float, list[float]

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


# --- time and size ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b""],
    ids=["headers", "body", "first line"],
)
def test_an_answer_that_drips_in_is_given_up_at_the_total_deadline(start: bytes) -> None:
    with server(drips(start)) as (url, _), pytest.raises(Transient, match=r"no whole answer from 127\.0\.0\.1"):
        Session(deadline=0.2).request("GET", url)


def test_the_deadline_holds_for_a_chunked_body_too() -> None:
    def scene(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"1\r\nx\r\n")
            time.sleep(0.05)

    with server(scene) as (url, _), pytest.raises(Transient, match="no whole answer"):
        Session(deadline=0.2).request("GET", url)


def test_a_silent_server_is_left_at_the_deadline() -> None:
    gone = threading.Event()
    with server(says_nothing_until(gone)) as (url, _):
        with pytest.raises(Transient, match="no whole answer"):
            Session(deadline=0.1).request("GET", url)
        gone.set()


@pytest.mark.parametrize(
    ("timeout", "expected"), [(0.05, "within 0.05 s"), (4, "within 0.2 s"), ((4, None), "within 0.2 s")]
)
def test_a_caller_can_shorten_the_deadline_and_not_lengthen_it(timeout: object, expected: str) -> None:
    gone = threading.Event()
    with server(says_nothing_until(gone)) as (url, _):
        prepared = requests.Request("GET", url).prepare()
        with pytest.raises(Transient, match=expected.replace(".", r"\.")):
            Session(deadline=0.2).send(prepared, timeout=timeout)
        gone.set()


def test_a_bomb_is_broken_off_while_it_is_unpacked() -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    scene = says("200 OK", "Content-Encoding: gzip", body=bomb)
    with server(scene) as (url, _), pytest.raises(Transient, match="more than 1 MiB"):
        Session(max_bytes=2**20).request("GET", url, idempotent=True)


def test_an_answer_of_just_the_limit_is_taken() -> None:
    with server(says(body=b"x" * 4096)) as (url, _):
        assert Session(max_bytes=4096).request("GET", url).content == b"x" * 4096


def test_a_body_that_breaks_off_before_its_announced_end_is_no_answer() -> None:
    short = b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"results": [1'
    with server(lambda connection: connection.sendall(short)) as (url, _), pytest.raises(Transient, match="broke off"):
        Session().request("GET", url)


def test_a_body_that_is_not_what_its_encoding_says_is_no_answer() -> None:
    scene = says("200 OK", "Content-Encoding: gzip", body=b"plain")
    with server(scene) as (url, _), pytest.raises(Transient, match="decompressed"):
        Session().request("GET", url)


# --- keeping to the host ---------------------------------------------------------------------------------------------


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with server(says("307 Temporary Redirect", "Location: http://127.0.0.1:1/steal")) as (url, seen):
        answer = Session().get(url, headers={"X-Api-Token": "s3cret"})

    assert (answer.status_code, len(seen)) == (307, 1)


def test_plain_http_to_another_machine_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must be called by https"):
        Session().get("http://crm.example.com/")


def test_tls_verification_cannot_be_switched_off() -> None:
    session = Session()
    with pytest.raises(ValueError, match="always verified"):
        session.get("https://crm.example.com/", verify=False)
    session.verify = False
    with pytest.raises(ValueError, match="always verified"):
        session.get("https://crm.example.com/")


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", f"{tmp_path}/netrc")
    with open(f"{tmp_path}/netrc", "w") as netrc:
        netrc.write("machine 127.0.0.1 login a password b\n")
    with server(says()) as (url, seen):
        Session().get(url, headers={"Authorization": "Bearer ours"})

    assert b"Authorization: Bearer ours" in seen[0]


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_request() -> None:
    with server(says("200 OK", "Set-Cookie: id=1"), says()) as (url, seen):
        session = Session()
        session.get(url)
        session.get(url)

    assert b"Cookie" not in seen[1]


# --- repeating -------------------------------------------------------------------------------------------------------


def test_an_idempotent_call_is_repeated_after_a_lost_answer_and_a_503() -> None:
    hand = Hand()
    with server(hangs_up, says("503 Service Unavailable"), says(body=b"third")) as (url, seen):
        answer = Session(monotonic=hand, sleep=hand.sleep).request("POST", url, json={}, idempotent=True)

    assert (answer.content, len(seen), len(hand.slept)) == (b"third", 3, 2)


def test_any_other_call_is_sent_once() -> None:
    with server(hangs_up, says()) as (url, seen):
        with pytest.raises(Transient, match="connection to"):
            Session().request("POST", url, json={})

        assert len(seen) == 1


def test_after_three_tries_the_last_answer_counts() -> None:
    hand = Hand()
    with server(*[says("502 Bad Gateway")] * 4) as (url, seen):
        answer = Session(monotonic=hand, sleep=hand.sleep).request("GET", url, idempotent=True)

        assert (answer.status_code, len(seen)) == (502, 3)


def test_three_lost_answers_are_transient() -> None:
    hand = Hand()
    with server(*[hangs_up] * 4) as (url, seen):
        with pytest.raises(Transient):
            Session(monotonic=hand, sleep=hand.sleep).request("GET", url, idempotent=True)

        assert len(seen) == 3


def test_a_short_wait_that_a_429_names_is_kept_to_the_second() -> None:
    hand = Hand()
    with server(says("429 Too Many Requests", "Retry-After: 7"), says()) as (url, _):
        assert Session(monotonic=hand, sleep=hand.sleep).request("GET", url, idempotent=True).status_code == 200

    assert 7.0 <= hand.slept[0] <= 7.25


@pytest.mark.parametrize("headers", [(), ("Retry-After: 11",), ("Retry-After: 1000000000",), ("Retry-After: soon",)])
def test_a_429_with_a_long_wait_or_none_is_handed_back(headers: tuple[str, ...]) -> None:
    hand = Hand()
    with server(says("429 Too Many Requests", *headers), says()) as (url, _):
        assert Session(monotonic=hand, sleep=hand.sleep).request("GET", url, idempotent=True).status_code == 429

    assert hand.slept == []


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    hand = Hand()
    with server(says("503 Service Unavailable", "Retry-After: 6"), says()) as (url, _):
        answer = Session(deadline=5, monotonic=hand, sleep=hand.sleep).request("GET", url, idempotent=True)

    assert (answer.status_code, hand.slept) == (503, [])


def test_a_500_may_have_been_applied_and_is_left_to_the_caller() -> None:
    hand = Hand()
    with server(says("500 Internal Server Error"), says()) as (url, _):
        assert Session(monotonic=hand, sleep=hand.sleep).request("POST", url, idempotent=True).status_code == 500


# --- counting, clocks, silence ---------------------------------------------------------------------------------------


def test_every_try_is_counted_as_a_read_or_a_write() -> None:
    hand = Hand()
    with server(hangs_up, says(), says()) as (url, _):
        session = Session(monotonic=hand, sleep=hand.sleep)
        session.request("POST", f"{url}/deals/search", idempotent=True)
        session.request("POST", f"{url}/deals/batch/upsert")

    assert session.calls == {"total": 3, "reads": 2, "writes": 1}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/x", True),
        ("POST", "/deals/batch/read/", True),
        ("POST", "/deals", False),
        ("DELETE", "/read/x", False),
    ],
)
def test_a_post_that_only_asks_is_a_read(method: str, path: str, expected: bool) -> None:
    assert is_read(method, path) is expected


def test_the_skew_is_the_servers_clock_less_ours() -> None:
    session = Session(now=lambda: datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    assert session.skew is None
    with server(says("200 OK", "Date: Tue, 24 Nov 2026 10:02:00 GMT"), says("200 OK", "Date: nonsense")) as (url, _):
        session.get(url)
        session.get(url)

    assert session.skew == timedelta(minutes=2)


def test_an_error_names_the_host_and_nothing_of_the_request() -> None:
    with server(hangs_up) as (url, _), pytest.raises(Transient) as caught:
        Session().request("POST", f"{url}/v1?api_token=s3cret", data=b"body", headers={"X-Api-Token": "t0ken"})

    assert str(caught.value) == "the connection to 127.0.0.1 failed"
    assert caught.value.__suppress_context__


def test_a_port_where_nobody_listens_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Transient, match=r"connection to 127\.0\.0\.1 failed"):
        Session().get(f"http://127.0.0.1:{port}/?token=s3cret")


def test_a_certificate_that_nobody_vouches_for_is_refused_and_not_tried_again() -> None:
    hand = Hand()
    with server(says(), says()) as (url, seen), pytest.raises(Transient, match="TLS"):
        Session(monotonic=hand, sleep=hand.sleep).request("GET", url.replace("http:", "https:"), idempotent=True)

    assert len(seen) == 1


def test_a_connection_is_used_again() -> None:
    def twice(connection: socket.socket) -> None:
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            connection.recv(65536)

    with server(twice) as (url, seen):
        session = Session()
        assert [session.get(url).json(), session.get(url).json()] == [{}, {}]
        session.close()

    assert len(seen) == 1
