"""What the sandbox's Pipedrive shows: records, lists, searches, histories and definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm import Company, PipedriveSetup, Sandbox, lag_between
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


@pytest.fixture
def deals(pd: PdClient, clock: Clock) -> list[int]:
    """Five deals of which two have one time; the clock is a minute past the last."""
    made = []
    for number, pause in enumerate((60, 60, 0, 60, 60)):
        made.append(pd.deal(f"r{number}"))
        clock.move(pause)
    return made


def ids(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["id"] for row in rows]


# --- lists ---


@pytest.mark.parametrize("by", ["id", "update_time", "add_time"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_follow_each_other_without_gap_or_overlap(
    pd: PdClient, deals: list[int], by: str, direction: str
) -> None:
    pages = pd.pages("/api/v2/deals", sort_by=by, sort_direction=direction, limit=2)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [id_ for page in pages for id_ in page] == (deals if direction == "asc" else deals[::-1])


def test_a_record_that_changes_while_pages_are_read_comes_again_and_hides_no_other(
    pd: PdClient, deals: list[int], company: Company
) -> None:
    query = {"sort_by": "update_time", "limit": "2"}
    first = pd.get("/api/v2/deals", **query).json()
    company.move(str(deals[0]), "2")
    company.move(str(deals[2]), "2")

    second = pd.get("/api/v2/deals", **query, cursor=first["additional_data"]["next_cursor"]).json()
    third = pd.data("/api/v2/deals", **query, cursor=second["additional_data"]["next_cursor"])

    assert [ids(first["data"]), ids(second["data"])] == [deals[:2], deals[3:]]
    assert ids(third) == [deals[0], deals[2]], "they moved behind the others"


def test_a_window_of_time_takes_its_beginning_and_not_its_end(pd: PdClient, deals: list[int]) -> None:
    window = {"updated_since": "2026-11-24T09:01:00Z", "updated_until": "2026-11-24T09:02:00Z"}

    assert ids(pd.data("/api/v2/deals", **window)) == [deals[1]]
    assert ids(pd.data("/api/v2/deals", updated_since="2026-11-24T10:01:00+01:00")) == deals[1:]


@pytest.mark.parametrize(
    "query",
    [
        {"updated_since": "2026-11-24T09:01:00.000Z"},
        {"updated_since": "2026-11-24 09:01:00"},
        {"limit": 501},
        {"limit": 0},
        {"sort_by": "title"},
        {"sort_direction": "ASC"},
        {"cursor": "nonsense"},
        {"ids": "1,x"},
        {"ids": ",".join(map(str, range(101)))},
        {"status": "all"},
        {"custom_fields": "nonsense"},
        {"include_fields": "nonsense"},
        {"filter_id": 1},
        {"person_id": "x"},
    ],
)
def test_a_list_that_is_asked_for_wrongly_is_refused(pd: PdClient, deals: list[int], query: dict[str, Any]) -> None:
    assert refusal(pd.get("/api/v2/deals", **query))[0] == 400


def test_a_cursor_belongs_to_the_sorting_it_came_from(pd: PdClient, deals: list[int]) -> None:
    cursor = pd.get("/api/v2/deals", sort_by="id", limit=1).json()["additional_data"]["next_cursor"]

    assert refusal(pd.get("/api/v2/deals", sort_by="update_time", cursor=cursor))[0] == 400


def test_a_list_is_narrowed_by_ids_person_stage_and_status(pd: PdClient, company: Company) -> None:
    person = pd.person("r1")
    first, second, third = pd.deal("r1", person_id=person), pd.deal("r2", stage_id=2), pd.deal("r3")
    company.move(str(third), "won")

    assert ids(pd.data("/api/v2/deals", ids=f"{third},{first},999")) == [first, third]
    assert ids(pd.data("/api/v2/deals", person_id=person)) == [first]
    assert ids(pd.data("/api/v2/deals", stage_id=2)) == [second]
    assert ids(pd.data("/api/v2/deals", status="won")) == [third]
    assert ids(pd.data("/api/v2/deals", status="open,won")) == [first, second, third]


def test_a_list_shows_the_fields_it_is_asked_for(pd: PdClient) -> None:
    pd.deal("r1")
    key = pd.key("Referral ID")

    [shown] = pd.data("/api/v2/deals", custom_fields=key, include_fields="source_lead_id")
    [plain] = pd.data("/api/v2/deals")

    assert (shown["custom_fields"], shown["source_lead_id"]) == ({key: "r1"}, None)
    assert (len(plain["custom_fields"]), "source_lead_id" in plain) == (3, False)


def test_archived_and_deleted_deals_have_lists_of_their_own(pd: PdClient, company: Company, clock: Clock) -> None:
    current, shelved, deleted = pd.deal("r1"), pd.deal("r2"), pd.deal("r3")
    company.shelve("deal", str(shelved))
    company.archive("deal", str(deleted))

    assert ids(pd.data("/api/v2/deals")) == [current]
    assert ids(pd.data("/api/v2/deals/archived")) == [shelved]
    [gone] = pd.data("/api/v2/deals", status="deleted")
    assert (gone["id"], gone["status"], gone["is_deleted"]) == (deleted, "deleted", True)
    assert pd.data(f"/api/v2/deals/{shelved}")["is_archived"] is True
    clock.move(30 * 86_400 + 1)
    assert pd.data("/api/v2/deals", status="deleted") == []


def test_persons_are_listed_without_the_deleted_ones(pd: PdClient, company: Company) -> None:
    kept, deleted = pd.person("r1"), pd.person("r2")
    company.archive("person", str(deleted))

    assert ids(pd.data("/api/v2/persons", sort_by="update_time")) == [kept]
    assert refusal(pd.get("/api/v2/persons", status="deleted"))[0] == 400


def test_what_the_user_may_not_see_is_missing_without_a_word(pd: PdClient, company: Company) -> None:
    deal = pd.deal("r1")
    company.hide("deal", str(deal))

    assert pd.data("/api/v2/deals", ids=deal) == []
    assert pd.data("/api/v2/deals/search", term="r1", exact_match="true")["items"] == []
    assert pd.get(f"/api/v2/deals/{deal}").status_code == 404


# --- search ---


def found(pd: PdClient, path: str, **query: Any) -> list[Any]:
    return [it["item"]["id"] for it in pd.data(f"/api/v2/{path}/search", **query)["items"]]


def test_a_search_finds_in_any_case_the_whole_or_a_part(pd: PdClient) -> None:
    person, deal = pd.person("abc"), pd.deal("abc")
    pd.deal("abcd")

    assert found(pd, "persons", term="ABC@example.com", fields="email", exact_match="true") == [person]
    assert found(pd, "persons", term="mika", fields="email") == []
    assert found(pd, "persons", term="mik") == [person]
    assert found(pd, "deals", term="ABC", fields="custom_fields", exact_match="true") == [deal]
    assert len(found(pd, "deals", term="abc", fields="custom_fields")) == 2


def test_a_found_person_has_addresses_in_another_form_than_a_listed_one(pd: PdClient) -> None:
    pd.person("r1")

    [hit] = pd.data("/api/v2/persons/search", term="r1@example.com", exact_match="true")["items"]

    assert hit["item"]["emails"] == ["r1@example.com"]


def test_a_search_is_behind_and_a_list_is_not(clock: Clock) -> None:
    with opened(clock, lag=lag_between(8, 8)) as (_, pd, company):
        person = pd.person("r1")
        deal = pd.deal("r1", person_id=person)
        early = found(pd, "deals", term="r1", exact_match="true")
        listed = ids(pd.data("/api/v2/deals", person_id=person))
        clock.move(8)
        late = found(pd, "deals", term="r1", exact_match="true")
        company.archive("deal", str(deal))
        stale = found(pd, "deals", term="r1", exact_match="true")
        clock.move(8)
        settled = found(pd, "deals", term="r1", exact_match="true")

    assert (early, listed, late) == ([], [deal], [deal])
    assert (stale, settled) == ([deal], [])


def test_a_search_is_narrowed_by_person_and_status(pd: PdClient, company: Company) -> None:
    person = pd.person("r1")
    first, second = pd.deal("same", person_id=person), pd.deal("same")
    company.move(str(second), "lost")

    assert found(pd, "deals", term="same", person_id=person) == [first]
    assert found(pd, "deals", term="same", status="lost") == [second]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"term": "a"},
        {"term": "", "exact_match": "true"},
        {"term": "abc", "exact_match": "1"},
        {"term": "abc", "fields": "email"},
        {"term": "abc", "status": "deleted"},
    ],
)
def test_a_search_that_is_asked_for_wrongly_is_refused(pd: PdClient, query: dict[str, Any]) -> None:
    pd.deal("abc")

    assert refusal(pd.get("/api/v2/deals/search", **query))[0] == 400


def test_a_search_has_pages(pd: PdClient) -> None:
    made = [pd.deal("same") for _ in range(3)]

    first = pd.get("/api/v2/deals/search", term="same", limit=2).json()
    cursor = first["additional_data"]["next_cursor"]

    assert [it["item"]["id"] for it in first["data"]["items"]] == made[:2]
    assert found(pd, "deals", term="same", limit=2, cursor=cursor) == made[2:]


# --- definitions ---


def test_a_stage_name_is_not_unique_but_its_id_is(pd: PdClient) -> None:
    stages = pd.data("/api/v2/stages")

    assert [it["id"] for it in stages if it["name"] == "Qualified"] == [1, 6]
    assert ids(pd.data("/api/v2/stages", pipeline_id=2)) == [6, 7]
    assert ids(pd.data("/api/v2/pipelines")) == [1, 2]
    assert pd.data("/api/v2/stages/6")["order_nr"] == 0


def test_the_keys_of_custom_fields_differ_between_objects_and_companies(clock: Clock) -> None:
    accounts = [PipedriveSetup(), PipedriveSetup(name="other")]
    with Sandbox(now=clock.now, accounts=accounts) as crm:
        pd, other = PdClient(crm), PdClient(crm, "other")
        keys = {pd.key("Referral ID"), pd.key("Referral ID", "personFields"), other.key("Referral ID")}

    assert len(keys) == 3


def test_the_current_user_is_shown_with_the_company(pd: PdClient) -> None:
    me = pd.data("/v1/users/me")

    assert (me["company_domain"], me["company_name"], me["default_currency"]) == ("acme", "Acme", "EUR")
    assert me == pd.data("/api/v1/users/me")


def test_v2_answers_under_its_own_prefix_only_and_retired_v1_routes_do_not_answer(pd: PdClient) -> None:
    answers = [pd.get(path) for path in ("/v2/deals", "/v1/deals", "/api/v1/persons", "/v1/stages")]

    assert {answer.status_code for answer in answers} == {501}
    assert "GET /api/v2/deals" in answers[0].json()["routes"]


# --- histories ---


def test_a_changelog_tells_every_change_newest_first(pd: PdClient, company: Company, clock: Clock) -> None:
    deal = pd.deal("r1")
    clock.move(60)
    company.move(str(deal), "3")
    clock.move(60)
    pd.call("PATCH", f"/api/v2/deals/{deal}", {"stage_id": 4})

    log = pd.data(f"/v1/deals/{deal}/changelog")
    stages = [it for it in log if it["field_key"] == "stage_id"]
    flow = pd.data(f"/v1/deals/{deal}/flow")

    assert [(it["old_value"], it["new_value"], it["change_source"]) for it in stages] == [
        ("3", "4", "api"),
        ("1", "3", "app"),
    ]
    assert stages[0]["time"] == "2026-11-24 09:02:00"
    assert [it["data"]["new_value"] for it in flow if it["data"]["field_key"] == "stage_id"] == ["4", "3"]


def test_a_changelog_has_pages(pd: PdClient, company: Company) -> None:
    deal = pd.deal("r1")
    for amount in ("1", "2", "3"):
        company.set_amount(str(deal), amount)

    first = pd.get(f"/v1/deals/{deal}/changelog", limit=2).json()
    rest = pd.data(f"/v1/deals/{deal}/changelog", limit=2, cursor=first["additional_data"]["next_cursor"])

    assert [it["new_value"] for it in [*first["data"], *rest]] == ["3.0", "2.0", "1.0"]


def test_persons_tell_on_demand_how_many_deals_they_have(pd: PdClient, company: Company) -> None:
    person = pd.person("r1")
    for status in ("open", "won", "lost"):
        company.move(str(pd.deal(status, person_id=person)), status if status != "open" else "2")
    pd.deal("of nobody")

    [shown] = pd.data("/api/v2/persons", include_fields="open_deals_count,closed_deals_count")

    assert (shown["open_deals_count"], shown["closed_deals_count"]) == (1, 2)
    assert "open_deals_count" not in pd.data("/api/v2/persons")[0]
