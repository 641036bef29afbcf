"""The world of one behaviour: a CRM's double, a clock that stands still, and a connector that is open on both."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from syncd import oauth
from syncd.conformance.double import CrmDouble, Lags, Merges, Restores, merged
from syncd.conformance.listening import LACKING, Listening
from syncd.conformance.probe import Clock, Noting, Probe, listening
from syncd.contract import (
    Connector,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    KeepsHistory,
    Lead,
    Person,
    Pushed,
    RemoteId,
    RemoteRef,
    StageFact,
)
from syncd.http import Session

Item = TypeVar("Item")
Verb = Literal["check", "stages", "push", "changes", "look_up", "history"]
VERBS: tuple[Verb, ...] = ("check", "stages", "push", "changes", "look_up")  # history is not every CRM's

BEGINNING = datetime(2031, 3, 3, 10, 0, tzinfo=UTC)
"""Years away from any machine's clock, so that a connector that asks that one is found out."""

MOST_PAGES = 60


class World(Listening):
    """What a behaviour acts on. `lead`, `push` and `poll` do what the daemon does; `crm` is what sales does."""

    def __init__(self, crm: CrmDouble, url: str, clock: Clock, http: Probe, heard: list[logging.LogRecord]) -> None:
        self.crm, self.url, self.clock, self.http, self.heard = crm, url, clock, http, heard
        self.section = crm.settings
        self.tokens: set[str] = set()
        self.keeper = oauth.MemoryKeeper()
        self.connector = self.open()

    def settings(self, url: str | None = None, **changes: Any) -> ConnectorSettings:
        """Give the connector's settings, for another server or with keys changed."""
        return self.crm.connector.Settings.model_validate(merged(self.section(url or self.url), changes))

    def open(self, http: Session | None = None, *, url: str | None = None, **changes: Any) -> Connector:
        """Open a further connector: with another session, on another server, or with keys of its section changed."""
        settings, session = self.settings(url, **changes), http or self.http
        oauth.equip(session, self.crm.connector, settings, keeper=self.keeper, now=self.clock)
        if session.grant is not None:
            session.grant = Noting(session.grant, self.tokens)
        return self.crm.connector.open(settings, session)

    def merging(self) -> Merges:
        """Give the double as one that merges."""
        assert isinstance(self.crm, Merges), LACKING.format("merge")
        return self.crm

    def restoring(self) -> Restores:
        """Give the double as one with a recycle bin."""
        assert isinstance(self.crm, Restores), LACKING.format("restore")
        return self.crm

    def lagging(self) -> Lags:
        """Give the double as one whose index lags."""
        assert isinstance(self.crm, Lags), LACKING.format("lag")
        return self.crm

    def historian(self) -> KeepsHistory:
        """Give the connector as one that keeps history."""
        assert isinstance(self.connector, KeepsHistory), LACKING.format("tell history")
        return self.connector

    def lead(
        self,
        number: int = 1,
        *,
        role: Literal["friend", "advocate"] = "friend",
        email: str | None = None,
        text: str = "Quillfeather",
        known: RemoteRef | None = None,
    ) -> Lead:
        """Make a lead; equal numbers make the same one."""
        return Lead(
            id=f"ref_{number:04}",
            role=role,
            person=Person(
                email=email or f"zebedee{number}@example.com", first_name="Zebedee", last_name="Quillfeather"
            ),
            campaign="spring",
            referral_code=f"CODE{number}",
            advocate="adv_1" if role == "friend" else None,
            fields={self.crm.text_field: text},
            known=known,
        )

    def push(self, *leads: Lead, connector: Connector | None = None) -> list[Pushed]:
        """Push leads in batches of the connector's size; every one must arrive."""
        connector = connector or self.connector
        arrived: list[Pushed] = []
        for start in range(0, len(leads), connector.batch_size):
            for verdict in connector.push(leads[start : start + connector.batch_size]):
                assert isinstance(verdict, Pushed), f"a lead in order was not pushed: {verdict!r}"
                arrived.append(verdict)
        assert [it.lead for it in arrived] == [it.id for it in leads]
        return arrived

    def deal(self, number: int = 1) -> RemoteId:
        """Push a lead and give its deal."""
        return deal_of(self.push(self.lead(number))[0])

    def now(self) -> Cursor:
        """Give the cursor for "from now on"."""
        return self.connector.start(self.clock())

    def poll(self, since: Cursor, until: datetime | None = None) -> tuple[list[StageFact | Gone], Cursor]:
        """Read what changed, to the end; give what was told and the cursor to go on from."""
        told: list[StageFact | Gone] = []
        for number, page in enumerate(self.connector.changes(since, until or self.clock())):
            assert number < MOST_PAGES, "the reading does not end"
            told += page.facts
            since = page.cursor
        return told, since

    def news(self, since: Cursor) -> list[StageFact]:
        """Read what changed up to a moment from now; give the stage facts."""
        self.clock.forward(seconds=2)
        return facts(self.poll(since)[0])

    def look_up(self, *refs: RemoteRef) -> list[StageFact | Gone]:
        """Read records by their ids."""
        return list(self.connector.look_up(refs))

    def do(self, verb: Verb) -> object:
        """Do one of the things that a connector can; needs a first lead to have been pushed."""
        match verb:
            case "check":
                return self.connector.check()
            case "stages":
                return self.connector.stages()
            case "push":
                return list(self.connector.push([self.lead(2), self.lead(3)]))
            case "changes":
                return self.poll(self.connector.start(self.clock() - timedelta(hours=1)))
            case "look_up":
                return self.look_up(RemoteRef(deal=self.crm.deals("ref_0001")[0]))
            case "history":
                return list(self.historian().history(self.crm.deals("ref_0001")))

    def fails(self, verb: Verb) -> ConnectorError:
        """Do a thing that must fail as a whole, or in the verdict of every lead; give the error."""
        try:
            result = self.do(verb)
        except ConnectorError as error:
            return error
        verdicts = result if verb == "push" and isinstance(result, list) else []
        errors = [it for it in verdicts if isinstance(it, ConnectorError)]
        assert errors, f"{verb} went on as if nothing had happened"
        assert len(errors) == len(verdicts), "some leads were pushed as if nothing had happened"
        return errors[0]

    def made_one(self, number: int = 1) -> bool:
        """Tell whether a lead is in the CRM as one person and one deal that hangs on it."""
        id_ = self.lead(number).id
        persons, deals = self.crm.persons(id_), self.crm.deals(id_)
        assert (len(persons), len(deals)) == (1, 1), f"the lead has {len(persons)} persons and {len(deals)} deals"
        return deals[0] in self.crm.deals_of(persons[0])


@contextmanager
def opened(double: CrmDouble) -> Iterator[World]:
    """Start a double and open its connector; stop it at the end."""
    clock = Clock(BEGINNING)
    url = double.start(clock)
    try:
        with Probe(clock) as http, listening() as heard:
            yield World(double, url, clock, http, heard)
    finally:
        double.stop()


def facts(told: Sequence[StageFact | Gone]) -> list[StageFact]:
    """Give the stage facts of what was told."""
    return [it for it in told if isinstance(it, StageFact)]


def gone(told: Sequence[StageFact | Gone]) -> list[Gone]:
    """Give what is gone."""
    return [it for it in told if isinstance(it, Gone)]


def of_deal(told: Sequence[StageFact | Gone], deal: RemoteId) -> list[StageFact]:
    """Give the stage facts of one deal."""
    return [it for it in facts(told) if it.ref.deal == deal]


def one(items: Iterable[Item]) -> Item:
    """Give the one item that there is to be."""
    found = list(items)
    assert len(found) == 1, f"told {len(found)} times and not once"
    return found[0]


def deal_of(pushed: Pushed) -> RemoteId:
    """Give the deal of a pushed lead, which must have one."""
    assert pushed.ref.deal is not None, "a pushed friend has no deal"
    return pushed.ref.deal


def person_of(pushed: Pushed) -> RemoteId:
    """Give the person of a pushed lead, which must have one."""
    assert pushed.ref.person is not None, "a pushed lead has no person"
    return pushed.ref.person
