"""The people of a sandbox, what they do, the story told of it, and the sums in the end. The whole runs elsewhere:
tests/acceptance/test_sandbox.py."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click import UsageError

from syncd.sandbox import checks, people, place, run, sales
from syncd.sandbox.crm import CrmModel
from syncd.sandbox.crm.hubspot.schema import standard
from syncd.sandbox.people import Friend
from syncd.sandbox.sales import Move, Purchase
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Goal, Tally

NOON = "2026-03-02T12:00:05Z"


def line(what: str, *, cause: str = "poll:hubspot", referral: str | None = "ref_1", **more: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "at": NOON,
        "what": what,
        "referral": referral,
        "participant": more.pop("participant", None),
        "connector": "hubspot",
        "cause": cause,
        "detail": more,
    }


def friend(number: int = 1) -> Friend:
    return next(islice(people.friends(7), number - 1, None))


def story() -> Story:
    told = Story.of(standard(), {"three-friends": "Three friends"})
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


@pytest.mark.parametrize("seed", range(5))
def test_of_ten_friends_some_are_won_some_buy_some_are_lost_and_one_win_is_reopened(seed: int) -> None:
    fates = [sales.fate(seed, number) for number in range(1, 11)]

    assert sorted(fates) == sorted([*4 * ["won"], *3 * ["shop"], "won_by_hand", "reopened", "lost"])


def test_a_plan_ends_as_its_fate_says_and_is_the_same_each_time() -> None:
    ends = {"won": "closedwon", "won_by_hand": "closedwon", "reopened": "closedlost", "lost": "closedlost"}
    for number in range(1, 41):
        plan, fate = sales.plan(9, number), sales.fate(9, number)

        assert plan == sales.plan(9, number)
        last = plan[-1]
        if isinstance(last, Purchase):
            assert fate == "shop"
        else:
            assert last.stage == ends[fate]
        assert fate != "won_by_hand" or any(isinstance(step, Move) and step.new_deal for step in plan)


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


def test_a_purchase_names_the_sender() -> None:
    told = story().tell(line("qualified", cause="webhook:shop", via="webhook"))

    assert told == "12:00:05 QUALIFIED  REF-0001  bought in the shop  (webhook shop)"


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

    assert goal.missing(qualified(poll=2)) == "2 of 3 qualified"
    assert goal.missing(qualified(poll=3)) == ""


def test_from_four_on_both_ways_must_have_been_seen() -> None:
    goal = Goal.parse("qualified=4")

    assert goal.missing(qualified(poll=5)) == "nobody qualified by webhook"
    assert goal.missing(qualified(webhook=5)) == "nobody qualified by poll"
    assert goal.missing(qualified(poll=3, webhook=1)) == ""


def test_a_win_that_is_reopened_no_longer_counts() -> None:
    tally = tally_of(line("qualified"), line("unqualified"))

    assert len(tally.qualified) == 0


def test_a_milestone_reached_twice_is_found_and_one_reached_anew_is_not() -> None:
    reached = line("milestone", referral=None, participant="per_1", milestone="three-friends", number=1)
    lost = {**reached, "what": "milestone_lost"}

    assert tally_of(reached, lost, reached).twice == []
    assert tally_of(reached, reached).twice == ["milestone three-friends number 1 was reached twice"]


def crm_with(*referrals: str) -> CrmModel:
    crm = CrmModel(now=lambda: datetime(2026, 3, 2, tzinfo=UTC))
    for referral in referrals:
        contact = crm.write("contacts", None, {"referral_id": referral, "email": f"{referral}@example.com"})
        values = {"referral_id": referral, "dealname": "A deal", "dealstage": "appointmentscheduled"}
        crm.link(contact, crm.write("deals", None, values))
    return crm


BALANCED = {"ledger": {"balanced": True}}


def test_all_is_well_when_each_lead_is_in_the_crm_once() -> None:
    tally = tally_of(line("captured"), line("pushed"))

    assert checks.faults(tally, crm_with("ref_1"), BALANCED) == []


def test_a_lead_that_the_crm_does_not_have_is_found_whatever_the_daemon_says() -> None:
    tally = tally_of(line("captured"), line("pushed"))

    assert checks.faults(tally, crm_with(), BALANCED) == [
        "ref_1 is in the CRM as 0 contacts",
        "ref_1 is in the CRM as 0 deals",
    ]


def test_a_lead_that_was_not_pushed_and_a_ledger_that_does_not_balance_are_found() -> None:
    tally = tally_of(line("captured"))

    assert checks.faults(tally, crm_with(), {"ledger": {"balanced": False}}) == [
        "1 leads never reached the CRM",
        "the ledger does not balance",
    ]


def test_a_rejected_friend_need_not_reach_the_crm() -> None:
    tally = tally_of(line("captured"), line("rejected", reason="self_referral"))

    assert checks.faults(tally, crm_with(), BALANCED) == []


def test_the_summary_says_how_many_came_by_which_way() -> None:
    lines = checks.summary(qualified(poll=3, webhook=2), [], balanced=True)

    assert lines[1] == "qualified  5: by poll 3, sweep 0, webhook 2"
    assert lines[2].endswith("ledger balanced: yes")


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


@pytest.mark.parametrize("wrong", [{"until": "won=1"}, {"speed": 0.0}, {"timeout": -1.0}])
def test_options_that_make_no_sense_are_refused_before_anything_starts(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--until|--speed"):
        run.main(**wrong)
