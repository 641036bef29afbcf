"""The vendor's own SDK, unmodified, works against the sandbox CRM."""

from __future__ import annotations

import pytest

from syncd.sandbox.crm import Sandbox

hubspot = pytest.importorskip("hubspot")


def test_the_sdk_pushes_a_lead_and_reads_its_stage_back(crm: Sandbox) -> None:
    crm_api = hubspot.HubSpot(access_token=crm.token(), host=crm.url()).crm
    key = {"id": "r1", "idProperty": "referral_id"}

    contact = crm_api.contacts.batch_api.upsert({"inputs": [{**key, "properties": {"email": "a@example.com"}}]})
    values = {"dealname": "Referral", "dealstage": "appointmentscheduled", "pipeline": "default"}
    deal = crm_api.deals.batch_api.upsert({"inputs": [{**key, "properties": values}]})
    ids = {"from": {"id": deal.results[0].id}, "to": {"id": contact.results[0].id}}
    crm_api.associations.v4.batch_api.create_default("deals", "contacts", {"inputs": [ids]})
    crm.model().move(deal.results[0].id, "closedwon")
    asked = {"inputs": [{"id": "r1"}], "idProperty": "referral_id", "properties": ["dealstage"]}
    read = crm_api.deals.batch_api.read({**asked, "propertiesWithHistory": ["dealstage"]})
    search = crm_api.deals.search_api.do_search({"filterGroups": [], "limit": 1})
    linked = crm_api.associations.v4.batch_api.get_page("contacts", "deals", {"inputs": [{"id": ids["to"]["id"]}]})
    stages = crm_api.pipelines.pipelines_api.get_all("deals").results[0].stages
    key_property = crm_api.properties.core_api.get_by_name("deals", "referral_id")

    assert contact.results[0].new is True
    assert read.results[0].properties["dealstage"] == "closedwon"
    assert len(read.results[0].properties_with_history["dealstage"]) == 2
    assert search.total == 1
    assert linked.results[0].to[0].to_object_id == deal.results[0].id
    assert stages[-1].metadata == {"isClosed": "true", "probability": "0.0"}
    assert key_property.has_unique_value is True


def test_the_sdk_sees_a_multi_status_and_an_error_as_the_vendor_sends_them(crm: Sandbox) -> None:
    api = hubspot.HubSpot(access_token=crm.token(), host=crm.url()).crm.contacts
    rows = [
        {"id": n, "idProperty": "referral_id", "objectWriteTraceId": n, "properties": {"email": "a@example.com"}}
        for n in ("r1", "r2")
    ]

    answer = api.batch_api.upsert({"inputs": rows})
    with pytest.raises(hubspot.crm.contacts.exceptions.ApiException) as caught:
        api.basic_api.create({"properties": {"nonsense": "x"}})

    assert (answer.num_errors, answer.errors[0].category) == (1, "CONFLICT")
    assert caught.value.status == 400
