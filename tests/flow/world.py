"""A small world for the flow: a clock that is moved by hand, a CRM in memory, and an installation between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Engine

from syncd.config import load
from syncd.contract import (
    Account,
    ConnectorError,
    ConnectorSettings,
    Gone,
    Lead,
    Page,
    Person,
    Pushed,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
)
from syncd.flow.app import App, Connection
from syncd.flow.capture import Captured, Invitation, capture, enrol
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.deliver import deliver
from syncd.http import Session
from syncd.store import books, referrals, sources
from syncd.store.engine import read, write
from syncd.store.referrals import Change, Referral

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

PROGRAM = """
campaign: spring
counting: conversions
qualification:
  any_of:
    - {type: stage, stage: won}
    - {type: explicit, via: [manual, api, webhook]}
rewards:
  - {id: friend, trigger: referral.qualified, to: friend, kind: points, amount: 50}
milestones:
  - {id: two, name: Two friends, metric: referrals, target: 2, rewards: [{kind: points, amount: 500}]}
"""

STAGES = [
    Stage(pipeline="p", id="new", label="New", outcome="open"),
    Stage(pipeline="p", id="talk", label="Talking", outcome="open"),
    Stage(pipeline="p", id="won", label="Won", outcome="won"),
    Stage(pipeline="p", id="lost", label="Lost", outcome="lost"),
]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(kw_only=True)
class CrmDeal:
    id: str
    lead: str | None
    person: str | None
    trail: list[tuple[str, datetime]] = field(default_factory=list)
    changed: datetime = START
    archived: bool = False

    @property
    def stage(self) -> str:
        return self.trail[-1][0]


class Crm:
    """A CRM in memory, with upsert by our id. `troubles` are raised by the next pushes, before or after they apply."""

    def __init__(self, clock: Clock, keeps_history: bool = True) -> None:
        self.clock = clock
        self.keeps_history = keeps_history
        self.skew = timedelta()
        self.persons: dict[str, str] = {}  # lead -> id
        self.deals: dict[str, CrmDeal] = {}
        self.merged: dict[str, str] = {}
        self.hidden: set[str] = set()  # deals that the search index does not show yet
        self.troubles: list[tuple[str, ConnectorError]] = []  # ("before" | "after", error)
        self.bad: dict[str, ConnectorError] = {}  # lead -> its verdict
        self.broken: ConnectorError | None = None  # what check() raises
        self.calls: list[str] = []
        self._ids = iter(range(1000, 10**9))

    def now(self) -> datetime:
        return self.clock() + self.skew

    def open_deal(self, *, lead: str | None = None, person: str | None = None) -> CrmDeal:
        deal = CrmDeal(
            id=str(next(self._ids)), lead=lead, person=person, trail=[("new", self.now())], changed=self.now()
        )
        self.deals[deal.id] = deal
        return deal

    def upsert(self, lead: Lead) -> Pushed:
        created = lead.id not in self.persons
        person = self.persons.setdefault(lead.id, str(next(self._ids)))
        ref = RemoteRef(person=RemoteId(type="contact", id=person))
        if lead.role == "friend":
            mine = [deal for deal in self.deals.values() if deal.lead == lead.id]
            deal = mine[0] if mine else self.open_deal(lead=lead.id, person=person)
            ref = replace(ref, deal=RemoteId(type="deal", id=deal.id))
        return Pushed(lead=lead.id, ref=ref, created=created)

    def move(self, deal: CrmDeal, stage: str) -> None:
        deal.trail.append((stage, self.now()))
        deal.changed = self.now()

    def deal_of(self, lead: str) -> CrmDeal:
        (deal,) = [deal for deal in self.deals.values() if deal.lead == lead and not deal.archived]
        return deal

    def merge(self, one: CrmDeal, other: CrmDeal) -> CrmDeal:
        self.clock.move(seconds=1)
        third = CrmDeal(
            id=str(next(self._ids)), lead=one.lead, person=one.person, trail=list(one.trail), changed=self.now()
        )
        for old in (one, other):
            self.merged[old.id] = third.id
            del self.deals[old.id]
        self.deals[third.id] = third
        return third

    def fact(self, deal: CrmDeal, stage: str | None = None, at: datetime | None = None) -> StageFact:
        stage, at = stage or deal.stage, at or deal.changed
        return StageFact(
            ref=RemoteRef(
                person=(deal.person and RemoteId(type="contact", id=deal.person)) or None,
                deal=RemoteId(type="deal", id=deal.id),
            ),
            lead=deal.lead,
            pipeline="p",
            stage=stage,
            outcome=next(known.outcome for known in STAGES if known.id == stage),
            at=at,
            version=int(at.timestamp() * 1000),
        )


def connector_for(crm: Crm) -> type[Any]:
    """Make a connector class that speaks to this CRM."""

    class InMemory:
        Settings: ClassVar[type[ConnectorSettings]] = ConnectorSettings
        batch_size: ClassVar[int] = 10

        @classmethod
        def open(cls, settings: Any, http: Any) -> Any:
            return cls()

        def check(self) -> Account:
            crm.calls.append("check")
            if crm.broken:
                raise crm.broken
            return Account(name="Acme", id="1")

        def stages(self) -> Sequence[Stage]:
            return STAGES

        def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
            crm.calls.append(f"push {len(leads)}")
            trouble = crm.troubles.pop(0) if crm.troubles else None
            if trouble and trouble[0] == "before":
                raise trouble[1]
            verdicts = [crm.bad.get(lead.id) or crm.upsert(lead) for lead in leads]
            if trouble:
                raise trouble[1]
            return verdicts

        def start(self, at: datetime) -> str:
            return json.dumps(at.timestamp())

        def changes(self, since: str, until: datetime) -> Iterator[Page]:
            crm.calls.append("changes")
            from_ = datetime.fromtimestamp(json.loads(since), UTC) - timedelta(minutes=10)
            found = [
                crm.fact(deal)
                for deal in crm.deals.values()
                if from_ <= deal.changed <= until and not deal.archived and deal.id not in crm.hidden
            ]
            yield Page(facts=found, cursor=json.dumps(until.timestamp()))

        def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
            crm.calls.append(f"look_up {len(refs)}")
            told: list[StageFact | Gone] = []
            for ref in refs:
                id = ref.deal.id if ref.deal else ""
                if id in crm.merged:
                    into = RemoteRef(deal=RemoteId(type="deal", id=crm.merged[id]))
                    told.append(Gone(ref=RemoteRef(deal=ref.deal), why="merged", into=into))
                    id = crm.merged[id]
                if id in crm.deals and not crm.deals[id].archived:
                    told.append(crm.fact(crm.deals[id]))
                elif ref.deal:
                    told.append(Gone(ref=RemoteRef(deal=ref.deal), why="deleted"))
                told += [
                    crm.fact(deal)
                    for deal in crm.deals.values()
                    if ref.person and deal.person == ref.person.id and deal.id != id and not deal.archived
                ]
            return told

    class WithHistory(InMemory):
        def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
            crm.calls.append(f"history {len(deals)}")
            return [
                crm.fact(crm.deals[id.id], stage, at)
                for id in deals
                if id.id in crm.deals
                for stage, at in crm.deals[id.id].trail
            ]

    return WithHistory if crm.keeps_history else InMemory


class World:
    """An installation with one campaign and one CRM, and verbs to live in it."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        *,
        program: str = PROGRAM,
        keeps_history: bool = True,
        yaml: str = "",
    ) -> None:
        self.clock = Clock()
        self.crm = Crm(self.clock, keeps_history)
        (folder / "campaign.yaml").write_text(program)
        (folder / "syncd.yaml").write_text(
            "connectors:\n"
            "  - {name: crm, type: memory, stages: {p: {talk: meeting}}, poll: {every: 2m, sweep: 1h}}\n"
            "campaigns:\n"
            "  - {files: [campaign.yaml], connectors: [crm]}\n" + yaml
        )
        kind = connector_for(self.crm)
        config = load(folder / "syncd.yaml", env={}, connector_types=lambda _: kind)
        connections = {
            settings.name: Connection(settings=settings, session=Session(), opening=kind.open)
            for settings in config.connectors
        }
        self.app = App(config=config, database=engine, clock=self.clock, connections=connections, pepper=b"pepper" * 6)
        with write(engine) as tx:
            for name in connections:
                sources.add(tx, name, self.clock())

    def skew(self, **by: float) -> None:
        """Set the CRM's clock ahead of ours."""
        self.crm.skew = timedelta(**by)
        self.app.connections["crm"].session.skew = self.crm.skew

    def advocate(self, name: str = "ann") -> str:
        """Have an advocate join; give their code."""
        _, codes = enrol(self.app, "spring", Person(email=f"{name}@example.com", first_name=name), cause="test")
        return codes[0]

    def refer(self, friend: str, code: str, **more: Any) -> Captured:
        """Capture a friend under a code."""
        person = Person(email=f"{friend}@example.com", first_name=friend.title())
        return capture(self.app, Invitation(friend=person, code=code), cause="test", **more)

    def deliver(self) -> int:
        """Push what is due."""
        return deliver(self.app, "crm")

    def poll(self, **later: float) -> None:
        """Let time pass, ask the CRM what changed, and decide."""
        self.clock.move(**(later or {"minutes": 2, "seconds": 1}))
        collect(self.app, "crm")
        decide(self.app)

    def sweep(self) -> None:
        """Let an hour pass, so that the next poll also reads every open lead by its id."""
        self.poll(hours=1, seconds=1)

    def standing(self, id: str) -> str:
        """Tell where a referral stands."""
        return self.referral(id).standing

    def referral(self, id: str) -> Referral:
        """Read a referral."""
        with read(self.app.database) as tx:
            found = referrals.get(tx, id)
        assert found is not None
        return found

    def points(self, account: str = "available") -> dict[str, int]:
        """Sum the ledger's points: participant -> points that are available."""
        with read(self.app.database) as tx:
            sums = books.balances(tx)
        return {name.split(":")[0]: n for (name, unit), n in sums.items() if name.endswith(f":{account}") and n}

    def history(self, what: str | None = None) -> list[Change]:
        """Read the history."""
        with read(self.app.database) as tx:
            lines = referrals.changes(tx, limit=10_000)
        return [line for line in lines if what in {None, line.what}]

    def source(self) -> sources.Source:
        """Read how the connector fares."""
        with read(self.app.database) as tx:
            found = sources.get(tx, "crm")
        assert found is not None
        return found
