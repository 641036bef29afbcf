"""The package that people use, unmodified, works against the sandbox's Pipedrive; with the flaws that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.sandbox.crm import Company, Fault, Sandbox
from syncd.sandbox.crm.pipedrive import Limits, Pipedrive
from tests.sandbox.crm_client import Clock
from tests.sandbox.pd_client import opened

sdk = pytest.importorskip("pipedrive.client")
errors = pytest.importorskip("pipedrive.exceptions")


@pytest.fixture
def world(clock: Clock) -> Iterator[tuple[Sandbox, Company]]:
    with opened(clock) as (crm, _, company):
        yield crm, company


def client(crm: Sandbox, *, v2: bool = False) -> Any:
    made = sdk.Client(domain=crm.url("pipedrive"))
    made.set_api_token(crm.token("pipedrive"))
    if v2:
        made.BASE_URL = crm.url("pipedrive") + "/api/v2/"
    return made


def test_the_sdk_pushes_leads_with_v1_and_deals_once_it_is_pointed_to_v2(world: tuple[Sandbox, Company]) -> None:
    crm, company = world
    v1, v2 = client(crm), client(crm, v2=True)
    key = company.schema.key("lead", "Referral ID")

    person = v2.persons.create_person({"name": "Mika Ito", "emails": [{"value": "mika@example.com"}]})["data"]["id"]
    lead = v1.leads.create_lead({"title": "Referral", "person_id": person, key: "r1"})["data"]
    deal = company.convert_lead(lead["id"])
    company.move(deal, "won")
    shown = v2.deals.get_all_deals(params={"include_fields": "source_lead_id", "sort_by": "update_time"})["data"]
    flow = v1.deals.get_deal_updates(int(deal))["data"]

    assert [(it["status"], it["source_lead_id"]) for it in shown] == [("won", lead["id"])]
    assert v2.deals.search_deals(params={"term": "r1", "exact_match": "true"})["data"]["items"]
    assert "status" in [it["data"]["field_key"] for it in flow]
    assert v1.users.get_me()["data"]["company_domain"] == "acme"
    assert [it["id"] for it in v2.pipelines.get_all_pipelines()["data"]] == [1, 2]


def test_the_sdk_sends_put_where_v2_wants_patch_and_knows_only_the_retired_v1(world: tuple[Sandbox, Company]) -> None:
    crm, company = world
    deal = company.open_deal(company.meet("Mika Ito"))
    v2 = client(crm, v2=True)

    with pytest.raises(errors.NotImplementedError):
        v2.deals.update_deal(int(deal), {"stage_id": 2})
    with pytest.raises(errors.NotImplementedError):
        client(crm).deals.get_all_deals()

    assert v2._patch(f"{v2.BASE_URL}deals/{deal}", json={"stage_id": 2})["data"]["stage_id"] == 2


def test_the_sdk_puts_the_token_into_the_query_which_is_told(world: tuple[Sandbox, Company]) -> None:
    crm, _ = world
    client(crm).users.get_me()

    account = crm.accounts["pipedrive"]
    assert isinstance(account, Pipedrive)
    assert dict(account.tokens.in_query) == {"GET /v1/users/me": 1}


def test_the_sdk_raises_what_is_json_and_takes_a_page_for_data(clock: Clock) -> None:
    with opened(clock, limits=Limits(burst=1, patience=1)) as (crm, _, _company):
        api = client(crm)
        api.users.get_me()
        with pytest.raises(errors.TooManyRequestsError):
            api.users.get_me()

        assert str(api.users.get_me()).startswith("<!doctype html>"), "Cloudflare's page, which this client hands on"
        clock.move(400)
        crm.faults.add(Fault(action="html", code=502, times=1))
        assert "<p>" in api.users.get_me()


def test_the_sdk_makes_a_webhook_only_without_a_name_so_that_it_is_refused(world: tuple[Sandbox, Company]) -> None:
    with pytest.raises(errors.BadRequestError):
        client(world[0]).webhooks.create_hook_subscription("http://127.0.0.1:9/hook", "*", "deal")
