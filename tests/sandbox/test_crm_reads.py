"""What a client reads from the sandbox CRM: at once by id, later by search, and never more than the vendor gives."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, Sandbox, lag_between
from tests.sandbox.crm_client import Client, Clock, where

DEALS = "/crm/objects/2026-09/deals"


def test_a_batch_read_tells_every_stage_with_its_time_newest_first(crm: Sandbox, clock: Clock, client: Client) -> None:
    deal = client.deal("r1")
    for stage in ("contractsent", "closedwon"):
        clock.move(60)
        crm.model().move(deal, stage)

    answer = client.read("deals", deal, propertiesWithHistory=["dealstage"]).json()

    past = answer["results"][0]["propertiesWithHistory"]["dealstage"]
    assert [(value["value"], value["timestamp"]) for value in past] == [
        ("closedwon", "2026-11-24T09:02:00.000Z"),
        ("contractsent", "2026-11-24T09:01:00.000Z"),
        ("appointmentscheduled", "2026-11-24T09:00:00.000Z"),
    ]
    assert [value["sourceType"] for value in past] == ["CRM_UI", "CRM_UI", "INTEGRATION"]


def test_the_vendor_computes_what_a_stage_means(crm: Sandbox, client: Client) -> None:
    deal = client.deal("r1")
    names = ["hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost"]

    def flags() -> list[str]:
        properties = client.read("deals", deal, properties=names).json()["results"][0]["properties"]
        return [properties[name] for name in names]

    assert flags() == ["false", "false", "false"]
    crm.model().move(deal, "closedwon")
    assert flags() == ["true", "true", "false"]
    crm.model().move(deal, "closedlost")
    assert flags() == ["true", "false", "true"]


def test_a_record_that_is_not_there_is_an_error_of_its_own_beside_the_results(client: Client) -> None:
    client.deal("r1")

    answer = client.read("deals", "r1", "r2", idProperty="referral_id", properties=["referral_id"])

    body = answer.json()
    assert answer.status_code == 207
    assert [row["properties"]["referral_id"] for row in body["results"]] == ["r1"]
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["r2"]}


def test_a_batch_read_with_history_takes_fifty(client: Client) -> None:
    ids = [str(n) for n in range(51)]

    assert client.read("deals", *ids, propertiesWithHistory=["dealstage"]).status_code == 400
    assert client.read("deals", *ids[:50], propertiesWithHistory=["dealstage"]).status_code == 207
    assert client.read("deals", *ids).status_code == 207


def test_a_read_by_a_property_that_is_not_unique_is_refused(client: Client) -> None:
    assert client.read("deals", "x", idProperty="referral_code").status_code == 400
    assert client.call("GET", f"{DEALS}/x?idProperty=dealname").status_code == 400


def test_a_read_gives_what_was_asked_for_with_null_for_empty_and_nothing_for_unknown(client: Client) -> None:
    deal = client.deal("r1")

    properties = client.call("GET", f"{DEALS}/{deal}?properties=amount,dealstage&properties=nonsense").json()

    assert properties["properties"] == {
        "amount": None,
        "dealstage": "appointmentscheduled",
        "createdate": "2026-11-24T09:00:00.000Z",
        "hs_object_id": deal,
        "hs_lastmodifieddate": "2026-11-24T09:00:00.000Z",
    }


def test_an_archived_record_is_read_only_when_asked_for(crm: Sandbox, client: Client) -> None:
    deal = client.deal("r1")
    crm.model().archive("deals", deal)

    assert client.call("GET", f"{DEALS}/{deal}").status_code == 404
    assert client.call("GET", f"{DEALS}/{deal}?archived=true").json()["archived"] is True
    assert client.read("deals", deal).json()["numErrors"] == 1
    assert client.post(f"{DEALS}/batch/read?archived=true", {"inputs": [{"id": deal}]}).json()["results"] != []
    assert client.found("deals") == []
    crm.model().restore("deals", deal)
    assert client.call("GET", f"{DEALS}/{deal}").status_code == 200
    assert client.found("deals") == [deal]


def test_both_ids_of_a_merge_lead_to_a_third_record(crm: Sandbox, client: Client) -> None:
    first, second = client.contact("r1"), client.contact("r2")
    deal = crm.model().open_deal(second)

    survivor = crm.model().merge("contacts", first, second)

    assert survivor not in {first, second}
    names = {"properties": ["hs_merged_object_ids", "referral_id", "hs_additional_emails", "num_associated_deals"]}
    rows = client.read("contacts", first, second, **names).json()["results"]
    assert [row["id"] for row in rows] == [survivor]
    assert rows[0]["properties"]["hs_merged_object_ids"] == f"{first};{second}"
    assert rows[0]["properties"]["referral_id"] == "r1"
    assert rows[0]["properties"]["hs_additional_emails"] == "r2@example.com"
    assert rows[0]["properties"]["num_associated_deals"] == "1"
    assert client.found("contacts") == [survivor]
    again = client.upsert("contacts", {"id": "r3", "email": "r2@example.com"}).json()
    assert again["errors"][0]["message"].endswith(survivor)
    linked = client.post("/crm/associations/2026-09/deals/contacts/batch/read", {"inputs": [{"id": deal}]}).json()
    assert [to["toObjectId"] for to in linked["results"][0]["to"]] == [survivor]


def test_a_merge_over_http_works_like_one_by_hand(client: Client) -> None:
    first, second = client.deal("r1"), client.deal("r2")

    answer = client.post(f"{DEALS}/merge", {"primaryObjectId": first, "objectIdToMerge": second})

    assert answer.status_code == 200
    assert client.call("GET", f"{DEALS}/{second}").json()["id"] == answer.json()["id"]
    assert client.post(f"{DEALS}/merge", {"primaryObjectId": first, "objectIdToMerge": second}).status_code == 404


def test_a_record_without_associations_is_an_error_entry_not_an_empty_list(crm: Sandbox, client: Client) -> None:
    one, other = client.contact("r1"), client.contact("r2")
    deals = [crm.model().open_deal(one) for _ in range(2)]

    path = "/crm/associations/2026-09/contacts/deals/batch/read"
    answer = client.post(path, {"inputs": [{"id": one}, {"id": other}]})

    assert answer.status_code == 207
    assert [to["toObjectId"] for to in answer.json()["results"][0]["to"]] == deals
    assert answer.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"


def test_ids_repeat_across_object_types_and_grow_past_the_order_of_text(client: Client) -> None:
    assert client.contact("r1") == client.deal("r1")
    last = [
        row["id"] for row in client.upsert("deals", *({"id": f"s{n}", **SALE} for n in range(60))).json()["results"]
    ]

    assert len({len(id_) for id_ in last}) == 2
    found = client.found("deals", sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}], limit=200)
    assert found == sorted(found, key=int)


SALE = {"dealname": "x", "dealstage": "contractsent"}


def test_search_shows_an_older_state_while_the_index_lags_and_a_new_record_not_at_all(clock: Clock) -> None:
    setup = HubSpotSetup(lag=lag_between(5, 5), limits=NO_LIMITS)
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[setup]) as crm:
        client = Client(crm)
        deal = client.deal("r1")
        assert client.found("deals") == []
        clock.move(6)
        assert client.found("deals") == [deal]
        crm.model().move(deal, "closedwon")
        shown = client.search("deals").json()["results"][0]["properties"]["dealstage"]
        now = client.call("GET", f"{DEALS}/{deal}").json()["properties"]["dealstage"]
        assert (shown, now) == ("appointmentscheduled", "closedwon")
        assert client.found("deals", where("dealstage", "EQ", "closedwon")) == []
        clock.move(5)
        assert client.found("deals", where("dealstage", "EQ", "closedwon")) == [deal]


def test_an_overtaken_state_never_shows_again(clock: Clock) -> None:
    lags = iter([0.0, 0.0, 60.0, 1.0])
    model = CrmModel(now=clock.now, lag=lambda _: next(lags))
    deal = model.write("deals", None, {"dealname": "x", "dealstage": "contractsent"})
    for stage in ("qualifiedtobuy", "closedlost", "closedwon"):
        model.move(deal.id, stage)

    clock.move(2)
    early = deal.indexed(clock.now())
    clock.move(120)
    late = deal.indexed(clock.now())

    assert early is not None
    assert late is not None
    assert (early.values["dealstage"], late.values["dealstage"]) == ("closedwon", "closedwon")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("amount", "EQ", "10.0"), ["a"]),
        (where("amount", "GT", "9"), ["a", "b"]),
        (where("amount", "LTE", "10"), ["a"]),
        (where("amount", "HAS_PROPERTY"), ["a", "b"]),
        (where("amount", "NOT_HAS_PROPERTY"), ["c"]),
        (where("dealname", "EQ", "ALPHA ONE"), ["a"]),
        (where("dealname", "NEQ", "alpha one"), ["b", "c"]),
        (where("dealname", "CONTAINS_TOKEN", "be*"), ["b"]),
        ({"propertyName": "dealname", "operator": "IN", "values": ["beta", "alpha one"]}, ["a", "b"]),
        ({"propertyName": "dealname", "operator": "IN", "values": ["Beta"]}, []),
        ({"propertyName": "amount", "operator": "BETWEEN", "value": "10", "highValue": "99"}, ["a"]),
        (where("hs_lastmodifieddate", "GTE", "1795510800000"), ["a", "b", "c"]),
        (where("hs_lastmodifieddate", "GT", "2026-11-24T09:00:00.000Z"), []),
    ],
)
def test_filters_compare_by_the_type_of_the_property(
    client: Client, condition: dict[str, Any], expected: list[str]
) -> None:
    rows = [("a", "Alpha One", "10"), ("b", "Beta", "100"), ("c", "Gamma", "")]
    client.upsert("deals", *({"id": i, "dealname": n, "amount": a, "dealstage": "contractsent"} for i, n, a in rows))

    answer = client.search("deals", condition, properties=["referral_id"])

    assert answer.status_code == 200, answer.text
    assert sorted(row["properties"]["referral_id"] for row in answer.json()["results"]) == expected


def test_filter_groups_are_alternatives(client: Client) -> None:
    deals = [client.deal("r1"), client.deal("r2"), client.deal("r3")]
    groups = [{"filters": [where("hs_object_id", "EQ", deal)]} for deal in deals[:2]]

    answer = client.post(f"{DEALS}/search", {"filterGroups": groups})

    assert {row["id"] for row in answer.json()["results"]} == set(deals[:2])


def test_search_finds_the_deals_of_a_contact(crm: Sandbox, client: Client) -> None:
    contact = client.contact("r1")
    client.deal("other")
    deal = crm.model().open_deal(contact)

    assert client.found("deals", where("associations.contact", "EQ", contact)) == [deal]


def test_search_gives_ten_unless_told_and_pages_by_number(client: Client) -> None:
    client.upsert("deals", *({"id": f"r{n}", **SALE} for n in range(25)))

    first = client.search("deals").json()
    last = client.search("deals", after=20).json()

    assert (first["total"], len(first["results"]), first["paging"]) == (25, 10, {"next": {"after": "10"}})
    assert len(last["results"]) == 5
    assert "paging" not in last


FILTER = where("dealstage", "EQ", "closedwon")


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "abc"},
        {"after": "9801", "limit": 200},
        {"sorts": ["dealname", "amount"]},
        {"sorts": ["no_such"]},
        {"sorts": [{"propertyName": "amount", "direction": "UP"}]},
        {"filterGroups": [{"filters": [FILTER]}] * 6},
        {"filterGroups": [{"filters": [FILTER] * 7}]},
        {"filterGroups": [{"filters": [FILTER] * 5}] * 4},
        {"filterGroups": [{"filters": []}]},
        {"filterGroups": [{"filters": [where("no_such", "EQ", "x")]}]},
        {"filterGroups": [{"filters": [where("amount", "LIKE", "x")]}]},
        {"filterGroups": [{"filters": [where("amount", "GT", "x")]}]},
        {"filterGroups": [{"filters": [where("amount", "BETWEEN", "1")]}]},
        {"filterGroups": [{"filters": [where("amount", "IN", "1")]}]},
        {"filterGroups": [{"filters": [where("amount", "EQ")]}]},
        {"filterGroups": [{"filters": [where("amount", "HAS_PROPERTY", "1")]}]},
        {"filterGroups": [{"filters": [where("associations.contact", "GT", "1")]}]},
        {"query": "x" * 3_000},
        {"archived": True},
    ],
    ids=lambda body: str(body)[:60],
)
def test_search_refuses_what_the_vendor_refuses(client: Client, body: dict[str, Any]) -> None:
    answer = client.post(f"{DEALS}/search", body)

    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_search_allows_the_most_that_the_vendor_allows(client: Client) -> None:
    groups = [{"filters": [FILTER] * size} for size in (6, 6, 4, 1, 1)]

    answer = client.post(f"{DEALS}/search", {"filterGroups": groups, "limit": 200, "after": "9800"})

    assert answer.status_code == 200


def test_pipelines_tell_outcomes_as_text_and_a_label_is_only_a_label(crm: Sandbox, client: Client) -> None:
    crm.model().rename_stage("default", "contractsent", "Closed lost")

    stages = client.call("GET", "/crm/pipelines/2026-09/deals").json()["results"][0]["stages"]

    shown = {stage["id"]: (stage["label"], stage["metadata"]) for stage in stages}
    assert shown["closedwon"] == ("Closed Won", {"isClosed": "true", "probability": "1.0"})
    assert shown["contractsent"] == ("Closed lost", {"isClosed": "false", "probability": "0.9"})


def test_the_account_tells_its_number_and_currency(client: Client) -> None:
    answers = [client.call("GET", f"/account-info/{version}/details").json() for version in ("2026-09", "v3")]

    assert answers[0] == answers[1]
    assert (answers[0]["portalId"], answers[0]["companyCurrency"]) == (9_000_001, "EUR")


def test_properties_say_which_are_unique(clock: Clock, client: Client) -> None:
    listed = client.call("GET", "/crm/properties/2026-09/contacts").json()["results"]

    assert {it["name"] for it in listed if it["hasUniqueValue"]} == {"email", "referral_id"}
    setup = HubSpotSetup(referral_property=False, limits=NO_LIMITS)
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[setup]) as bare:
        answer = Client(bare).call("GET", "/crm/properties/2026-09/contacts/referral_id")
        assert (answer.status_code, answer.json()["category"]) == (404, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/crm/objects/2026-09/deals/search", "/crm/v3/objects/deals/search", "/crm/objects/2026-09/0-3/search"]
)
def test_dated_and_older_paths_and_type_numbers_are_one_thing(client: Client, path: str) -> None:
    deal = client.deal("r1")

    assert [row["id"] for row in client.post(path, {}).json()["results"]] == [deal]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/crm/objects/2025-01/deals/1"),
        ("GET", "/crm/objects/2026-09/companies/1"),
        ("PUT", "/crm/objects/2026-09/deals/1"),
        ("POST", "/crm/v4/objects/deals/search"),
    ],
)
def test_what_is_not_simulated_says_so_with_the_routes_that_are(
    client: Client, capfd: pytest.CaptureFixture[str], method: str, path: str
) -> None:
    answers = [client.call(method, path) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [501, 501]
    assert "POST /crm/objects/{version}/{type}/search" in answers[0].json()["routes"]
    assert capfd.readouterr().err.count(f"{method} /hubspot{path} is not simulated") == 1
