"""The API, what is earned: happenings, words about rewards, people who are one and people who are forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from syncd.flow.decide import decide
from syncd.store import access, books
from syncd.store.engine import read, write
from syncd.web import tokens
from tests.flow.booking import AGREED
from tests.web.site import Site, code, running

ORDER = {"order": "o1", "amount": "20.00", "currency": "EUR"}


def tell(site: Site, **more: Any) -> Any:
    body = {"id": "shop-1", "type": "order.paid", "email": "bob@example.org", "data": ORDER}
    return site.call("POST", "/api/v1/events", json=body | more)


def the_reward(site: Site) -> Mapping[str, Any]:
    (reward,) = site.call("GET", "/api/v1/rewards").json()["rewards"]
    found: Mapping[str, Any] = reward
    return found


def test_what_happened_is_booked_where_the_person_takes_part(any_site: Site) -> None:
    any_site.refer()

    assert [tell(any_site).json(), tell(any_site).json()] == [{"campaigns": ["spring"]}] * 2
    assert tell(any_site, email="zoe@example.org").json() == {"campaigns": []}


BAD: Mapping[str, tuple[Mapping[str, Any], tuple[int, str]]] = {
    "a type that nobody may tell": ({"type": "reward.fulfilled"}, (422, "unknown_type")),
    "an order without an amount": ({"data": {"order": "o1"}}, (422, "malformed")),
    "an amount that is a float": ({"data": ORDER | {"amount": 20.0}}, (422, "malformed")),
    "a currency that is none": ({"data": ORDER | {"currency": "EURO"}}, (422, "malformed")),
    "an amount finer than the currency": ({"data": ORDER | {"amount": "20.001"}}, (422, "malformed")),
    "a time without a zone": ({"at": "2026-03-01T00:00:00"}, (422, "invalid")),
    "a time that is a number": ({"at": 1772323200}, (422, "invalid")),
    "two names": ({"referral": "ref_1"}, (409, "ambiguous")),
    "no name": ({"email": None}, (409, "ambiguous")),
    "no address": ({"email": "bob"}, (422, "email_invalid")),
    "an unknown campaign": ({"campaign": "winter"}, (422, "campaign_not_found")),
    "a field that might be a name": ({"data": ORDER | {"note": "for Bob"}}, (422, "malformed")),
    "an id without an end": ({"data": ORDER | {"order": "o" * 121}}, (422, "malformed")),
    "a time that is none in UTC": ({"at": "9999-12-31T23:59:59-12:00"}, (422, "invalid")),
    "a time before there were shops": ({"at": "0001-01-02T00:00:00Z"}, (422, "malformed")),
    "a customer since before there were days": (
        {"type": "customer.existing", "data": {"since": "0001-01-01T00:00:00+14:00"}},
        (422, "malformed"),
    ),
    "an unknown field": ({"amount": "20.00"}, (422, "invalid")),
}


@pytest.mark.parametrize(("more", "answer"), BAD.values(), ids=BAD)
def test_what_cannot_be_booked_is_refused(shared_site: Site, more: Mapping[str, Any], answer: tuple[int, str]) -> None:
    shared_site.refer()
    assert code(tell(shared_site, **more)) == answer


def test_a_sender_tells_what_happened_too(any_site: Site) -> None:
    any_site.refer()
    told = {"type": "order.paid", "data": {"email": "bob@example.org", "data": ORDER}}

    answers = [any_site.deliver(told).json(), any_site.deliver(told).json()]
    decide(any_site.app)

    assert answers == [{"result": "accepted"}, {"result": "repeated"}]
    with read(any_site.app.database) as tx:
        (event,) = [it.event for it in books.events(tx, "spring", None) if it.event.type == "order.paid"]
    assert (event.data["order"], event.data["amount"]) == ("o1", "20.00")


def test_what_a_sender_tells_that_cannot_be_booked_is_a_dead_letter(site: Site) -> None:
    site.refer()
    unreadable = site.deliver({"type": "order.paid", "data": {"email": "bob"}}, id="msg_1")
    site.deliver({"type": "order.paid", "data": {"email": "bob@example.org", "data": {}}}, id="msg_2")
    decide(site.app)

    assert code(unreadable) == (400, "unusable")
    assert len(site.inbox(dead=True)) == 2


def test_what_a_process_with_older_rules_is_told_is_kept_and_no_reward_is_handed_out(site: Site) -> None:
    site.call("POST", f"/api/v1/referrals/{site.refer().json()['id']}/qualify")
    key = the_reward(site)["key"]
    assert site.call("GET", "/api/v1/status").json()["out_of_date"] == []
    with write(site.app.database) as tx:
        access.add_program(tx, "spring", 2, "as another process has it", site.app.clock())

    assert tell(site).json() == {"campaigns": ["spring"]}
    answer = site.call("POST", "/api/v1/rewards/fulfil", json={"key": key})

    assert (*code(answer), answer.headers["Retry-After"]) == (503, "out_of_date", "60")
    assert site.call("GET", "/api/v1/status").json()["out_of_date"] == ["spring"]


def test_a_reward_is_handed_out_once(site: Site) -> None:
    site.call("POST", f"/api/v1/referrals/{site.refer().json()['id']}/qualify")
    key = the_reward(site)["key"]

    answer = site.call("POST", "/api/v1/rewards/fulfil", json={"key": key})
    again = site.call("POST", "/api/v1/rewards/fulfil", json={"key": key})

    assert (answer.json()["status"], the_reward(site)["status"]) == ("fulfilled", "fulfilled")
    assert code(again) == (409, "illegal_transition")
    assert code(site.call("POST", "/api/v1/rewards/approve", json={"key": "spring/none"})) == (404, "not_found")


def test_of_two_who_must_agree_each_has_a_token(engine: Engine, tmp_path: Path) -> None:
    with running(engine, tmp_path, program=AGREED) as site:
        site.call("POST", f"/api/v1/referrals/{site.refer().json()['id']}/qualify")
        body = {"key": the_reward(site)["key"]}

        own = [site.call("POST", "/api/v1/rewards/approve", json=body).json()["approval"] for _ in range(2)]
        another = {"Authorization": f"Bearer {tokens.issue(site.app, 'eva', 'write')}"}
        assert own == ["awaiting", "awaiting"]
        assert code(site.call("POST", "/api/v1/rewards/approve", json=body | {"by": "eva"})) == (422, "invalid")
        assert site.call("POST", "/api/v1/rewards/approve", json=body, headers=another).json()["approval"] is None


def test_what_somebody_has_is_told_under_every_id_of_theirs(site: Site) -> None:
    referral = site.refer().json()
    site.call("POST", f"/api/v1/referrals/{referral['id']}/qualify")
    bob, eve = referral["friend"], site.refer(friend={"email": "eve@example.org"}).json()["friend"]
    has = site.call("GET", f"/api/v1/participants/{bob}").json()
    nobody = site.call("GET", f"/api/v1/participants/{eve}").json()
    site.call("POST", f"/api/v1/participants/{eve}/merge", json={"from": bob})

    points = {"pending": 0, "available": 50, "fulfilled": 0}
    assert has == {"id": bob, "erased": False, "balances": {"POINTS": points}}
    assert nobody["balances"] == {}
    assert site.call("GET", f"/api/v1/participants/{bob}").json()["id"] == eve
    assert code(site.call("GET", "/api/v1/participants/per_none")) == (404, "not_found")


def test_people_who_are_one_are_merged_and_one_who_wants_to_be_forgotten_is(site: Site) -> None:
    bob = site.refer().json()["friend"]
    eve = site.refer(friend={"email": "eve@example.org"}).json()["friend"]

    merged = site.call("POST", f"/api/v1/participants/{bob}/merge", json={"from": eve})
    forgotten = site.call("DELETE", f"/api/v1/participants/{bob}")

    assert (merged.status_code, forgotten.status_code) == (204, 204)
    assert code(site.call("DELETE", f"/api/v1/participants/{eve}")) == (404, "not_found")
    assert code(site.call("DELETE", "/api/v1/participants/per_%00")) == (404, "not_found")
    assert site.refer().status_code == 201
