"""The people of a sandbox, what they do, the story told of it, and the sums in the end. The whole runs elsewhere:
tests/acceptance/test_sandbox.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click import UsageError

from syncd import registry
from syncd.config import load
from syncd.sandbox import checks, people, place, run, sales
from syncd.sandbox.client import Client
from syncd.sandbox.crm import Sandbox, no_lag
from syncd.sandbox.market import Case, Market
from syncd.sandbox.people import Friend
from syncd.sandbox.sales import Move, Purchase
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Goal, Tally
from syncd.sandbox.team import teams, usable

NOON = "2026-03-02T12:00:05Z"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def line(what: str, *, cause: str = "poll:hubspot", referral: str | None = "ref_1", **more: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "at": NOON,
        "what": what,
        "referral": referral,
        "participant": more.pop("participant", None),
        "connector": more.pop("connector", "hubspot"),
        "cause": cause,
        "detail": more,
    }


def friend(number: int = 1) -> Friend:
    return next(islice(people.friends(7), number - 1, None))


LABELS = {"appointmentscheduled": "Appointment Scheduled", "closedwon": "Closed Won", "New": "New"}


def story(*, several: bool = False) -> Story:
    told = Story(
        label=lambda _, stage: LABELS.get(stage, stage),
        milestones={"three-friends": "Three friends"},
        several=several,
    )
    told.expect("ref_1", "per_2", friend())
    told.meet("per_1", friend().advocate)
    return told


# --- people and sales ---


def test_one_seed_gives_the_same_people_and_another_seed_others() -> None:
    def first(seed: int) -> list[Friend]:
        return list(islice(people.friends(seed), 50))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_no_two_people_share_an_address_and_none_of_them_exists() -> None:
    emails = [it.email for it in islice(people.friends(3), 500)] + [it.email for it in people.advocates(3)]

    assert len(set(emails)) == len(emails)
    assert {email.partition("@")[2] for email in emails} == {"example.com", "example.org"}


def test_friends_come_one_after_another_through_advocates_of_the_same_seed() -> None:
    some = list(islice(people.friends(5), 100))

    assert [it.comes_at for it in some] == sorted(it.comes_at for it in some)
    assert {it.advocate for it in some} <= set(people.advocates(5))
    assert len({it.code for it in people.advocates(5)}) == people.ADVOCATES


def test_a_mask_shows_a_first_name_and_no_more() -> None:
    assert people.masked("mei.tanaka.7@example.com") == "mei@…"


FOUR = ("hubspot", "pipedrive", "salesforce", "zoho")


@pytest.mark.parametrize("seed", range(5))
def test_of_ten_friends_of_a_crm_some_are_won_some_buy_some_are_lost_and_one_win_is_reopened(seed: int) -> None:
    fates = [sales.fate(seed, number, ["hubspot"]) for number in range(1, 11)]

    assert sorted(fates) == sorted([*4 * ["won"], *3 * ["shop"], "won_by_hand", "reopened", "lost"])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("deck", [sales.PLAIN, sales.MIXED])
def test_of_six_friends_in_each_of_four_crms_three_win_there_half_of_them_unheard(seed: int, deck: sales.Deck) -> None:
    for account in FOUR:
        mine = [n for n in range(1, 25) if sales.worked_in(seed, n, FOUR) == account]
        wins = sum("won" in sales.fate(seed, n, FOUR, deck) for n in mine)

        assert len(mine) == 6
        assert wins >= 3
        assert {sales.is_unheard(seed, account, win) for win in (1, 2)} == {True, False}


def test_a_plan_ends_as_its_fate_says_and_is_the_same_each_time() -> None:
    ends = {"won": "won", "won_by_hand": "won", "reopened": "lost", "lost": "lost"}
    for number in range(1, 41):
        plan, fate = sales.plan(9, number, FOUR), sales.fate(9, number, FOUR)

        assert plan == sales.plan(9, number, FOUR)
        last = plan[-1]
        if isinstance(last, Purchase):
            assert fate == "shop"
        else:
            assert last.to == ends[fate]
        assert fate != "won_by_hand" or any(isinstance(step, Move) and step.new_deal for step in plan)


def test_a_quiet_sandbox_has_neither_deals_opened_by_hand_nor_deals_reopened() -> None:
    assert {sales.fate(1, number, FOUR, sales.PLAIN) for number in range(1, 41)} == {"won", "lost", "shop"}


def test_each_crm_gets_its_share_of_the_friends_by_the_seed() -> None:
    worked = [sales.worked_in(4, number, ["one", "other"]) for number in range(1, 21)]

    assert worked.count("one") == worked.count("other") == 10
    assert worked == [sales.worked_in(4, number, ["one", "other"]) for number in range(1, 21)]
    assert worked != [sales.worked_in(5, number, ["one", "other"]) for number in range(1, 21)]


# --- the story ---


def test_the_story_names_the_friend_only_by_a_mask_and_the_advocate_in_full() -> None:
    who = friend()

    told = story().tell(line("captured", cause="api:sandbox", participant="per_1", channel="link"))

    assert told is not None
    assert told.startswith("12:00:05 captured   REF-0001  ")
    assert f"by {who.advocate.name} (code {who.advocate.code}, link)" in told
    assert who.last_name.lower() not in told
    assert "@example" not in told


def test_the_story_tells_a_push_with_the_ids_that_the_crm_gave() -> None:
    told = story().tell(line("pushed", cause="push:hubspot", person="1001", deal="2001", created=True))

    assert told == "12:00:05 pushed     REF-0001  hubspot contact 1001, deal 2001"


def test_a_win_is_told_with_its_stage_its_amount_and_the_way_by_which_it_came() -> None:
    it = story()
    it.tell(line("stage", after="appointmentscheduled"))

    move = it.tell(line("stage", before="appointmentscheduled", after="closedwon", amount=124900, currency="EUR"))
    win = it.tell(line("qualified", cause="sweep:hubspot", via="stage"))

    assert move == "12:00:05 stage      REF-0001  Appointment Scheduled -> Closed Won  (poll)"
    assert win == "12:00:05 QUALIFIED  REF-0001  Closed Won, EUR 1,249.00  (sweep)"


def test_a_lead_that_is_person_and_deal_in_one_is_told_as_one() -> None:
    told = story().tell(line("pushed", connector="salesforce", cause="push:salesforce", person="00Q1", deal="00Q1"))

    assert told == "12:00:05 pushed     REF-0001  salesforce lead 00Q1"


def test_where_there_are_several_crms_each_line_says_which() -> None:
    it = story(several=True)
    it.tell(line("stage", after="appointmentscheduled"))
    it.tell(line("stage", connector="salesforce", cause="poll:salesforce", after="New"))

    move = it.tell(line("stage", before="appointmentscheduled", after="closedwon"))
    win = it.tell(line("qualified", cause="poll:hubspot", via="stage"))

    assert move == "12:00:05 stage      REF-0001  Appointment Scheduled -> Closed Won  (poll hubspot)"
    assert win == "12:00:05 QUALIFIED  REF-0001  Closed Won  (poll hubspot)"


def test_a_purchase_names_the_sender() -> None:
    told = story().tell(line("qualified", cause="webhook:shop", via="webhook"))

    assert told == "12:00:05 QUALIFIED  REF-0001  bought in the shop  (webhook shop)"


def test_a_win_of_which_the_crm_told_by_itself_is_told_like_one_that_was_polled() -> None:
    it = story(several=True)
    it.tell(line("stage", after="appointmentscheduled"))
    it.tell(line("stage", cause="webhook:hubspot", before="appointmentscheduled", after="closedwon"))

    told = it.tell(line("qualified", cause="webhook:hubspot", via="stage"))

    assert told == "12:00:05 QUALIFIED  REF-0001  Closed Won  (webhook hubspot)"


def test_the_first_stage_is_no_news_but_a_second_deal_is() -> None:
    it = story()

    assert it.tell(line("stage", after="appointmentscheduled")) is None
    assert it.tell(line("stage", after="closedwon")) == "12:00:05 new deal   REF-0001  Closed Won  (poll)"


def test_a_reward_is_told_when_it_is_granted_and_when_it_is_taken_back_but_not_between() -> None:
    it, name = story(), friend().advocate.name
    granted: dict[str, Any] = {
        "participant": "per_1",
        "rule": "three-friends",
        "kind": "points",
        "amount": "500",
        "referral": None,
    }

    assert it.tell(line("reward", status="available", **granted)) == (
        f'12:00:05 reward     {name} milestone "Three friends" -> 500 points'
    )
    assert it.tell(line("reward", before="pending", status="available", **granted)) is None
    taken = it.tell(line("reward", before="available", status="reversed", **granted))
    assert taken is not None
    assert taken.endswith("-> 500 points taken back")


def test_somebody_whom_the_simulator_did_not_send_is_told_of_without_a_name() -> None:
    told = story().tell(line("captured", referral="ref_9", participant="per_9"))

    assert told == "12:00:05 captured   REF-0001  somebody by somebody"


def test_what_nobody_asks_for_is_not_told() -> None:
    assert story().tell(line("in_pipeline")) is None
    assert story().tell(line("a_word_of_a_later_version")) is None


# --- sums and goals ---


def tally_of(*lines: dict[str, Any]) -> Tally:
    tally = Tally()
    for each in lines:
        tally.add(each)
    return tally


def qualified(poll: int = 0, webhook: int = 0) -> Tally:
    ways = [*poll * ["poll:hubspot"], *webhook * ["webhook:shop"]]
    return tally_of(*(line("qualified", cause=cause, referral=f"ref_{n}") for n, cause in enumerate(ways)))


@pytest.mark.parametrize("text", ["qualified", "qualified=0", "qualified=-1", "won=3", "=3", "qualified=1e3", ""])
def test_a_goal_that_cannot_be_read_is_refused_with_what_could_be(text: str) -> None:
    with pytest.raises(ValueError, match="captured=N, qualified=N, rewards=N"):
        Goal.parse(text)


def test_a_goal_is_met_at_its_number_and_not_before() -> None:
    goal = Goal.parse("qualified=3")

    assert goal.missing(qualified(poll=2), ["hubspot"]) == "2 of 3 qualified"
    assert goal.missing(qualified(poll=3), ["hubspot"]) == ""


def test_from_four_on_the_shop_and_the_poll_of_each_crm_must_have_been_seen() -> None:
    goal = Goal.parse("qualified=4")

    assert goal.missing(qualified(poll=5), ["hubspot"]) == "nobody qualified by webhook"
    assert goal.missing(qualified(webhook=5), ["hubspot"]) == "nobody qualified by poll of hubspot"
    assert goal.missing(qualified(poll=3, webhook=1), ["hubspot"]) == ""
    assert goal.missing(qualified(poll=3, webhook=1), ["hubspot", "zoho"]) == "nobody qualified by poll of zoho"


def test_from_five_a_crm_on_each_that_tells_by_itself_must_have_told_of_one() -> None:
    told = qualified(poll=4, webhook=1)

    assert Goal.parse("qualified=5").missing(told, ["hubspot"], ["hubspot"]) == "nobody qualified by webhook of hubspot"
    assert Goal.parse("qualified=4").missing(told, ["hubspot"], ["hubspot"]) == ""
    told.add(line("qualified", cause="webhook:hubspot", referral="ref_9"))
    assert Goal.parse("qualified=5").missing(told, ["hubspot"], ["hubspot"]) == ""


def test_a_win_that_is_reopened_no_longer_counts() -> None:
    tally = tally_of(line("qualified"), line("unqualified"))

    assert len(tally.qualified) == 0


def test_a_milestone_reached_twice_is_found_and_one_reached_anew_is_not() -> None:
    reached = line("milestone", referral=None, participant="per_1", milestone="three-friends", number=1)
    lost = {**reached, "what": "milestone_lost"}

    assert tally_of(reached, lost, reached).twice == []
    assert tally_of(reached, reached).twice == ["milestone three-friends number 1 was reached twice"]


def test_a_lead_that_was_pushed_twice_to_one_crm_is_found_and_one_that_is_in_two_is_not() -> None:
    once, other = line("pushed"), line("pushed", connector="salesforce")

    assert tally_of(once, other).twice == []
    assert tally_of(once, once).twice == ["ref_1 was pushed to hubspot twice"]


@pytest.fixture
def market() -> Iterator[Market]:
    """A market whose CRM is empty, and whose daemon is not there."""
    kind = teams()["hubspot"]
    with Sandbox(now=lambda: NOW, accounts=[kind.setup("hubspot", no_lag)]) as crm:
        client = Client(url="http://127.0.0.1:1", token="none", key=b"none")
        yield Market(seed=7, client=client, teams={"hubspot": kind(crm, "hubspot")}, story=story())


def put(market: Market, *referrals: str, stage: str = "appointmentscheduled") -> None:
    crm: Any = market.teams["hubspot"].humans
    for referral in referrals:
        contact = crm.write("contacts", None, {"referral_id": referral, "email": f"{referral}@example.com"})
        deal = crm.write("deals", None, {"referral_id": referral, "dealname": "A deal", "dealstage": stage})
        crm.link(contact, deal)
        case = Case(referral=referral, account="hubspot", person=contact.id, deals=[deal.id], plan=iter(()))
        market.cases[referral] = case


def status(*, balanced: bool = True, dead: int = 0) -> dict[str, Any]:
    queue = {"open": 0, "dead": dead}
    return {
        "ledger": {"balanced": balanced},
        "connectors": [{"name": "hubspot", "outbox": queue, "inbox": {"open": 0, "dead": 0}}],
        "senders": [],
        "receivers": [],
    }


ARRIVED = (line("captured", cause="api:sandbox"), line("pushed"))


def test_all_is_well_when_each_lead_is_in_the_crm_once(market: Market) -> None:
    put(market, "ref_1")

    assert checks.faults(tally_of(*ARRIVED), market, status()) == []


def test_a_lead_that_the_crm_does_not_have_is_found_whatever_the_daemon_says(market: Market) -> None:
    assert checks.faults(tally_of(*ARRIVED), market, status()) == [
        "ref_1 is in hubspot as 0 contacts",
        "ref_1 is in hubspot as 0 deals",
    ]


def test_a_lead_that_is_in_the_crm_twice_is_found(market: Market) -> None:
    put(market, "ref_1")
    crm: Any = market.teams["hubspot"].humans
    crm.schema.properties["deals"].pop("referral_id")  # nothing keeps a CRM whose property is not unique from it
    crm.records["deals"]["7"] = replace(next(iter(crm.records["deals"].values())), id="7")

    assert checks.faults(tally_of(*ARRIVED), market, status()) == ["ref_1 is in hubspot as 2 deals"]
    told = checks.summary(tally_of(*ARRIVED), ["hubspot"], ["ref_1 is in hubspot as 2 deals"], balanced=True)
    assert told[1] == "hubspot    1 leads, each once: no; wins by poll 0, sweep 0, webhook 0"


def test_what_was_not_pushed_a_ledger_that_does_not_balance_and_dead_letters_are_found(market: Market) -> None:
    tally = tally_of(line("captured", cause="api:sandbox"))

    assert checks.faults(tally, market, status(balanced=False, dead=2)) == [
        "1 leads never reached hubspot",
        "the ledger does not balance",
        "2 dead letters of hubspot",
    ]


def test_a_rejected_friend_need_not_reach_the_crm(market: Market) -> None:
    tally = tally_of(line("captured", cause="api:sandbox"), line("rejected", cause="api:sandbox"))

    assert checks.faults(tally, market, status()) == []


def three_won(market: Market) -> list[dict[str, Any]]:
    """Let three friends of one advocate be won, and give the history of a daemon that knows of it."""
    who, lines = friend().advocate, list[dict[str, Any]]()
    market.story.advocates = {"per_1": who}
    for number in range(1, 4):
        referral = f"ref_{number}"
        put(market, referral, stage="closedwon")
        market.story.friends[referral] = replace(friend(), advocate=who)
        reward = line("reward", participant=f"per_f{number}", rule="welcome", subject=referral, status="available")
        lines += [line("captured", cause="api:sandbox", referral=referral), line("pushed", referral=referral)]
        lines += [line("qualified", referral=referral), reward]
    about: dict[str, Any] = {"referral": None, "participant": "per_1"}
    lines.append(line("milestone", milestone="three-friends", number=1, **about))
    lines.append(line("reward", rule="three-friends", subject="1", status="available", **about))
    return lines


def test_milestones_and_rewards_are_held_against_what_is_won_in_truth(market: Market) -> None:
    lines = three_won(market)

    assert checks.faults(tally_of(*lines), market, status()) == []
    assert checks.faults(tally_of(*lines[:-1]), market, status()) == ["0 rewards of three-friends stand, 1 are due"]
    assert checks.faults(tally_of(*lines[:-2]), market, status()) == [
        "milestone 1 of per_1 is due and not reached",
        "0 rewards of three-friends stand, 1 are due",
    ]
    taken = {**lines[-1], "detail": {**lines[-1]["detail"], "status": "void"}}
    assert checks.faults(tally_of(*lines, taken), market, status()) == ["0 rewards of three-friends stand, 1 are due"]


def test_a_milestone_that_nobody_has_earned_is_found(market: Market) -> None:
    lines = three_won(market)
    more = {**lines[-2], "detail": {"milestone": "three-friends", "number": 2}}

    assert checks.unsettled(tally_of(*lines, more), market) == ["milestone 2 of per_1 is reached and not due"]


def test_where_somebody_else_decides_too_nothing_is_said_of_what_is_true(market: Market) -> None:
    put(market, "ref_1")
    by_hand = line("qualified", cause="cli:root")

    assert checks.faults(tally_of(*ARRIVED, by_hand), market, status()) == []


def test_the_summary_says_how_many_came_by_which_way() -> None:
    tally = qualified(poll=3, webhook=2)
    tally.add(line("qualified", cause="webhook:hubspot", referral="ref_9"))
    tally.took("hubspot", 0.42)
    tally.took("hubspot", 2.51)

    lines = checks.summary(tally, ["hubspot"], [], balanced=True)

    assert lines[1] == (
        "hubspot    0 leads, each once: yes; wins by poll 3, sweep 0, webhook 1 after 0.4 to 2.5 s, within 2 s: 1 of 2"
    )
    assert lines[2] == "qualified  6: by poll 3, sweep 0, webhook 1, the shop's webhook 2"
    assert lines[3].endswith("ledger balanced: yes")


# --- the folder ---


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    said: list[str] = []

    assert run.main(keep=tmp_path, until="captured=1", say=said.append) == 1
    assert [it.name for it in tmp_path.iterdir()] == ["precious"]
    assert "is not empty" in said[-1]


def test_secrets_are_for_their_owner_alone_and_not_in_the_yaml(tmp_path: Path) -> None:
    there = place.make(tmp_path / "new", base_url="http://127.0.0.1:1/hubspot", crm_token="a-token", port=0)

    assert (there.folder / "secrets/shop").stat().st_mode & 0o077 == 0
    assert not {"whsec_", "a-token"} & set(there.config.read_text(encoding="utf-8").split())
    assert repr(there.key) not in repr(there)


def test_the_configuration_names_every_crm_of_the_campaign(tmp_path: Path) -> None:
    kinds = teams()
    with Sandbox(now=lambda: NOW, accounts=[it.setup(name, no_lag) for name, it in kinds.items()]) as crms:
        there = place.furnish(tmp_path / "new", [it(crms, name).item(crms) for name, it in kinds.items()], port=4711)

    config = load(there.config, env={}, connector_types=registry.find)

    assert [it.name for it in config.connectors] == sorted(teams())
    assert all(it.webhook for it in config.connectors)
    assert config.server.public_url == "http://127.0.0.1:4711"
    assert config.secrets is not None
    assert list(config.campaigns["sandbox"].connectors) == sorted(teams())


def test_every_crm_whose_connector_is_installed_takes_part() -> None:
    assert list(usable()) == list(teams())


@pytest.mark.parametrize(
    "wrong", [{"until": "won=1"}, {"speed": 0.0}, {"timeout": -1.0}, {"crm": ["hubspot", "abacus"]}]
)
def test_options_that_make_no_sense_are_refused_before_anything_starts(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--until|--speed|--crm"):
        run.main(**wrong)
