"""Many to many: one campaign in several CRMs, one CRM for several campaigns, several accounts of one vendor."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from syncd.config import load
from syncd.contract import Misconfigured, Person, Rejected
from syncd.flow.app import App, Connection
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.deliver import deliver
from syncd.http import Session
from syncd.store import records, sources
from syncd.store.engine import read, write
from tests.flow.world import PROGRAM, Clock, Crm, World, connector_for

CONFIG = """
connectors:
  - {name: east, type: memory, stages: {p: {talk: meeting}}, poll: {every: 2m, sweep: 1h}}
  - {name: west, type: memory, stages: {p: {talk: meeting}}, poll: {every: 2m, sweep: 1h}}
campaigns:
  - {files: [spring.yaml], connectors: [east, west]}
  - {files: [autumn.yaml], connectors: [east]}
"""


class ManyWorld(World):
    """Two accounts of one vendor, east and west. Campaign spring is in both, autumn in east alone."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.clock = Clock()
        # Both number their records from the same number on, as accounts of one vendor may.
        self.crms = {name: Crm(self.clock) for name in ("east", "west")}
        self.crm = self.crms["east"]
        for campaign in ("spring", "autumn"):
            (folder / f"{campaign}.yaml").write_text(PROGRAM.replace("campaign: spring", f"campaign: {campaign}"))
        (folder / "syncd.yaml").write_text(CONFIG)
        kinds = {name: connector_for(crm) for name, crm in self.crms.items()}
        config = load(folder / "syncd.yaml", env={}, connector_types=lambda _: kinds["east"])
        connections = {
            settings.name: Connection(settings=settings, session=Session(), opening=kinds[settings.name].open)
            for settings in config.connectors
        }
        self.app = App(config=config, database=engine, clock=self.clock, connections=connections, pepper=b"pepper" * 6)
        with write(engine) as tx:
            for name in connections:
                sources.add(tx, name, self.clock())

    def invite(self, friend: str, campaign: str = "spring") -> str:
        """Capture a friend, referred by Ann; give the referral's id."""
        _, codes = enrol(self.app, campaign, Person(email="ann@example.com"), cause="test")
        invitation = Invitation(friend=Person(email=f"{friend}@example.com"), code=codes[0])
        return capture(self.app, invitation, cause="test").referral.id

    def deliver(self) -> int:
        return sum(deliver(self.app, name) for name in self.crms)

    def poll(self, **later: float) -> None:
        """Let time pass, ask both CRMs what changed, and decide."""
        self.clock.move(**(later or {"minutes": 2, "seconds": 1}))
        for name in self.crms:
            collect(self.app, name)
        decide(self.app)

    def move(self, crm: str, lead: str, stage: str) -> None:
        """Have sales drag a lead's deal in one of the CRMs."""
        self.crms[crm].move(self.crms[crm].deal_of(lead), stage)

    def state(self, crm: str) -> str:
        """Tell how a connector fares."""
        with read(self.app.database) as tx:
            found = sources.get(tx, crm)
        assert found is not None
        return found.state


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> ManyWorld:
    return ManyWorld(engine, tmp_path)


@pytest.fixture
def pushed(world: ManyWorld) -> str:
    """A referral that is in both CRMs, seen by a first poll of each."""
    id = world.invite("ben")
    world.deliver()
    world.poll()
    return id


# --- one campaign in two CRMs ---


def test_a_lead_goes_to_each_crm_once(world: ManyWorld) -> None:
    ids = {world.invite(name) for name in ("ben", "cid")}

    assert world.deliver() == 6  # two friends and their advocate, twice
    assert world.deliver() == 0

    for crm in world.crms.values():
        assert {deal.lead for deal in crm.deals.values()} == ids
        assert len(crm.deals) == 2
        assert len(crm.persons) == 3


def test_where_a_lead_is_in_each_crm_is_kept_apart(world: ManyWorld, pushed: str) -> None:
    with read(world.app.database) as tx:
        places = records.where_is(tx, pushed)

    assert {name: place.deal and place.deal.id for name, place in places.items()} == {
        name: crm.deal_of(pushed).id for name, crm in world.crms.items()
    }


@pytest.mark.parametrize(("first", "later"), [("east", "west"), ("west", "east")])
def test_a_win_in_either_crm_qualifies_once_and_the_others_later_win_changes_nothing(
    world: ManyWorld, pushed: str, first: str, later: str
) -> None:
    world.move(first, pushed, "won")
    world.poll()
    referral, points = world.referral(pushed), world.points()
    assert (referral.standing, referral.counted) == ("qualified", True)
    assert points == {referral.friend: 50}

    world.move(later, pushed, "won")
    world.poll()

    assert (world.referral(pushed), world.points()) == (referral, points)
    assert [line.cause for line in world.history("qualified")] == [f"poll:{first}"]


def test_a_win_in_both_crms_between_two_polls_qualifies_once(world: ManyWorld, pushed: str) -> None:
    for crm in world.crms:
        world.move(crm, pushed, "won")
    world.poll()

    assert len(world.history("qualified")) == 1
    assert world.points() == {world.referral(pushed).friend: 50}


@pytest.mark.parametrize("stages", [("lost", "won"), ("won", "lost")], ids=["lost first", "won first"])
def test_lost_in_one_crm_and_won_in_the_other_is_qualified(
    world: ManyWorld, pushed: str, stages: tuple[str, str]
) -> None:
    for crm, stage in zip(world.crms, stages, strict=True):
        world.move(crm, pushed, stage)
        world.poll()

    assert world.standing(pushed) == "qualified"
    assert world.points() == {world.referral(pushed).friend: 50}
    assert world.history("unqualified") == []


def test_a_win_that_is_taken_back_in_one_crm_still_stands_in_the_other(world: ManyWorld, pushed: str) -> None:
    for crm in world.crms:
        world.move(crm, pushed, "won")
    world.poll()

    world.move("east", pushed, "lost")
    world.poll()
    assert world.standing(pushed) == "qualified"

    world.move("west", pushed, "lost")
    world.poll()
    assert world.standing(pushed) == "lost"


def test_lost_in_one_crm_is_lost_only_when_it_is_lost_in_the_other_too(world: ManyWorld, pushed: str) -> None:
    world.move("west", pushed, "talk")
    world.move("east", pushed, "lost")
    world.poll()
    assert world.standing(pushed) == "in_pipeline"

    world.move("west", pushed, "lost")
    world.poll()
    assert world.standing(pushed) == "lost"


def test_deals_of_two_accounts_with_the_same_id_are_not_mixed_up(world: ManyWorld) -> None:
    """A deal that sales opened in the west takes the number that Ben's deal has in the east."""
    stranger = world.crms["west"].open_deal()
    id = world.invite("ben")
    deliver(world.app, "east")
    deal = world.crms["east"].deal_of(id)
    del world.crms["west"].deals[stranger.id]
    stranger.id = deal.id
    world.crms["west"].deals[deal.id] = stranger
    world.poll()

    world.crms["west"].move(stranger, "won")
    world.poll(hours=1, seconds=1)

    assert world.standing(id) != "qualified"
    assert world.points() == {}


# --- one sick CRM ---


def test_a_misconfigured_connector_stops_alone(world: ManyWorld) -> None:
    world.crms["east"].broken = Misconfigured("no such property", yaml_path="push.referral_id")
    id = world.invite("ben")
    world.deliver()
    world.poll()

    assert (world.state("east"), world.state("west")) == ("misconfigured", "healthy")
    assert world.crms["east"].persons == {}
    world.move("west", id, "won")
    world.poll()
    assert world.standing(id) == "qualified"

    world.crms["east"].broken = None
    world.clock.move(minutes=6)
    world.deliver()

    assert world.state("east") == "healthy"
    assert world.crms["east"].deal_of(id).stage == "new"
    assert world.standing(id) == "qualified"


def test_a_lead_that_one_crm_refuses_arrives_in_the_other(world: ManyWorld) -> None:
    id = world.invite("ben")
    world.crms["east"].bad[id] = Rejected("phone is no number")

    world.deliver()

    assert world.standing(id) == "pushed"
    assert id not in world.crms["east"].persons
    assert world.crms["west"].deal_of(id).stage == "new"


# --- one CRM for two campaigns ---


def test_a_friend_of_two_campaigns_is_two_leads_and_each_goes_where_its_campaign_says(world: ManyWorld) -> None:
    spring, autumn = world.invite("ben", "spring"), world.invite("ben", "autumn")
    world.deliver()

    assert spring != autumn
    assert {deal.lead for deal in world.crms["east"].deals.values()} == {spring, autumn}
    assert {deal.lead for deal in world.crms["west"].deals.values()} == {spring}


def test_a_win_in_one_campaign_leaves_the_other_as_it_is(world: ManyWorld) -> None:
    spring, autumn = world.invite("ben", "spring"), world.invite("ben", "autumn")
    world.deliver()
    world.poll()

    before = world.referral(spring)

    world.move("east", autumn, "won")
    world.poll()

    assert (world.referral(spring), world.standing(autumn)) == (before, "qualified")
    assert before.standing == "in_pipeline"
    assert world.points() == {world.referral(autumn).friend: 50}
