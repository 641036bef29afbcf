"""What the sandbox's Salesforce takes and refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.crm import Fault, Org, SalesforceSetup, Sandbox
from syncd.sandbox.crm.salesforce import DuplicateRule, ReferralField
from tests.sandbox.crm_client import Clock
from tests.sandbox.sf_client import BASE, SfClient, code, codes, person


def test_a_collection_answers_200_with_a_result_for_each_record_in_their_order(sf: SfClient) -> None:
    first = sf.upsert("Lead", person("r1"), person("r2", LastName=None), person("r3"))
    again = sf.upsert("Lead", person("r3", Status="Working - Contacted"), person("r4"))

    assert (first.status_code, codes(first)) == (200, ["", "REQUIRED_FIELD_MISSING", ""])
    assert first.json()[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    assert [row["created"] for row in again.json()] == [False, True]
    assert again.json()[0]["id"] == first.json()[2]["id"]
    assert sf.values("SELECT Status FROM Lead WHERE Referral_Id__c = 'r3'") == ["Working - Contacted"]


def test_all_or_none_takes_back_what_was_written_before_a_record_failed(sf: SfClient) -> None:
    sf.lead("old", LastName="Before")

    answer = sf.upsert("Lead", person("old", LastName="After"), person("new"), person("bad", Email="no"), whole=True)

    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert codes(answer) == [rolled_back, rolled_back, "INVALID_EMAIL_ADDRESS"]
    assert sf.rows("SELECT LastName, Referral_Id__c FROM Lead") == [{"LastName": "Before", "Referral_Id__c": "old"}]
    again = sf.upsert("Lead", person("new"), person("old")).json()
    assert [row["created"] for row in again] == [True, False], "one value is free again, the other still held"


@pytest.mark.parametrize(
    ("values", "refused", "fields"),
    [
        ({"LastName": None}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "", "Company": "  "}, "REQUIRED_FIELD_MISSING", ["LastName", "Company"]),
        ({"Email": "ada@nowhere"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"FirstName": "x" * 41}, "STRING_TOO_LONG", ["FirstName"]),
        ({"Status": "Won"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Status"]),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsConverted"]),
        ({"CreatedDate": "2026-11-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ({"OwnerId": "00QSx0000000001MAA"}, "MALFORMED_ID", ["OwnerId"]),
        ({"Nonsense__c": "x"}, "INVALID_FIELD", []),
        ({"Referral_Id__c": None}, "MISSING_ARGUMENT", []),
    ],
)
def test_a_record_that_cannot_be_fails_alone(
    sf: SfClient, values: dict[str, Any], refused: str, fields: list[str]
) -> None:
    answer = sf.upsert("Lead", person("r1", **values), person("r2"))

    assert codes(answer) == [refused, ""]
    assert answer.json()[0]["errors"][0]["fields"] == fields


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"Name": "Deal", "StageName": "Won"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Name": "Deal", "CloseDate": None}, "REQUIRED_FIELD_MISSING"),
        ({"ContactId": "003Sx0000000009"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"ContactId": "nobody"}, "MALFORMED_ID"),
        ({"IsWon": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_an_opportunity_that_cannot_be_is_refused(sf: SfClient, values: dict[str, Any], refused: str) -> None:
    row = {"Name": "Referral", "StageName": "Prospecting", "CloseDate": "2026-12-24", "Referral_Id__c": "r1"}

    assert codes(sf.upsert("Opportunity", {**row, **values})) == [refused]


@pytest.mark.parametrize(
    ("name", "value"),
    [("CloseDate", "24.12.2026"), ("CloseDate", "2026-12-24T00:00:00Z"), ("Amount", "much"), ("Amount", True)],
)
def test_a_value_that_cannot_be_read_fails_the_whole_request(sf: SfClient, name: str, value: object) -> None:
    row = {"Name": "Referral", "StageName": "Prospecting", "CloseDate": "2026-12-24", "Referral_Id__c": "r1"}

    answer = sf.upsert("Opportunity", row, {**row, "Referral_Id__c": "r2", name: value})

    assert code(answer) == (400, "JSON_PARSER_ERROR")
    assert sf.rows("SELECT Id FROM Opportunity") == []


def test_numbers_may_come_as_text_and_names_of_fields_in_any_case(sf: SfClient) -> None:
    row = {"name": "R", "STAGENAME": "Qualification", "closedate": "2026-12-24", "Amount": "1249.50"}

    answer = sf.upsert("Opportunity", {**row, "referral_id__c": "r1"})

    assert codes(answer) == [""]

    assert sf.rows("SELECT Amount, StageName FROM Opportunity") == [{"Amount": 1249.5, "StageName": "Qualification"}]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"records": []}, "INVALID_INPUT"),
        ({"records": [{"attributes": {"type": "Lead"}}] * 201}, "EXCEEDED_MAX_SIZE_REQUEST"),
        ({"records": [{"attributes": {"type": "Contact"}}]}, "INVALID_TYPE"),
        ({"records": [{"LastName": "Ito"}]}, "JSON_PARSER_ERROR"),
        ({"records": ["Ito"]}, "JSON_PARSER_ERROR"),
        ({"allOrNone": "no", "records": []}, "JSON_PARSER_ERROR"),
        ([], "JSON_PARSER_ERROR"),
    ],
)
def test_a_collection_that_is_none_is_refused_as_a_whole(sf: SfClient, body: object, refused: str) -> None:
    assert code(sf.call("PATCH", "/composite/sobjects/Lead/Referral_Id__c", body)) == (400, refused)


def test_every_record_of_a_repeated_external_id_is_refused(sf: SfClient) -> None:
    answer = sf.upsert("Lead", person("r1"), person("r2"), person("R1"))

    assert codes(answer) == ["DUPLICATE_VALUE", "", "DUPLICATE_VALUE"]
    assert answer.json()[0]["errors"][0]["message"] == "Duplicate external id specified: r1"


@pytest.mark.parametrize(("case_sensitive", "leads"), [(False, 1), (True, 2)])
def test_a_unique_external_id_matches_in_any_case_unless_the_admin_chose_otherwise(
    clock: Clock, case_sensitive: bool, leads: int
) -> None:
    setup = SalesforceSetup(referral=ReferralField(case_sensitive=case_sensitive))
    with Sandbox(now=clock.now, accounts=[setup]) as crm:
        sf = SfClient(crm)
        sf.lead("abc")
        sf.lead("ABC")

        assert len(sf.rows("SELECT Id FROM Lead")) == leads


def test_an_external_id_that_is_not_unique_may_match_several_records(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(referral=ReferralField(unique=False))]) as crm:
        sf = SfClient(crm)
        ids = [sf.call("POST", "/sobjects/Lead", person("r1")).json()["id"] for _ in range(2)]

        single = sf.call("PATCH", "/sobjects/Lead/Referral_Id__c/r1", {"LastName": "Ito"})

        assert codes(sf.upsert("Lead", person("r1"))) == ["DUPLICATE_EXTERNAL_ID"]
        assert (single.status_code, single.json()) == (300, [f"{BASE}/sobjects/Lead/{id_}" for id_ in ids])


def test_a_field_that_is_no_external_id_cannot_be_upserted_by(clock: Clock, sf: SfClient) -> None:
    setup = SalesforceSetup(referral=ReferralField(external_id=False))
    with Sandbox(now=clock.now, accounts=[setup]) as crm:
        assert code(SfClient(crm).upsert("Lead", person("r1"))) == (404, "NOT_FOUND")
    assert code(sf.call("PATCH", "/sobjects/Lead/Nope__c/r1", {})) == (404, "NOT_FOUND")
    assert code(sf.call("PATCH", "/sobjects/Nope__c/Referral_Id__c/r1", {})) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("version", "made", "changed"),
    [("66.0", (201, {"created": True}), (200, {"created": False})), ("45.0", (201, {}), (204, None))],
)
def test_a_single_upsert_tells_what_it_did_as_its_version_does(
    sf: SfClient, version: str, made: tuple[int, Any], changed: tuple[int, Any]
) -> None:
    path = f"/services/data/v{version}/sobjects/Lead/Referral_Id__c/r%2F1"

    first = sf.call("PATCH", path, {"LastName": "Ito", "Company": "Acme"})
    second = sf.call("PATCH", path, {"LastName": "Ino"})

    body = {"id": first.json()["id"], "success": True, "errors": []}
    assert (first.status_code, first.json()) == (made[0], {**body, **made[1]})
    assert second.status_code == changed[0]
    assert (second.json() if second.content else None) == (changed[1] and {**body, **changed[1]})
    assert sf.rows("SELECT LastName, Referral_Id__c FROM Lead") == [{"LastName": "Ino", "Referral_Id__c": "r/1"}]


def test_a_single_upsert_wants_its_external_id_in_the_path_alone(sf: SfClient) -> None:
    path = "/sobjects/Lead/Referral_Id__c/r1"

    assert code(sf.call("PATCH", path, person("r1"))) == (400, "INVALID_FIELD")
    assert code(sf.call("PATCH", f"{path}?updateOnly=true", {"LastName": "Ito"})) == (404, "NOT_FOUND")
    assert sf.rows("SELECT Id FROM Lead") == []


def test_a_record_can_be_made_read_changed_and_deleted(sf: SfClient) -> None:
    made = sf.call("POST", "/sobjects/Lead", person("r1", FirstName="Mei"))
    path = f"/sobjects/Lead/{made.json()['id']}"

    changed = sf.call("PATCH", f"/sobjects/Lead/{made.json()['id'][:15]}", {"LastName": "Ino"})
    read = sf.call("GET", f"{path}?fields=Name,Email,IsConverted,CreatedDate")
    by_referral = sf.call("GET", "/sobjects/Lead/Referral_Id__c/R1")
    deleted = sf.call("DELETE", path)

    assert (made.status_code, made.headers["Location"]) == (201, BASE + path)
    assert (changed.status_code, changed.content, deleted.status_code) == (204, b"", 204)
    assert read.json() == {
        "attributes": {"type": "Lead", "url": BASE + path},
        "Name": "Mei Ino",
        "Email": None,
        "IsConverted": False,
        "CreatedDate": "2026-11-24T09:00:00.000+0000",
    }
    assert by_referral.json()["Id"] == made.json()["id"]
    assert code(sf.call("GET", path)) == (404, "NOT_FOUND")
    assert code(sf.call("PATCH", path, {"LastName": "Ito"})) == (404, "ENTITY_IS_DELETED")
    assert code(sf.call("GET", "/sobjects/Lead/nobody")) == (400, "MALFORMED_ID")
    assert code(sf.call("GET", "/sobjects/Lead/00QSx0000000099MAA")) == (404, "NOT_FOUND")
    assert code(sf.call("POST", "/sobjects/OpportunityHistory", {})) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")


def test_a_second_record_cannot_take_a_unique_value(sf: SfClient) -> None:
    first, second = sf.lead("r1"), sf.lead("r2")

    answer = sf.call("PATCH", f"/sobjects/Lead/{second}", {"Referral_Id__c": "R1"})

    assert code(answer) == (400, "DUPLICATE_VALUE")
    assert first in answer.json()[0]["message"]


def test_records_without_an_external_id_are_made_changed_read_and_deleted_by_the_collection(sf: SfClient) -> None:
    lead, contact = sf.lead("r1"), {"attributes": {"type": "Contact"}, "LastName": "Ito"}

    made = sf.call("POST", "/composite/sobjects", {"records": [contact, {**contact, "LastName": None}]})
    record = {"attributes": {"type": "Lead"}, "id": lead, "LastName": "Ino"}
    unknown = {"attributes": {"type": "Lead"}, "id": "00QSx0000000099MAA"}
    changed = sf.call("PATCH", "/composite/sobjects", {"records": [record, unknown]})
    read = sf.call("POST", "/composite/sobjects/Lead", {"ids": [lead, unknown["id"]], "fields": ["LastName"]})
    gone = sf.call("DELETE", f"/composite/sobjects?ids={lead},{made.json()[0]['id']}")

    assert codes(made) == ["", "REQUIRED_FIELD_MISSING"]
    assert codes(changed) == ["", "INVALID_CROSS_REFERENCE_KEY"]
    assert [row and row["LastName"] for row in read.json()] == ["Ino", None]
    assert codes(gone) == ["", ""]
    assert sf.rows("SELECT Id FROM Lead") == sf.rows("SELECT Id FROM Contact") == []


@pytest.mark.parametrize(("action", "allowed"), [("alert", True), ("block", False)])
def test_a_duplicate_rule_refuses_and_the_header_passes_over_alerts_only(
    clock: Clock, action: Any, allowed: bool
) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(rule=DuplicateRule(action=action))]) as crm:
        sf = SfClient(crm)
        first = sf.lead("r1", Email="mei@example.com")
        twin = person("r2", Email="MEI@example.com")

        refused, single = sf.upsert("Lead", twin), sf.call("POST", "/sobjects/Lead", twin)
        itself = sf.upsert("Lead", person("r1", Email="Mei@example.com"))
        insisting = sf.upsert("Lead", twin, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"})

        assert (codes(refused), codes(itself)) == (["DUPLICATES_DETECTED"], [""])
        assert code(single) == (400, "DUPLICATES_DETECTED")
        result = single.json()[0]["duplicateResult"]
        assert result["allowSave"] is allowed
        assert result["matchResults"][0]["matchRecords"][0]["record"]["Id"] == first
        assert codes(insisting) == ["" if allowed else "DUPLICATES_DETECTED"]


def test_a_locked_row_fails_alone_and_passes_when_it_is_sent_again(salesforce: Sandbox, sf: SfClient) -> None:
    salesforce.faults.add(Fault(action="row_locked", row=2, times=1))
    rows = [person(f"r{number}") for number in range(3)]

    assert codes(sf.upsert("Lead", *rows)) == ["", "UNABLE_TO_LOCK_ROW", ""]
    assert codes(sf.upsert("Lead", *rows)) == ["", "", ""]


def test_a_converted_lead_can_no_longer_be_written(sf: SfClient, org: Org) -> None:
    org.convert_lead(sf.lead("r1"))

    assert codes(sf.upsert("Lead", person("r1"), person("r2"))) == ["CANNOT_UPDATE_CONVERTED_LEAD", ""]


def _sub(method: str, path: str, name: str, body: object = None) -> dict[str, Any]:
    return {"method": method, "url": BASE + path, "referenceId": name, **({"body": body} if body else {})}


def test_a_later_call_of_a_composite_uses_what_an_earlier_one_answered(sf: SfClient) -> None:
    deal = {"Name": "R", "StageName": "Prospecting", "CloseDate": "2026-12-24"}
    role = {"OpportunityId": "@{deal.id}", "ContactId": "@{who.id}", "Role": "Decision Maker"}
    calls = [
        _sub("POST", "/sobjects/Contact", "who", {"LastName": "Ito"}),
        _sub("PATCH", "/sobjects/Opportunity/Referral_Id__c/r1", "deal", deal),
        _sub("POST", "/sobjects/OpportunityContactRole", "role", role),
        _sub("GET", "/query?q=SELECT+Id+FROM+Contact+WHERE+Id='@{who.id}'", "found"),
        _sub("GET", "/sobjects/Contact/@{found.records[0].Id}", "read"),
    ]

    answer = sf.call("POST", "/composite", {"allOrNone": True, "compositeRequest": calls})

    results = answer.json()["compositeResponse"]
    assert answer.status_code == 200
    assert [(it["referenceId"], it["httpStatusCode"]) for it in results] == [
        ("who", 201),
        ("deal", 201),
        ("role", 201),
        ("found", 200),
        ("read", 200),
    ]
    assert results[0]["httpHeaders"] == {"Location": f"{BASE}/sobjects/Contact/{results[0]['body']['id']}"}
    assert results[4]["body"]["LastName"] == "Ito"
    assert sf.values("SELECT Contact.LastName FROM OpportunityContactRole")[0]["LastName"] == "Ito"


@pytest.mark.parametrize(("whole", "contacts"), [(True, 0), (False, 1)])
def test_a_failed_call_of_a_composite_halts_what_needs_it_and_takes_back_the_rest_if_so_asked(
    sf: SfClient, whole: bool, contacts: int
) -> None:
    calls = [
        _sub("POST", "/sobjects/Contact", "who", {"LastName": "Ito"}),
        _sub("POST", "/sobjects/Contact", "bad", {"LastName": "Ito", "Email": "no"}),
        _sub("GET", "/sobjects/Contact/@{bad.id}", "needs"),
    ]

    answer = sf.call("POST", "/composite", {"allOrNone": whole, "compositeRequest": calls})

    results = {it["referenceId"]: it for it in answer.json()["compositeResponse"]}
    assert list(results) == ["who", "bad", "needs"]
    assert results["who"]["httpStatusCode"] == (400 if whole else 201)
    assert results["bad"]["body"][0]["errorCode"] == "INVALID_EMAIL_ADDRESS"
    assert results["needs"]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert len(sf.rows("SELECT Id FROM Contact")) == contacts


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [_sub("GET", "/limits", f"c{n}") for n in range(26)],
        [_sub("GET", "/query?q=SELECT+Id+FROM+Lead", f"c{n}") for n in range(6)],
        [_sub("GET", "/limits", "c"), _sub("GET", "/limits", "c")],
        [_sub("GET", "/limits", "c-1")],
        [{**_sub("GET", "", "c"), "url": "/services/data/v65.0/limits"}],
    ],
)
def test_a_composite_that_is_too_big_or_unclear_is_refused(sf: SfClient, calls: list[object]) -> None:
    assert code(sf.call("POST", "/composite", {"compositeRequest": calls})) == (400, "INVALID_INPUT")


def test_a_body_is_json_and_says_so(sf: SfClient) -> None:
    path = "/sobjects/Lead"

    assert code(sf.call("POST", path, data=b"{}")) == (415, "UNSUPPORTED_MEDIA_TYPE")
    broken = sf.call("POST", path, data=b'{"LastName": ', headers={"Content-Type": "application/json"})
    assert code(broken) == (400, "JSON_PARSER_ERROR")
