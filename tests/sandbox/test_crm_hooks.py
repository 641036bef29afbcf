"""What two vendors want of the queue of webhooks: batches, signatures of the moment, thanks that are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random
from threading import Thread
from typing import Any

import pytest

from syncd.sandbox.crm.hooks import Hooks, Manners, exchange, send, thanked
from tests.sandbox.crm_client import Clock

URL = "http://127.0.0.1:9/hook"


def together(messages: Sequence[bytes]) -> bytes:
    return b"+".join(messages)


class Receiver:
    """Takes what is sent, and answers with what it was told to, the last answer again and again."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes) or [200]
        self.got: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        self.got.append(body.decode())
        self.headers.append(headers)
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]


def hooks(clock: Clock, receiver: Receiver, **manners: Any) -> Hooks:
    given = Manners(**{"waits": (3.0, 30.0), "most": 3, "join": together, **manners})
    made = Hooks(given, now=clock.now, rng=Random(1), post=receiver)
    for key in ("a", "b"):
        made.subscribe(key, URL, {})
    return made


def offer(to: Hooks, *names: str, key: str = "a", after: float = 0.0) -> None:
    for name in names:
        to.offer(key, lambda attempt, name=name: f"{name}{attempt}".encode(), after=after)  # type: ignore[misc]


def test_messages_that_are_due_go_together_as_many_as_one_request_carries(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)
    offer(queue, "m", "n")
    offer(queue, "x", key="b")
    offer(queue, "o", "p")

    assert (queue.tick(), queue.waiting) == (3, 0)
    assert receiver.got == ["m1+n1+o1", "x1", "p1"]


def test_a_message_waits_for_company(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver, gathers=2.0)
    offer(queue, "m")
    clock.move(1)
    offer(queue, "n")
    early = queue.tick()
    clock.move(1)
    queue.tick()
    clock.move(1)
    queue.tick()

    assert (early, receiver.got) == (0, ["m1", "n1"])


def test_a_message_is_sent_no_earlier_than_it_may_be(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)
    offer(queue, "m", after=5)
    offer(queue, "n")

    queue.tick()
    clock.move(5)
    queue.tick()

    assert receiver.got == ["n1", "m1"]


def test_a_batch_that_failed_is_sent_again_each_message_with_its_own_count(clock: Clock) -> None:
    receiver = Receiver(500, 200)
    queue = hooks(clock, receiver)
    offer(queue, "m", "n")
    queue.tick()
    clock.move(3)
    offer(queue, "o")
    queue.tick()

    assert receiver.got == ["m1+n1", "m2+n2+o1"]


def test_a_request_is_signed_when_it_is_sent(clock: Clock) -> None:
    receiver = Receiver(500, 200)
    queue = hooks(clock, receiver)
    queue.subscribe("a", URL, lambda body: {"Signed": f"{body.decode()} {clock.seconds():.0f}"})
    offer(queue, "m")
    beginning = clock.seconds()

    queue.tick()
    clock.move(3)
    queue.tick()

    assert receiver.headers == [{"Signed": f"m1 {beginning:.0f}"}, {"Signed": f"m2 {beginning + 3:.0f}"}]


@pytest.mark.parametrize(
    ("answer", "code"), [((200, b"thanks"), 200), ((200, b"what?"), None), ((503, b"no"), 503), (None, None)]
)
def test_a_vendor_who_reads_the_answer_takes_a_2xx_without_thanks_for_none(
    answer: tuple[int, bytes] | None, code: int | None
) -> None:
    post = thanked(lambda said: said == b"thanks", lambda *_: answer)

    assert post(URL, {}, b"", 1.0) == code


@pytest.fixture
def door() -> Iterator[str]:
    """A web server that says 202 and a long text."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(self.headers["Content-Type"].encode() + b" " * 100_000)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_as_much_of_an_answer_is_read_as_thanks_may_have(door: str) -> None:
    found = exchange(door, {"Content-Type": "text/xml"}, b"<a/>", 5.0)

    assert found
    assert (found[0], len(found[1]), found[1].strip()) == (202, 10_000, b"text/xml")
    assert send(door, {}, b"{}", 5.0) == 202
