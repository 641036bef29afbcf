"""Leads in the sandbox's Pipedrive: API v1, until one becomes a deal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm import Company
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import PdClient, opened, refusal


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


def test_a_lead_carries_the_custom_fields_of_deals_at_its_top_level(pd: PdClient) -> None:
    person, key = pd.person("r1"), pd.key("Referral ID")

    answer = pd.call("POST", "/v1/leads", {"title": "Referral", "person_id": person, key: "r1"})
    lead = answer.json()["data"]

    assert answer.status_code == 201
    assert (lead[key], lead["person_id"], lead["source_name"], lead["visible_to"]) == ("r1", person, "API", "3")
    assert pd.key("Referred by") not in lead, "what is empty does not appear"
    assert lead["add_time"] == "2026-11-24T09:00:00.000Z"
    assert pd.data(f"/api/v1/leads/{lead['id']}") == lead


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"title": "A"}, "person_id: a lead needs a person_id or an organization_id"),
        ({"person_id": 1}, "title: required"),
        ({"title": "A", "person_id": 99}, "person_id: person not found"),
        ({"title": "A", "person_id": "1"}, "person_id: expected an integer"),
        ({"title": "A", "person_id": 1, "visible_to": 3}, "visible_to: expected one of"),
        ({"title": "A", "person_id": 1, "value": 5}, "value: expected an object with amount and currency"),
        ({"title": "A", "person_id": 1, "custom_fields": {}}, "custom_fields: unknown field"),
        ({"title": "A", "person_id": 1, "status": "open"}, "status: unknown field"),
    ],
)
def test_a_lead_that_cannot_be_is_refused(pd: PdClient, values: dict[str, Any], problem: str) -> None:
    pd.person("r1")

    status, error = refusal(pd.call("POST", "/v1/leads", values))

    assert status == 400
    assert problem in error


def test_leads_are_listed_by_person_and_by_time_in_pages_with_a_start(
    pd: PdClient, company: Company, clock: Clock
) -> None:
    one, other = pd.person("r1"), pd.person("r2")
    first, second, third = pd.lead("r1", one), pd.lead("r2", other), pd.lead("r3", one)
    clock.move(60)
    company.edit("lead", first, title="Changed")
    path = "/v1/leads"

    page = pd.get(path, limit=2).json()

    assert [it["id"] for it in page["data"]] == [first, second]
    assert page["additional_data"] == {"start": 0, "limit": 2, "more_items_in_collection": True}
    last = pd.get(path, start=2, limit=1).json()
    assert ([it["id"] for it in last["data"]], last["additional_data"]["more_items_in_collection"]) == ([third], False)
    assert [it["id"] for it in pd.data(path, person_id=one)] == [first, third]
    assert [it["id"] for it in pd.data(path, updated_since="2026-11-24T09:01:00Z")] == [first]
    assert pd.data(path, sort="update_time DESC, add_time ASC")[0]["id"] == first
    assert refusal(pd.get(path, sort="nonsense"))[0] == 400


def test_paging_of_leads_may_be_told_one_level_deeper(clock: Clock) -> None:
    with opened(clock, nested_pages=True) as (_, pd, _company):
        person = pd.person("r1")
        for _ in range(2):
            pd.lead("r1", person)
        more = pd.get("/v1/leads", limit=1).json()["additional_data"]

    assert more == {"pagination": {"start": 0, "limit": 1, "more_items_in_collection": True, "next_start": 1}}


def test_an_archived_lead_is_in_a_list_of_its_own_and_closed_to_changes(pd: PdClient) -> None:
    lead = pd.lead("r1", pd.person("r1"))
    pd.call("PATCH", f"/v1/leads/{lead}", {"is_archived": True})

    assert pd.data("/v1/leads") == []
    assert [it["id"] for it in pd.data("/v1/leads/archived")] == [lead]
    assert refusal(pd.call("PATCH", f"/v1/leads/{lead}", {"title": "B"})) == (400, "An archived lead cannot be edited")


def test_a_lead_is_searched_with_v2(pd: PdClient) -> None:
    lead = pd.lead("r1", pd.person("r1"))

    [hit] = pd.data("/api/v2/leads/search", term="R1", fields="custom_fields", exact_match="true")["items"]

    assert (hit["item"]["id"], hit["item"]["custom_fields"]) == (lead, ["r1"])


def test_a_converted_lead_is_gone_and_its_deal_says_where_it_came_from(pd: PdClient, company: Company) -> None:
    person = pd.person("r1")
    lead = pd.lead("r1", person, value={"amount": 200, "currency": "USD"})

    deal = company.convert_lead(lead, stage="2")
    shown = pd.data(f"/api/v2/deals/{deal}", include_fields="source_lead_id")

    assert pd.get(f"/v1/leads/{lead}").status_code == 404
    assert pd.data("/v1/leads") == []
    assert (shown["source_lead_id"], shown["person_id"], shown["stage_id"]) == (lead, person, 2)
    assert (shown["value"], shown["currency"], shown["custom_fields"][pd.key("Referral ID")]) == (200, "USD", "r1")


def test_a_conversion_by_api_is_done_later(clock: Clock) -> None:
    with opened(clock, conversion_seconds=30) as (_, pd, _company):
        lead = pd.lead("r1", pd.person("r1"))
        id_ = pd.made(f"/api/v2/leads/{lead}/convert/deal", {"stage_id": 3})["conversion_id"]
        path = f"/api/v2/leads/{lead}/convert/status/{id_}"
        running, still_there = pd.data(path), pd.get(f"/v1/leads/{lead}").status_code
        clock.move(30)
        done = pd.data(path)
        deal = pd.data(f"/api/v2/deals/{done['deal_id']}", include_fields="source_lead_id")
        clock.move(4 * 86_400)
        forgotten = pd.get(path).status_code

    assert (running["status"], "deal_id" in running, still_there) == ("running", False, 200)
    assert (done["status"], deal["source_lead_id"], deal["stage_id"]) == ("completed", lead, 3)
    assert forgotten == 404


def test_a_conversion_fails_whose_lead_has_gone(clock: Clock) -> None:
    with opened(clock, conversion_seconds=30) as (_, pd, company):
        lead = pd.lead("r1", pd.person("r1"))
        id_ = pd.made(f"/api/v2/leads/{lead}/convert/deal", {})["conversion_id"]
        company.archive("lead", lead)
        clock.move(30)

        assert pd.data(f"/api/v2/leads/{lead}/convert/status/{id_}")["status"] == "failed"
