"""What the sandbox's Salesforce shows: SOQL and its pages, descriptions, versions and limits."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.crm import Org, SalesforceSetup, Sandbox, lag_between
from syncd.sandbox.crm.salesforce import OrgLimits, ReferralField
from tests.sandbox.crm_client import Clock
from tests.sandbox.sf_client import BASE, SfClient, code, person


@pytest.fixture
def team(sf: SfClient, clock: Clock) -> SfClient:
    """Four leads, ten seconds apart."""
    sf.lead("r1", FirstName="Mei", Email="mei@example.com", Company="O'Neill & Co")
    clock.move(10)
    sf.lead("r2", FirstName="Ada", Status="Working - Contacted")
    clock.move(10)
    sf.lead("r3", FirstName="mei", Company="50% off")
    clock.move(10)
    sf.call("POST", "/sobjects/Lead", {"LastName": "Nobody", "Company": "None"})
    return sf


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Referral_Id__c = 'R2'", ["r2"]),
        ("Referral_Id__c != null", ["r1", "r2", "r3"]),
        ("Referral_Id__c = null", [None]),
        ("Referral_Id__c = ''", [None]),
        ("Referral_Id__c != 'r1'", ["r2", "r3", None]),
        ("Referral_Id__c IN ('r1', 'R3', 'r9')", ["r1", "r3"]),
        ("Referral_Id__c NOT IN ('r1', 'r3')", ["r2", None]),
        ("FirstName = 'MEI'", ["r1", "r3"]),
        ("FirstName > 'ada'", ["r1", "r3"]),
        ("Company = 'O\\'Neill & Co'", ["r1"]),
        ("Company LIKE 'o%co'", ["r1"]),
        ("Company LIKE '50\\% _ff'", ["r3"]),
        ("IsConverted = false AND Status = 'Working - Contacted'", ["r2"]),
        ("Referral_Id__c = 'r1' OR (FirstName = 'Ada' AND Email = null)", ["r1", "r2"]),
        ("NOT (FirstName = 'mei' OR Referral_Id__c = null)", ["r2"]),
        ("SystemModstamp >= 2026-11-24T09:00:20Z", ["r3", None]),
        ("SystemModstamp > 2026-11-24T10:00:10.999+01:00", ["r3", None]),
        ("SystemModstamp <= 2026-11-24T09:00:10.001Z AND SystemModstamp >= 2026-11-24T09:00:00.999Z", ["r1", "r2"]),
        ("ConvertedDate = 2026-11-24", []),
        ("Id = '00QSx0000000002'", ["r2"]),
        ("Id > '00QSx0000000002MAA'", ["r3", None]),
        ("Lead.Referral_Id__c = 'r2'", ["r2"]),
    ],
)
def test_a_query_finds_what_its_condition_says(team: SfClient, where: str, found: list[str | None]) -> None:
    assert team.values(f"SELECT Referral_Id__c FROM Lead WHERE {where} ORDER BY Id") == found


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("ORDER BY SystemModstamp DESC, Id", [None, "r3", "r2", "r1"]),
        ("ORDER BY FirstName, Referral_Id__c DESC", [None, "r2", "r3", "r1"]),
        ("order by Referral_Id__c nulls last", ["r1", "r2", "r3", None]),
        ("ORDER BY Referral_Id__c DESC", [None, "r3", "r2", "r1"]),
        ("ORDER BY Referral_Id__c DESC NULLS LAST LIMIT 2", ["r3", "r2"]),
        ("ORDER BY Referral_Id__c ASC NULLS FIRST LIMIT 2", [None, "r1"]),
    ],
)
def test_rows_come_in_the_order_that_was_asked_for(team: SfClient, rest: str, found: list[str | None]) -> None:
    assert team.values(f"SELECT Referral_Id__c FROM Lead {rest}") == found


def test_rows_that_no_order_was_asked_for_come_in_none(sf: SfClient) -> None:
    sf.upsert("Lead", *(person(f"r{number:02}") for number in range(50)))

    found = sf.values("SELECT Referral_Id__c FROM Lead")

    assert found != sorted(found)
    assert len(set(found)) == 50


def test_a_relationship_is_followed_once(sf: SfClient, org: Org) -> None:
    deal = org.convert_lead(sf.lead("r1")).opportunity
    sf.opportunity("r2")

    [row] = sf.rows("SELECT Id, Contact.Referral_Id__c FROM Opportunity WHERE Contact.Referral_Id__c = 'r1'")
    [lead] = sf.rows("SELECT ConvertedOpportunity.StageName, ConvertedOpportunity.IsWon FROM Lead")
    other = sf.values("SELECT Contact.LastName FROM Opportunity WHERE Referral_Id__c = 'r2'")

    assert row["Id"] == deal
    assert (row["Contact"]["attributes"]["type"], row["Contact"]["Referral_Id__c"]) == ("Contact", "r1")
    assert (lead["ConvertedOpportunity"]["StageName"], lead["ConvertedOpportunity"]["IsWon"]) == ("Prospecting", False)
    assert other == [None]


@pytest.mark.parametrize(
    ("soql", "refused"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT Id FORM Lead", "MALFORMED_QUERY"),
        ("SELECT FROM Lead", "MALFORMED_QUERY"),
        ("SELECT * FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id, FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Id = 'a' AND", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE (FirstName = 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE FirstName = 'a", "MALFORMED_QUERY"),
        ('SELECT Id FROM Lead WHERE FirstName = "a"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE FirstName = 'a' AND LastName = 'b' OR Email = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE FirstName IN 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE FirstName IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE FirstName = 'a\\q'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-13-01T00:00:00Z", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-01T00:00:00", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE CreatedDate = TODAY", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Amount > 5AND Amount < 6", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT 1.5", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT 1 ORDER BY Id", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead GROUP BY Status", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead; DELETE", "MALFORMED_QUERY"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Contact.Account.Name FROM Opportunity", "MALFORMED_QUERY"),
        (f"SELECT Id FROM Lead WHERE {'(' * 60}Id = null{')' * 60}", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Nope = 'a'", "INVALID_FIELD"),
        ("SELECT Nope.Id FROM Lead", "INVALID_FIELD"),
        ("SELECT Owner.Name FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-11-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-01", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE FirstName = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE IsConverted = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE IsConverted > false", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE FirstName > null", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Amount > '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Id = 'nobody'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
def test_what_is_not_understood_is_malformed_and_names_that_are_none_are_invalid(
    sf: SfClient, soql: str, refused: str
) -> None:
    assert code(sf.call("GET", "/query", params={"q": soql})) == (400, refused)


def test_a_refused_query_says_where_in_the_vendors_form(sf: SfClient) -> None:
    message = sf.call("GET", "/query", params={"q": "SELECT Id, Nope FROM Lead"}).json()[0]["message"]

    excerpt, arrow, place, problem = message.removeprefix("\n").split("\n")
    assert excerpt[arrow.index("^") :].startswith("Nope")
    assert place == "ERROR at Row:1:Column:12"
    assert problem.startswith("No such column 'Nope' on entity 'Lead'.")


@pytest.fixture
def paged(clock: Clock) -> Any:
    """An org that gives two rows a page whatever is asked for, with five leads."""
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(page=2)]) as crm:
        client = SfClient(crm)
        client.upsert("Lead", *(person(f"r{number}") for number in range(5)))
        yield client


def test_a_long_result_comes_in_pages_that_show_what_was_there_when_it_was_asked_for(paged: SfClient) -> None:
    soql = {"q": "SELECT Referral_Id__c FROM Lead ORDER BY Id"}

    first = paged.call("GET", "/query/", params=soql).json()
    paged.lead("r0", LastName="Ino")
    paged.lead("r9")
    second = paged.call("GET", first["nextRecordsUrl"]).json()
    third = paged.call("GET", second["nextRecordsUrl"]).json()

    assert first["nextRecordsUrl"].startswith(f"{BASE}/query/01g")
    assert [it["totalSize"] for it in (first, second, third)] == [5, 5, 5]
    assert [it["done"] for it in (first, second, third)] == [False, False, True]
    assert [row["Referral_Id__c"] for row in second["records"] + third["records"]] == ["r2", "r3", "r4"]
    assert "nextRecordsUrl" not in third


def test_an_old_query_is_closed_when_too_many_are_open(paged: SfClient) -> None:
    soql = {"q": "SELECT Id FROM Lead"}
    first = paged.call("GET", "/query", params=soql).json()["nextRecordsUrl"]
    for _ in range(10):
        last = paged.call("GET", "/query", params=soql).json()["nextRecordsUrl"]

    assert code(paged.call("GET", first)) == (400, "INVALID_QUERY_LOCATOR")
    assert paged.call("GET", last).status_code == 200
    assert code(paged.call("GET", "/query/01gSx0000000001MAA-x")) == (400, "INVALID_QUERY_LOCATOR")


def test_a_client_may_ask_for_smaller_pages_within_bounds(sf: SfClient) -> None:
    for start in range(0, 400, 200):
        sf.upsert("Lead", *(person(f"r{number}") for number in range(start, start + 200)))

    def page(header: str) -> Any:
        options = {"Sforce-Query-Options": header}
        return sf.call("GET", "/query", params={"q": "SELECT Id FROM Lead"}, headers=options)

    assert len(page("batchSize=250").json()["records"]) == 250
    assert len(page("").json()["records"]) == 400
    assert code(page("batchSize=100")) == (400, "INVALID_BATCH_SIZE")
    assert code(page("size=500")) == (400, "INVALID_BATCH_SIZE")


def test_a_query_may_count_instead(team: SfClient) -> None:
    answer = team.call("GET", "/query", params={"q": "SELECT COUNT() FROM Lead WHERE Referral_Id__c != null"})

    assert answer.json() == {"totalSize": 3, "done": True, "records": []}


def test_only_query_all_shows_the_bin_until_it_is_emptied(sf: SfClient, org: Org) -> None:
    first, second = sf.lead("r1"), sf.lead("r2")
    org.archive("Lead", first)

    assert sf.values("SELECT Id FROM Lead") == [second]
    assert sf.rows("SELECT Id, IsDeleted FROM Lead WHERE IsDeleted = true", all_=True) == [
        {"Id": first, "IsDeleted": True}
    ]
    org.empty_bin()
    assert sf.values("SELECT Id FROM Lead", all_=True) == [second]


def test_what_the_sales_team_does_shows_when_it_is_committed_with_the_older_stamp(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(lag=lag_between(60, 60))]) as crm:
        sf, org = SfClient(crm), crm.model("salesforce", Org)
        deal = sf.opportunity("r1")
        clock.move(10)
        org.move(deal, "Closed Won")
        clock.move(10)
        sf.opportunity("r2")
        soql = "SELECT StageName, SystemModstamp FROM Opportunity ORDER BY SystemModstamp, Id"

        before = sf.rows(soql)
        entries = len(sf.rows("SELECT Id FROM OpportunityHistory"))
        busy = sf.call("PATCH", f"/sobjects/Opportunity/{deal}", {"Amount": 5})
        clock.move(51)
        after = sf.rows(soql)

    assert [row["StageName"] for row in before] == ["Prospecting", "Prospecting"]
    assert code(busy) == (400, "UNABLE_TO_LOCK_ROW")
    assert [row["StageName"] for row in after] == ["Closed Won", "Prospecting"]
    assert after[0]["SystemModstamp"] == "2026-11-24T09:00:10.000+0000", "older than what was already seen"
    assert entries == 2


def test_a_description_tells_what_a_connector_must_know(clock: Clock, sf: SfClient) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(referral=ReferralField(unique=False))]) as crm:
        loose = _fields(SfClient(crm), "Lead")["Referral_Id__c"]
    lead, deal = _fields(sf, "Lead"), _fields(sf, "Opportunity")
    ours = lead["Referral_Id__c"]

    assert (ours["externalId"], ours["unique"], ours["createable"], ours["updateable"]) == (True, True, True, True)
    assert (ours["type"], ours["length"], ours["nillable"], ours["custom"]) == ("string", 64, True, True)
    assert (loose["externalId"], loose["unique"]) == (True, False)
    assert (lead["LastName"]["nillable"], lead["Company"]["nillable"], lead["Email"]["type"]) == (False, False, "email")
    assert [it["value"] for it in lead["Status"]["picklistValues"] if it["defaultValue"]] == ["Open - Not Contacted"]
    assert (lead["IsConverted"]["createable"], lead["IsConverted"]["updateable"]) == (False, False)
    assert "Closed Won" in [it["value"] for it in deal["StageName"]["picklistValues"]]
    assert (deal["ContactId"]["updateable"], deal["ContactId"]["referenceTo"]) == (False, ["Contact"])
    assert "CurrencyIsoCode" not in deal
    assert code(sf.call("GET", "/sobjects/Nope/describe")) == (404, "NOT_FOUND")
    assert "Lead" in [it["name"] for it in sf.call("GET", "/sobjects").json()["sobjects"]]
    assert sf.call("GET", "/sobjects/lead").json()["objectDescribe"]["keyPrefix"] == "00Q"


def _fields(sf: SfClient, kind: str) -> dict[str, dict[str, Any]]:
    return {it["name"]: it for it in sf.call("GET", f"/sobjects/{kind}/describe").json()["fields"]}


def test_an_org_with_several_currencies_has_one_in_each_record(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(currencies=True)]) as crm:
        sf = SfClient(crm)
        sf.opportunity("r1")
        sf.opportunity("r2", CurrencyIsoCode="JPY")

        found = sf.values("SELECT CurrencyIsoCode FROM Opportunity ORDER BY Id")

    assert found == ["EUR", "JPY"]


def test_stages_and_statuses_are_records_too(sf: SfClient, org: Org) -> None:
    org.rename_stage("Closed Won", "Gewonnen")

    stages = sf.rows("SELECT ApiName, MasterLabel FROM OpportunityStage WHERE IsWon = true AND IsActive = true")
    lost = sf.values("SELECT ApiName FROM OpportunityStage WHERE IsClosed = true AND IsWon = false")
    statuses = sf.values("SELECT ApiName FROM LeadStatus WHERE IsConverted = true")

    assert stages == [{"ApiName": "Closed Won", "MasterLabel": "Gewonnen"}]
    assert (lost, statuses) == (["Closed Lost"], ["Closed - Converted"])
    assert sf.values("SELECT Name FROM Organization") == ["Acme"]


def test_versions_are_told_to_anybody_and_retired_ones_are_gone(sf: SfClient) -> None:
    sf.session.headers.pop("Authorization")

    versions = sf.call("GET", "/services/data/").json()

    assert {it["version"] for it in versions} >= {"31.0", "66.0", "68.0"}
    assert next(it for it in versions if it["version"] == "64.0") == {
        "label": "Summer '25",
        "url": "/services/data/v64.0",
        "version": "64.0",
    }
    assert code(sf.call("GET", "/services/data/v30.0/limits")) == (410, "GONE")
    assert code(sf.call("GET", "/services/data/v99.0/limits")) == (404, "NOT_FOUND")


def test_every_success_tells_the_usage_of_all_who_call(clock: Clock) -> None:
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[SalesforceSetup(limits=OrgLimits(daily=20))]) as crm:
        sf = SfClient(crm)

        first, failed = sf.call("GET", "/limits"), sf.call("GET", "/query?q=x")
        last, spent = sf.call("GET", "/"), sf.call("GET", "/")
        clock.move(86_401)
        later = sf.call("GET", "/limits")

    assert first.headers["Sforce-Limit-Info"] == "api-usage=18/20"
    assert first.json()["DailyApiRequests"] == {"Max": 20, "Remaining": 2}
    assert "Sforce-Limit-Info" not in failed.headers
    assert last.headers["Sforce-Limit-Info"] == "api-usage=20/20"
    assert code(spent) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert spent.json()[0]["message"] == "TotalRequests Limit exceeded."
    assert "Retry-After" not in spent.headers
    assert later.headers["Sforce-Limit-Info"] == "api-usage=18/20"


def test_a_uri_that_is_too_long_is_refused(sf: SfClient) -> None:
    start = f"{BASE}/query?q="
    longest, longer = (f"{start}{'x' * (size - len(start))}" for size in (16_384, 16_385))

    assert code(sf.call("GET", longest)) == (400, "MALFORMED_QUERY")
    assert code(sf.call("GET", longer)) == (414, "URI_TOO_LONG")


def test_what_is_not_simulated_says_so_with_the_routes_that_are(
    sf: SfClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = sf.call("POST", "/composite/graph", {})

    assert answer.status_code == 501
    assert "GET /services/data/v{version}/queryAll" in answer.json()[0]["routes"]
    assert f"POST /salesforce{BASE}/composite/graph is not simulated" in capfd.readouterr().err
    assert code(sf.call("GET", "/query?q=x&explain=1")) == (400, "INVALID_QUERY_PARAMETER")
