"""One sales team can work every vendor's CRM, on one server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, Humans, Org, SalesforceSetup, Sandbox, Setup
from tests.sandbox.crm_client import Client, Clock
from tests.sandbox.sf_client import SfClient


@pytest.fixture
def crm(clock: Clock) -> Iterator[Sandbox]:
    both: list[Setup] = [HubSpotSetup(limits=NO_LIMITS), SalesforceSetup()]
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=both) as sandbox:
        yield sandbox


@pytest.fixture(params=["hubspot", "salesforce"])
def account(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def humans(crm: Sandbox, account: str) -> Humans:
    """An account with a person who carries the referral r1."""
    if account == "hubspot":
        Client(crm).contact("r1")
    else:
        SfClient(crm).lead("r1")
    return crm.humans(account)


def test_a_deal_is_opened_moved_and_won(humans: Humans) -> None:
    [person] = humans.of_referral("r1")
    stages = [stage for stage in humans.stages() if stage.pipeline != "Lead"]
    won = next(stage for stage in stages if stage.outcome == "won")

    deal = humans.open_deal(person.id)
    before = humans.is_open(deal)
    humans.move(deal, stages[1].id)
    humans.set_amount(deal, "1249.50")
    humans.move(deal, won.id)

    assert person.role == "person"
    assert (before, humans.is_open(deal)) == (True, False)
    assert humans.label(won.id) == won.label
    assert {stage.outcome for stage in stages} == {"open", "won", "lost"}


def test_a_person_goes_to_the_bin_and_comes_back(humans: Humans) -> None:
    [person] = humans.of_referral("r1")

    humans.archive(person.type, person.id)
    [gone] = humans.of_referral("r1")
    humans.restore(person.type, person.id)

    assert gone.archived
    assert humans.of_referral("r1") == [person]


def test_the_control_api_finds_a_referral_in_every_account(crm: Sandbox) -> None:
    Client(crm).contact("r1")
    SfClient(crm).lead("r1")

    found = requests.get(f"{crm.url('_ctl')}/records", {"referral": "r1"}, timeout=5).json()["records"]

    assert [(it["account"], it["role"], it["type"]) for it in found] == [
        ("hubspot", "person", "contacts"),
        ("salesforce", "person", "Lead"),
    ]


def test_a_model_is_given_as_what_it_is(crm: Sandbox) -> None:
    assert isinstance(crm.model(), CrmModel)
    assert isinstance(crm.model("salesforce", Org), Org)
    with pytest.raises(TypeError, match="salesforce"):
        crm.model("salesforce")


def test_an_account_that_is_not_there_is_told_with_those_that_are(crm: Sandbox) -> None:
    answer = requests.get(crm.url("pipedrive") + "/v2/deals", timeout=5)

    assert (answer.status_code, answer.json()["accounts"]) == (501, ["hubspot", "salesforce"])
