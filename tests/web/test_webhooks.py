from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import create_engine

from syncd.flow.app import DECIDE
from syncd.flow.decide import decide
from syncd.signing import sign, signing_key
from tests.web.site import OLD_SECRET, SECRET, Site, code


def message(type: str = "referral.qualified", **data: Any) -> dict[str, Any]:
    return {"type": type, "timestamp": "2026-03-02T09:00:00Z", "data": data or {"email": "bob@example.org"}}


def test_a_delivery_qualifies_a_referral(any_site: Site) -> None:
    id = any_site.refer().json()["id"]

    answer = any_site.deliver(message(referral=id, reason="paid"))
    decide(any_site.app)

    referral = any_site.world.referral(id)
    assert (answer.status_code, answer.json()) == (202, {"result": "accepted"})
    assert (referral.standing, referral.qualified_via) == ("qualified", "webhook")
    assert DECIDE in any_site.nudges


@pytest.mark.parametrize(
    "data",
    [
        {"email": "Bob+x@example.org"},
        {"email": "bob@example.org", "code": "$code"},
    ],
    ids=["by e-mail", "by e-mail and code"],
)
def test_a_referral_can_be_named_without_our_id(site: Site, data: dict[str, str]) -> None:
    referral = site.refer().json()
    named = {name: value.replace("$code", referral["code"].lower()) for name, value in data.items()}

    site.deliver(message("referral.disqualified", **named))
    decide(site.app)

    assert site.world.standing(referral["id"]) == "rejected"


def test_a_record_number_is_an_id(site: Site) -> None:
    site.deliver(message(connector="crm", record=1000))

    assert [row["payload"]["record"] for row in site.inbox(dead=False)] == ["1000"]


def test_w10_a_delivery_has_its_effect_once(any_site: Site) -> None:
    id = any_site.refer().json()["id"]

    first = any_site.deliver(message(referral=id))
    decide(any_site.app)
    again = any_site.deliver(message(referral=id), at=any_site.app.clock())
    decide(any_site.app)

    assert (first.status_code, again.status_code, again.json()) == (202, 200, {"result": "repeated"})
    assert len(any_site.inbox(dead=False)) == 1
    assert len(any_site.world.history("qualified")) == 1


def test_w11_an_id_with_another_body_has_no_effect_and_is_kept(any_site: Site) -> None:
    any_site.refer()
    any_site.deliver(message(email="bob@example.org"))
    decide(any_site.app)

    answers = [any_site.deliver(message("referral.disqualified", email="bob@example.org")) for _ in range(2)]
    decide(any_site.app)

    (dead,) = any_site.inbox(dead=True)
    assert [(a.status_code, a.json()["result"]) for a in answers] == [(200, "conflict")] * 2
    assert "referral.disqualified" in dead["payload"]["raw"]
    assert not any_site.world.history("rejected")


def test_w12_the_old_secret_counts_until_it_is_gone(site: Site) -> None:
    old, neither = signing_key(OLD_SECRET), b"a secret that is not configured!"

    assert site.deliver(message(), key=old).status_code == 202
    assert code(site.deliver(message(), id="msg_2", key=neither)) == (401, "bad_signature")


UNBELIEVED: dict[str, dict[str, Any]] = {
    "W1 no signature": {"headers": {"webhook-signature": None}},
    "W2 a version alone": {"headers": {"webhook-signature": "v1"}},
    "W3 a comma too many": {"headers": {"webhook-signature": "v1,a,b"}},
    "W4 not ASCII": {"headers": {"webhook-signature": "v1,é".encode("latin-1")}},
    "W5 a thousand signatures": {"headers": {"webhook-signature": " ".join(["v1,AAAA"] * 1000)}},
    "W9 no number": {"headers": {"webhook-timestamp": "1e9"}},
    "W13 a changed body": {"sent": json.dumps(message()).encode() + b" "},
    "an id that is none": {"headers": {"webhook-id": "é".encode("latin-1")}},
}


@pytest.mark.parametrize("more", UNBELIEVED.values(), ids=UNBELIEVED)
def test_what_is_not_signed_is_counted_and_not_kept(shared_site: Site, more: dict[str, Any]) -> None:
    def refused() -> int:
        (sender,) = shared_site.call("GET", "/api/v1/status").json()["senders"]
        return int(sender["answers"].get("bad_signature", 0))

    before = refused()
    answer = shared_site.deliver(message(), **{"id": "msg_unbelieved"} | more)

    assert code(answer) == (401, "bad_signature")
    assert refused() == before + 1
    assert not [row for dead in (True, False) for row in shared_site.inbox(dead=dead) if "unbelieved" in row["key"]]


@pytest.mark.parametrize("twice", [b"", b"webhook-id: msg_2\r\n"], ids=["once", "twice"])
def test_a_header_that_comes_twice_is_not_believed(site: Site, twice: bytes) -> None:
    body = json.dumps(message()).encode()
    headers = sign(SECRET.encode(), "msg_1", site.app.clock(), body) | {
        "Host": "x",
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()

    answer = site.raw(b"POST /webhooks/shop HTTP/1.1\r\n" + twice + head + b"\r\n", body)

    assert answer.startswith(b"HTTP/1.1 401 " if twice else b"HTTP/1.1 202 ")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_w8_a_stale_delivery_is_refused(site: Site, minutes: int) -> None:
    at = site.app.clock()
    site.world.clock.move(minutes=minutes)

    assert code(site.deliver(message(), at=at)) == (401, "stale")


UNUSABLE: dict[str, bytes] = {
    "W6 not UTF-8": b'{"type": "\xff"}',
    "W7 not JSON": b"qualified=yes",
    "W17 a name twice": b'{"type": "a", "type": "b", "data": {}}',
    "W18 NaN": b'{"type": "referral.qualified", "data": {"email": NaN}}',
    "W19 5,000 digits": b'{"type": "referral.qualified", "data": {"record": ' + b"1" * 5000 + b"}}",
    "W20 100,000 lists": b"[" * 100_000,
    "W22 half a pair": b'{"type": "\\ud800", "data": {}}',
    "W23 UTF-16": json.dumps(message()).encode("utf-16"),
    "W28 a list of messages": json.dumps([message()]).encode(),
    "nothing": b"",
    "no type": b'{"data": {}}',
    "nobody named": b'{"type": "referral.qualified", "data": {"reason": "paid"}}',
    "a code alone": b'{"type": "referral.qualified", "data": {"code": "ABC"}}',
    "a connector alone": b'{"type": "referral.qualified", "data": {"connector": "crm"}}',
    "a record that is no id": b'{"type": "referral.qualified", "data": {"connector": "crm", "record": true}}',
    "a via that is ours": json.dumps(message(email="bob@example.org", via="manual")).encode(),
    "a field that is none": json.dumps(message(email="bob@example.org", standing="won")).encode(),
    "an address that is none": json.dumps(message(email="bob")).encode(),
    "NUL everywhere": b"\0" * 10,
}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_signed_but_unusable_is_refused(shared_site: Site, body: bytes) -> None:
    assert code(shared_site.deliver(body)) == (400, "unusable")


def test_what_is_unusable_is_kept_once_as_far_as_it_can_be_shown(any_site: Site) -> None:
    body = b'\0\xff "' + b"x" * 10_000

    answers = [any_site.deliver(body) for _ in range(2)]

    (dead,) = any_site.inbox(dead=True)
    assert [code(answer) for answer in answers] == [(400, "unusable")] * 2
    assert (dead["source"], dead["due_at"], dead["error"]) == ("shop", None, "the body is not UTF-8")
    assert dead["payload"]["raw"].startswith('\ufffd "xxx')
    assert len(dead["payload"]["raw"]) < 4096


def test_each_body_that_was_unusable_is_kept(site: Site) -> None:
    for body in (b"oops", b"again"):
        site.deliver(body)

    assert [row["payload"]["raw"] for row in site.inbox(dead=True)] == ["oops", "again"]


def test_an_id_is_not_used_up_by_a_body_that_was_unusable(site: Site) -> None:
    site.deliver(b"oops")

    assert site.deliver(message()).status_code == 202


def test_w21_a_nul_in_a_text_is_dropped(any_site: Site) -> None:
    answer = any_site.deliver(message(email="bob@example.org", reason="pa\0id"))

    assert (answer.status_code, any_site.inbox(dead=False)[0]["payload"]["reason"]) == (202, "paid")


def test_w25_a_type_that_is_not_ours_is_ignored_and_counted(site: Site) -> None:
    answer = site.deliver(message("order.created", order=7))

    (sender,) = site.call("GET", "/api/v1/status").json()["senders"]
    assert (answer.status_code, answer.json()) == (202, {"result": "ignored"})
    assert sender["answers"] == {"ignored": 1}
    assert not site.inbox(dead=False)


def test_w26_a_referral_that_we_do_not_know_yet_is_waited_for(site: Site) -> None:
    answer = site.deliver(message(email="bob@example.org"))
    decide(site.app)
    id = site.refer().json()["id"]
    site.world.clock.move(minutes=1)
    decide(site.app)

    assert (answer.status_code, site.world.standing(id)) == (202, "qualified")


def test_w24_a_sender_that_is_not_configured_is_not_found(site: Site) -> None:
    assert code(site.deliver(message(), sender="nobody")) == (404, "not_found")


def test_w37_without_the_database_nothing_is_taken_and_the_sender_tries_again(site: Site) -> None:
    whole, site.app.database = site.app.database, create_engine("sqlite:////no/such/folder/syncd.db")
    down = site.deliver(message())
    site.app.database = whole

    assert (code(down), down.headers["Retry-After"]) == ((503, "database_down"), "5")
    assert site.deliver(message()).status_code == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_w38_only_post_is_taken(shared_site: Site, method: str) -> None:
    answer = shared_site.call(method, "/webhooks/shop")

    assert (code(answer), answer.headers["Allow"]) == ((405, "method_not_allowed"), "POST")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""]
)
def test_w38_only_json_is_taken(shared_site: Site, kind: str) -> None:
    assert code(shared_site.deliver(message(), headers={"Content-Type": kind})) == (415, "not_json")


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_may_say_that_it_is_utf_8(site: Site, kind: str) -> None:
    assert site.deliver(message(), headers={"Content-Type": kind}).status_code == 202
