"""What a sales team does in the sandbox's Salesforce, and how it shows."""

from __future__ import annotations

import pytest

from syncd.sandbox.crm import Found, Org, SalesforceSetup, Sandbox
from syncd.sandbox.crm.salesforce import ReferralField, Refusal, ids
from tests.sandbox.crm_client import Clock
from tests.sandbox.sf_client import SfClient

DEAL = "SELECT StageName, IsClosed, IsWon, Probability, Amount, ExpectedRevenue FROM Opportunity"


@pytest.mark.parametrize(
    ("short", "long"),
    [("001000000000001", "001000000000001AAA"), ("00Q1w0000029yNw", "00Q1w0000029yNwEAI")],
)
def test_an_id_of_15_characters_has_one_form_of_18(short: str, long: str) -> None:
    assert ids.complete(short) == ids.read(short) == ids.read(long) == long
    assert ids.read(long.lower()) == long, "the suffix keeps what case was lost"
    assert ids.read("nobody") is None


def test_ids_differ_by_case_alone_before_long() -> None:
    made = [ids.make("Lead", number) for number in range(1, 100)]

    assert len({id_[:15] for id_ in made}) == 99
    assert len({id_[:15].lower() for id_ in made}) < 99
    assert len({id_.lower() for id_ in made}) == 99


def test_a_stage_decides_what_follows_from_it(sf: SfClient, org: Org) -> None:
    deal = sf.opportunity("r1", Amount=200)
    seen = []
    for stage in ("Negotiation/Review", "Closed Won", "Closed Lost"):
        org.move(deal, stage)
        seen.append(sf.rows(DEAL)[0])

    assert [tuple(row.values()) for row in seen] == [
        ("Negotiation/Review", False, False, 90.0, 200.0, 180.0),
        ("Closed Won", True, True, 100.0, 200.0, 200.0),
        ("Closed Lost", True, False, 0.0, 200.0, 0.0),
    ]


def test_history_has_every_stage_and_amount_with_its_time_and_nothing_else(
    sf: SfClient, org: Org, clock: Clock
) -> None:
    deal = sf.opportunity("r1")
    for stage in ("Qualification", "Closed Won"):
        clock.move(60)
        org.move(deal, stage)
    org.set_amount(deal, "99.90")
    org.edit(deal, Description="no history of this")

    where = f"WHERE OpportunityId = '{deal}' ORDER BY CreatedDate, Id"
    history = sf.rows(f"SELECT StageName, Amount, CreatedDate FROM OpportunityHistory {where}")

    assert [(row["StageName"], row["Amount"], row["CreatedDate"][14:19]) for row in history] == [
        ("Prospecting", None, "00:00"),
        ("Qualification", None, "01:00"),
        ("Closed Won", None, "02:00"),
        ("Closed Won", 99.9, "02:00"),
    ]


def test_a_converted_lead_leads_to_what_it_became_and_gives_its_referral_id_away(sf: SfClient, org: Org) -> None:
    lead = sf.lead("r1", FirstName="Mei", Email="mei@example.com", Referral_Code__c="ADA-1")

    converted = org.convert_lead(lead)

    became = "ConvertedAccountId, ConvertedContactId, ConvertedOpportunityId"
    [row] = sf.rows(f"SELECT Status, IsConverted, ConvertedDate, {became} FROM Lead")
    assert list(row.values()) == [
        "Closed - Converted",
        True,
        "2026-11-24",
        converted.account,
        converted.contact,
        converted.opportunity,
    ]
    carried = "SELECT Referral_Id__c, Referral_Code__c FROM"
    assert sf.rows(f"{carried} Contact") == sf.rows(f"{carried} Opportunity")
    assert sf.rows(f"{carried} Contact") == [{"Referral_Id__c": "r1", "Referral_Code__c": "ADA-1"}]
    assert sf.rows("SELECT ContactId, OpportunityId, IsPrimary FROM OpportunityContactRole") == [
        {"ContactId": converted.contact, "OpportunityId": converted.opportunity, "IsPrimary": True}
    ]
    with pytest.raises(Refusal, match="CANNOT_UPDATE_CONVERTED_LEAD"):
        org.convert_lead(lead)


def test_a_conversion_may_make_no_opportunity_and_a_mapping_may_be_missing(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(referral=ReferralField(mapped=("Contact",)))]) as crm:
        sf, org = SfClient(crm), crm.model("salesforce", Org)
        without = org.convert_lead(sf.lead("r1"), opportunity=False)
        unmapped = org.convert_lead(sf.lead("r2"))

        assert without.opportunity is None
        assert sf.values("SELECT ConvertedOpportunityId FROM Lead ORDER BY Id") == [None, unmapped.opportunity]
        assert sf.rows("SELECT Referral_Id__c FROM Opportunity") == [{"Referral_Id__c": None}]
        assert sf.values("SELECT Referral_Id__c FROM Contact ORDER BY Id") == ["r1", "r2"]


def test_a_lead_is_converted_by_moving_it_to_the_status_that_means_so(sf: SfClient, org: Org) -> None:
    lead = sf.lead("r1")
    org.move(lead, "Working - Contacted")
    assert org.is_open(lead)

    org.move(lead, "Closed - Converted")

    assert not org.is_open(lead)
    assert sf.values("SELECT StageName FROM Opportunity") == ["Prospecting"]


def test_a_merge_bins_the_loser_which_names_its_master(sf: SfClient, org: Org, clock: Clock) -> None:
    winner, loser = (org.convert_lead(sf.lead(name), opportunity=False).contact for name in ("r1", "r2"))
    deal = org.open_deal(loser)
    clock.move(60)

    assert org.merge("Contact", winner, loser) == winner

    assert sf.values("SELECT Id FROM Contact") == [winner]
    assert sf.rows("SELECT Id, MasterRecordId, SystemModstamp FROM Contact WHERE IsDeleted = true", all_=True) == [
        {"Id": loser, "MasterRecordId": winner, "SystemModstamp": "2026-11-24T09:01:00.000+0000"}
    ]
    assert sf.rows("SELECT Id, ContactId FROM Opportunity") == [{"Id": deal, "ContactId": winner}]
    assert sf.values("SELECT ContactId FROM OpportunityContactRole") == [winner]
    assert [(it.id, it.merged_into) for it in org.of_referral("r2") if it.type == "Contact"] == [(loser, winner)]


def test_a_merge_may_take_the_losers_referral_id(sf: SfClient, org: Org) -> None:
    winner, loser = sf.lead("r1"), sf.lead("r2")

    org.merge("Lead", winner, loser, take=["Referral_Id__c"])

    assert sf.rows("SELECT Id, Referral_Id__c FROM Lead") == [{"Id": winner, "Referral_Id__c": "r2"}]
    assert sf.lead("r1") not in {winner, loser}, "the value is free for a new record"


def test_opportunities_cannot_be_merged(sf: SfClient, org: Org) -> None:
    with pytest.raises(KeyError):
        org.merge("Opportunity", sf.opportunity("r1"), sf.opportunity("r2"))


def test_a_deleted_record_frees_its_unique_value_and_then_cannot_come_back(sf: SfClient, org: Org) -> None:
    first, second = sf.lead("r1"), sf.lead("r2")
    org.archive("Lead", first)
    org.archive("Lead", second)
    sf.lead("r1")

    org.restore("Lead", second)
    with pytest.raises(Refusal, match="DUPLICATE_VALUE"):
        org.restore("Lead", first)

    assert second in sf.values("SELECT Id FROM Lead")


def test_a_deal_for_a_lead_converts_it_and_carries_no_id_of_ours(sf: SfClient, org: Org) -> None:
    lead = sf.lead("r1")
    first, second = org.open_deal(lead, name="By hand"), org.open_deal(lead, stage="Closed Won")

    rows = sf.rows("SELECT Id, Referral_Id__c, Contact.Referral_Id__c FROM Opportunity ORDER BY Id")

    assert [(row["Id"], row["Referral_Id__c"], row["Contact"]["Referral_Id__c"]) for row in rows] == [
        (first, None, "r1"),
        (second, None, "r1"),
    ]
    assert (org.is_open(first), org.is_open(second)) == (True, False)


def test_every_record_of_a_referral_is_found_also_in_the_bin(sf: SfClient, org: Org) -> None:
    lead = sf.lead("r1")
    converted = org.convert_lead(lead)
    assert converted.opportunity
    org.set_amount(converted.opportunity, "12.50")
    org.archive("Contact", converted.contact)

    found = org.of_referral("r1")

    assert [(it.role, it.type, it.id, it.archived) for it in found] == [
        ("person", "Lead", lead, False),
        ("person", "Contact", converted.contact, True),
        ("deal", "Opportunity", converted.opportunity, False),
    ]
    assert found[2] == Found(
        role="deal",
        type="Opportunity",
        id=converted.opportunity,
        archived=False,
        pipeline="Opportunity",
        stage="Prospecting",
        amount="12.50",
    )


def test_a_stamp_is_of_whole_seconds_and_moves_with_every_write(sf: SfClient, clock: Clock) -> None:
    clock.move(0.75)
    sf.lead("r1")
    clock.move(1.5)
    sf.lead("r1")

    [row] = sf.rows("SELECT CreatedDate, LastModifiedDate, SystemModstamp FROM Lead")

    assert [value[17:23] for value in row.values()] == ["00.000", "02.000", "02.000"]
    assert sf.rows("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-24T09:00:00Z") == []


def test_what_belongs_to_a_record_goes_to_the_bin_and_comes_back_with_it(sf: SfClient, org: Org) -> None:
    deal = org.open_deal(sf.lead("r1"))
    contact = sf.values("SELECT ContactId FROM OpportunityContactRole")[0]
    seen = []

    def look() -> None:
        kinds = ("OpportunityContactRole", "OpportunityHistory")
        seen.append([len(sf.rows(f"SELECT Id FROM {kind}")) for kind in kinds])

    for step in (org.archive, org.restore):
        for kind, id_ in (("Opportunity", deal), ("Contact", contact)):
            step(kind, id_)
            look()

    assert seen == [[0, 0], [0, 0], [0, 1], [1, 1]]


def test_a_conversion_that_fails_leaves_nothing_behind(sf: SfClient, org: Org) -> None:
    sf.call("POST", "/sobjects/Contact", {"LastName": "Ito", "Referral_Id__c": "r1"})
    lead = sf.lead("r1")

    with pytest.raises(Refusal, match="DUPLICATE_VALUE"):
        org.convert_lead(lead)

    assert sf.rows("SELECT Id FROM Account") == []
    assert org.is_open(lead)


def test_a_reference_of_15_characters_leads_where_that_of_18_does(sf: SfClient) -> None:
    contact = sf.call("POST", "/sobjects/Contact", {"LastName": "Ito"}).json()["id"]
    deal = sf.opportunity("r1", ContactId=contact[:15])

    assert sf.values(f"SELECT OpportunityId FROM OpportunityContactRole WHERE ContactId = '{contact}'") == [deal]
