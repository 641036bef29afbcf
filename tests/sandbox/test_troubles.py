"""The troubles of a sandbox, each in each CRM, without a daemon: what they do, and that they are over in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from threading import RLock
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from syncd.sandbox import checks, people
from syncd.sandbox.admin import Admin
from syncd.sandbox.chaos import DECK, FIRST, Chaos
from syncd.sandbox.client import Client
from syncd.sandbox.clock import Clock
from syncd.sandbox.control import Controls, NotFound, Refused, ask, locate, publish
from syncd.sandbox.courier import PROOF, Courier, Sent, forged
from syncd.sandbox.crm import Company, CrmModel, Org, Sandbox, ZohoOrg, no_lag
from syncd.sandbox.crm.hooks import Mischief
from syncd.sandbox.crm.pipedrive import REFERRAL_ID, values
from syncd.sandbox.crm.pipedrive.schema import Kind
from syncd.sandbox.desk import Desk
from syncd.sandbox.market import Case, Market
from syncd.sandbox.sales import Move
from syncd.sandbox.scene import World
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Tally
from syncd.sandbox.team import Team, teams
from syncd.sandbox.troubles import COMPANY, TROUBLES, Impossible

ACCOUNTS = sorted(teams())


@dataclass(kw_only=True)
class Deaf(Courier):
    """Carries one message for every account, and is answered always the same."""

    code: int

    def latest(self, account: str) -> Sent:
        return Sent(at=datetime.now(UTC), account=account, url="http://127.0.0.1:1/", headers={}, body=b"")

    def forge(self, sent: Sent) -> int:
        return self.code


class Hours:
    """A monotonic clock that is turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def into_hubspot(crm: Sandbox, account: str, referral: str) -> tuple[str, str]:
    model = crm.model(account, CrmModel)
    contact = model.write("contacts", None, {"referral_id": referral, "email": f"{referral}@example.com"})
    values = {"referral_id": referral, "dealname": "A deal", "dealstage": "appointmentscheduled"}
    deal = model.write("deals", None, values)
    model.link(contact, deal)
    return contact.id, deal.id


def into_salesforce(crm: Sandbox, account: str, referral: str) -> tuple[str, str]:
    org = crm.model(account, Org)
    lead: dict[str, Any] = {"LastName": "Berg", "Company": "Alder Works", "Referral_Id__c": referral}
    id_ = org.save("Lead", None, lead, org.commit()).id
    return id_, id_


def into_pipedrive(crm: Sandbox, account: str, referral: str) -> tuple[str, str]:
    company = crm.model(account, Company)
    kinds: list[Kind] = ["person", "lead"]
    person, lead = ({company.schema.key(kind, REFERRAL_ID): referral} for kind in kinds)
    made = company.write("person", None, values.read("person", {"name": "Anna Berg"}), person)
    given = values.read("lead", {"title": "A lead", "person_id": int(made.id)})
    return made.id, company.write("lead", None, given, lead, source="api").id


def into_zoho(crm: Sandbox, account: str, referral: str) -> tuple[str, str]:
    org = crm.model(account, ZohoOrg)
    id_ = org.create("Leads", Last_Name="Berg", Company="Alder Works", Referral_ID=referral)
    return id_, id_


PUSHED = {"hubspot": into_hubspot, "pipedrive": into_pipedrive, "salesforce": into_salesforce, "zoho": into_zoho}


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
        person, deal_id = PUSHED[account](self.crm, account, referral)
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
        mischief = {name: crm.mischief(name) for name in sales}
        market = Market(seed=1, client=client, teams=sales, story=story, mischief=mischief)
        world = World(
            crms=crm, clock=clock, market=market, people_time=lambda: 0.0, rng=Random(1), courier=Deaf(code=401)
        )
        yield Place(crm=crm, desk=Desk(world=world, monotonic=hours), hours=hours)


@pytest.mark.parametrize(
    ("name", "account"),
    [(name, account) for name, it in TROUBLES.items() for account, team in teams().items() if it.fits(team)],
)
def test_every_trouble_can_befall_every_crm_and_leaves_no_fault_behind(at: Place, name: str, account: str) -> None:
    before = replace(at.market.mischief[account])
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
    assert at.market.mischief[account] == before
    assert at.desk.world.wrong == []
    if name != "token-revoked":  # which waits for the next call
        assert at.crm.faults.listed() == []


def test_a_trouble_that_a_vendor_does_not_have_is_impossible_there(at: Place) -> None:
    with pytest.raises(Impossible, match="Salesforce has no such trouble"):
        at.desk.begin("webhooks-stop", "salesforce", 20)


def test_a_forged_webhook_that_the_daemon_takes_is_a_fault(at: Place) -> None:
    assert at.desk.begin("webhook-forged", "hubspot", 1).endswith("answered 401")
    at.desk.world.courier.code = 200  # type: ignore[attr-defined]
    at.desk.begin("webhook-forged", "hubspot", 1)

    assert at.desk.world.wrong == ["a forged webhook of hubspot was answered with 200"]


def test_a_forgery_has_neither_the_secret_nor_what_it_has_signed() -> None:
    body = b'{"token": "' + PROOF.encode() + b'"}'
    sent = Sent(
        at=datetime.now(UTC),
        account="zoho",
        url=f"http://127.0.0.1:1/webhooks/zoho/{PROOF}",
        headers={"Authorization": "Basic eDp5", "X-HubSpot-Signature-v3": "abc"},
        body=body,
    )

    forgery = forged(sent)

    assert PROOF not in forgery.url
    assert PROOF.encode() not in forgery.body
    assert "Authorization" not in forgery.headers
    assert forgery.body != body.replace(PROOF.encode(), b"")


def test_of_each_two_wins_the_message_of_one_gets_lost_and_of_other_moves_none(at: Place) -> None:
    heard, mischief = list[float](), Mischief()

    def move(deal: str, *_: object) -> str:
        heard.append(mischief.losses)
        return deal

    crm: Any = SimpleNamespace(humans=SimpleNamespace(lock=RLock()), move=move)
    at.market.teams, at.market.mischief = {"zoho": crm}, {"zoho": mischief}
    case = Case(referral="ref_1", account="zoho", person="1", deals=["1"], plan=iter(()))

    for step in (*4 * [Move(after=0.0, to="won")], Move(after=0.0, to="lost")):
        at.market._do(step, case, datetime.now(UTC))

    assert sorted(heard[:4]) == [0.0, 0.0, 1.0, 1.0]
    assert heard[:2] == heard[2:4]
    assert heard[4] == 0.0
    assert mischief.losses == 0.0


def test_the_first_message_that_names_a_record_is_found_by_the_time_of_the_win() -> None:
    courier = Deaf(code=200)
    since = datetime.now(UTC)
    for seconds, body in ((-1, b'{"id": 12}'), (1, b'{"id": 120}'), (2, b'{"id": 12}'), (3, b'{"id": 12}')):
        sent = Sent(at=since + timedelta(seconds=seconds), account="zoho", url="", headers={}, body=body)
        courier._sent.append(sent)

    assert courier.first("zoho", {"12", "13"}, since) == since + timedelta(seconds=2)
    assert courier.first("hubspot", {"12"}, since) is None


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_goes_wrong_in_one_account_leaves_the_others_alone(at: Place, account: str) -> None:
    for name, it in TROUBLES.items():
        if not it.moment and it.fits(type(at.team(account))):
            at.desk.begin(name, account, 20)

    assert [at.crm.faults.pick(other, "POST", "/x") for other in ACCOUNTS if other != account] == 3 * [None]
    assert at.crm.faults.pick(account, "POST", "/anything") is not None


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
        ("hang", "abacus", 1, "there is no account 'abacus'; there are hubspot, pipedrive, salesforce, zoho"),
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
    assert all_["did"] == [f"{name}: answers are garbage" for name in ACCOUNTS]
    going = [(it["name"], it["account"]) for it in ask(url, "GET")["going"]]
    assert going == [("hang", "hubspot"), *(("garbage", name) for name in ACCOUNTS)]
    assert ask(url, "DELETE")["ended"] == ["hang", *4 * ["garbage"]]
    assert ask(url, "GET")["going"] == []


def test_the_control_api_of_the_crms_is_still_there(url: str) -> None:
    assert requests.get(f"{url}/faults", timeout=5).json() == {"faults": []}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "reopen"}, "no deal is won"),
        ({"name": "plague"}, "there is no trouble"),
        ({"name": "hang", "account": "abacus"}, "there is no account"),
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
