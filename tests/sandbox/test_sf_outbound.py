"""Salesforce's Outbound Messages as they are sent: after the commit, with the values of the moment, until the Ack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from syncd.sandbox.crm import Org, PipedriveSetup, SalesforceSetup, Sandbox, ZohoSetup, lag_between
from syncd.sandbox.crm.salesforce import OutboundMessages, Salesforce
from tests.sandbox.crm_client import Clock

URL = "http://127.0.0.1:9/webhooks/crm/0123456789abcdef"
ACK = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><notificationsResponse'
    b' xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body>'
    b"</soapenv:Envelope>"
)
OUT = "{http://soap.sforce.com/2005/09/outbound}"
SF = "{urn:sobject.enterprise.soap.sforce.com}"


class Listener:
    """Whoever the messages go to."""

    def __init__(self, clock: Clock, **setup: Any) -> None:
        self.answer: tuple[int, bytes] | None = (200, ACK)
        self.bodies: list[bytes] = []
        outbound = OutboundMessages(gathers=0)
        account = SalesforceSetup(background=False, post=self._take, outbound=outbound, **setup)
        self.crm = Sandbox(now=clock.now, clock=clock.seconds, accounts=[account])
        self.crm.tell("salesforce", URL)

    @property
    def org(self) -> Org:
        return self.crm.model("salesforce", Org)

    def lead(self) -> str:
        values = {"LastName": "Archer", "Company": "Acme & Co"}
        return self.org.save("Lead", None, values, self.org.commit()).id

    def messages(self) -> list[Element]:
        """What is sent now."""
        account = self.crm.accounts["salesforce"]
        assert isinstance(account, Salesforce)
        self.bodies.clear()
        account.outbound.hooks.tick()
        return [fromstring(body)[0][0] for body in self.bodies]  # noqa: S314  our own

    def told(self) -> list[tuple[str | None, str | None]]:
        """(id, status) of each lead in the messages that are sent now."""
        records = [it for message in self.messages() for it in message.iter(f"{OUT}sObject")]
        return [(it.findtext(f"{SF}Id"), it.findtext(f"{SF}Status")) for it in records]

    def _take(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> tuple[int, bytes] | None:
        assert (url, headers["Content-Type"], timeout) == (URL, "text/xml; charset=utf-8", 60.0)
        self.bodies.append(body)
        return self.answer


@pytest.fixture
def listener(clock: Clock) -> Iterator[Listener]:
    listener = Listener(clock)
    with listener.crm:
        yield listener


def test_a_saved_lead_is_told_in_the_vendors_form(listener: Listener) -> None:
    lead = listener.lead()

    [message] = listener.messages()

    assert [it.tag.removeprefix(OUT) for it in message] == [
        "OrganizationId",
        "ActionId",
        "SessionId",
        "EnterpriseUrl",
        "PartnerUrl",
        "Notification",
    ]
    assert message.findtext(f"{OUT}OrganizationId") == listener.org.id
    assert not message.findtext(f"{OUT}SessionId")
    record = message[-1][1]
    assert record.attrib == {"{http://www.w3.org/2001/XMLSchema-instance}type": "sf:Lead"}
    assert {it.tag.removeprefix(SF): it.text for it in record} == {
        "Id": lead,
        "Status": "Open - Not Contacted",
        "IsConverted": "false",
    }


def test_a_hundred_notifications_of_one_object_go_in_a_message(listener: Listener) -> None:
    for _ in range(130):
        listener.lead()

    messages = listener.messages()

    assert [len(it.findall(f"{OUT}Notification")) for it in messages] == [100, 30]
    assert len({it.findtext(f"{OUT}Id") for message in messages for it in message.findall(f"{OUT}Notification")}) == 130


def test_what_is_told_is_how_the_record_is_when_it_is_sent(listener: Listener) -> None:
    lead = listener.lead()
    listener.org.move(lead, "Working - Contacted")

    assert listener.told() == [(lead, "Working - Contacted")] * 2


def test_of_a_record_that_was_deleted_since_nothing_is_told(listener: Listener) -> None:
    lead = listener.lead()
    listener.org.archive("Lead", lead)

    assert listener.told() == [(None, None)]


def test_a_conversion_is_told_of_the_lead_and_of_the_opportunity(listener: Listener) -> None:
    lead = listener.lead()
    listener.messages()
    converted = listener.org.convert_lead(lead)

    records = [it for message in listener.messages() for it in message.iter(f"{OUT}sObject")]

    assert {it.findtext(f"{SF}Id") for it in records} == {lead, converted.opportunity}


def test_what_was_taken_back_is_not_told(listener: Listener) -> None:
    with listener.org.transaction() as take_back:
        listener.lead()
        take_back()

    assert listener.messages() == []


def test_nothing_is_told_before_it_is_committed(clock: Clock) -> None:
    listener = Listener(clock, lag=lag_between(5, 5))
    with listener.crm:
        lead = listener.lead()
        listener.messages()
        listener.org.move(lead, "Working - Contacted")

        early = listener.told()
        clock.move(5)

        assert (early, listener.told()) == ([], [(lead, "Working - Contacted")])


@pytest.mark.parametrize("answer", [(200, b"{}"), (200, ACK.replace(b"true", b"false")), (500, ACK), None])
def test_anything_but_the_ack_has_it_sent_again_for_a_day(
    listener: Listener, clock: Clock, answer: tuple[int, bytes] | None
) -> None:
    listener.lead()
    listener.answer = answer
    sent_after: list[float] = []
    beginning = clock.seconds()
    for _ in range(26 * 60 * 4):
        sent_after += [clock.seconds() - beginning for _ in listener.messages()]
        clock.move(15)

    waits = [later - before for before, later in pairwise(sent_after)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (15, 7_200)
    assert 22 * 3_600 < sent_after[-1] < 24 * 3_600


def test_the_same_notification_is_told_again_after_a_failure(listener: Listener, clock: Clock) -> None:
    listener.lead()
    listener.answer = None
    [first] = listener.messages()
    listener.answer = (200, ACK)
    clock.move(15)
    [again] = listener.messages()
    clock.move(7_200)

    assert first[-1][0].text == again[-1][0].text
    assert listener.messages() == []


def test_two_vendors_are_told_by_their_api_and_by_it_alone(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[PipedriveSetup(), ZohoSetup()]) as crm:
        for account in ("pipedrive", "zoho"):
            crm.tell(account, "https://refer.example.com/webhooks/crm")
            crm.mischief(account).doubles = 1

            assert crm.mischief(account).doubles == 1
