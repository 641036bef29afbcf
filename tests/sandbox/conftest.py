"""Sandbox CRMs of each vendor without rate limits, for the tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd.sandbox.crm import NO_LIMITS, HubSpotSetup, Org, SalesforceSetup, Sandbox
from tests.sandbox.crm_client import Client, Clock
from tests.sandbox.sf_client import SfClient


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm(clock: Clock) -> Iterator[Sandbox]:
    accounts = [HubSpotSetup(limits=NO_LIMITS), HubSpotSetup(name="hubspot-2", limits=NO_LIMITS)]
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=accounts) as sandbox:
        yield sandbox


@pytest.fixture
def client(crm: Sandbox) -> Client:
    return Client(crm)


@pytest.fixture
def salesforce(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=[SalesforceSetup()]) as sandbox:
        yield sandbox


@pytest.fixture
def org(salesforce: Sandbox) -> Org:
    return salesforce.model("salesforce", Org)


@pytest.fixture
def sf(salesforce: Sandbox) -> SfClient:
    return SfClient(salesforce)
