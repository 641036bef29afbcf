"""The SDK that people use, unmodified, works against the sandbox's Salesforce."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from syncd.sandbox.crm import Fault, Org, Sandbox
from tests.sandbox.sf_client import person

sdk = pytest.importorskip("simple_salesforce")


class Loopback(HTTPAdapter):
    """Sends what is meant for https://<my domain> to the sandbox."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        there = urlsplit(str(request.url))
        path = self.target.path + there.path
        request.url = urlunsplit((self.target.scheme, self.target.netloc, path, there.query, ""))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def session(salesforce: Sandbox) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", Loopback(salesforce.url("salesforce")))
    return session


@pytest.fixture
def api(session: requests.Session) -> Any:
    keys = {"consumer_key": "sandbox-client", "consumer_secret": "sandbox-secret"}
    return sdk.Salesforce(**keys, domain="acme.my", version="66.0", session=session)


def test_the_sdk_pushes_leads_and_reads_their_stages_back(api: Any, org: Org) -> None:
    path = "composite/sobjects/Lead/Referral_Id__c"
    records = [{"attributes": {"type": "Lead"}, **person(f"r{number}")} for number in range(3)]

    pushed = api.restful(path, method="PATCH", json={"allOrNone": False, "records": records})
    converted = org.convert_lead(pushed[0]["id"])
    assert converted.opportunity
    org.move(converted.opportunity, "Closed Won")
    leads = list(api.query_all_iter("SELECT Id, ConvertedOpportunityId FROM Lead ORDER BY SystemModstamp, Id"))
    deals = api.query("SELECT StageName, IsWon FROM Opportunity", include_deleted=True)["records"]

    assert [row["created"] for row in pushed] == [True, True, True]
    assert {row["ConvertedOpportunityId"] for row in leads} == {converted.opportunity, None}
    assert [(deal["StageName"], deal["IsWon"]) for deal in deals] == [("Closed Won", True)]
    assert api.api_usage["api-usage"].total == 100_000
    assert api.limits()["DailyApiRequests"]["Max"] == 100_000
    assert next(it for it in api.Lead.describe()["fields"] if it["name"] == "Referral_Id__c")["unique"] is True


def test_the_sdk_sees_refusals_as_the_vendor_sends_them(api: Any, salesforce: Sandbox) -> None:
    with pytest.raises(sdk.SalesforceMalformedRequest) as malformed:
        api.query("SELECT Nope FROM Lead")
    salesforce.faults.add(Fault(action="status", code=403, policy="ConcurrentRequests", times=1))
    with pytest.raises(sdk.SalesforceRefusedRequest) as refused:
        api.query("SELECT Id FROM Lead")

    assert malformed.value.content[0]["errorCode"] == "INVALID_FIELD"
    assert refused.value.content[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


def test_the_sdk_renews_a_session_that_expired(api: Any, salesforce: Sandbox) -> None:
    first = api.session_id
    salesforce.faults.add(Fault(action="token_expire", path="/query", times=1))

    assert api.query("SELECT Id FROM Lead")["totalSize"] == 0
    assert api.session_id != first


def test_the_sdk_takes_a_maintenance_page_for_a_failed_login(session: requests.Session, salesforce: Sandbox) -> None:
    salesforce.faults.add(Fault(action="html", code=503, path="/oauth2/"))

    with pytest.raises(sdk.SalesforceAuthenticationFailed) as caught:
        sdk.Salesforce(consumer_key="sandbox-client", consumer_secret="x", domain="acme.my", session=session)

    assert caught.value.code == 503
