"""A sandbox CRM without rate limits, for the tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd.sandbox.crm import NO_LIMITS, AccountSetup, Sandbox
from tests.sandbox.crm_client import Client, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm(clock: Clock) -> Iterator[Sandbox]:
    accounts = [AccountSetup(limits=NO_LIMITS), AccountSetup(name="hubspot-2", limits=NO_LIMITS)]
    with Sandbox(now=clock.now, clock=clock.seconds, accounts=accounts) as sandbox:
        yield sandbox


@pytest.fixture
def client(crm: Sandbox) -> Client:
    return Client(crm)
