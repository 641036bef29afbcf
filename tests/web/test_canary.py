"""A canary lives through everything that there is, is forgotten, and leaves nothing in any table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from syncd.contract import Rejected
from syncd.flow import operate
from syncd.flow.audit import audit
from syncd.flow.decide import decide
from syncd.flow.tell import tell
from syncd.store import letters
from syncd.store.engine import read
from syncd.store.tables import metadata
from tests.flow.booking import beside
from tests.flow.receiving import SECRET as RECEIVERS_SECRET
from tests.flow.receiving import Inbox
from tests.flow.telling import SECRET, tells
from tests.web.site import SENDERS, Site, running

ADDRESS = "zaphod@zaphod.example.org"
CANARY = {
    "email": ADDRESS,
    "first_name": "Zaphod",
    "last_name": "Zaphodsen",
    "phone": "+49 30 2424242",
    "company": "Zaphod Ltd",
}
TRACES = ("zaphod", "2424242")
PROGRAM = """
campaign: spring
base_currency: EUR
counting: conversions
eligibility: {same_company_domain: reject, existing_customer: allow, existing_participant: allow}
qualification: {any_of: [{type: purchase, min: {EUR: "10.00"}}, {type: explicit, via: [api, webhook, manual]}]}
rewards:
  - {id: share, trigger: order.paid, to: advocate, kind: revenue_share, rate: "0.10"}
  - {id: thanks, trigger: referral.qualified, to: advocate, kind: points, amount: 100}
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
milestones:
  - {id: orders, metric: orders, target: 1, rewards: [{kind: points, amount: 7}]}
"""
NOTIFY = {"webhooks": [{"name": "ears", "url": "https://hooks.example.com/in", "secrets": [RECEIVERS_SECRET]}]}


@pytest.fixture
def busy(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    """A site with everything that can be told something, or tells it."""
    with running(engine, tmp_path, program=PROGRAM, yaml=f"{SENDERS}notify: {json.dumps(NOTIFY)}\n") as site:
        site.world.app.messengers = {"ears": Inbox()}  # type: ignore[dict-item]
        tells(site.world)
        yield site


def test_nothing_that_they_or_others_said_of_them_is_left(busy: Site) -> None:
    who = live(busy)
    assert {"participant", "code", "referral", "event", "outbox", "inbox"} <= held(busy).keys()

    assert busy.call("DELETE", f"/api/v1/participants/{who}").status_code == 204

    assert held(busy) == {}
    say_it_all_again(busy, who)
    busy.world.clock.move(days=1, seconds=1)
    decide(busy.app)
    busy.world.app = beside(busy.app)
    assert audit(busy.world.app) == 0
    assert held(busy) == {}


def held(site: Site) -> dict[str, list[str]]:
    """Find the rows that hold a trace of the canary, by table."""
    hashes = (site.app.identity(ADDRESS) or "", site.app.opaque("zaphod.example.org"))
    found: dict[str, list[str]] = {}
    with read(site.app.database) as tx:
        for table in metadata.sorted_tables:
            rows = [str(row).lower() for row in tx.execute(select(table))]
            if some := [row for row in rows if any(trace in row for trace in (*TRACES, *hashes))]:
                found[table.name] = some
    return found


def live(site: Site) -> str:
    """Have the canary invite and be invited, buy, be judged, be pushed, be told of and turn out to be another."""
    world = site.world
    code = world.advocate("ann")
    mine = called(site, "advocates", campaign="spring", code="Zaphod-42", **CANARY)
    called(site, "advocates", campaign="spring", code="zaphods.second", **CANARY)
    friend = called(site, "referrals", "zaphods-key", code=code, friend=CANARY, external_id=ADDRESS)
    ben = called(site, "referrals", "for-zaphod", code="zaphod-42", friend={"email": "ben@example.net"})
    other = called(site, "advocates", campaign="spring", email="zaphod@other.example.org", first_name="Zaphod")
    tell_all(site, friend["id"])
    for id, verdict in ((friend["id"], "qualify"), (ben["id"], "disqualify"), (ben["id"], "qualify")):
        called(site, f"referrals/{id}/{verdict}", f"zaphod-{verdict}-{id}", reason="Zaphod says so")
    world.crm.bad[friend["id"]] = Rejected("no such owner")
    world.deliver()
    with read(site.app.database) as tx:
        dead = letters.find(tx, dead=True, party="crm")
    assert operate.discard(site.app, [it for it in dead if it.box == "outbox"], reason="Zaphod", by="cli:eva") == 1
    called(site, f"participants/{mine['id']}/merge", **{"from": other["id"]})
    tell(site.app, "ears")
    return str(mine["id"])


def called(site: Site, path: str, key: str | None = None, **body: Any) -> Any:
    """Call the API, which takes it."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = site.call("POST", f"/api/v1/{path}", json=body, headers=headers)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def tell_all(site: Site, friend: str) -> None:
    """Tell whatever may be told of the canary, by API and by webhook, well and badly."""
    paid = {"order": f"{ADDRESS}/1", "amount": "20.00", "currency": "EUR"}
    told: dict[str, dict[str, Any]] = {
        "order.paid": paid,
        "order.refunded": paid | {"refund": f"{ADDRESS}/r", "amount": "1.00"},
        "review.posted": {"review": f"by {ADDRESS}"},
        "points.earned": {"points": 3},
        "subscription.cycle_paid": {"contract": ADDRESS, "cycle": 1},
        "subscription.cancelled": {"contract": ADDRESS},
        "link.shared": {"channel": "link"},
        "referral.captured": {"code": "zaphods-unknown-code"},
        "customer.existing": {},
    }
    for type, data in told.items():
        called(site, "events", id=f"zaphod-{type}", type=type, email=ADDRESS, campaign="spring", data=data)
    touch = {"code": "ZAPHOD-42"}
    called(site, "events", id="t1", type="referral.captured", email="zoe@example.net", campaign="spring", data=touch)
    site.deliver({"type": "order.paid", "data": {"email": ADDRESS, "data": paid}}, id="zaphod.1")
    verdict = {"referral": friend, "reason": "Zaphod did it"}
    site.deliver({"type": "referral.qualified", "data": verdict}, id="zaphod.2")
    decide(site.app)
    site.deliver({"type": "referral.qualified", "data": verdict | {"reason": ADDRESS}}, id="zaphod.2")
    site.deliver({"type": "order.paid", "data": {"email": ADDRESS, "zaphod": 1}}, id="zaphod.3")
    site.deliver({"type": "order.paid", "data": {"email": ADDRESS, "data": {"zaphod": "1"}}}, id="zaphod.4")
    site.deliver({"type": "referral.qualified", "data": {"email": ADDRESS, "code": "zaphods-own"}}, id="zaphod.5")
    site.deliver(json.dumps({"note": f"\n{ADDRESS}"}).replace("@", "\\u0040").encode(), id="zaphod.6")
    site.deliver(b'{"name": "Zaphod', id="zaphod.7")
    decide(site.app)
    proof = {"X-Proof": SECRET, "Content-Type": "application/json"}
    for body in (b"<contact>Zaphod Zaphodsen</contact>", b'{"e-mail": "zaphod\\u0040zaphod.example.org'):
        assert site.call("POST", "/webhooks/crm", token=None, data=body, headers=proof).status_code == 400


def say_it_all_again(site: Site, who: str) -> None:
    """Have callers who have not heard of it tell more, by the ids that they know."""
    friend = next(it["id"] for it in site.call("GET", "/api/v1/referrals").json()["referrals"] if it["friend"] == who)
    data = {"order": "zaphod", "amount": "20.00", "currency": "EUR"}
    called(site, "events", id="zaphod", type="order.paid", participant=who, data=data)
    called(site, f"referrals/{friend}/qualify", reason="Zaphod again")
    site.deliver({"type": "referral.qualified", "data": {"referral": friend, "reason": "Zaphod"}}, id="zaphod.9")
    decide(site.app)
