"""What the sandbox's Zoho CRM shows: records, lists and their pages, what is gone, searches, descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm import lag_between
from syncd.sandbox.crm.zoho import ReferralField
from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import ZoClient, code, opened, person


@pytest.fixture
def zo(clock: Clock) -> Iterator[ZoClient]:
    with opened(clock) as client:
        yield client


def names(answer: Any) -> list[str]:
    return [row["Referral_ID"] for row in answer.json()["data"]]


def make(zo: ZoClient, clock: Clock, number: int) -> None:
    """Leads r0, r1 ..., a second apart."""
    for place in range(number):
        zo.org.create("Leads", **person(f"r{place}"))
        clock.move(1)


def test_a_record_shows_times_with_the_offset_and_links_with_names(zo: ZoClient) -> None:
    lead = zo.lead("r1", First_Name="Mei")

    seen = zo.call("GET", f"/Leads/{lead}?fields=Full_Name,Created_Time,Owner").json()["data"][0]

    assert seen == {
        "Full_Name": "Mei Ito",
        "Created_Time": "2026-11-24T11:00:00+02:00",
        "Owner": {"name": "Integration", "id": zo.org.client.id, "email": "integration@example.com"},
        "id": lead,
        "$converted": False,
        "$converted_detail": {},
    }


def test_a_record_that_is_not_there_is_204_without_a_body(zo: ZoClient) -> None:
    answer = zo.call("GET", "/Leads/999")

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_converted_lead_is_shown_only_to_who_asks_for_it(zo: ZoClient) -> None:
    lead = zo.lead("r1")
    made = zo.org.convert_lead(lead, deal={"Deal_Name": "D", "Stage": "Qualification"})

    assert zo.call("GET", f"/Leads/{lead}").status_code == 204
    assert zo.call("GET", "/Leads?fields=Referral_ID").status_code == 204
    assert names(zo.call("GET", "/Leads?fields=Referral_ID&converted=both")) == ["r1"]
    seen = zo.call("GET", f"/Leads/{lead}?converted=true").json()["data"][0]
    assert seen["$converted_detail"]["deal"] == {"id": made.deal}
    assert "$converted_detail" not in zo.call("GET", "/Leads?fields=id&converted=true").json()["data"][0]


def test_a_list_is_sorted_by_id_from_the_top_unless_asked_otherwise(zo: ZoClient, clock: Clock) -> None:
    make(zo, clock, 3)
    zo.org.edit(zo.rows("select id from Leads where Referral_ID = 'r0'")[0]["id"], Company="Bolt")

    usual = zo.call("GET", "/Leads?fields=Referral_ID")
    by_time = zo.call("GET", "/Leads?fields=Referral_ID&sort_by=Modified_Time&sort_order=asc")

    assert names(usual) == ["r2", "r1", "r0"]
    assert names(by_time) == ["r1", "r2", "r0"]
    info = by_time.json()["info"]
    assert (info["sort_by"], info["sort_order"], info["more_records"], info["next_page_token"]) == (
        "Modified_Time",
        "asc",
        False,
        None,
    )


def test_a_list_since_a_time_leaves_out_what_was_written_in_that_very_second(zo: ZoClient, clock: Clock) -> None:
    make(zo, clock, 3)

    def since(time: str) -> Any:
        headers = {"If-Modified-Since": time}
        return zo.call("GET", "/Leads?fields=Referral_ID&sort_order=asc", headers=headers)

    assert names(since("2026-11-24T11:00:00+02:00")) == ["r1", "r2"]
    assert since("2026-11-24T11:00:02+02:00").status_code == 304
    assert code(since("yesterday")) == (400, "INVALID_DATA")


def test_pages_by_number_shift_with_the_list_and_pages_by_token_do_not(zo: ZoClient, clock: Clock) -> None:
    make(zo, clock, 5)
    path = "/Leads?fields=Referral_ID&sort_by=Modified_Time&sort_order=asc&per_page=2"

    first = zo.call("GET", path)
    zo.org.edit(first.json()["data"][0]["id"], Company="Bolt")
    token = first.json()["info"]["next_page_token"]
    by_number, by_token = zo.call("GET", f"{path}&page=2"), zo.call("GET", f"{path}&page_token={token}")

    assert names(first) == ["r0", "r1"]
    assert names(by_number) == ["r3", "r4"], "r2 has moved to the first page"
    assert names(by_token) == ["r2", "r3"]
    assert by_token.json()["info"]["page"] == 2


def test_a_page_token_is_bound_to_its_parameters_and_lasts_a_day(zo: ZoClient, clock: Clock) -> None:
    make(zo, clock, 3)
    path = "/Leads?fields=Referral_ID&per_page=1"
    info = zo.call("GET", path).json()["info"]
    token = f"&page_token={info['next_page_token']}"

    assert info["page_token_expiry"] == "2026-11-25T11:00:03+02:00"
    assert code(zo.call("GET", f"{path}&sort_order=asc{token}")) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert code(zo.call("GET", f"{path}&page=2{token}")) == (400, "AMBIGUITY_DURING_PROCESSING")
    clock.move(86_400)
    assert code(zo.call("GET", f"{path}{token}")) == (400, "EXPIRED_VALUE")


def test_numbered_pages_end_at_2000_records(zo: ZoClient) -> None:
    assert zo.call("GET", "/Leads?fields=id&page=10").status_code == 204
    assert code(zo.call("GET", "/Leads?fields=id&page=11")) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "REQUIRED_PARAM_MISSING"),
        ("?fields=Nonsense", "INVALID_DATA"),
        (f"?fields={','.join(['id'] * 51)}", "LIMIT_EXCEEDED"),
        ("?fields=id&per_page=201", "INVALID_DATA"),
        ("?fields=id&sort_by=Company", "INVALID_DATA"),
        ("?fields=id&converted=maybe", "INVALID_DATA"),
        ("?fields=id&nonsense=1", "INVALID_DATA"),
        (f"?fields=id&ids={','.join(str(n) for n in range(101))}", "LIMIT_EXCEEDED"),
    ],
)
def test_a_list_that_is_asked_for_wrongly_is_refused(zo: ZoClient, query: str, error: str) -> None:
    assert code(zo.call("GET", f"/Leads{query}")) == (400, error)


def test_records_are_listed_by_ids(zo: ZoClient) -> None:
    one, two = zo.lead("r1"), zo.lead("r2")
    zo.lead("r3")

    assert names(zo.call("GET", f"/Leads?fields=Referral_ID&ids={one},{two},999")) == ["r2", "r1"]


def test_what_is_gone_is_listed_by_how_it_went(zo: ZoClient, clock: Clock) -> None:
    one, two, three = (zo.lead(f"r{n}") for n in (1, 2, 3))
    zo.org.archive("Leads", one)
    clock.move(1)
    zo.org.merge("Leads", two, three)

    def gone(kind: str, since: str | None = None) -> Any:
        return zo.call("GET", f"/Leads/deleted?type={kind}", headers={"If-Modified-Since": since} if since else {})

    rows = gone("all").json()["data"]
    assert [(it["id"], it["type"]) for it in rows] == [(three, "permanent"), (one, "recycle")]
    assert rows[1]["deleted_time"] == "2026-11-24T11:00:00+02:00"
    assert [it["id"] for it in gone("recycle").json()["data"]] == [one]
    assert [it["id"] for it in gone("all", "2026-11-24T11:00:00+02:00").json()["data"]] == [three]
    assert gone("all", "2026-11-24T11:00:01+02:00").status_code == 304
    assert code(gone("lost")) == (400, "PATTERN_NOT_MATCHED")
    zo.org.restore("Leads", one)
    assert gone("recycle").status_code == 204


def test_a_deals_stage_history_is_kept_latest_first(zo: ZoClient, clock: Clock) -> None:
    deal = zo.deal("r1", Amount=100)
    clock.move(60)
    zo.org.move(deal, "Closed Won")
    zo.org.edit(deal, Description="Nothing that is tracked")

    answer = zo.call("GET", f"/Deals/{deal}/Stage_History?fields=Stage,Amount,Modified_Time,Modified_By").json()

    assert [(it["Stage"], it["Modified_Time"]) for it in answer["data"]] == [
        ("Closed Won", "2026-11-24T11:01:00+02:00"),
        ("Qualification", "2026-11-24T11:00:00+02:00"),
    ]
    assert answer["data"][0]["Modified_By"]["name"] == "Sales Rep"
    assert code(zo.call("GET", f"/Deals/{deal}/Stage_History")) == (400, "REQUIRED_PARAM_MISSING")


def test_queries_lists_and_searches_lag_and_reading_by_id_does_not(clock: Clock) -> None:
    with opened(clock, lag=lag_between(5, 5)) as zo:
        lead = zo.lead("r1")
        paths = ["/Leads?fields=Referral_ID", "/Leads/search?email=mei@example.com&fields=Referral_ID"]
        zo.org.edit(lead, Email="mei@example.com")

        early = [zo.call("GET", path).status_code for path in paths]
        assert (early, zo.rows("select id from Leads where id is not null")) == ([204, 204], [])
        assert zo.call("GET", f"/Leads/{lead}").status_code == 200
        assert names(zo.call("GET", f"/Leads?ids={lead}&fields=Referral_ID")) == ["r1"]
        assert zo.upsert("Leads", person("r1")).json()["data"][0]["action"] == "update"
        clock.move(5)
        assert [zo.call("GET", path).status_code for path in paths] == [200, 200]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("criteria=(Referral_ID:equals:R1)", ["r1"]),
        ("criteria=((Company:starts_with:ac)and(Last_Name:not_equal:ada))", ["r1"]),
        ("criteria=((Referral_ID:equals:r1)or(Referral_ID:equals:r2))", ["r2", "r1"]),
        ("criteria=(Referral_ID:in:r2,r9)", ["r2"]),
        ("criteria=(Company:equals:Bolt \\(Berlin\\))", ["r2"]),
        ("email=MEI@example.com", ["r1"]),
        ("word=berlin", ["r2"]),
    ],
)
def test_a_search_finds_by_criteria_address_or_word(zo: ZoClient, query: str, found: list[str]) -> None:
    zo.lead("r1", Email="mei@example.com")
    zo.lead("r2", Company="Bolt (Berlin)")

    assert names(zo.call("GET", f"/Leads/search?{query}&fields=Referral_ID")) == found


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("fields=id", "EXPECTED_PARAM_MISSING"),
        ("criteria=Referral_ID:equals:r1", "INVALID_QUERY"),
        ("criteria=(Nonsense:equals:r1)", "INVALID_QUERY"),
        ("criteria=(Referral_ID:sounds_like:r1)", "INVALID_QUERY"),
        ("criteria=((Company:equals:a)and(Company:equals:b)or(Company:equals:c))", "INVALID_QUERY"),
        ("criteria=((Company:equals:a)", "INVALID_QUERY"),
    ],
)
def test_a_search_that_is_not_understood_is_refused(zo: ZoClient, query: str, error: str) -> None:
    assert code(zo.call("GET", f"/Leads/search?{query}")) == (400, error)


def test_fields_say_what_they_hold_and_whether_they_are_unique(clock: Clock) -> None:
    unique = {}
    for field in (ReferralField(), ReferralField(case_sensitive=True), ReferralField(unique=False)):
        with opened(clock, referral=field) as zo:
            found = {it["api_name"]: it for it in zo.call("GET", "/settings/fields?module=Leads").json()["fields"]}
            unique[field] = found["Referral_ID"]["unique"]

    assert list(unique.values()) == [{"casesensitive": "false"}, {"casesensitive": "true"}, {}]
    assert (found["Last_Name"]["system_mandatory"], found["Last_Name"]["length"]) == (True, 80)
    assert found["Created_Time"]["operation_type"]["api_update"] is False
    assert {"display_value": "Contacted", "actual_value": "Contacted"} in found["Lead_Status"]["pick_list_values"]


def test_stages_have_a_name_a_label_and_a_meaning(zo: ZoClient) -> None:
    zo.org.rename_stage("Closed Won", "Hooray")
    [layout] = zo.call("GET", "/settings/layouts?module=Deals").json()["layouts"]

    [pipeline] = zo.call("GET", f"/settings/pipeline?layout_id={layout['id']}").json()["pipeline"]

    stages = {it["actual_value"]: it for it in pipeline["maps"]}
    assert [it["sequence_number"] for it in pipeline["maps"]] == list(range(1, len(stages) + 1))
    assert (stages["Closed Won"]["display_value"], stages["Closed Won"]["forecast_type"]) == ("Hooray", "Closed Won")
    assert stages["Closed-Lost to Competition"]["forecast_type"] == "Closed Lost"
    assert stages["Id. Decision Makers"]["display_value"] == "Identify Decision Makers"
    assert code(zo.call("GET", "/settings/pipeline")) == (400, "REQUIRED_PARAM_MISSING")
    assert code(zo.call("GET", "/settings/pipeline?layout_id=7")) == (400, "INVALID_DATA")


def test_an_account_describes_itself(zo: ZoClient) -> None:
    assert zo.call("GET", "/org").json()["org"][0]["iso_code"] == "EUR"
    [user] = zo.call("GET", "/users?type=CurrentUser").json()["users"]
    assert user["id"] == zo.org.client.id
    modules = [it["api_name"] for it in zo.call("GET", "/settings/modules").json()["modules"]]
    assert modules == ["Leads", "Accounts", "Contacts", "Deals"]
    assert code(zo.call("GET", "/settings/fields?module=Quotes")) == (400, "INVALID_MODULE")
