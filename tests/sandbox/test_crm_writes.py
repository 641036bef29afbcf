"""What a client may write to the sandbox CRM, and in whose words it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.crm import NO_LIMITS, HubSpotSetup, Required, Sandbox
from tests.sandbox.crm_client import Client, Clock

CONTACTS, DEALS = "/crm/objects/2026-09/contacts", "/crm/objects/2026-09/deals"


def codes(answer: dict[str, Any]) -> list[str]:
    return [detail["code"] for detail in answer["errors"]]


def test_an_upsert_repeated_after_a_lost_answer_finds_the_record_it_made(client: Client) -> None:
    first = client.upsert("contacts", {"id": "r1", "email": "a@example.com"}).json()["results"][0]
    again = client.upsert("contacts", {"id": "r1", "email": "a@example.com"}).json()["results"][0]

    assert (first["new"], again["new"]) == (True, False)
    assert first["id"] == again["id"]
    assert first["properties"]["referral_id"] == "r1"
    assert first["objectWriteTraceId"] == "r1"


def test_with_trace_ids_one_bad_row_fails_alone_and_is_named(client: Client) -> None:
    taken = client.contact("r1", email="a@example.com")

    answer = client.upsert("contacts", {"id": "r2", "email": "A@Example.com"}, {"id": "r3", "email": "c@example.com"})

    body = answer.json()
    assert answer.status_code == 207
    assert [row["properties"]["referral_id"] for row in body["results"]] == ["r3"]
    assert body["numErrors"] == 1
    assert body["errors"][0]["category"] == "CONFLICT"
    assert body["errors"][0]["message"] == f"Contact already exists. Existing ID: {taken}"
    assert body["errors"][0]["context"]["objectWriteTraceId"] == ["r2"]


def test_without_trace_ids_one_bad_row_fails_the_whole_batch(client: Client) -> None:
    client.contact("r1", email="a@example.com")

    rows = [{"id": "r2", "email": "b@example.com"}, {"id": "r3", "email": "a@example.com"}]
    answer = client.upsert("contacts", *rows, trace=False)

    assert answer.status_code == 409
    assert answer.json()["category"] == "CONFLICT"
    assert client.read("contacts", "r2", idProperty="referral_id").json()["results"] == []


def test_two_rows_of_an_indivisible_batch_cannot_share_an_email(client: Client) -> None:
    rows = [{"id": "r1", "email": "a@example.com"}, {"id": "r2", "email": "a@example.com"}]

    assert client.upsert("contacts", *rows, trace=False).status_code == 400
    assert client.found("contacts") == []


def test_an_upsert_by_email_is_all_or_nothing_even_with_trace_ids(client: Client) -> None:
    rows = [{"id": "a@example.com", "firstname": "A"}, {"id": "not an address", "firstname": "B"}]

    answer = client.upsert("contacts", *rows, by="email")

    assert answer.status_code == 400
    assert codes(answer.json()) == ["INVALID_EMAIL"]
    assert client.found("contacts") == []


def test_a_partial_success_can_be_a_200_so_that_clients_read_the_body(clock: Clock) -> None:
    setup = HubSpotSetup(partial_status=200, limits=NO_LIMITS)
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[setup]) as crm:
        answer = Client(crm).upsert("contacts", {"id": "r1", "firstname": "A"}, {"id": "r2", "nonsense": "B"})

    assert answer.status_code == 200
    assert answer.json()["numErrors"] == 1


def test_the_results_of_a_batch_do_not_keep_the_order_of_its_inputs(client: Client) -> None:
    ids = [f"r{n}" for n in range(20)]

    rows = client.upsert("contacts", *({"id": id_, "firstname": "A"} for id_ in ids)).json()["results"]

    assert sorted(row["properties"]["referral_id"] for row in rows) == sorted(ids)
    assert [row["properties"]["referral_id"] for row in rows] != ids


def test_an_unknown_property_is_refused_in_the_vendors_form(client: Client) -> None:
    answer = client.post(CONTACTS, {"properties": {"email": "a@example.com", "shoe_size": "44"}})

    body = answer.json()
    assert answer.status_code == 400
    assert body["status"] == "error"
    assert body["category"] == "VALIDATION_ERROR"
    assert body["message"].startswith('Property values were not valid: [{"isValid":false')
    assert body["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert body["errors"][0]["context"] == {"propertyName": ["shoe_size"]}
    assert body["correlationId"].count("-") == 4


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"dealstage": "Closed Won"}, "INVALID_OPTION"),
        ({"dealstage": "closedwon", "pipeline": "no such"}, "INVALID_OPTION"),
        ({"dealstage": "closedwon", "amount": "many"}, "INVALID_NUMBER"),
        ({"dealstage": "closedwon", "closedate": "soon"}, "INVALID_DATE"),
        ({"dealstage": "closedwon", "hs_is_closed_won": "true"}, "READ_ONLY_VALUE"),
    ],
    ids=["label for an id", "pipeline", "number", "date", "read only"],
)
def test_a_deal_is_refused_for_a_value_that_its_property_cannot_hold(
    client: Client, values: dict[str, str], code: str
) -> None:
    answer = client.post(DEALS, {"properties": {"dealname": "x", **values}})

    assert answer.status_code == 400
    assert codes(answer.json()) == [code]


@pytest.mark.parametrize(
    ("path", "values"),
    [(DEALS, {"dealname": "x"}), (DEALS, {"dealstage": "closedwon"}), (CONTACTS, {"phone": "+4930123456"})],
    ids=["no stage", "no name", "nobody"],
)
def test_a_record_without_the_least_it_needs_is_refused(client: Client, path: str, values: dict[str, str]) -> None:
    answer = client.post(path, {"properties": values})

    assert answer.status_code == 400
    assert "required properties were not set" in answer.json()["message"]


def test_a_rule_of_the_admin_refuses_writes_that_went_through_before(crm: Sandbox, client: Client) -> None:
    deal = client.deal("r1")
    crm.model().schema.required.append(Required(type="deals", property="closedate", when=("dealstage", "closedwon")))

    open_again = client.call("PATCH", f"{DEALS}/{deal}", {"properties": {"dealstage": "contractsent"}})
    won = client.call("PATCH", f"{DEALS}/{deal}", {"properties": {"dealstage": "closedwon"}})

    assert (open_again.status_code, won.status_code) == (200, 400)
    assert won.json()["context"] == {"properties": ["closedate"]}


def test_a_unique_property_refuses_a_second_record_with_its_value(client: Client) -> None:
    client.deal("r1")

    answer = client.post(DEALS, {"properties": {"dealname": "x", "dealstage": "closedwon", "referral_id": "r1"}})

    assert answer.status_code == 400
    assert codes(answer.json()) == ["CONFLICTING_UNIQUE_VALUE"]


def test_an_upsert_by_a_property_that_is_not_unique_is_refused(clock: Clock, client: Client) -> None:
    answer = client.upsert("contacts", {"id": "ANNA-7", "email": "a@example.com"}, by="referral_code")

    assert answer.status_code == 400
    assert "by non-unique property" in answer.json()["message"]
    setup = HubSpotSetup(unique=False, limits=NO_LIMITS)
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[setup]) as plain:
        assert Client(plain).upsert("contacts", {"id": "r1"}).status_code == 400


def test_the_same_id_twice_in_a_batch_is_refused(client: Client) -> None:
    assert client.upsert("contacts", {"id": "r1", "firstname": "A"}, {"id": "r1", "firstname": "B"}).status_code == 400
    assert client.read("contacts", "1", "1").status_code == 400
    assert client.found("contacts") == []


@pytest.mark.parametrize("verb", ["upsert", "create", "update", "read", "archive"])
def test_a_batch_of_more_than_a_hundred_is_refused(client: Client, verb: str) -> None:
    item: dict[str, Any] = {} if verb == "create" else {"id": "0"}
    extra: dict[str, Any] = {} if verb in {"read", "archive"} else {"properties": {}}
    inputs = [{**item, **extra, **({"id": str(n)} if item else {})} for n in range(101)]

    answer = client.post(f"{CONTACTS}/batch/{verb}", {"inputs": inputs})

    assert answer.status_code == 400
    assert "maximum number of inputs" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"properties": {"email": "a@example.com"}, "extra": 1},
        {"properties": {"email": None}},
        {"properties": {"email": 7}},
        {"properties": ["email"]},
        {},
        [],
    ],
    ids=["unknown field", "null", "number", "list", "nothing", "no object"],
)
def test_a_body_of_another_form_is_refused_by_the_parser(client: Client, body: Any) -> None:
    answer = client.post(CONTACTS, body)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid input JSON on line 1, column 1:")


TWICE = '{"properties":{"email":"a@example.com"},"properties":{"email":"b@example.com"}}'


def test_a_body_that_is_no_json_or_says_a_name_twice_is_refused(client: Client) -> None:
    kind = {"Content-Type": "application/json"}
    for text in ('{"properties"', TWICE, '{"properties":{"amount":NaN}}'):
        assert client.call("POST", CONTACTS, data=text, headers=kind).status_code == 400
    assert client.call("POST", CONTACTS, data='{"properties":{"email":"a@example.com"}}').status_code == 400


def test_an_unknown_query_parameter_is_refused(client: Client) -> None:
    contact = client.contact("r1")

    assert client.call("GET", f"{CONTACTS}/{contact}?propertys=email").status_code == 400


def test_batch_create_makes_records_and_their_associations(client: Client) -> None:
    contact = client.contact("r1")
    to = {"to": {"id": contact}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}]}
    item = {"properties": {"dealname": "x", "dealstage": "closedwon"}, "associations": [to]}

    answer = client.post(f"{DEALS}/batch/create", {"inputs": [item]})

    assert answer.status_code == 201
    deal = answer.json()["results"][0]["id"]
    shown = client.call("GET", f"{DEALS}/{deal}?associations=contacts").json()
    assert shown["associations"] == {"contacts": {"results": [{"id": contact, "type": "deal_to_contact"}]}}
    to["types"][0]["associationTypeId"] = 4  # type: ignore[index]
    assert client.post(f"{DEALS}/batch/create", {"inputs": [item]}).status_code == 400


def test_batch_update_does_not_follow_a_merge_and_a_single_patch_does(crm: Sandbox, client: Client) -> None:
    first, second = client.contact("r1"), client.contact("r2")
    survivor = crm.model().merge("contacts", first, second)
    item = {"id": first, "properties": {"firstname": "New"}, "objectWriteTraceId": "t"}

    batch = client.post(f"{CONTACTS}/batch/update", {"inputs": [item]})
    single = client.call("PATCH", f"{CONTACTS}/{first}", {"properties": {"firstname": "New"}})

    assert batch.json()["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert (single.status_code, single.json()["id"]) == (200, survivor)


def test_patch_finds_a_record_by_its_unique_property(client: Client) -> None:
    contact = client.contact("r1")

    answer = client.call("PATCH", f"{CONTACTS}/r1?idProperty=referral_id", {"properties": {"firstname": "Mei"}})

    assert (answer.json()["id"], answer.json()["properties"]["firstname"]) == (contact, "Mei")


def test_delete_may_be_repeated_but_not_for_what_never_was(client: Client) -> None:
    contact = client.contact("r1")

    assert [client.call("DELETE", f"{CONTACTS}/{contact}").status_code for _ in range(2)] == [204, 204]
    assert client.call("DELETE", f"{CONTACTS}/1").status_code == 404
    assert client.post(f"{CONTACTS}/batch/archive", {"inputs": [{"id": "1"}]}).status_code == 204


def test_a_lifecycle_stage_does_not_move_backward(client: Client) -> None:
    contact = client.contact("r1", lifecyclestage="customer")

    answer = client.call("PATCH", f"{CONTACTS}/{contact}", {"properties": {"lifecyclestage": "lead"}})

    assert answer.status_code == 200
    assert answer.json()["properties"]["lifecyclestage"] == "customer"


def test_a_property_can_be_created_once_and_then_serves_as_the_id_of_an_upsert(client: Client) -> None:
    wanted = {"name": "syncd_id", "label": "Our id", "type": "string", "fieldType": "text"}
    wanted |= {"groupName": "dealinformation", "hasUniqueValue": True}  # type: ignore[dict-item]

    made = client.post("/crm/properties/2026-09/deals", wanted)
    again = client.post("/crm/properties/2026-09/deals", wanted)

    assert (made.status_code, made.json()["hasUniqueValue"]) == (201, True)
    assert (again.status_code, again.json()["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    row = {"id": "r1", "dealname": "x", "dealstage": "closedwon"}
    assert client.upsert("deals", row, by="syncd_id").json()["results"][0]["new"] is True


def test_no_more_than_ten_properties_of_a_type_are_unique(client: Client) -> None:
    wanted = {"label": "x", "type": "string", "fieldType": "text", "groupName": "dealinformation"}

    def make(n: int) -> int:
        body = {**wanted, "name": f"key_{n}", "hasUniqueValue": True}
        return client.post("/crm/properties/2026-09/deals", body).status_code

    assert [make(n) for n in range(10)] == [201] * 9 + [400]  # referral_id is the tenth


def test_associating_twice_is_associating_once(clock: Clock, client: Client) -> None:
    contact, deal = client.contact("r1"), client.deal("r1")
    body = {"inputs": [{"from": {"id": deal}, "to": {"id": contact}}]}
    path = "/crm/associations/2026-09/deals/contacts/batch/associate/default"

    clock.move(1)
    first = client.post(path, body)
    modified = client.read("deals", deal).json()["results"][0]["properties"]["hs_lastmodifieddate"]
    clock.move(1)
    again = client.post(path, body)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["results"][0]["associationSpec"]["associationTypeId"] == 3
    assert modified == "2026-11-24T09:00:01.000Z"
    properties = client.read("deals", deal, properties=["num_associated_contacts"]).json()["results"][0]["properties"]
    assert properties["hs_lastmodifieddate"] == modified
    assert properties["num_associated_contacts"] == "1"


def test_associating_with_a_record_that_is_not_there_fails_for_that_row(client: Client) -> None:
    contact, deal = client.contact("r1"), client.deal("r1")
    path = "/crm/associations/2026-09/deals/contacts/batch/associate/default"
    pairs = [{"from": {"id": deal}, "to": {"id": "1"}}, {"from": {"id": deal}, "to": {"id": contact}}]

    body = client.post(path, {"inputs": pairs}).json()

    assert (body["numErrors"], body["errors"][0]["category"]) == (1, "OBJECT_NOT_FOUND")
    assert {row["from"]["id"] for row in body["results"]} == {deal, contact}
    put = client.call("PUT", f"/crm/v4/objects/deals/{deal}/associations/default/contacts/1")
    assert put.status_code == 404


def test_association_batches_have_limits_of_their_own(client: Client) -> None:
    pair = {"from": {"id": "1"}, "to": {"id": "2"}}
    base = "/crm/associations/2026-09/deals/contacts/batch"

    assert client.post(f"{base}/associate/default", {"inputs": [pair] * 2_001}).status_code == 400
    assert client.post(f"{base}/read", {"inputs": [{"id": "1"}] * 1_001}).status_code == 400
    assert client.post(f"{base}/read", {"inputs": [{"id": "1"}] * 1_000}).status_code == 207


def test_accounts_share_nothing(crm: Sandbox, client: Client) -> None:
    other = Client(crm, "hubspot-2")
    client.contact("r1")

    assert other.upsert("contacts", {"id": "r1", "email": "r1@example.com"}).json()["results"][0]["new"] is True
    other.session.headers["Authorization"] = f"Bearer {crm.token('hubspot')}"
    assert other.call("GET", "/account-info/v3/details").status_code == 401
