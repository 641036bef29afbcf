"""What the sandbox's Zoho CRM takes and refuses: inserts, updates, upserts, deletions, conversions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm.zoho import STANDARD, Pipeline, ReferralField
from tests.sandbox.crm_client import Clock
from tests.sandbox.zo_client import ZoClient, code, codes, opened, person


@pytest.fixture
def zo(clock: Clock) -> Iterator[ZoClient]:
    with opened(clock) as client:
        yield client


def row(answer: Any, place: int = 0) -> dict[str, Any]:
    return dict(answer.json()["data"][place])


def test_an_upsert_makes_a_record_once_and_then_changes_it(zo: ZoClient, clock: Clock) -> None:
    first = zo.upsert("Leads", person("r1", Company="Acme"))
    clock.move(5)
    second = zo.upsert("Leads", person("R1", Company="Bolt"))

    assert (first.status_code, second.status_code) == (201, 200)
    assert (row(first)["action"], row(first)["duplicate_field"], row(first)["message"]) == (
        "insert",
        None,
        "record added",
    )
    assert (row(second)["action"], row(second)["duplicate_field"]) == ("update", "Referral_ID")
    assert row(first)["details"]["id"] == row(second)["details"]["id"]
    assert row(second)["details"]["Created_Time"] == "2026-11-24T11:00:00+02:00"
    assert row(second)["details"]["Modified_Time"] == "2026-11-24T11:00:05+02:00"


def test_each_record_has_an_outcome_of_its_own_in_the_order_of_the_request(zo: ZoClient) -> None:
    answer = zo.upsert("Leads", person("r1"), {"Referral_ID": "r2"}, person("r3"), person("r1", Company="Bolt"))

    assert answer.status_code == 207
    assert codes(answer) == ["SUCCESS", "MANDATORY_NOT_FOUND", "SUCCESS", "SUCCESS"]
    assert row(answer, 1)["details"] == {"api_name": "Last_Name", "json_path": "$.data[1].Last_Name"}
    assert [row(answer, n)["action"] for n in (0, 2, 3)] == ["insert", "insert", "update"]


def test_a_write_of_which_nothing_came_is_400_and_has_its_rows(zo: ZoClient) -> None:
    answer = zo.upsert("Leads", {"Referral_ID": "r1"}, {"Referral_ID": "r2"})

    assert (answer.status_code, codes(answer)) == (400, ["MANDATORY_NOT_FOUND"] * 2)


def test_an_account_may_answer_mixed_writes_with_other_codes(clock: Clock) -> None:
    with opened(clock, mixed_code=200, failed_code=202) as zo:
        assert zo.upsert("Leads", person("r1"), {}).status_code == 200
        assert zo.upsert("Leads", {}).status_code == 202


@pytest.mark.parametrize(
    ("values", "details"),
    [
        ({"Email": "no address"}, {"expected_data_type": "email"}),
        ({"Last_Name": "x" * 81}, {"maximum_length": 80}),
        ({"Last_Name": 7}, {"expected_data_type": "text"}),
        ({"Nonsense": "x"}, {"api_name": "Nonsense"}),
        ({"Created_Time": "2026-01-01T00:00:00+00:00"}, {"api_name": "Created_Time"}),
        ({"Owner": {"id": "999"}}, {"expected_data_type": "ownerlookup"}),
        ({"Lead_Status": "Sold"}, {"api_name": "Lead_Status"}),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_invalid(
    zo: ZoClient, values: dict[str, Any], details: dict[str, Any]
) -> None:
    answer = zo.upsert("Leads", person("r1", **values))

    assert (answer.status_code, codes(answer)) == (400, ["INVALID_DATA"])
    assert details.items() <= row(answer)["details"].items()
    assert row(answer)["details"]["json_path"] == f"$.data[0].{next(iter(values))}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Amount": "10"}, "double"),
        ({"Closing_Date": "24.12.2026"}, "date"),
        ({"Probability": 5.5}, "integer"),
        ({"Contact_Name": "Mei"}, "jsonobject"),
    ],
)
def test_a_deals_numbers_dates_and_links_have_their_types(zo: ZoClient, values: dict[str, Any], expected: str) -> None:
    answer = zo.upsert("Deals", {"Deal_Name": "D", "Stage": "Qualification", **values})

    assert row(answer)["details"]["expected_data_type"] == expected


def test_a_plain_insert_of_a_taken_unique_value_names_the_record_that_has_it(zo: ZoClient) -> None:
    known = zo.lead("r1")

    answer = zo.call("POST", "/Leads", {"data": [person("r1")], "trigger": []})

    details = row(answer)["details"]
    assert (answer.status_code, codes(answer)) == (400, ["DUPLICATE_DATA"])
    assert (details["api_name"], details["duplicate_record"]["id"], details["more_records"]) == (
        "Referral_ID",
        known,
        False,
    )
    assert details["duplicate_record"]["module"]["api_name"] == "Leads"


def test_an_upsert_by_email_takes_over_a_lead_of_somebody_else(zo: ZoClient) -> None:
    theirs = zo.org.create("Leads", Last_Name="Ito", Email="mei@example.com")

    named = zo.upsert("Leads", person("r1", Email="Mei@example.com"), duplicate_check_fields=["Email"])
    body = {"data": [person("r1", Email="mei@example.com", Company="Bolt")]}
    unnamed = zo.call("POST", "/Leads/upsert", body)
    by_referral = zo.upsert("Leads", person("r2", Email="mei@example.com"))

    assert (row(named)["details"]["id"], row(named)["duplicate_field"]) == (theirs, "Email")
    assert row(unnamed)["details"]["id"] == theirs
    assert row(by_referral)["details"]["id"] != theirs


def test_the_unique_fields_are_looked_at_also_when_they_are_not_named(zo: ZoClient) -> None:
    known = zo.lead("r1", Email="mei@example.com")

    body = {"data": [person("r1", Email="other@example.com")], "duplicate_check_fields": ["Email"]}
    answer = zo.call("POST", "/Leads/upsert", body)

    assert (row(answer)["details"]["id"], row(answer)["duplicate_field"]) == (known, "Referral_ID")


def test_a_field_that_is_not_unique_cannot_be_upserted_by(clock: Clock) -> None:
    with opened(clock, referral=ReferralField(unique=False)) as zo:
        answer = zo.upsert("Leads", person("r1"))
        zo.call("POST", "/Leads", {"data": [person("r1"), person("r1")]})
        rows = zo.rows("select id from Leads where Referral_ID = 'r1'")

    assert code(answer) == (400, "INVALID_DATA")
    assert answer.json()["details"]["api_name"] == "duplicate_check_fields"
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"data": []}, "LIMIT_EXCEEDED"),
        ({"data": [{}] * 101}, "LIMIT_EXCEEDED"),
        ({"trigger": []}, "MANDATORY_NOT_FOUND"),
        ({"data": {}}, "INVALID_DATA"),
        ({"data": [{}], "trigger": ["everything"]}, "INVALID_DATA"),
        ({"data": [{}], "extra": 1}, "INVALID_DATA"),
    ],
)
def test_a_body_that_is_no_write_is_refused_as_a_whole(zo: ZoClient, body: dict[str, Any], error: str) -> None:
    assert code(zo.call("POST", "/Leads/upsert", body)) == (400, error)


def test_workflows_run_unless_the_trigger_says_otherwise(zo: ZoClient) -> None:
    zo.lead("r1")
    zo.upsert("Leads", person("r1"), trigger=["workflow"])
    zo.call("POST", "/Leads/upsert", {"data": [person("r1")]})

    runs = [change.workflows for change in zo.org.log]
    assert runs[:2] == [frozenset(), frozenset({"workflow"})]
    assert {"workflow", "approval", "blueprint"} <= runs[2]


def test_updates_and_deletions_name_records_by_id(zo: ZoClient) -> None:
    lead = zo.lead("r1")

    changed = zo.call("PUT", "/Leads", {"data": [{"id": lead, "Company": "Bolt"}, {"id": "7", "Company": "x"}, {}]})
    zo.call("PUT", f"/Leads/{lead}", {"data": [{"Phone": "123"}]})
    gone = zo.call("DELETE", f"/Leads?ids={lead},7")

    assert codes(changed) == ["SUCCESS", "INVALID_DATA", "MANDATORY_NOT_FOUND"]
    assert zo.org.records["Leads"][lead].get("Phone") == "123"
    assert (gone.status_code, codes(gone)) == (207, ["SUCCESS", "INVALID_DATA"])
    assert zo.call("GET", f"/Leads/{lead}").status_code == 204


def test_a_record_that_was_changed_since_is_not_overwritten_if_the_client_asks_for_that(
    zo: ZoClient, clock: Clock
) -> None:
    lead = zo.lead("r1")
    clock.move(10)
    zo.org.edit(lead, Company="Bolt")
    body = {"data": [{"id": lead, "Company": "Acme"}]}

    early = zo.call("PUT", "/Leads", body, headers={"If-Unmodified-Since": "2026-11-24T09:00:05+00:00"})
    late = zo.call("PUT", "/Leads", body, headers={"If-Unmodified-Since": "2026-11-24T09:00:10+00:00"})

    assert (early.status_code, codes(early)) == (412, ["ALREADY_MODIFIED"])
    assert late.status_code == 200


def test_a_deal_stands_in_a_stage_of_its_pipeline(clock: Clock) -> None:
    with opened(clock, pipelines=(STANDARD, Pipeline(name="Partners", stages=("Signed", "Closed Won")))) as zo:
        rows = [
            {"Deal_Name": "D", **it} for it in ({}, {"Stage": "Signed"}, {"Stage": "Signed", "Pipeline": "Partners"})
        ]
        answer = zo.call("POST", "/Deals", {"data": rows})

    assert codes(answer) == ["MANDATORY_NOT_FOUND", "MAPPING_MISMATCH", "SUCCESS"]


def test_a_deals_probability_and_expected_revenue_follow_its_stage(zo: ZoClient) -> None:
    deal = zo.deal("r1", Stage="Needs Analysis", Amount=250.5)
    seen = zo.call("GET", f"/Deals/{deal}?fields=Probability,Expected_Revenue,Pipeline").json()["data"][0]

    assert seen == {
        "Probability": 20,
        "Expected_Revenue": 50.1,
        "Pipeline": "Standard (Standard)",
        "id": deal,
    }


def test_a_converted_lead_becomes_a_contact_an_account_and_a_deal_that_carry_the_referral(zo: ZoClient) -> None:
    lead = zo.lead("r1", Email="mei@example.com", Referred_By="Ada")

    body = {"data": [{"Deals": {"Deal_Name": "Big", "Stage": "Qualification"}}]}
    answer = zo.call("POST", f"/Leads/{lead}/actions/convert", body)
    again = zo.call("POST", f"/Leads/{lead}/actions/convert", body)
    write = zo.call("PUT", "/Leads", {"data": [{"id": lead, "Company": "x"}]})

    details = row(answer)["details"]
    contact, deal = details["Contacts"]["id"], details["Deals"]["id"]
    assert (answer.status_code, details["Accounts"]["name"]) == (200, "Acme")
    assert code(again) == (400, "ID_ALREADY_CONVERTED")
    assert codes(write) == ["CONVERTED_RECORD"]
    [seen] = zo.rows(f"select Referral_ID, Referred_By, Contact_Name from Deals where id = {deal}")
    assert (seen["Referral_ID"], seen["Referred_By"], seen["Contact_Name"]) == ("r1", "Ada", {"id": contact})


def test_a_conversion_with_a_wrong_deal_changes_nothing(zo: ZoClient) -> None:
    lead = zo.lead("r1")

    answer = zo.call("POST", f"/Leads/{lead}/actions/convert", {"data": [{"Deals": {"Deal_Name": "Big"}}]})

    assert (answer.status_code, codes(answer)) == (400, ["MANDATORY_NOT_FOUND"])
    assert zo.org.records["Contacts"] == {}
    assert zo.org.is_open(lead)


def test_a_lead_that_was_converted_is_made_again_unless_the_admin_maps_modules(clock: Clock) -> None:
    outcomes = []
    for duplicates in ("module", "mapped"):
        with opened(clock, duplicates=duplicates) as zo:
            lead = zo.lead("r1")
            contact = zo.org.convert_lead(lead).contact
            answer = zo.upsert("Leads", person("r1"))
            outcomes.append(codes(answer))

    assert outcomes == [["SUCCESS"], ["DUPLICATE_DATA"]]
    found = row(answer)["details"]["duplicate_record"]
    assert (found["id"], found["module"]["api_name"]) == (contact, "Contacts")


def test_modules_and_bodies_that_are_none_are_refused_in_the_vendors_form(zo: ZoClient) -> None:
    assert code(zo.upsert("Quotes", {})) == (400, "INVALID_MODULE")
    form = zo.call("POST", "/Leads", data={"data": "x"})
    untyped = zo.session.post(f"{zo.base}/crm/v8/Leads", data=b'{"data": [{}]}', timeout=5)
    broken = zo.call("POST", "/Leads", data="{", headers={"Content-Type": "application/json"})
    assert code(form) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert codes(untyped) == ["MANDATORY_NOT_FOUND"]
    assert code(broken) == (400, "INVALID_DATA")
