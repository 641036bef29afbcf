"""The part of COQL that the sandbox's Zoho CRM knows, and how it refuses the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import ZoClient, code, opened, person


@pytest.fixture
def zo(clock: Clock) -> Iterator[ZoClient]:
    with opened(clock) as client:
        yield client


@pytest.fixture
def team(zo: ZoClient, clock: Clock) -> ZoClient:
    """Four leads, ten seconds apart, one of them without a referral, and two deals of one contact."""
    zo.lead("r1", First_Name="Mei", Company="O'Neill & Co")
    clock.move(10)
    zo.lead("r2", First_Name="Ada", Lead_Status="Contacted")
    clock.move(10)
    zo.lead("r3", First_Name="mei", Company="50% off")
    clock.move(10)
    zo.org.create("Leads", Last_Name="Nobody")
    contact = {"id": zo.org.create("Contacts", Last_Name="Ito", Referral_ID="c1")}
    zo.org.create("Deals", Deal_Name="Small", Stage="Qualification", Amount=10, Contact_Name=contact)
    zo.org.create("Deals", Deal_Name="Big", Stage="Closed Won", Amount=99.5, Closing_Date="2026-12-24")
    return zo


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Referral_ID = 'R1'", ["r1"]),
        ("Referral_ID != 'r1'", ["r2", "r3"]),
        ("First_Name = 'MEI'", ["r1", "r3"]),
        ("Company = 'O\\'Neill & Co'", ["r1"]),
        ("Company like '50%'", ["r3"]),
        ("Company like '%o%'", ["r1", "r3"]),
        ("Company not like '%neill%'", ["r2", "r3"]),
        ("Referral_ID in ('r1', 'r3')", ["r1", "r3"]),
        ("Referral_ID not in ('r1')", ["r2", "r3"]),
        ("Referral_ID is null", [None]),
        ("Lead_Status is not null", ["r2"]),
        ("Modified_Time >= '2026-11-24T09:00:10+00:00'", ["r2", "r3", None]),
        ("Modified_Time > '2026-11-24T11:00:10+02:00'", ["r3", None]),
        ("Modified_Time between '2026-11-24T09:00:10+00:00' and '2026-11-24T09:00:20+00:00'", ["r2", "r3"]),
        ("(Referral_ID = 'r1' or (Referral_ID = 'r2' and First_Name = 'Ada'))", ["r1", "r2"]),
        ("Referral_ID is not null and Modified_Time < '2026-11-24T09:00:10+00:00'", ["r1"]),
    ],
)
def test_a_query_takes_the_rows_that_its_criteria_hold_for(team: ZoClient, where: str, found: list[str]) -> None:
    rows = team.rows(f"SELECT Referral_ID FROM Leads WHERE {where} ORDER BY id ASC")

    assert [row["Referral_ID"] for row in rows] == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Amount > 10", ["Big"]),
        ("Amount between 10 and 99.5", ["Small", "Big"]),
        ("Closing_Date <= '2026-12-24'", ["Big"]),
        ("Contact_Name.Referral_ID = 'c1'", ["Small"]),
        ("Contact_Name is null", ["Big"]),
        ("Stage in ('Closed Won')", ["Big"]),
    ],
)
def test_numbers_dates_and_lookups_are_compared_as_what_they_are(team: ZoClient, where: str, found: list[str]) -> None:
    assert [row["Deal_Name"] for row in team.rows(f"select Deal_Name from Deals where {where}")] == found


def test_rows_show_their_id_and_no_more_than_the_ids_of_lookups(team: ZoClient) -> None:
    [row] = team.rows("select Amount, Contact_Name, Contact_Name.Last_Name from Deals where Deal_Name = 'Small'")

    assert row["Amount"] == 10
    assert row["Contact_Name"] == {"id": next(iter(team.org.records["Contacts"]))}
    assert row["Contact_Name.Last_Name"] == "Ito"
    assert row["id"] in team.org.records["Deals"]


def test_rows_are_sorted_and_a_page_says_if_there_are_more(team: ZoClient) -> None:
    query = "select Referral_ID from Leads where id is not null order by First_Name desc, id desc"

    first = team.coql(f"{query} limit 2").json()
    rest = team.coql(f"{query} limit 2, 2").json()
    same = team.coql(f"{query} limit 2 offset 2").json()

    assert [row["Referral_ID"] for row in first["data"]] == ["r3", "r1"]
    assert first["info"] == {"count": 2, "more_records": True}
    assert [row["Referral_ID"] for row in rest["data"]] == ["r2", None]
    assert rest["info"] == {"count": 2, "more_records": False}
    assert same == rest


def test_a_client_can_go_on_after_the_last_row_by_time_and_id(team: ZoClient) -> None:
    first = team.rows("select Modified_Time from Leads where id is not null order by Modified_Time, id limit 1")[0]
    time, id_ = first["Modified_Time"], first["id"]

    rest = team.rows(
        "select Referral_ID from Leads"
        f" where (Modified_Time > '{time}' or (Modified_Time = '{time}' and id > '{id_}'))"
        " order by Modified_Time, id"
    )

    assert [row["Referral_ID"] for row in rest] == ["r2", "r3", None]


def test_a_query_without_a_limit_gives_200_rows(zo: ZoClient) -> None:
    for start in (0, 100, 200):
        zo.upsert("Leads", *[person(f"r{start + n}") for n in range(100)])

    answer = zo.coql("select id from Leads where id is not null").json()

    assert answer["info"] == {"count": 200, "more_records": True}
    assert len(zo.rows("select id from Leads where id is not null limit 2000")) == 300


def test_nothing_found_is_204_without_a_body(zo: ZoClient) -> None:
    answer = zo.coql("select id from Leads where id is not null")

    assert (answer.status_code, answer.content) == (204, b"")


def test_converted_leads_and_what_is_in_the_bin_are_not_found(team: ZoClient) -> None:
    one, two, *_ = team.org.records["Leads"]
    team.org.convert_lead(one)
    team.org.archive("Leads", two)

    rows = team.rows("select Referral_ID from Leads where Referral_ID is not null")

    assert [row["Referral_ID"] for row in rows] == ["r3"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("select id from Leads", "SYNTAX_ERROR"),
        ("select id from Leads where id is not null and id is not null and id is not null", "SYNTAX_ERROR"),
        ("select id from Leads where id is not null and id is not null or id is not null", "SYNTAX_ERROR"),
        ("select id from Leads where (id is not null", "SYNTAX_ERROR"),
        (f"select id from Leads where {'(' * 2_000}id is not null{')' * 2_000}", "SYNTAX_ERROR"),
        ("select id from Leads where id is not null;", "SYNTAX_ERROR"),
        ("select * from Leads where id is not null", "SYNTAX_ERROR"),
        ("select COUNT(id) from Leads where id is not null", "SYNTAX_ERROR"),
        ("select id from Leads where id is not null group by id", "SYNTAX_ERROR"),
        ("select id from Leads where not id = '1'", "SYNTAX_ERROR"),
        ('select id from Leads where Company = "Acme"', "SYNTAX_ERROR"),
        ("delete from Leads where id is not null", "SYNTAX_ERROR"),
        ("select id, id from Leads where id is not null", "DUPLICATE_DATA"),
        ("select id from Leads where id is not null order by id, id", "DUPLICATE_DATA"),
        ("select id from Quotes where id is not null", "INVALID_MODULE"),
        ("select Nonsense from Leads where id is not null", "INVALID_QUERY"),
        ("select Converted__s from Leads where id is not null", "INVALID_QUERY"),
        ("select Contact_Name.Account_Name.id from Deals where id is not null", "INVALID_QUERY"),
        ("select id from Leads where Description like '%a%'", "INVALID_QUERY"),
        ("select id from Leads where First_Name > 'A'", "INVALID_QUERY"),
        ("select id from Leads where Modified_Time > '2026-11-24'", "INVALID_QUERY"),
        ("select id from Leads where Modified_Time > '2026-11-24T09:00:00Z'", "INVALID_QUERY"),
        ("select id from Leads where Modified_Time > 7", "INVALID_QUERY"),
        ("select id from Deals where Amount > '7'", "INVALID_QUERY"),
        ("select id from Leads where id is not null limit x", "INVALID_QUERY"),
        ("select id from Leads where id is not null limit 0", "INVALID_DATA"),
        ("select id from Leads where id is not null limit 2001", "LIMIT_EXCEEDED"),
        ("select id from Leads where id is not null limit 99000, 1001", "LIMIT_EXCEEDED"),
        (f"select id from Leads where id in ({','.join(['1'] * 51)})", "LIMIT_EXCEEDED"),
        (f"select {','.join(f'c{n}' for n in range(51))} from Leads where id is not null", "LIMIT_EXCEEDED"),
    ],
)
def test_what_the_vendor_would_not_answer_is_refused(team: ZoClient, query: str, error: str) -> None:
    assert code(team.coql(query)) == (400, error)


def test_criteria_are_counted_and_joined_in_pairs(zo: ZoClient) -> None:
    def nested(number: int) -> str:
        where = "id is not null"
        for _ in range(number - 1):
            where = f"({where} and id is not null)"
        return f"select id from Leads where {where}"

    assert zo.coql(nested(25)).status_code == 204
    assert code(zo.coql(nested(26)))[1] in {"LIMIT_EXCEEDED", "SYNTAX_ERROR"}


def test_an_error_says_where_it_is(zo: ZoClient) -> None:
    answer = zo.coql("select id frm Leads where id is not null")

    assert answer.json()["details"] == {"line": 1, "column": 11, "near": "frm"}


def test_the_body_holds_a_query_and_nothing_else(zo: ZoClient) -> None:
    assert code(zo.call("POST", "/coql", {})) == (400, "MANDATORY_NOT_FOUND")
    assert code(zo.call("POST", "/coql", {"select_query": 7})) == (400, "INVALID_DATA")
    assert code(zo.call("POST", "/coql", {"select_query": "x", "include_meta": ["fields"]})) == (400, "INVALID_DATA")
