"""What the sandbox's Pipedrive takes and refuses, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm import Company
from syncd.sandbox.crm.pipedrive import CustomField
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import PdClient, opened, refusal

_CUSTOM = (
    CustomField(on="deal", name="Kind", type="enum", options=("warm", "cold")),
    CustomField(on="deal", name="Topics", type="set", options=("a", "b")),
    CustomField(on="deal", name="Bonus", type="monetary"),
    CustomField(on="deal", name="Score", type="double"),
    CustomField(on="deal", name="Day", type="date"),
)


@pytest.fixture
def world(clock: Clock) -> Iterator[tuple[PdClient, Company]]:
    with opened(clock, custom=_CUSTOM) as (_, pd, company):
        yield pd, company


@pytest.fixture
def pd(world: tuple[PdClient, Company]) -> PdClient:
    return world[0]


@pytest.fixture
def company(world: tuple[PdClient, Company]) -> Company:
    return world[1]


def test_a_deal_begins_open_in_the_first_stage_of_the_default_pipeline(pd: PdClient) -> None:
    person = pd.person("r1")

    deal = pd.made("/api/v2/deals", {"title": "Referral", "person_id": person, "value": 12.5})

    assert (deal["status"], deal["pipeline_id"], deal["stage_id"], deal["currency"]) == ("open", 1, 1, "EUR")
    assert (deal["add_time"], deal["stage_change_time"]) == ("2026-11-24T09:00:00Z", None)
    assert set(deal["custom_fields"].values()) == {None}


def test_nothing_is_unique_so_that_a_repeated_create_makes_a_double(pd: PdClient) -> None:
    deals = {pd.deal("r1"), pd.deal("r1")}
    people = {pd.person("r1"), pd.person("r1")}

    assert (len(deals), len(people)) == (2, 2)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"title": ""}, "title: expected a string of 1 to 255 characters"),
        ({"title": None}, "title: may not be null"),
        ({"value": "12"}, "value: expected a number"),
        ({"value": True}, "value: expected a number"),
        ({"stage_id": "1"}, "stage_id: expected an integer"),
        ({"stage_id": 99}, "stage_id: stage not found"),
        ({"pipeline_id": 99}, "pipeline_id: pipeline not found"),
        ({"person_id": 99}, "person_id: person not found"),
        ({"org_id": 1}, "org_id: organization not found"),
        ({"owner_id": 1}, "owner_id: user not found"),
        ({"status": "deleted"}, "status: expected one of lost, open, won"),
        ({"currency": "XXX"}, "currency: expected one of"),
        ({"visible_to": "3"}, "visible_to: expected one of 1, 3, 5, 7"),
        ({"is_archived": 1}, "is_archived: expected a boolean"),
        ({"expected_close_date": "24.12.2026"}, "expected_close_date: not a date in the form YYYY-MM-DD"),
        ({"lost_reason": "price"}, "lost_reason: can only be set if status is lost"),
        ({"won_time": "2026-11-24T09:00:00.000Z", "status": "won"}, "won_time: not a date and time in RFC 3339"),
        ({"nonsense": 1}, "nonsense: unknown field"),
        ({"custom_fields": []}, "custom_fields: expected an object"),
        ({"custom_fields": {"Referral ID": "r1"}}, "Referral ID: unknown custom field"),
    ],
)
def test_a_deal_that_cannot_be_is_refused_with_the_code_of_its_field(
    pd: PdClient, values: dict[str, Any], problem: str
) -> None:
    status, error = refusal(pd.call("POST", "/api/v2/deals", {"title": "Referral", **values}))

    assert status == 400
    assert f"Parameter validation failed: {problem}" in error
    assert pd.data("/api/v2/deals") == []


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Kind", 2, 2),
        ("Topics", [4, 3], [4, 3]),
        ("Bonus", {"value": 5, "currency": "EUR"}, {"value": 5, "currency": "EUR"}),
        ("Score", 1.5, 1.5),
        ("Day", "2026-11-24", "2026-11-24"),
        ("Referral ID", "r1", "r1"),
        ("Kind", None, None),
    ],
)
def test_a_custom_field_takes_values_of_its_type(pd: PdClient, name: str, value: Any, kept: Any) -> None:
    deal = pd.made("/api/v2/deals", {"title": "Referral", "custom_fields": {pd.key(name): value}})

    assert deal["custom_fields"][pd.key(name)] == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Kind", "2"),
        ("Kind", 9),
        ("Topics", []),
        ("Topics", [9]),
        ("Topics", "3"),
        ("Bonus", 5),
        ("Score", "1.5"),
        ("Day", "2026-11-24T00:00:00Z"),
        ("Referral ID", 17),
        ("Referral ID", "x" * 256),
    ],
)
def test_a_custom_field_takes_no_other_values_and_the_refusal_names_its_key(
    pd: PdClient, name: str, value: Any
) -> None:
    key = pd.key(name)

    status, error = refusal(pd.call("POST", "/api/v2/deals", {"title": "Referral", "custom_fields": {key: value}}))

    assert (status, key in error) == (400, True)


def test_a_person_has_addresses_in_the_form_of_v2(pd: PdClient) -> None:
    made = pd.made("/api/v2/persons", {"name": "Mika Ito", "emails": [{"value": "mika@example.com"}]})

    assert made["emails"] == [{"value": "mika@example.com", "primary": True, "label": "work"}]
    assert (made["first_name"], made["last_name"]) == ("Mika", "Ito")


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"emails": "mika@example.com"}, 400),
        ({"emails": [{"value": "a@example.com", "primary": True}, {"value": "b@example.com", "primary": True}]}, 400),
        ({"emails": [{"address": "a@example.com"}]}, 400),
        ({"first_name": "Mika"}, 400),
        ({"name": " "}, 400),
        ({"job_title": "CEO"}, 403),
    ],
)
def test_a_person_that_cannot_be_is_refused(pd: PdClient, values: dict[str, Any], status: int) -> None:
    assert refusal(pd.call("POST", "/api/v2/persons", {"name": "Mika Ito", **values}))[0] == status


def test_a_refusal_repeats_no_value_for_it_may_name_a_person(pd: PdClient) -> None:
    answer = pd.call("POST", "/api/v2/persons", {"name": "Mika Ito", "emails": [{"value": "mika@example.com", "x": 1}]})

    assert answer.status_code == 400
    assert "mika" not in answer.text.lower()


def test_an_update_is_a_patch_and_leaves_alone_what_it_does_not_name(pd: PdClient, clock: Clock) -> None:
    deal = pd.deal("r1", value=10)
    clock.move(60)

    changed = pd.call("PATCH", f"/api/v2/deals/{deal}", {"stage_id": 3}).json()["data"]

    assert (changed["stage_id"], changed["value"], changed["title"]) == (3, 10, "Referral")
    assert changed["custom_fields"][pd.key("Referral ID")] == "r1"
    assert changed["stage_change_time"] == changed["update_time"] == "2026-11-24T09:01:00Z"
    assert pd.call("PUT", f"/api/v2/deals/{deal}", {"stage_id": 4}).status_code == 501


def test_an_update_that_changes_nothing_leaves_the_time_of_the_last_change(pd: PdClient, clock: Clock) -> None:
    deal = pd.deal("r1")
    clock.move(60)

    same = pd.call("PATCH", f"/api/v2/deals/{deal}", {"title": "Referral"}).json()["data"]

    assert same["update_time"] == "2026-11-24T09:00:00Z"


def test_a_stage_decides_the_pipeline_and_a_pipeline_means_its_first_stage(pd: PdClient) -> None:
    by_stage = pd.made("/api/v2/deals", {"title": "A", "stage_id": 7, "pipeline_id": 1})
    by_pipeline = pd.made("/api/v2/deals", {"title": "B", "pipeline_id": 2})

    assert (by_stage["pipeline_id"], by_pipeline["stage_id"]) == (2, 6)


def test_winning_is_a_status_that_keeps_the_stage_and_can_be_taken_back(pd: PdClient, clock: Clock) -> None:
    deal = pd.deal("r1", stage_id=2)
    path = f"/api/v2/deals/{deal}"
    clock.move(60)

    won = pd.call("PATCH", path, {"status": "won"}).json()["data"]
    lost = pd.call("PATCH", path, {"status": "lost", "lost_reason": "price"}).json()["data"]
    open_again = pd.call("PATCH", path, {"status": "open"}).json()["data"]

    assert (won["status"], won["stage_id"], won["won_time"], won["close_time"]) == (
        "won",
        2,
        "2026-11-24T09:01:00Z",
        "2026-11-24T09:01:00Z",
    )
    assert (lost["won_time"], lost["lost_time"], lost["lost_reason"]) == (None, "2026-11-24T09:01:00Z", "price")
    assert [open_again[name] for name in ("won_time", "lost_time", "close_time", "lost_reason")] == [None] * 4


def test_an_archived_deal_is_closed_to_changes_until_it_is_taken_back(pd: PdClient) -> None:
    path = f"/api/v2/deals/{pd.deal('r1')}"
    pd.call("PATCH", path, {"is_archived": True})

    refused = pd.call("PATCH", path, {"stage_id": 3})
    back = pd.call("PATCH", path, {"is_archived": False, "stage_id": 3}).json()["data"]

    assert refusal(refused) == (400, "An archived deal cannot be edited")
    assert (back["is_archived"], back["archive_time"], back["stage_id"]) == (False, None, 3)


def test_a_full_plan_takes_no_more_open_deals(clock: Clock) -> None:
    with opened(clock, open_deals=1) as (_, pd, company):
        first = pd.deal("r1")
        refused = pd.call("POST", "/api/v2/deals", {"title": "Second"})
        company.move(str(first), "won")
        taken = pd.call("POST", "/api/v2/deals", {"title": "Third"})

    assert (refused.status_code, refused.json()["code"]) == (403, "feature_capping_deals_limit")
    assert taken.status_code == 200


def test_a_custom_field_is_made_by_api_and_the_plan_may_have_no_room_for_it(clock: Clock) -> None:
    with opened(clock, referral_fields=False, custom_fields=1) as (_, pd, _company):
        made = pd.made("/api/v2/dealFields", {"field_name": "Referral ID", "field_type": "varchar"})
        refused = pd.call("POST", "/api/v2/dealFields", {"field_name": "More", "field_type": "varchar"})
        deal = pd.deal("r1")
        kept = pd.data(f"/api/v2/deals/{deal}")["custom_fields"]

    assert made["is_custom_field"] is True
    assert (len(made["field_code"]), kept) == (40, {made["field_code"]: "r1"})
    assert refused.json()["code"] == "feature_capping_deals_custom_fields_limit"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"title": "a", "title": "b"}', b'{"value": NaN}'])
def test_a_body_that_is_no_object_is_refused(pd: PdClient, body: bytes) -> None:
    answer = pd.session.post(
        f"{pd.base}/api/v2/deals", data=body, headers={"Content-Type": "application/json"}, timeout=5
    )

    assert refusal(answer)[0] == 400


def test_deleting_takes_a_record_out_of_sight(pd: PdClient) -> None:
    deal = pd.deal("r1")

    answer = pd.call("DELETE", f"/api/v2/deals/{deal}").json()

    assert answer["data"] == {"id": deal}
    assert refusal(pd.get(f"/api/v2/deals/{deal}")) == (404, "Deal not found")
    assert refusal(pd.call("PATCH", f"/api/v2/deals/{deal}", {"stage_id": 2})) == (404, "Deal not found")
