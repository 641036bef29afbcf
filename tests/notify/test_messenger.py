"""A message is signed, posted once, bounded in time, and led nowhere; what counts is the status of the answer."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from syncd.config import Receiver
from syncd.notify import Messenger, Outcome
from syncd.notify.outcome import outcome_of
from tests.notify.listener import SECRET, Listener, listening

MESSAGE = {"type": "trigger.participation", "timestamp": "2026-03-02T09:00:00+00:00", "data": {"participant": "per_é"}}
OTHER = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def shop() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def post(shop: Listener, **more: Any) -> Outcome:
    return Messenger(shop.settings(), now=now, **more).post("msg_1", MESSAGE)


def test_a_message_says_type_time_and_data_and_a_receiver_can_verify_it(shop: Listener) -> None:
    outcome = post(shop)

    (got,) = shop.got
    assert outcome.next == "done"
    assert (got.path, got.headers["content-type"]) == ("/in?key=k-4711", "application/json")
    assert Webhook(SECRET.encode()).verify(got.body, dict(got.headers)) == MESSAGE
    assert json.loads(got.body) == MESSAGE


def test_with_several_secrets_each_of_them_verifies_and_no_other(shop: Listener) -> None:
    Messenger(shop.settings(secrets=[SECRET, OTHER]), now=now).post("msg_1", MESSAGE)

    (got,) = shop.got
    for key in (SECRET.encode(), OTHER):
        assert Webhook(key).verify(got.body, dict(got.headers)) == MESSAGE
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(b"a secret that is not configured!").verify(got.body, dict(got.headers))


def test_a_message_that_is_tried_again_later_is_signed_at_the_time_of_that_try(shop: Listener) -> None:
    clock = datetime(2026, 3, 2, 9, tzinfo=UTC)
    messenger = Messenger(shop.settings(), now=lambda: clock)
    messenger.post("msg_1", MESSAGE)
    clock += timedelta(hours=10)
    messenger.post("msg_1", MESSAGE)

    first, second = shop.got
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 36_000


@pytest.mark.parametrize(
    ("status", "next"),
    [
        *((200, "done"), (202, "done"), (204, "done"), (299, "done")),
        *((301, "rest"), (302, "rest"), (307, "rest"), (308, "rest")),
        *((400, "again"), (409, "again"), (413, "again"), (415, "again"), (422, "again")),
        *((401, "rest"), (403, "rest"), (404, "rest"), (408, "rest"), (429, "rest")),
        *((500, "rest"), (502, "rest"), (503, "rest"), (504, "rest"), (599, "rest"), (999, "rest"), (100, "rest")),
        (410, "gone"),
    ],
)
def test_the_status_says_what_happens_next(status: int, next: str) -> None:
    outcome = outcome_of(status, "hooks.example.com")
    assert outcome.next == next
    assert f"hooks.example.com answered {status}" in outcome.told


def test_a_redirect_is_not_followed(shop: Listener) -> None:
    shop.answer(307, Location=f"{shop.url}/elsewhere")

    outcome = post(shop)

    assert outcome.next == "rest"
    assert "redirect" in outcome.told
    assert [got.path for got in shop.got] == ["/in?key=k-4711"]


def test_the_wait_that_a_receiver_asks_for_is_passed_on(shop: Listener) -> None:
    shop.answer(503, Retry_After="77")
    assert post(shop).retry_after == 77


def endless(connection: BaseHTTPRequestHandler) -> None:
    try:
        connection.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            connection.wfile.write(b"x" * 65536)
    except OSError:
        pass


def trickling(connection: BaseHTTPRequestHandler, first: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
    never = threading.Event()
    try:
        connection.wfile.write(first)
        for _ in range(200):
            never.wait(0.05)
            connection.wfile.write(b"x")
    except OSError:
        pass


def trickling_head(connection: BaseHTTPRequestHandler) -> None:
    trickling(connection, b"HTTP/1.1 200 OK\r\nX-Long: ")


def garbage(connection: BaseHTTPRequestHandler) -> None:
    connection.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")


def silence(connection: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(1)


def bomb(connection: BaseHTTPRequestHandler) -> None:
    connection.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")


@pytest.mark.parametrize(
    ("rudely", "next"),
    [
        (endless, "done"),
        (trickling, "done"),
        (bomb, "done"),
        (trickling_head, "rest"),
        (garbage, "rest"),
        (silence, "rest"),
    ],
)
def test_who_says_200_has_the_message_whatever_follows_and_who_says_nothing_has_not(
    shop: Listener, rudely: Callable[[BaseHTTPRequestHandler], None], next: str
) -> None:
    shop.rudely = rudely
    outcome = post(shop, deadline=0.5)
    assert outcome.next == next
    assert len(shop.got) == 1


def test_nobody_there_is_an_outcome_and_no_exception() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/in?key=k-4711"
    outcome = Messenger(Receiver(name="a", private=True, url=url, secrets=[SECRET]), now=now).post("msg_1", MESSAGE)

    assert (outcome.next, outcome.status) == ("rest", None)
    assert "k-4711" not in outcome.told


def test_no_outcome_shows_more_of_a_url_than_its_host(shop: Listener) -> None:
    shop.answer(500, 302, 404, 410, body=b"k-4711 and a body that nobody asked for")
    told = [post(shop).told for _ in range(4)]
    assert all("k-4711" not in it and "/in" not in it and "nobody" not in it for it in told)


# --- where it may not go ---------------------------------------------------------------------------------------------


def public(*addresses: str, url: str = "https://hooks.example.com/in", private: bool = False) -> Outcome:
    """Post to a receiver whose name means these addresses."""
    receiver = Receiver(name="shop", private=private, url=url, secrets=[SECRET])
    return Messenger(receiver, now=now, resolve=lambda *_: addresses).post("msg_1", MESSAGE)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.0.0.2",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.1",
        ),
        *("192.0.0.170", "224.0.0.1", "255.255.255.255", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2002:7f00:1::"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "::7f00:1"),
    ],
)
def test_a_name_that_means_an_address_inside_is_not_called(address: str) -> None:
    outcome = public(address)

    assert (outcome.next, outcome.forbidden) == ("rest", True)
    assert "hooks.example.com is not called" in outcome.told
    assert address not in outcome.told


def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert public("93.184.215.14", "127.0.0.1").forbidden


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:127.0.0.1"])
def test_private_never_means_a_metadata_service(address: str) -> None:
    assert public(address, private=True).forbidden


def test_plain_http_never_leaves_this_machine_even_when_localhost_means_another() -> None:
    assert public("10.0.0.1", url="http://localhost:9/", private=True).forbidden


def test_a_name_without_an_address_is_not_called() -> None:
    assert public().forbidden


def test_the_address_that_was_checked_is_the_one_that_is_called(shop: Listener) -> None:
    """A name server that says 127.0.0.1 once and 10.0.0.1 ever after is asked once."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    receiver = shop.settings(url=shop.url.replace("127.0.0.1", "localhost"))
    messenger = Messenger(receiver, now=now, resolve=rebinding)

    assert messenger.post("msg_1", MESSAGE).next == "done"
    assert asked == ["localhost"]
    assert len(shop.got) == 1


def test_a_name_that_turns_bad_later_is_refused_then(shop: Listener) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    shop.answer(200, 200, Connection="close")
    receiver = shop.settings(url=shop.url.replace("127.0.0.1", "localhost"))
    messenger = Messenger(receiver, now=now, resolve=lambda *_: next(answers))

    assert [messenger.post("msg_1", MESSAGE).next for _ in range(2)] == ["done", "rest"]
    assert len(shop.got) == 1


def test_a_name_server_that_never_answers_is_waited_for_no_longer_than_the_call_may_take(shop: Listener) -> None:
    asleep = threading.Event()

    def hang(*_: object) -> Sequence[str]:
        asleep.wait(20)
        return []

    try:
        outcome = Messenger(shop.settings(), now=now, resolve=hang, deadline=0.2).post("msg_1", MESSAGE)
    finally:
        asleep.set()

    assert (outcome.next, outcome.forbidden, shop.got) == ("rest", False, [])


def test_a_name_that_does_not_exist_is_an_outcome() -> None:
    def unknown(*_: object) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    receiver = Receiver(name="shop", url="https://hooks.example.com/in", secrets=[SECRET])
    outcome = Messenger(receiver, now=now, resolve=unknown).post("msg_1", MESSAGE)
    assert (outcome.next, outcome.forbidden) == ("rest", False)


@pytest.fixture
def certified(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's certificate for receiver.example.com, and the file that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example.com")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "server.pem"
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)


@pytest.mark.parametrize(("host", "next"), [("receiver.example.com", "done"), ("other.example.com", "rest")])
def test_tls_is_checked_against_the_name_though_an_address_is_called(
    certified: tuple[ssl.SSLContext, str], host: str, next: str
) -> None:
    context, bundle = certified
    with listening(context) as shop:
        receiver = shop.settings(url=shop.url.replace("127.0.0.1", host))
        messenger = Messenger(receiver, now=now, resolve=lambda *_: ["127.0.0.1"], ca_bundle=bundle)
        outcome = messenger.post("msg_1", MESSAGE)

    assert outcome.next == next
    assert [got.headers["host"].partition(":")[0] for got in shop.got] == [host] * (next == "done")
