"""What a plain client sees of each fault, and whether the call took effect all the same."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from syncd.sandbox.crm import NO_LIMITS, Fault, HubSpotSetup, OAuthApp, Sandbox
from syncd.sandbox.crm.hubspot import HubSpot
from syncd.sandbox.crm.listener import MOST_CONNECTIONS
from tests.sandbox.crm_client import BEGINNING, Client, Clock

UPSERT = "batch/upsert"


def leads(crm: Sandbox) -> int:
    return len(crm.model().records["contacts"])


@pytest.mark.parametrize(("action", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_call_looks_the_same_before_and_after_the_work(
    crm: Sandbox, client: Client, action: Any, made: int
) -> None:
    crm.faults.add(Fault(action=action, path=UPSERT, nth=1))

    with pytest.raises(requests.ConnectionError, match="without response"):
        client.contact("r1")

    assert leads(crm) == made
    assert client.contact("r1")
    assert leads(crm) == 1


@pytest.mark.parametrize(("applied", "made"), [(False, 0), (True, 1)])
def test_a_status_comes_before_the_work_or_after_it(crm: Sandbox, client: Client, applied: bool, made: int) -> None:
    crm.faults.add(Fault(action="status", code=503, retry_after="3", path=UPSERT, applied=applied))

    answer = client.upsert("contacts", {"id": "r1", "firstname": "A"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert leads(crm) == made
    assert [call.applied for call in crm.log.listed()] == [applied]


def test_a_429_speaks_of_its_policy_and_of_no_time(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="status", code=429, policy="DAILY"))

    answer = client.read("contacts", "1")

    assert answer.json()["policyName"] == "DAILY"
    assert "Retry-After" not in answer.headers


def test_a_status_of_the_vendors_own_reaches_the_client(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="status", code=477, retry_after="86400"))

    assert client.read("contacts", "1").status_code == 477


def test_slow_headers_outlast_a_clients_patience(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="slow_headers", seconds=30, path=UPSERT))

    with pytest.raises(requests.ReadTimeout):
        client.session.post(f"{client.base}/crm/objects/2026-09/contacts/{UPSERT}", json=row("r1"), timeout=0.2)
    assert leads(crm) == 1


def test_a_hanging_call_never_answers_and_does_nothing(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="hang", seconds=30, path=UPSERT))

    with pytest.raises(requests.ReadTimeout):
        client.session.post(f"{client.base}/crm/objects/2026-09/contacts/{UPSERT}", json=row("r1"), timeout=0.2)
    assert leads(crm) == 0


def test_a_drip_beats_a_time_out_between_two_reads(crm: Sandbox, client: Client) -> None:
    rate, patience = 400, 0.2
    crm.faults.add(Fault(action="drip", rate=rate))

    answer = client.session.get(f"{client.base}/account-info/v3/details", timeout=patience)

    assert answer.json()["portalId"] == 9_000_001
    assert len(answer.content) / rate > 2 * patience  # the whole took longer than the client would wait for a byte


def test_a_drip_comes_in_single_bytes(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="drip", rate=100))
    with socket.create_connection(("127.0.0.1", crm.port), timeout=5) as line:
        line.sendall(b"GET /hubspot/account-info/v3/details HTTP/1.1\r\nHost: localhost\r\n\r\n")
        pieces = [line.recv(4_096) for _ in range(5)]

    assert b"".join(pieces).startswith(b"HTTP")
    assert max(map(len, pieces)) <= 5


def test_a_truncated_answer_breaks_its_own_promise(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="truncate", keep=10, path=UPSERT))

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="10 bytes read"):
        client.contact("r1")
    assert leads(crm) == 1


@pytest.mark.parametrize(
    ("action", "kind"), [("garbage", "application/json"), ("html_200", "text/html"), ("empty", "")]
)
def test_a_200_may_carry_anything_but_an_answer(crm: Sandbox, client: Client, action: Any, kind: str) -> None:
    crm.faults.add(Fault(action=action, path=UPSERT))

    answer = client.upsert("contacts", {"id": "r1", "firstname": "A"})

    assert answer.status_code == 200
    assert answer.headers.get("Content-Type", "").startswith(kind)
    with pytest.raises(ValueError, match=r".*"):
        answer.json()
    assert leads(crm) == 0


def test_a_gzip_bomb_is_small_on_the_wire_and_large_behind_it(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="gzip_bomb", size=50_000_000))

    answer = client.session.get(f"{client.base}/account-info/v3/details", stream=True, timeout=5)

    assert int(answer.headers["Content-Length"]) < 100_000
    size = sum(len(piece) for piece in answer.iter_content(1_000_000))
    assert size == 50_000_000


def test_a_missing_scope_is_named(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="scope_missing", scope="crm.objects.deals.read", times=1))

    answer = client.read("deals", "1")

    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")
    assert answer.json()["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.deals.read"]}
    assert client.read("deals", "1").status_code == 207


@pytest.fixture
def oauth(clock: Clock) -> Iterator[Sandbox]:
    app = OAuthApp(client_id="id", client_secret="secret", refresh_token="refresh", rotates=True)
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[HubSpotSetup(app=app, limits=NO_LIMITS)]) as sandbox:
        yield sandbox


def refresh(client: Client, token: str, path: str = "/oauth/2026-09/token") -> requests.Response:
    form = {"grant_type": "refresh_token", "client_id": "id", "client_secret": "secret", "refresh_token": token}
    answer = client.session.post(client.base + path, data=form, timeout=5)
    if answer.ok:
        client.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer


def test_an_access_token_lives_for_half_an_hour(oauth: Sandbox, clock: Clock) -> None:
    client = Client(oauth)
    refresh(client, "refresh")

    clock.move(1_799)
    before = client.call("GET", "/account-info/v3/details")
    clock.move(1)
    after = client.call("GET", "/account-info/v3/details")

    assert (before.status_code, after.status_code) == (200, 401)
    assert after.json()["category"] == "EXPIRED_AUTHENTICATION"
    assert "X-HubSpot-RateLimit-Daily" not in before.headers


def test_a_rotated_refresh_token_ends_the_old_one(oauth: Sandbox) -> None:
    client = Client(oauth)
    new = refresh(client, "refresh").json()["refresh_token"]

    stale = refresh(client, "refresh")

    assert (stale.status_code, stale.json()["status"], stale.json()["error"]) == (
        400,
        "BAD_REFRESH_TOKEN",
        "invalid_grant",
    )
    assert refresh(client, new, path="/oauth/v1/token").json()["expires_in"] == 1_800


def test_an_expired_token_stays_expired_until_it_is_refreshed(oauth: Sandbox) -> None:
    client = Client(oauth)
    latest = refresh(client, "refresh").json()["refresh_token"]
    oauth.faults.add(Fault(action="token_expire", nth=1))

    codes = [client.call("GET", "/account-info/v3/details").status_code for _ in range(2)]
    refresh(client, latest)

    assert codes == [401, 401]
    assert client.call("GET", "/account-info/v3/details").status_code == 200


def test_after_a_revocation_no_credential_helps(oauth: Sandbox) -> None:
    client = Client(oauth)
    latest = refresh(client, "refresh").json()["refresh_token"]
    oauth.faults.add(Fault(action="token_revoke", path="account-info"))

    assert client.call("GET", "/account-info/v3/details").status_code == 401
    assert refresh(client, latest).json()["status"] == "BAD_REFRESH_TOKEN"


def test_a_token_without_a_scope_is_told_which(crm: Sandbox, client: Client) -> None:
    portal = crm.accounts["hubspot"]
    assert isinstance(portal, HubSpot)
    portal.tokens.scopes.discard("crm.objects.deals.write")

    answer = client.upsert("deals", {"id": "r1", "dealname": "x", "dealstage": "closedwon"})

    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")


def test_a_fault_hits_the_calls_that_it_names_and_no_others(crm: Sandbox, clock: Clock, client: Client) -> None:
    start, end = BEGINNING + timedelta(seconds=10), BEGINNING + timedelta(seconds=20)
    crm.faults.add(Fault(action="status", code=500, method="post", path="contacts/batch", start=start, end=end))

    def seen() -> list[int]:
        return [
            client.read("contacts", "1").status_code,
            client.read("deals", "1").status_code,
            client.call("GET", "/crm/objects/2026-09/contacts/1").status_code,
        ]

    assert seen() == [207, 207, 404]
    clock.move(10)
    assert seen() == [500, 207, 404]
    clock.move(10)
    assert seen() == [207, 207, 404]


def test_a_fault_fires_as_often_as_it_may(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="status", code=502, times=2))

    assert [client.read("deals", "1").status_code for _ in range(4)] == [502, 502, 207, 207]


def test_the_nth_call_fails_alone(crm: Sandbox, client: Client) -> None:
    crm.faults.add(Fault(action="status", code=502, nth=3))

    assert [client.read("deals", "1").status_code for _ in range(5)] == [207, 207, 502, 207, 207]


def test_the_same_seed_brings_the_same_trouble_and_the_same_answers(clock: Clock) -> None:
    def run(seed: int) -> tuple[list[int], list[str]]:
        with Sandbox(now=clock.now, clock=clock.seconds, seed=seed, accounts=[HubSpotSetup(limits=NO_LIMITS)]) as crm:
            crm.faults.add(Fault(action="status", code=500, probability=0.5))
            client = Client(crm)
            answers = [
                client.upsert("contacts", *({"id": f"r{m}{n}", "firstname": "A"} for n in range(9))) for m in range(20)
            ]
            return [answer.status_code for answer in answers], [answer.text for answer in answers]

    first, again, other = run(1), run(1), run(2)

    assert first == again
    assert set(first[0]) == {200, 500}
    assert first[0] != other[0]


def test_faults_are_set_and_lifted_over_http(crm: Sandbox, client: Client) -> None:
    control = crm.url("_ctl") + "/faults"
    number = requests.post(control, json={"action": "status", "code": 503, "nth": 1}, timeout=5).json()["number"]

    assert client.read("deals", "1").status_code == 503
    assert client.read("deals", "1").status_code == 207
    assert requests.get(control, timeout=5).json()["faults"] == [
        {"number": number, "action": "status", "path": "", "seen": 2, "fired": 1}
    ]
    assert requests.delete(f"{control}?number={number}", timeout=5).status_code == 204
    assert requests.get(control, timeout=5).json() == {"faults": []}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "explode"},
        {"action": "status", "codes": 3},
        {"action": "status", "code": 99},
        {"action": "status", "path": "("},
        {"action": "status", "code": "x"},
        {"action": "status", "start": "2026-11-24T09:00:00"},
        {"action": "hang", "seconds": 1e9},
        {"code": 500},
        [],
    ],
    ids=json.dumps,
)
def test_a_wrong_fault_is_refused_with_a_reason(crm: Sandbox, body: Any) -> None:
    answer = requests.post(crm.url("_ctl") + "/faults", json=body, timeout=5)

    assert answer.status_code == 400
    assert len(answer.json()["message"]) > 10


def test_a_web_page_cannot_set_faults(crm: Sandbox) -> None:
    text = requests.post(crm.url("_ctl") + "/faults", data='{"action":"hang"}', timeout=5)
    foreign = requests.get(crm.url("_ctl") + "/history", headers={"Host": "crm.example.com"}, timeout=5)

    assert (text.status_code, foreign.status_code) == (400, 403)
    assert crm.faults.listed() == []


def test_the_request_log_tells_what_was_called_and_nothing_about_people(crm: Sandbox, client: Client) -> None:
    client.contact("r1", email="mei@example.com")
    client.call("GET", "/crm/objects/2026-09/contacts/mei%40example.com?idProperty=email")
    client.search("contacts", {"propertyName": "email", "operator": "EQ", "value": "mei@example.com"})
    client.call("GET", "/crm/nowhere")

    answer = requests.get(crm.url("_ctl") + "/history", timeout=5)

    calls = answer.json()["calls"]
    assert [(call["kind"], call["code"], call["applied"]) for call in calls] == [
        ("write", 200, True),
        ("read", 200, True),
        ("search", 200, True),
        ("unknown", 501, False),
    ]
    assert calls[1]["route"] == "/crm/objects/{version}/{type}/{id}"
    assert "mei" not in answer.text
    assert requests.get(crm.url("_ctl") + "/history?after=3", timeout=5).json()["calls"] == calls[3:]


def test_calls_are_counted_by_route(crm: Sandbox, client: Client) -> None:
    for _ in range(3):
        client.read("deals", "1")
    client.contact("r1")

    counts = requests.get(crm.url("_ctl") + "/counts", timeout=5).json()["counts"]

    assert [(row["kind"], row["calls"]) for row in counts] == [("read", 3), ("write", 1)]


def test_the_records_of_a_referral_are_found_in_every_account(crm: Sandbox, client: Client) -> None:
    contact, deal = client.contact("r1"), client.deal("r1")
    other = Client(crm, "hubspot-2").contact("r1")
    crm.model().archive("deals", deal)

    answer = requests.get(crm.url("_ctl") + "/records?referral=r1", timeout=5)

    shown = [(row["account"], row["type"], row["id"], row["archived"]) for row in answer.json()["records"]]
    assert shown == [
        ("hubspot", "contacts", contact, False),
        ("hubspot", "deals", deal, True),
        ("hubspot-2", "contacts", other, False),
    ]
    assert "example.com" not in answer.text


def test_the_sandbox_listens_on_loopback_only(clock: Clock) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        Sandbox(now=clock.now, host="0.0.0.0")  # noqa: S104


def test_stopping_ends_hanging_calls_at_once(clock: Clock) -> None:
    crm = Sandbox(now=clock.now, clock=clock.seconds).start()
    crm.faults.add(Fault(action="hang", seconds=600))
    client, ended = Client(crm), threading.Event()

    def call() -> None:
        try:
            client.session.get(f"{client.base}/account-info/v3/details", timeout=60)
        except requests.ConnectionError:
            ended.set()

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: len(crm.log.listed()) == 1)
    crm.stop()
    caller.join(timeout=10)

    assert ended.is_set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", crm.port), timeout=1)


@pytest.mark.parametrize(
    ("head", "code"),
    [("Content-Length: 10000001", 413), ("Content-Length: x", 413), ("Transfer-Encoding: chunked", 411)],
)
def test_a_body_without_bound_is_not_read(crm: Sandbox, head: str, code: int) -> None:
    with socket.create_connection(("127.0.0.1", crm.port), timeout=5) as line:
        line.sendall(f"POST /hubspot/x HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        answer = line.makefile("rb").read()

    assert answer.startswith(f"HTTP/1.1 {code} ".encode())


def test_connections_that_ended_make_room_for_others(crm: Sandbox) -> None:
    for _ in range(MOST_CONNECTIONS + 10):
        with socket.create_connection(("127.0.0.1", crm.port), timeout=5) as line:
            line.sendall(b"GET /_ctl/counts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = line.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 ")


def row(referral: str) -> dict[str, Any]:
    return {"inputs": [{"id": referral, "idProperty": "referral_id", "properties": {"firstname": "A"}}]}


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
