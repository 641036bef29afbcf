"""The troubles of a sandbox, each in each CRM, without a daemon: what they do, and that they are over in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import pytest
import requests

from syncd.sandbox import checks, people
from syncd.sandbox.admin import Admin
from syncd.sandbox.chaos import DECK, FIRST, Chaos
from syncd.sandbox.client import Client
from syncd.sandbox.clock import Clock
from syncd.sandbox.control import Controls, NotFound, Refused, ask, locate, publish
from syncd.sandbox.crm import CrmModel, Org, Sandbox, no_lag
from syncd.sandbox.desk import Desk
from syncd.sandbox.market import Case, Market
from syncd.sandbox.scene import World
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Tally
from syncd.sandbox.team import Team, teams
from syncd.sandbox.troubles import COMPANY, TROUBLES, Impossible

ACCOUNTS = sorted(teams())


class Hours:
    """A monotonic clock that is turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Place:
    crm: Sandbox
    desk: Desk
    hours: Hours

    @property
    def market(self) -> Market:
        return self.desk.world.market

    def team(self, account: str) -> Team:
        return self.market.teams[account]

    def case(self, account: str, referral: str = "ref_1") -> Case:
        """Put a lead into a CRM as a push does, and let sales work it."""
        if account == "hubspot":
            model = self.crm.model(account, CrmModel)
            contact = model.write("contacts", None, {"referral_id": referral, "email": f"{referral}@example.com"})
            values = {"referral_id": referral, "dealname": "A deal", "dealstage": "appointmentscheduled"}
            deal = model.write("deals", None, values)
            model.link(contact, deal)
            person, deal_id = contact.id, deal.id
        else:
            org = self.crm.model(account, Org)
            lead: dict[str, Any] = {"LastName": "Berg", "Company": "Alder Works", "Referral_Id__c": referral}
            person = deal_id = org.save("Lead", None, lead, org.commit()).id
        case = Case(referral=referral, account=account, person=person, deals=[deal_id], plan=iter(()))
        self.market.cases[referral] = case
        return case


@pytest.fixture
def at() -> Iterator[Place]:
    clock, hours = Clock(), Hours()
    accounts = [team.setup(name, no_lag) for name, team in teams().items()]
    with Sandbox(now=clock, accounts=accounts) as crm:
        story = Story(label=lambda _, stage: stage, milestones={})
        client = Client(url="http://127.0.0.1:1", token="none", key=b"none")
        sales = {name: team(crm, name) for name, team in teams().items()}
        market = Market(seed=1, client=client, teams=sales, story=story)
        world = World(crms=crm, clock=clock, market=market, people_time=lambda: 0.0, rng=Random(1))
        yield Place(crm=crm, desk=Desk(world=world, monotonic=hours), hours=hours)


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", TROUBLES)
def test_every_trouble_can_befall_every_crm_and_leaves_no_fault_behind(at: Place, name: str, account: str) -> None:
    won, deleted = at.case(account, "ref_2"), at.case(account, "ref_3")
    at.case(account)
    won.deals[-1] = at.team(account).move(won.deals[-1], "won")
    at.team(account).delete(deleted.deals[-1])
    at.desk.world.bin.append(deleted)

    told = at.desk.begin(name, account, 20)

    assert told
    at.hours.now = 19.9
    assert at.desk.tick() == []
    at.hours.now = 20.0
    assert [it.name for it in at.desk.tick()] == ([] if TROUBLES[name].moment else [name])
    assert at.desk.going() == []
    if name != "token-revoked":  # which waits for the next call
        assert at.crm.faults.listed() == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_goes_wrong_in_one_account_leaves_the_others_alone(at: Place, account: str) -> None:
    for name, it in TROUBLES.items():
        if not it.moment:
            at.desk.begin(name, account, 20)

    assert [at.crm.faults.pick(other, "POST", "/x") for other in ACCOUNTS if other != account] == [None]
    assert at.crm.faults.pick(account, "POST", "/services/data/v66.0") is not None


def test_clear_ends_everything_at_once(at: Place) -> None:
    at.desk.begin("hang", "hubspot", 20)
    at.desk.begin("index-lag", "salesforce", 20)

    assert [it.name for it in at.desk.clear()] == ["hang", "index-lag"]
    assert at.crm.faults.listed() == []
    assert at.crm.model("salesforce", Org).lag is no_lag


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_deal_that_was_deleted_is_gone_until_it_is_restored(at: Place, account: str) -> None:
    case = at.case(account)
    team = at.team(account)

    at.desk.begin("delete", account, 1)
    assert team.outcome(case.deals[-1]) is None
    at.desk.begin("restore", account, 1)

    assert team.outcome(case.deals[-1]) == "open"
    with pytest.raises(Impossible, match="nothing was deleted"):
        at.desk.begin("restore", account, 1)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_reopened_deal_is_open_and_will_be_won_again(at: Place, account: str) -> None:
    case = at.case(account)
    case.deals[-1] = at.team(account).move(case.deals[-1], "won")
    assert at.market.won() == {"ref_1"}

    at.desk.begin("reopen", account, 1)
    assert at.market.won() == set()
    for _, _, step, of in at.market._due:
        at.market._do(step, of, at.desk.world.clock())

    assert at.market.won() == {"ref_1"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_lead_that_was_merged_either_way_is_still_there_once_and_can_be_won(
    at: Place, account: str, seed: int
) -> None:
    case = at.case(account)
    at.desk.world.rng.seed(seed)

    at.desk.begin("merge", account, 1)
    assert checks.not_once(account, at.team(account), ["ref_1"]) == []
    case.deals[-1] = at.team(account).move(case.deals[-1], "won")

    assert at.market.won() == {"ref_1"}


def test_of_a_bad_row_the_next_friend_is_of_the_company_whose_rows_are_refused(at: Place) -> None:
    at.desk.begin("bad-row", "hubspot", 1)
    (rule,) = at.crm.model("hubspot").schema.required

    assert at.market._next.company == COMPANY
    assert rule.when == ("company", COMPANY)
    at.desk.clear()
    assert at.crm.model("hubspot").schema.required == []


def test_the_friend_who_comes_next_is_in_the_crm_already(at: Place) -> None:
    at.desk.begin("duplicate-email", "hubspot", 1)

    friend = next(islice(people.friends(1), 1))
    assert len(at.crm.model("hubspot").having("contacts", "email", friend.email)) == 1


def test_merging_and_meeting_again_and_again_harms_nobody(at: Place) -> None:
    at.case("hubspot")

    for _ in range(3):
        at.desk.begin("merge", "hubspot", 1)
        at.desk.begin("duplicate-email", "hubspot", 1)

    assert checks.not_once("hubspot", at.team("hubspot"), ["ref_1"]) == []


def test_the_crms_clock_only_ever_goes_ahead() -> None:
    clock = Clock()
    before = clock()

    clock.advance(45)

    assert 45 <= (clock() - before).total_seconds() < 60


@pytest.mark.parametrize(
    ("name", "account", "seconds", "told"),
    [
        ("plague", "hubspot", 1, "there is no trouble 'plague'; there are drop-before"),
        ("hang", "zoho", 1, "there is no account 'zoho'; there are hubspot, salesforce"),
        ("hang", "hubspot", 0, "lasts more than 0"),
        ("hang", "hubspot", 601, "at most 600"),
    ],
)
def test_a_trouble_that_makes_no_sense_is_refused(
    at: Place, name: str, account: str, seconds: float, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        at.desk.begin(name, account, seconds)


# --- the control API and the command ---


@pytest.fixture
def url(at: Place) -> str:
    crm = at.crm
    crm.control = Controls(faults=crm.faults, log=crm.log, accounts=crm.accounts, desk=at.desk)
    return crm.url("_ctl")


def test_a_running_sandbox_is_asked_for_a_trouble_in_one_account_or_in_all(at: Place, url: str) -> None:
    one = ask(url, "POST", {"name": "hang", "account": "hubspot", "seconds": 5})
    all_ = ask(url, "POST", {"name": "garbage"})

    assert one == {"did": ["hubspot: calls are taken and not answered"]}
    assert all_["did"] == ["hubspot: answers are garbage", "salesforce: answers are garbage"]
    going = [(it["name"], it["account"]) for it in ask(url, "GET")["going"]]
    assert going == [("hang", "hubspot"), ("garbage", "hubspot"), ("garbage", "salesforce")]
    assert ask(url, "DELETE")["ended"] == ["hang", "garbage", "garbage"]
    assert ask(url, "GET")["going"] == []


def test_the_control_api_of_the_crms_is_still_there(url: str) -> None:
    assert requests.get(f"{url}/faults", timeout=5).json() == {"faults": []}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "reopen"}, "no deal is won"),
        ({"name": "plague"}, "there is no trouble"),
        ({"name": "hang", "account": "zoho"}, "there is no account"),
        ({"name": "hang", "seconds": "long"}, "seconds is a number"),
        ({"name": "hang", "when": "now"}, "a trouble is an object"),
        (["hang"], "a trouble is an object"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(url: str, body: object, told: str) -> None:
    with pytest.raises(Refused, match=told):
        ask(url, "POST", body)


def test_a_strangers_web_page_cannot_ask_for_trouble(at: Place, url: str) -> None:
    answer = requests.post(
        f"{url}/troubles", data='{"name": "hang"}', headers={"content-type": "text/plain"}, timeout=5
    )

    assert answer.status_code == 415
    assert at.desk.going() == []


def test_a_sandbox_is_found_by_its_folder_and_one_that_is_not_there_is_said_to_be_missing(tmp_path: Any) -> None:
    publish(tmp_path, "http://127.0.0.1:9/_ctl")

    assert locate(tmp_path) == "http://127.0.0.1:9/_ctl"
    with pytest.raises(NotFound, match="no sandbox runs in"):
        locate(tmp_path / "elsewhere")
    with pytest.raises(NotFound, match="no sandbox answers"):
        ask("http://127.0.0.1:9/_ctl", "GET")


# --- chaos ---


class Idle(Admin):
    """An admin who notes for whom they would have acted."""

    def mend(self, accounts: Any) -> list[str]:
        self.app.append(list(accounts))  # type: ignore[attr-defined]
        return []


def chaos(at: Place, *, endless: bool = False, seed: int = 1) -> Chaos:
    admin = Idle(app=[])  # type: ignore[arg-type]
    return Chaos(desk=at.desk, admin=admin, rng=Random(seed), say=lambda _: None, endless=endless)


@pytest.mark.parametrize("seed", range(3))
def test_chaos_deals_each_trouble_once_the_clock_first_and_then_is_calm(at: Place, seed: int) -> None:
    for account in ACCOUNTS:
        for number in range(8):
            case = at.case(account, f"ref_{account}_{number}")
            if number < 4:
                case.deals[-1] = at.team(account).move(case.deals[-1], "won")
    it, order = chaos(at, seed=seed), list[str]()

    while not it.calm:
        it.act(at.hours.now)
        order += sorted(it.begun - set(order))
        at.hours.now += 0.1
        assert at.hours.now < 120

    assert order[0] == FIRST
    assert sorted(order) == sorted([FIRST, *DECK])
    assert "token-revoked" not in order
    assert at.desk.going() == []
    assert at.crm.faults.listed() == []
    assert it.missing() == ""
    assert it.admin.app[-1] == ACCOUNTS  # type: ignore[index]


def test_chaos_without_an_end_begins_anew_and_never_stirs_the_clock_again(at: Place) -> None:
    it = chaos(at, endless=True)

    for _ in range(2000):
        it.act(at.hours.now)
        at.hours.now += 0.1

    assert not it.calm
    assert it.missing() != ""
    assert at.desk.world.clock.ahead.total_seconds() == 45


# --- the truth ---


def test_a_win_of_which_the_daemon_does_not_know_is_found(at: Place) -> None:
    case = at.case("hubspot")
    at.team("hubspot").move(case.deals[-1], "won")
    tally = Tally(captured={"ref_1"})
    for name in ACCOUNTS:
        tally.pushed[name].add("ref_1")

    assert checks.unsettled(tally, at.market) == ["ref_1 is won and not qualified"]
    tally.qualified["ref_1"] = "poll:hubspot"
    assert checks.unsettled(tally, at.market) == []
    at.desk.begin("delete", "hubspot", 1)
    assert checks.unsettled(tally, at.market) == ["ref_1 is qualified and not won"]
