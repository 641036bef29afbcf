"""What people do by hand in the sandbox's Pipedrive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd.sandbox.crm import Company, Humans
from syncd.sandbox.crm.pipedrive import Refusal
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import PdClient, opened


@pytest.fixture
def world(clock: Clock) -> Iterator[tuple[PdClient, Company]]:
    with opened(clock) as (_, pd, company):
        yield pd, company


@pytest.fixture
def pd(world: tuple[PdClient, Company]) -> PdClient:
    return world[0]


@pytest.fixture
def company(world: tuple[PdClient, Company]) -> Company:
    return world[1]


def test_a_sales_team_of_any_vendor_can_work_here(pd: PdClient, company: Company) -> None:
    humans: Humans = company
    person = pd.person("r1")
    won = next(stage for stage in humans.stages() if stage.outcome == "won")

    deal = humans.open_deal(str(person))
    before = humans.is_open(deal)
    humans.move(deal, "3")
    humans.set_amount(deal, "1249.50")
    humans.move(deal, won.id)
    shown = pd.data(f"/api/v2/deals/{deal}")

    assert (before, humans.is_open(deal), humans.label(won.id), humans.label("3")) == (
        True,
        False,
        "Won",
        "Demo Scheduled",
    )
    assert (shown["stage_id"], shown["status"], shown["value"]) == (3, "won", 1249.5)
    assert pd.key("Referral ID") in shown["custom_fields"]
    assert humans.of_referral("r1")[0].linked == (deal,)


def test_a_closed_deal_that_is_dragged_to_a_stage_is_open_again(pd: PdClient, company: Company) -> None:
    deal = str(pd.deal("r1"))
    company.move(deal, "lost")

    company.move(deal, "2")

    assert company.is_open(deal)
    assert pd.data(f"/api/v2/deals/{deal}")["lost_time"] is None


def test_what_carries_a_referral_is_found_deleted_or_not(pd: PdClient, company: Company) -> None:
    person = pd.person("r1")
    deal, lead = str(pd.deal("r1", person_id=person, value=5)), pd.lead("r1", person)
    company.archive("deal", deal)
    company.set_amount(lead, "7")

    first, second, third = company.of_referral("r1")

    assert (first.role, first.type, first.id, first.linked) == ("person", "person", str(person), ())
    assert (second.type, second.id, second.archived, second.stage, second.amount) == ("deal", deal, True, "1", "5")
    assert (third.type, third.id, third.stage, third.amount, third.linked) == (
        "lead",
        lead,
        None,
        "7.0",
        (str(person),),
    )
    assert company.of_referral("r2") == []


def test_a_deal_goes_to_the_bin_and_comes_back_within_30_days(pd: PdClient, company: Company, clock: Clock) -> None:
    deal = str(pd.deal("r1"))

    company.archive("deal", deal)
    company.archive("deal", deal)
    clock.move(86_400)
    company.restore("deal", deal)
    back = pd.data(f"/api/v2/deals/{deal}")
    company.archive("deal", deal)
    clock.move(31 * 86_400)

    assert (back["is_deleted"], back["update_time"]) == (False, "2026-11-25T09:00:00Z")
    with pytest.raises(KeyError):
        company.restore("deal", deal)


def test_merged_persons_leave_the_primary_with_both_addresses_and_all_deals(pd: PdClient, company: Company) -> None:
    ours, theirs = pd.person("r1"), company.meet("Someone Else", "else@example.com")
    deal = pd.deal("r1", person_id=ours)

    kept = company.merge("person", theirs, str(ours))
    shown = pd.data(f"/api/v2/persons/{kept}")

    assert kept == theirs
    assert (shown["name"], [it["value"] for it in shown["emails"]]) == (
        "Someone Else",
        ["else@example.com", "r1@example.com"],
    )
    assert shown["custom_fields"][pd.key("Referral ID", "personFields")] == "r1", "a gap is filled"
    assert pd.get(f"/api/v2/persons/{ours}").status_code == 404
    assert pd.data(f"/api/v2/deals/{deal}")["person_id"] == int(theirs)
    [first, second] = company.of_referral("r1")[:2]
    assert {(it.id, it.merged_into) for it in (first, second)} == {(str(ours), theirs), (theirs, None)}


def test_of_merged_deals_the_primary_keeps_its_own_id_of_ours(pd: PdClient, company: Company) -> None:
    first, second = str(pd.deal("r1")), str(pd.deal("r2", value=9, expected_close_date="2026-12-24"))
    company.move(second, "lost")

    company.merge("deal", first, second)
    shown = pd.data(f"/api/v2/deals/{first}")

    assert shown["custom_fields"][pd.key("Referral ID")] == "r1"
    assert (shown["status"], shown["value"], shown["expected_close_date"]) == ("open", 0, "2026-12-24")
    with pytest.raises(KeyError):
        company.restore("deal", second)


def test_moving_a_lead_makes_a_deal_of_it(pd: PdClient, company: Company) -> None:
    lead = pd.lead("r1", pd.person("r1"))
    assert company.is_open(lead)

    company.move(lead, "4")

    [deal] = pd.data("/api/v2/deals")
    assert deal["stage_id"] == 4


def test_a_stage_may_be_renamed_and_keeps_its_id(pd: PdClient, company: Company) -> None:
    company.rename_stage("2", "Called")

    assert [it["id"] for it in pd.data("/api/v2/stages") if it["name"] == "Called"] == [2]


def test_what_is_not_there_cannot_be_worked(pd: PdClient, company: Company) -> None:
    deal = str(pd.deal("r1"))
    company.archive("deal", deal)

    for act in (
        lambda: company.move(deal, "2"),
        lambda: company.open_deal("99"),
        lambda: company.is_open("99"),
        lambda: company.merge("deal", deal, "99"),
    ):
        with pytest.raises(KeyError):
            act()


def test_people_too_cannot_edit_what_is_archived(pd: PdClient, company: Company) -> None:
    deal = str(pd.deal("r1"))
    company.shelve("deal", deal)

    with pytest.raises(Refusal, match="400"):
        company.set_amount(deal, "5")
    company.shelve("deal", deal, away=False)
    company.set_amount(deal, "5")
