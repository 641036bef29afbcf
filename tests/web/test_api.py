from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from syncd.contract import Misconfigured, Rejected
from syncd.flow.decide import decide
from syncd.store import sources
from syncd.store.engine import read, write
from syncd.store.tables import participant
from tests.web.site import Site, code
from tests.web.test_strict_json import json_values

EMAIL = {"email": "bob@example.org"}


def routes(site: Site) -> Iterator[tuple[str, str]]:
    """List the API's routes as its own document names them."""
    document = site.call("GET", "/api/v1/openapi.json", None).json()
    for path, methods in document["paths"].items():
        yield from ((method.upper(), path.replace("{id}", "ref_1")) for method in methods)


def test_a1_no_route_answers_without_a_token_that_is_good(shared_site: Site) -> None:
    known = list(routes(shared_site))

    assert len(known) == 17
    for method, path in known:
        for token in (None, "syncd_" + "A" * 43, shared_site.writer + "x", "é".encode().decode("latin-1")):
            answer = shared_site.call(method, path, token)
            assert (code(answer), answer.headers["WWW-Authenticate"]) == ((401, "unauthorized"), "Bearer")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Token {}"])
def test_a1_a_token_is_taken_in_one_way(shared_site: Site, header: str) -> None:
    headers = {"Authorization": header.format(shared_site.reader)}

    assert code(shared_site.call("GET", "/api/v1/rewards", None, headers=headers)) == (401, "unauthorized")


def test_a2_a_token_for_reading_reads_everything_and_writes_nothing(shared_site: Site) -> None:
    for method, path in routes(shared_site):
        answer = shared_site.call(method, path, shared_site.reader)
        if method in {"POST", "DELETE"}:
            assert code(answer) == (403, "forbidden")
        else:
            assert answer.status_code == 404 if "ref_1" in path else 200


def test_a_new_referral_is_created_and_a_known_one_is_shown(any_site: Site) -> None:
    first, again = any_site.refer(channel="whatsapp"), any_site.refer(channel="whatsapp")

    referral = first.json()
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == referral
    assert (referral["campaign"], referral["channel"], referral["standing"]) == ("spring", "whatsapp", "captured")
    assert referral["captured_at"] == "2026-03-02T09:00:00Z"
    assert "example" not in first.text  # ids only
    assert any_site.nudges == ["crm", "crm"]


def test_a12_a_code_stands_for_campaign_and_advocate_in_either_case(site: Site) -> None:
    by_name = site.refer().json()
    body = {"code": f" {by_name['code'].lower()} ", "friend": {"email": "carl@example.org"}}
    by_code = site.call("POST", "/api/v1/referrals", json=body)

    assert (by_code.status_code, by_code.json()["advocate"]) == (201, by_name["advocate"])


REFUSED: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "A12 an unknown code": ({"code": "NOBODY"}, 422, "code_not_found", None),
    "A12 a look-alike": ({"code": "\u0410BC"}, 422, "code_not_found", None),
    "an unknown campaign": ({"campaign": "autumn"}, 422, "campaign_not_found", None),
    "an address for a campaign": ({"campaign": "zoe@example.com"}, 422, "campaign_not_found", None),
    "no advocate": ({"advocate": None}, 422, "no_advocate", None),
    "no campaign": ({"campaign": None}, 422, "no_advocate", None),
    "no friend": ({"friend": None}, 422, "invalid", "friend"),
    "A8 is_admin": ({"is_admin": True}, 422, "invalid", "is_admin"),
    "A8 standing": ({"standing": "qualified"}, 422, "invalid", "standing"),
    "A8 deep inside": ({"friend": EMAIL | {"id": "per_1"}}, 422, "invalid", "friend.id"),
    "A8 a name that is an address": ({"ann@example.com": 1}, 422, "invalid", "?"),
    "A9 no address": ({"friend": {"first_name": "Bob"}}, 422, "invalid", "friend.email"),
    "A9 half an address": ({"friend": {"email": "a@"}}, 422, "email_invalid", "friend.email"),
    "A9 255 characters": ({"friend": {"email": "a" * 243 + "@example.org"}}, 422, "invalid", "friend.email"),
    "A9 a long name": ({"friend": {"email": "a" * 65 + "@example.org"}}, 422, "email_invalid", "friend.email"),
    "A9 two addresses": ({"friend": {"email": "a@example.org,b@example.org"}}, 422, "email_invalid", "friend.email"),
    "A9 two at": ({"friend": {"email": "a@b@example.org"}}, 422, "email_invalid", "friend.email"),
    "A9 a display name": ({"friend": {"email": "Bob <bob@example.org>"}}, 422, "email_invalid", "friend.email"),
    "A9 in brackets": ({"friend": {"email": "<bob@example.org>"}}, 422, "email_invalid", "friend.email"),
    "A9 a name of two": ({"friend": {"email": "a;b@example.org"}}, 422, "email_invalid", "friend.email"),
    "A9 a header": ({"friend": {"email": "a@example.org\r\nBcc: c@example.org"}}, 422, "invalid", "friend.email"),
    "A9 a line's end": ({"friend": {"email": "a@example.org\n"}}, 422, "invalid", "friend.email"),
    "A9 a number": ({"friend": {"email": 7}}, 422, "invalid", "friend.email"),
    "A10 33 characters": ({"friend": EMAIL | {"phone": "1" * 33}}, 422, "invalid", "friend.phone"),
    "A10 a number": ({"friend": EMAIL | {"phone": 49301234567}}, 422, "invalid", "friend.phone"),
    "A11 201 characters": ({"friend": EMAIL | {"last_name": "x" * 201}}, 422, "invalid", "friend.last_name"),
    "A11 two lines": ({"friend": EMAIL | {"first_name": "Bob\nBcc"}}, 422, "invalid", "friend.first_name"),
    "A11 a line separator": ({"friend": EMAIL | {"company": "a\u2028b"}}, 422, "invalid", "friend.company"),
    "a channel of 65": ({"channel": "x" * 65}, 422, "invalid", "channel"),
    "a channel that grows": ({"channel": "\u0958" * 64}, 422, "invalid", "channel"),
    "an external id of nothing": ({"external_id": " "}, 422, "invalid", "external_id"),
}


@pytest.mark.parametrize(("more", "status", "word", "path"), REFUSED.values(), ids=REFUSED)
def test_a_referral_that_is_not_as_it_should_be_is_refused(
    shared_site: Site, more: dict[str, Any], status: int, word: str, path: str | None
) -> None:
    answer = shared_site.refer(**more)

    assert (code(answer), answer.json()["path"]) == ((status, word), path)
    assert "example.org" not in answer.text
    assert "example.com" not in answer.text


KEPT = {
    "A9 a tag and capitals": ("email", "Bob+Tag@Example.ORG", "Bob+Tag@Example.ORG"),
    "A9 another script": ("email", "bob@bücher.example", "bob@bücher.example"),
    "A10 a formula": ("phone", "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    "A10 full-width digits": ("phone", "\uff11\uff12", "\uff11\uff12"),
    "A11 markup": ("first_name", '"><img onerror=1>', '"><img onerror=1>'),
    "A11 right to left": ("first_name", "\u202enaol", "\u202enaol"),
    "A11 another form": ("last_name", "Zoe\u0308", "Zo\u00eb"),
    "A11 200 in another form": ("last_name", "e\u0301" * 200, "\u00e9" * 200),
    "A11 beyond the first plane": ("first_name", "\U0001f600", "\U0001f600"),
    "W21 a NUL": ("first_name", "B\0ob", "Bob"),
    "nothing": ("phone", "", None),
}


@pytest.mark.parametrize(("field", "given", "kept"), KEPT.values(), ids=KEPT)
def test_a_person_is_kept_as_given_in_one_form_of_unicode(
    shared_site: Site, field: str, given: str, kept: str | None
) -> None:
    own_address = f"{hashlib.sha256(repr((field, given)).encode()).hexdigest()[:16]}@example.org"

    answer = shared_site.refer(friend={"email": own_address} | {field: given})

    with read(shared_site.app.database) as tx:
        row = tx.execute(participant.select().where(participant.c.id == answer.json()["friend"])).one()
    assert (answer.status_code, row._mapping[field]) == (201, kept)


def test_what_only_one_database_would_take_is_kept_out_of_both(any_site: Site) -> None:
    nul = any_site.refer(friend={"email": "bob@example.org", "first_name": "B\0ob"}, channel="x" * 64)
    long_code = any_site.refer(code="\u0390" * 64)
    listed = any_site.call("GET", "/api/v1/referrals?campaign=" + "x" * 64)

    assert (nul.status_code, listed.status_code) == (201, 200)
    assert code(long_code) == (422, "code_not_found")
    assert code(any_site.call("GET", "/api/v1/referrals/ref_%00")) == (404, "not_found")
    assert code(any_site.call("GET", "/api/v1/rewards?status=%00")) == (422, "invalid")


def test_a4_without_a_key_the_same_friend_is_the_same_referral(site: Site) -> None:
    first, second = site.refer(), site.refer(friend={"email": "BOB+2@example.org"})

    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])


def test_a4_the_callers_own_id_of_a_friend_is_a_key(site: Site) -> None:
    first = site.refer(external_id="lead-7")
    again = site.refer(external_id="lead-7")
    other = site.refer(external_id="lead-7", friend={"email": "carl@example.org"})

    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 201, first.json()["id"])
    assert code(other) == (409, "key_reused")


def test_a5_the_same_request_fifty_times_at_once_is_one_referral(any_site: Site) -> None:
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(any_site.refer, headers={"Idempotency-Key": "k"}) for _ in range(50)]
        answers = [call.result() for call in calls]

    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert answers[0].status_code == 201
    assert len(any_site.call("GET", "/api/v1/referrals").json()["referrals"]) == 1


def test_a6_a_key_with_another_request_changes_nothing(any_site: Site) -> None:
    key = {"Idempotency-Key": "k"}
    id = any_site.refer(headers=key).json()["id"]
    other = any_site.refer(headers=key, friend={"email": "carl@example.org"})
    crossed = any_site.call("POST", f"/api/v1/referrals/{id}/qualify", headers=key)

    assert [code(other), code(crossed)] == [(409, "key_reused")] * 2
    assert any_site.world.standing(id) == "captured"
    assert len(any_site.call("GET", "/api/v1/referrals").json()["referrals"]) == 1


@pytest.mark.parametrize("key", ["k" * 201, "a b", "a\tb", "é".encode("latin-1"), b"\x7f"])
def test_a7_a_key_is_short_and_visible(shared_site: Site, key: str | bytes) -> None:
    assert code(shared_site.refer(headers={"Idempotency-Key": key})) == (400, "bad_key")


def test_a_key_of_200_characters_is_taken(any_site: Site) -> None:
    assert any_site.refer(headers={"Idempotency-Key": "~" * 200}).status_code == 201
    assert any_site.refer(friend={"email": "c@example.org"}, external_id="x" * 200).status_code == 201


def test_a13_a_friend_of_two_advocates_stays_with_the_first(site: Site) -> None:
    site.refer()
    second = site.refer(advocate={"email": "zoe@example.com"})

    assert code(second) == (409, "already_referred")


def test_a13_who_refers_themselves_gets_one_answer(site: Site) -> None:
    answers = [site.refer(friend={"email": "Ann+friend@example.com"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert [(a.json()["standing"], a.json()["counted"]) for a in answers] == [("rejected", False)] * 2


def test_an_advocate_joins_once_with_a_code_of_their_own(any_site: Site) -> None:
    body = {"campaign": "spring", "email": "ann@example.com", "first_name": "Ann", "code": "ann-1"}
    first = any_site.call("POST", "/api/v1/advocates", json=body)
    again = any_site.call("POST", "/api/v1/advocates", json=body)
    other = any_site.call("POST", "/api/v1/advocates", json=body | {"email": "zoe@example.com", "code": "ANN-1"})

    assert (first.status_code, first.json()["codes"]) == (200, ["ann-1"])
    assert again.json() == first.json()
    assert code(other) == (409, "code_taken")


def test_a_code_may_be_made_on_terms_of_its_own(site: Site) -> None:
    body = {"campaign": "spring", "email": "ann@example.com", "code": "once", "redemption_limit": 1}
    assert site.call("POST", "/api/v1/advocates", json=body).status_code == 200
    reasons = []
    for name in ("ben", "eve"):
        site.world.clock.move(seconds=1)
        friend = {"friend": {"email": f"{name}@example.com"}, "code": "once"}
        reasons.append(site.call("POST", "/api/v1/referrals", json=friend).json()["reason"])
    assert reasons == [None, "redemption_limit_reached"]


@pytest.mark.parametrize(
    "terms", [{"valid_from": "tomorrow"}, {"valid_until": "2026-03-02T09:00:00"}, {"redemption_limit": -1}]
)
def test_terms_of_a_code_that_mean_nothing_are_refused(shared_site: Site, terms: dict[str, object]) -> None:
    body = {"campaign": "spring", "email": "ann@example.com", **terms}
    assert code(shared_site.call("POST", "/api/v1/advocates", json=body)) == (422, "invalid")


@pytest.mark.parametrize("text", ["", "a b", "ä", "ß" * 64, "-a", "a" * 65, "a/b", "a\n"])
def test_a_new_code_fits_on_a_link(shared_site: Site, text: str) -> None:
    body = {"campaign": "spring", "email": "ann@example.com", "code": text}

    assert code(shared_site.call("POST", "/api/v1/advocates", json=body)) == (422, "invalid")


def test_a19_a_decision_is_taken_as_often_as_it_comes(any_site: Site) -> None:
    id = any_site.refer().json()["id"]
    path = f"/api/v1/referrals/{id}"

    answers = [
        any_site.call("POST", f"{path}/{verb}", json={"reason": "seen"}, headers={"Idempotency-Key": key})
        for verb, key in [("qualify", "1"), ("qualify", "1"), ("qualify", "2"), ("disqualify", "3")]
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json()["standing"] for answer in answers] == ["qualified"] * 3 + ["rejected"]
    assert answers[0].json()["qualified_via"] == "api"
    assert any_site.call("GET", path).json()["reason"] == "disqualified"


def test_a19_the_later_decision_stands(site: Site) -> None:
    id = site.refer().json()["id"]
    answers = []
    for verb in ("qualify", "disqualify", "qualify"):
        site.world.clock.move(seconds=1)
        answers.append(site.call("POST", f"/api/v1/referrals/{id}/{verb}"))

    assert [answer.json()["standing"] for answer in answers] == ["qualified", "rejected", "qualified"]


def test_a19_what_was_refused_or_is_unknown_cannot_be_qualified(site: Site) -> None:
    refused = site.refer(friend={"email": "ann@example.com"}).json()["id"]

    assert code(site.call("POST", f"/api/v1/referrals/{refused}/qualify")) == (409, "rejected")
    assert code(site.call("POST", "/api/v1/referrals/ref_1/qualify")) == (404, "not_found")


def test_a_list_is_read_page_by_page(any_site: Site) -> None:
    for name in "abcde":
        any_site.refer(friend={"email": f"{name}@example.org"})
        any_site.world.clock.move(seconds="abcde".index(name) % 2)  # two at one moment

    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = any_site.call("GET", f"/api/v1/referrals?limit=2&standing=captured{cursor}").json()
        seen += [referral["id"] for referral in page["referrals"]]
        cursor = f"&cursor={page['next']}"

    everything = any_site.call("GET", "/api/v1/referrals?limit=200").json()
    assert (page["next"], everything["next"]) == (None, None)
    assert seen == [referral["id"] for referral in everything["referrals"]]
    assert len(set(seen)) == 5
    for other in ("standing=lost", "campaign=autumn"):
        assert any_site.call("GET", f"/api/v1/referrals?{other}").json() == {"referrals": [], "next": None}


def test_a17_a_cursor_is_ours_and_of_this_list(site: Site) -> None:
    for name in "abc":
        site.refer(friend={"email": f"{name}@example.org"})
    cursor = site.call("GET", "/api/v1/referrals?limit=1").json()["next"]
    forged = cursor[:-4] + ("AAA=" if cursor[-4:] != "AAA=" else "BBB=")

    assert site.call("GET", f"/api/v1/referrals?limit=2&cursor={cursor}").status_code == 200
    for query in (f"standing=captured&cursor={cursor}", f"cursor={forged}", "cursor=", "cursor=%00é", "cursor=AAAA"):
        answer = site.call("GET", f"/api/v1/referrals?{query}")
        assert (code(answer), answer.json()["path"]) == ((422, "bad_cursor"), "cursor")


BAD_QUERIES = {
    "A17 no size": ("referrals?limit=0", "limit"),
    "A17 less than none": ("referrals?limit=-1", "limit"),
    "A17 far too much": ("referrals?limit=1000000000", "limit"),
    "A17 5,000 digits": (f"referrals?limit={'1' * 5000}", "limit"),
    "A17 a very long cursor": (f"referrals?cursor={'A' * 5000}", "cursor"),
    "A18 another column": ("referrals?sort=email", "sort"),
    "A18 SQL": ("referrals?standing=x'%20OR%201=1", "standing"),
    "A18 SQL in a name": ("referrals?a'%20OR%201=1--=1", "?"),
    "a NUL": ("referrals?campaign=%00", "campaign"),
    "history from before the first": ("history?after=-1", "after"),
    "history from beyond the last": ("history?after=9223372036854775808", "after"),
    "history without end": ("history?limit=501", "limit"),
    "rewards without end": ("rewards?limit=1001", "limit"),
}


@pytest.mark.parametrize(("query", "path"), BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_query_that_is_not_as_it_should_be_is_refused(shared_site: Site, query: str, path: str) -> None:
    answer = shared_site.call("GET", f"/api/v1/{query}")

    assert (code(answer), answer.json()["path"]) == ((422, "invalid"), path)


@pytest.mark.parametrize("id", ["x", "ref_", "ref_..", "%2e%2e", "ref_%00", "ref_" + "a" * 2000, "..%2f..%2fetc"])
def test_a22_an_id_that_is_none_is_not_found(shared_site: Site, id: str) -> None:
    assert code(shared_site.call("GET", f"/api/v1/referrals/{id}")) == (404, "not_found")


BODIES = {
    "W6": (b'{"a": "\xff"}', "application/json", 400, "bad_json"),
    "W17": (b'{"code": "A", "code": "B"}', "application/json", 400, "bad_json"),
    "W20": (b"[" * 100_000, "application/json", 400, "bad_json"),
    "W23": (json.dumps({"friend": EMAIL}).encode("utf-16"), "application/json", 400, "bad_json"),
    "empty": (b"", "application/json", 400, "bad_json"),
    "a form": (b"code=A", "application/x-www-form-urlencoded", 415, "not_json"),
    "no type": (b"{}", "", 415, "not_json"),
    "a list": (b"[]", "application/json", 422, "invalid"),
    "a text": (b'"a"', "application/json", 422, "invalid"),
}


@pytest.mark.parametrize(("body", "kind", "status", "word"), BODIES.values(), ids=BODIES)
def test_a21_a_body_that_is_no_json_object_is_refused(
    shared_site: Site, body: bytes, kind: str, status: int, word: str
) -> None:
    for path in ("referrals", "advocates"):
        answer = shared_site.call("POST", f"/api/v1/{path}", data=body, headers={"Content-Type": kind})
        assert code(answer) == (status, word)


def test_without_the_database_the_answer_is_to_come_again(site: Site) -> None:
    whole, site.app.database = site.app.database, create_engine("sqlite:////no/such/folder/syncd.db")
    down = site.refer()
    site.app.database = whole

    assert (code(down), down.headers["Retry-After"]) == ((503, "database_down"), "5")
    assert site.refer().status_code == 201


def test_a_referral_is_shown_with_what_happened_to_it(site: Site) -> None:
    id = site.refer().json()["id"]
    site.world.deliver()
    site.world.crm.move(site.world.crm.deal_of(id), "won")
    site.world.poll()

    shown = site.call("GET", f"/api/v1/referrals/{id}").json()
    everything = site.call("GET", "/api/v1/history?limit=500").json()["history"]

    assert (shown["standing"], shown["counted"]) == ("qualified", True)
    assert [line["what"] for line in shown["history"]] == ["captured", "pushed", "stage", "qualified"]
    assert [line for line in everything if line["referral"] == id] == shown["history"]


def test_what_a_crm_says_of_people_is_not_passed_on(site: Site) -> None:
    id = site.refer().json()["id"]
    site.world.crm.bad[id] = Rejected("bob@example.org is on the block list")
    site.world.deliver()
    site.world.crm.broken = Misconfigured("ann@example.com may not read deals", yaml_path="token")
    with write(site.app.database) as tx:
        sources.mark(tx, "crm", state="new")
    site.world.deliver()

    shown = site.call("GET", f"/api/v1/referrals/{id}")
    report = site.call("GET", "/api/v1/status")

    assert shown.json()["history"][-1]["detail"]["error"] == "[e-mail] is on the block list"
    assert report.json()["connectors"][0]["error"] == "[e-mail] may not read deals"


def test_the_history_is_read_part_by_part(site: Site) -> None:
    for name in "abc":
        site.refer(friend={"email": f"{name}@example.org"})

    after, seen = 0, []
    for _ in range(5):
        part = site.call("GET", f"/api/v1/history?limit=2&after={after}").json()
        if not part["history"]:
            break
        seen += [line["id"] for line in part["history"]]
        after = part["next"]

    assert seen == sorted(set(seen))
    assert (len(seen), part["next"]) == (4, seen[-1])


def test_rewards_are_listed_as_they_stand(site: Site) -> None:
    id = site.refer().json()["id"]
    site.call("POST", f"/api/v1/referrals/{id}/qualify")

    (reward,) = site.call("GET", "/api/v1/rewards?campaign=spring").json()["rewards"]
    none = site.call("GET", "/api/v1/rewards?campaign=autumn").json()["rewards"]

    assert (reward["kind"], reward["amount"], reward["rule"]) == ("points", "50", "friend")
    assert none == []


def test_the_report_tells_how_everything_fares(site: Site) -> None:
    site.refer()
    site.deliver({"type": "referral.qualified", "data": {"email": "nobody@example.org"}})
    before = site.call("GET", "/api/v1/status").json()
    site.world.deliver()
    decide(site.app)
    after = site.call("GET", "/api/v1/status").json()

    (crm,), (shop,) = after["connectors"], after["senders"]
    assert (before["connectors"][0]["state"], before["connectors"][0]["outbox"]) == ("new", {"open": 2, "dead": 0})
    assert (crm["state"], crm["account"], crm["outbox"]) == ("healthy", "Acme", {"open": 0, "dead": 0})
    assert (shop["inbox"], shop["answers"]) == ({"open": 1, "dead": 0}, {"accepted": 1})
    assert (before["referrals"], after["referrals"]) == ({"captured": 1}, {"pushed": 1})
    assert after["ledger"] == {"balanced": True, "audited_at": None, "differing": 0}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=json_values | st.fixed_dictionaries({"friend": json_values, "code": json_values}), query=st.text(max_size=20)
)
def test_no_request_makes_a_fault_of_ours(shared_site: Site, body: Any, query: str) -> None:
    for path in ("/api/v1/referrals", "/api/v1/advocates", "/api/v1/referrals/ref_1/qualify"):
        assert shared_site.call("POST", path, json=body).status_code < 500
    assert shared_site.call("GET", "/api/v1/referrals", params={"cursor": query, "campaign": query}).status_code < 500
    assert shared_site.deliver({"type": "referral.qualified", "data": body}, id="fuzz").status_code < 500


def test_the_documentation_names_every_route_and_the_document_describes_every_body(shared_site: Site) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    document = shared_site.call("GET", "/api/v1/openapi.json", None).json()

    missing = [path for path in document["paths"] if path not in page]
    assert not missing
    for schema in ("ReferralTaken", "PersonTaken", "AdvocateTaken", "DecisionTaken", "ProblemBody"):
        assert schema in document["components"]["schemas"]
