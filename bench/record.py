"""What the HubSpot connector and the sandbox CRM say to each other, as JSON lines for a checker of API descriptions.

Each line is a call and its answer. Nothing in it depends on the day: two recordings of the same code are equal.

python -m bench.record OUT.jsonl
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import requests

from bench.world import BEGINNING, NAME, Clock
from syncd.contract import KeepsHistory, Lead, Person, Pushed, RemoteRef
from syncd.http import Session
from syncd.registry import find
from syncd.sandbox.crm import NO_LIMITS, HubSpotSetup, Sandbox

VENDOR = "hubspot-sdk"
"""Whose description of the API the lines are held against: the one that HubSpot's SDK is made from."""


class Recorder(Session):
    """A session that writes down every call and its answer, less the credential."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        super().__init__(now=clock)
        self.lines = 0
        self._out = out

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, and write a line once its answer is there."""
        answer = super().send(request, **kwargs)
        line = {
            "seq": self.lines,
            "vendor": VENDOR,
            "method": request.method,
            "url": request.path_url,
            "request_headers": {**request.headers, "Authorization": "Bearer ***"},
            "request_body": _text(request.body),
            "status": answer.status_code,
            "response_headers": dict(answer.headers),
            "response_body": _text(answer.content),
        }
        self._out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.lines += 1
        return answer


def record(out: TextIO) -> int:
    """Go through everything that a connector does; write what was said, and give the number of lines."""
    clock = Clock()
    with (
        Sandbox(now=clock, clock=clock.seconds, accounts=[HubSpotSetup(name=NAME, limits=NO_LIMITS)]) as crm,
        Recorder(out, clock) as session,
    ):
        _talk(crm, session, clock)
        return session.lines


def _talk(crm: Sandbox, session: Session, clock: Clock) -> None:
    sales = crm.model(NAME)
    with_deals, people_only = (_open(crm, session, kind) for kind in ("deal", "contact"))
    with_deals.check()
    people_only.check()
    cursor = with_deals.start(BEGINNING)

    sales.write("contacts", None, {"email": "friend20@example.com"}, origin="CRM_UI")  # whom lead 20 will meet
    friends = _pushed(with_deals.push([_lead(number) for number in range(1, 21)]))
    strangers = _pushed(people_only.push([_lead(number) for number in range(21, 26)]))
    with_deals.push([_lead(1), _lead(26, email="friend2@example.com"), _lead(27, email="not an address")])

    clock.turn(60)
    deals = [ref.deal for ref in friends if ref.deal]
    people = [ref.person for ref in strangers if ref.person]
    sales.move(deals[0].id, "closedwon")
    sales.set_amount(deals[0].id, "1200.50")
    sales.merge("deals", deals[1].id, deals[2].id)
    sales.archive("deals", deals[3].id)
    sales.open_deal(people[0].id, stage="qualifiedtobuy")
    sales.merge("contacts", people[1].id, people[2].id)
    sales.archive("contacts", people[3].id)

    clock.turn(60)
    for page in with_deals.changes(cursor, clock()):
        cursor = page.cursor
    list(with_deals.changes(cursor, clock()))
    with_deals.look_up([*friends, *strangers])
    with_deals.history(deals)
    with_deals.push([_lead(3, known=friends[2])])


def _open(crm: Sandbox, session: Session, kind: str) -> Any:
    connector = find("hubspot")
    section = {
        "name": NAME,
        "type": "hubspot",
        "token": crm.token(NAME),
        "base_url": crm.url(NAME),
        "push": {"as": kind, "fields": {"firstname": "friend.first_name", "deal.description": "campaign.name"}},
    }
    opened = connector.open(connector.Settings.model_validate(section), session)
    assert isinstance(opened, KeepsHistory)
    return opened


def _lead(number: int, *, email: str = "", known: RemoteRef | None = None) -> Lead:
    return Lead(
        id=f"ref_{number}",
        role="friend",
        person=Person(email=email or f"friend{number}@example.com"),
        campaign="spring",
        referral_code=f"CODE{number}",
        fields={"firstname": f"Friend {number}", "deal.description": "Spring"},
        known=known,
    )


def _pushed(verdicts: Iterable[object]) -> Sequence[RemoteRef]:
    refs = [it.ref if isinstance(it, Pushed) else it for it in verdicts]
    assert all(isinstance(it, RemoteRef) for it in refs), refs
    return [it for it in refs if isinstance(it, RemoteRef)]


def _text(body: str | bytes | None) -> str | None:
    return body.decode() if isinstance(body, bytes) else body


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.record OUT.jsonl")
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        print(f"{record(file)} calls and their answers are in {sys.argv[1]}")
