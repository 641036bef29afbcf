"""What people do by hand in the sandbox's Zoho CRM, in the words that hold for every vendor's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd.sandbox.crm import NO_LIMITS, HubSpotSetup, Humans, Sandbox, Setup, ZohoSetup
from syncd.sandbox.crm.zoho import Refusal
from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import ZoClient, opened


@pytest.fixture
def zo(clock: Clock) -> Iterator[ZoClient]:
    with opened(clock) as client:
        yield client


def test_a_sales_team_works_the_account_without_knowing_its_vendor(zo: ZoClient) -> None:
    humans: Humans = zo.crm.humans("zoho")
    lead = zo.lead("r1")
    outcomes = {it.id: it.outcome for it in humans.stages()}

    humans.move(lead, "Contacted")
    deal = humans.open_deal(lead, name="Big")
    humans.set_amount(deal, "250.50")
    humans.move(deal, "Closed Won")

    [person, contact] = humans.of_referral("r1")
    assert (outcomes["Qualification"], outcomes["Closed Won"], outcomes["Closed Lost"]) == ("open", "won", "lost")
    assert (person.type, person.stage, humans.is_open(lead)) == ("Leads", "Contacted", False)
    assert (contact.type, contact.linked) == ("Contacts", (deal,))
    assert not humans.is_open(deal)
    assert humans.label("Id. Decision Makers") == "Identify Decision Makers"


def test_a_conversion_links_what_carries_the_referral(zo: ZoClient) -> None:
    made = zo.org.convert_lead(zo.lead("r1"), deal={"Deal_Name": "D", "Stage": "Qualification"})
    zo.org.set_amount(str(made.deal), "10")

    lead, contact, deal = zo.org.of_referral("r1")

    assert (lead.linked, contact.linked, deal.linked) == ((made.deal,), (made.deal,), (made.contact,))
    assert (deal.role, deal.pipeline, deal.stage, deal.amount) == (
        "deal",
        "Standard (Standard)",
        "Qualification",
        "10.00",
    )


def test_a_company_that_is_known_is_not_made_twice(zo: ZoClient) -> None:
    accounts = {zo.org.convert_lead(zo.lead(f"r{n}", Company="Acme")).account for n in (1, 2)}

    assert len(accounts) == 1


def test_the_survivor_of_a_merge_keeps_its_id_and_gets_what_it_lacks(zo: ZoClient) -> None:
    theirs, ours = (
        zo.org.create("Leads", Last_Name="Ito", Email="mei@example.com"),
        zo.lead("r1", Email="x@example.com"),
    )

    kept = zo.org.merge("Leads", theirs, ours)

    survivor = zo.org.live(theirs)
    assert kept == theirs
    assert (survivor.get("Referral_ID"), survivor.get("Email")) == ("r1", "mei@example.com")
    assert {it.id: (it.archived, it.merged_into) for it in zo.org.of_referral("r1")} == {
        theirs: (False, None),
        ours: (True, theirs),
    }
    with pytest.raises(KeyError):
        zo.org.restore("Leads", ours)
    with pytest.raises(KeyError):
        zo.org.merge("Leads", theirs, theirs)


def test_deals_follow_the_contact_that_survives(zo: ZoClient) -> None:
    one, two = (zo.org.create("Contacts", Last_Name=name) for name in ("Ito", "Ada"))
    deal = zo.org.open_deal(two)

    zo.org.merge("Contacts", one, two)

    assert zo.org.live(deal).get("Contact_Name") == one


def test_a_deal_in_the_bin_follows_too_and_its_referral_stays_free(zo: ZoClient) -> None:
    one, two = (zo.org.create("Contacts", Last_Name=name) for name in ("Ito", "Ada"))
    binned = zo.org.open_deal(two, Referral_ID="r1")
    zo.org.archive("Deals", binned)

    zo.org.merge("Contacts", one, two)

    row = {"Deal_Name": "D", "Stage": "Qualification", "Referral_ID": "r1"}
    assert zo.upsert("Deals", row).json()["data"][0]["action"] == "insert"


def test_a_record_comes_back_from_the_bin_unless_its_referral_has_a_new_owner(zo: ZoClient) -> None:
    lead = zo.lead("r1")
    zo.org.archive("Leads", lead)
    zo.org.archive("Leads", lead)
    double = zo.lead("r1")

    assert double != lead
    with pytest.raises(Refusal):
        zo.org.restore("Leads", lead)
    zo.org.archive("Leads", double)
    zo.org.restore("Leads", lead)
    zo.org.empty_bin()
    assert zo.lead("r1") == lead
    with pytest.raises(KeyError):
        zo.org.restore("Leads", double)


def test_unknown_ids_raise_key_errors(zo: ZoClient) -> None:
    for act in (
        lambda: zo.org.move("7", "Closed Won"),
        lambda: zo.org.archive("Leads", "7"),
        lambda: zo.org.is_open("7"),
    ):
        with pytest.raises(KeyError):
            act()


def test_two_accounts_of_two_vendors_live_behind_one_port(clock: Clock) -> None:
    accounts: list[Setup] = [HubSpotSetup(limits=NO_LIMITS), ZohoSetup(), ZohoSetup(name="zoho-2")]
    with Sandbox(now=clock.now, accounts=accounts) as crm:
        one, two = ZoClient(crm), ZoClient(crm, "zoho-2")

        assert one.lead("r1") != two.lead("r1")
        assert crm.humans("hubspot").of_referral("r1") == []
