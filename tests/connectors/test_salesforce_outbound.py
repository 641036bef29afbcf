"""Salesforce's Outbound Messages: what proves them, what is in them, and XML that was written to harm."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from syncd import registry
from syncd.contract import (
    BadDelivery,
    Delivery,
    Meters,
    Misconfigured,
    Poke,
    Quota,
    ReceivesWebhooks,
    RemoteId,
    RemoteRef,
    Told,
)
from syncd.http import Session
from syncd_connectors.salesforce import Salesforce
from tests.connectors.salesforce_leads import settings

SECRET, ORG = "path-secret-0123456789", "00D000000000001EAA"
WEBHOOK = {"path_secret": SECRET, "organization_id": ORG}
LEAD, CONTACT, DEAL, ACCOUNT = ("00Q000000000001AAA", "003000000000001AAA", "006000000000001AAA", "001000000000001AAA")

ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{org}</OrganizationId>
   <ActionId>04k000000000001AAA</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/66.0</EnterpriseUrl>
   <PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/66.0</PartnerUrl>
   {notifications}
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"""

ENTERPRISE, PARTNER = "urn:sobject.enterprise.soap.sforce.com", "urn:sobject.partner.soap.sforce.com"


def notification(record: str, number: int = 1, namespace: str = ENTERPRISE) -> str:
    fields = f"<sf:Id>{record}</sf:Id><sf:Name>Ann &amp; Co</sf:Name>" if record else ""
    told = f'<sObject xsi:type="sf:Lead" xmlns:sf="{namespace}">{fields}</sObject>'
    return f"<Notification><Id>04l{number:012d}AAA</Id>{told}</Notification>"


def message(*notifications: str, org: str = ORG) -> bytes:
    return ENVELOPE.format(org=org, notifications="".join(notifications)).encode()


def delivery(body: bytes, secret: str = SECRET) -> Delivery:
    url = f"https://refer.example.com/webhooks/salesforce/{secret}"
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    return Delivery(method="POST", url=url, secret=secret, headers={"content-type": "text/xml"}, body=body, at=at)


@pytest.fixture
def salesforce(http: Session) -> Salesforce:
    return Salesforce.open(settings(webhook=WEBHOOK), http)


def refusal(salesforce: Salesforce, delivery: Delivery) -> str:
    with pytest.raises(BadDelivery) as caught:
        salesforce.read_webhook(delivery)
    return caught.value.reason


# --- the proof -------------------------------------------------------------------------------------------------------


def test_it_receives_webhooks_and_meters(salesforce: Salesforce) -> None:
    assert isinstance(salesforce, ReceivesWebhooks)
    assert isinstance(salesforce, Meters)


@pytest.mark.parametrize("secret", ["", "path-secret-0123456788", SECRET[:-1], SECRET.upper(), f"{SECRET}/", "é"])
def test_another_address_proves_nothing(salesforce: Salesforce, secret: str) -> None:
    assert refusal(salesforce, delivery(message(notification(LEAD)), secret)) == "forged"


def test_nobody_elses_xml_is_read(salesforce: Salesforce) -> None:
    assert refusal(salesforce, delivery(b"<", "no-secret-of-ours")) == "forged"


@pytest.mark.parametrize(
    "org", ["00D000000000002EAA", "00D000000000002", "", "00D0000000000", f"{ORG}X", "00d000000000001EAA"]
)
def test_another_org_proves_nothing(salesforce: Salesforce, org: str) -> None:
    assert refusal(salesforce, delivery(message(notification(LEAD), org=org))) == "forged"


@pytest.mark.parametrize("told", [ORG, ORG[:15]])
@pytest.mark.parametrize("written", [ORG, ORG[:15]])
def test_an_org_has_an_id_of_15_or_of_18_characters(http: Session, told: str, written: str) -> None:
    salesforce = Salesforce.open(settings(webhook=WEBHOOK | {"organization_id": written}), http)

    assert salesforce.read_webhook(delivery(message(notification(LEAD), org=told)))


@pytest.mark.parametrize(
    "webhook", [{"path_secret": SECRET}, {"organization_id": ORG}, WEBHOOK | {"organization_id": "001000000000001"}]
)
def test_both_are_wanted(webhook: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(webhook=webhook)


# --- what is in them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", [ENTERPRISE, PARTNER])
def test_each_notification_names_its_record(salesforce: Salesforce, namespace: str) -> None:
    records = [notification(it, number, namespace) for number, it in enumerate((LEAD, CONTACT, DEAL), 1)]
    lead, contact, deal = (
        RemoteId(type=kind, id=id_) for kind, id_ in (("Lead", LEAD), ("Contact", CONTACT), ("Opportunity", DEAL))
    )

    assert salesforce.read_webhook(delivery(message(*records))) == [
        Poke(id="04l000000000001AAA", refs=(RemoteRef(person=lead, deal=lead),)),
        Poke(id="04l000000000002AAA", refs=(RemoteRef(person=contact),)),
        Poke(id="04l000000000003AAA", refs=(RemoteRef(deal=deal),)),
    ]


@pytest.mark.parametrize("record", [ACCOUNT, "", LEAD[:15], "no id"])
def test_what_is_of_no_interest_is_passed_over_and_its_neighbours_are_not(salesforce: Salesforce, record: str) -> None:
    """Other objects; records that were deleted before they were told; ids that our reading could not find again."""
    found = salesforce.read_webhook(delivery(message(notification(record), notification(DEAL, 2))))

    assert [poke.id for poke in found] == ["04l000000000002AAA"]


def test_a_message_without_notifications_is_taken(salesforce: Salesforce) -> None:
    assert salesforce.read_webhook(delivery(message())) == []


def test_a_hundred_notifications_are_taken_and_one_more_is_not(salesforce: Salesforce) -> None:
    hundred = [notification(LEAD, number) for number in range(100)]

    assert len(salesforce.read_webhook(delivery(message(*hundred)))) == 100
    assert refusal(salesforce, delivery(message(*hundred, notification(LEAD, 100)))) == "unreadable"


def test_the_thanks_are_those_that_salesforce_wants_to_read() -> None:
    assert Salesforce.acknowledgement.media_type == "text/xml"
    assert Salesforce.acknowledgement.body == (
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
        b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
    )


# --- XML that was written to harm ------------------------------------------------------------------------------------


def with_type(declarations: str, told: str) -> bytes:
    document = message(f"<Notification><Id>{told}</Id></Notification>").decode()
    return document.replace("<soapenv:Envelope", f"<!DOCTYPE x [{declarations}]><soapenv:Envelope", 1).encode()


def test_a_billion_laughs_are_not_laughed(salesforce: Salesforce) -> None:
    laughs = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))

    assert refusal(salesforce, delivery(with_type(laughs, "&a9;"))) == "unreadable"


def test_no_file_of_ours_is_read(salesforce: Salesforce, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("04l000000000009AAA")
    entity = f'<!ENTITY it SYSTEM "{(tmp_path / "secret").as_uri()}">'

    assert refusal(salesforce, delivery(with_type(entity, "&it;"))) == "unreadable"


def test_a_document_type_alone_is_refused(salesforce: Salesforce) -> None:
    assert refusal(salesforce, delivery(with_type("", "04l000000000001AAA"))) == "unreadable"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<a/>",
        b"<a>" * 100_000,
        b"\xff\xfe\x00",
        message(notification(LEAD))[:-20],
        message(notification(LEAD)).replace(b"UTF-8", b"klingon"),
        message(notification(LEAD)).replace(b"2005/09/outbound", b"2005/09/inbound"),
        b"<!-- " + b"x" * 1_000_000 + b" -->" + message(notification(LEAD)).partition(b"?>")[2],
    ],
    ids=["empty", "json", "other", "deep", "bytes", "cut", "encoding", "namespace", "endless"],
)
def test_what_is_no_message_is_unreadable(salesforce: Salesforce, body: bytes) -> None:
    assert refusal(salesforce, delivery(body)) == "unreadable"


def test_without_a_safe_reader_no_connector_with_a_webhook_is_opened(
    http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "defusedxml", None)

    assert registry.open_connector(settings(), http)
    with pytest.raises(Misconfigured, match="needs the package defusedxml") as caught:
        registry.open_connector(settings(webhook=WEBHOOK), http)
    assert caught.value.hint == "pip install 'syncd[salesforce]'"


# --- how much it is allowed ------------------------------------------------------------------------------------------


def answer(info: str) -> requests.Response:
    answer = requests.Response()
    answer.headers["Sforce-Limit-Info"] = info
    return answer


def test_the_days_allowance_is_what_an_answer_says(http: Session) -> None:
    salesforce = Salesforce.open(settings(), http)
    before = salesforce.quotas()
    said = answer("per-app-api-usage=17/250(appName=syncd); api-usage=25/100000")

    assert before == [Quota(name="daily calls", limit=15_000, window=timedelta(days=1))]
    assert salesforce.told(said) == [Told(quota="daily calls", limit=100_000, left=99_975)]
    assert salesforce.quotas() == [Quota(name="daily calls", limit=100_000, window=timedelta(days=1))]


def test_an_admin_says_it_where_no_answer_has(http: Session) -> None:
    assert Salesforce.open(settings(limits={"daily": 5_000}), http).quotas()[0].limit == 5_000


@pytest.mark.parametrize(("info", "left"), [("api-usage=20/15", 0), ("api-usage=0/15", 15)])
def test_more_than_all_may_be_spent(http: Session, info: str, left: int) -> None:
    [told] = Salesforce.open(settings(), http).told(answer(info))

    assert (told.limit, told.left) == (15, left)


@pytest.mark.parametrize("info", ["", "api-usage=x/y", "api-usage=1/0", "per-app-api-usage=17/250(appName=syncd)"])
def test_what_an_answer_does_not_say_is_not_made_up(http: Session, info: str) -> None:
    salesforce = Salesforce.open(settings(), http)

    assert salesforce.told(answer(info)) == []
    assert salesforce.quotas()[0].limit == 15_000


@pytest.mark.parametrize(
    ("path", "price"),
    [
        ("/services/data/v66.0/composite/sobjects/Lead/Referral_Id__c", {"daily calls": 1}),
        ("/salesforce/services/data/v66.0/query/", {"daily calls": 1}),
        ("/services/data/", {}),
        ("/services/oauth2/token", {}),
    ],
)
def test_a_call_has_its_price(http: Session, path: str, price: dict[str, Any]) -> None:
    assert Salesforce.open(settings(), http).price("GET", path) == price
