"""Salesforce's Outbound Messages: SOAP that is proved by its address and its org, and the records it is about.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from syncd.contract import Acknowledgement, BadDelivery, Delivery, Poke, RemoteId, RemoteRef, same_secret
from syncd_connectors.salesforce.settings import SalesforceWebhook

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ACKNOWLEDGEMENT = Acknowledgement(
    media_type="text/xml",
    body=(
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
        b"</soapenv:Body></soapenv:Envelope>"
    ),
)
"""Whatever else is answered, Salesforce sends the message again, for 24 hours."""

_BYTES, _NOTIFICATIONS = 1_000_000, 100
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_TYPES = {"00Q": "Lead", "003": "Contact", "006": "Opportunity"}  # by the first characters of an id


def read(delivery: Delivery, settings: SalesforceWebhook) -> Sequence[Poke]:
    """Read the notifications of a message, one hint each; those on other objects are passed over.

    There is no signature, and the session id in the message is empty since February 2026: the secret in the address
    and the org's id are all that proves it. The secret goes first, so that nobody else's XML is even read.
    """
    if not (settings.path_secret and same_secret(delivery.secret, settings.path_secret.get_secret_value())):
        raise BadDelivery("forged", "the address lacks the secret that it ends with")
    message = _message(delivery.body)
    org = (message.findtext(f"{_OUTBOUND}OrganizationId") or "").strip()
    if org[:15] != settings.organization_id[:15] or len(org) not in {15, 18}:  # three more say no more
        raise BadDelivery("forged", "the message is another org's")
    notifications = message.findall(f"{_OUTBOUND}Notification")
    if len(notifications) > _NOTIFICATIONS:
        raise BadDelivery("unreadable", f"a message holds {_NOTIFICATIONS} notifications at the most")
    return [poke for it in notifications if (poke := _poke(it))]


def _message(body: bytes) -> Element:
    """Parse without entities and without a document type: both can make a megabyte of a line, or read our files."""
    from defusedxml.ElementTree import ParseError, fromstring

    if len(body) > _BYTES:
        raise BadDelivery("unreadable", f"a message has {_BYTES} bytes at the most")
    try:
        envelope: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError):  # the last for an encoding that is none; their texts hold the body
        raise BadDelivery("unreadable", "the body is not XML, or XML with a document type") from None
    message = envelope.find(f"{_SOAP}Body/{_OUTBOUND}notifications")
    if message is None:
        raise BadDelivery("unreadable", "the body is no Outbound Message")
    return message


def _poke(notification: Element) -> Poke | None:
    """Give the hint of a notification; a record that was deleted before it was told has no id."""
    id_ = _id(notification.findtext(f"{_OUTBOUND}Id"))
    record = notification.find(f"{_OUTBOUND}sObject")
    # The record's own fields are in the namespace of the WSDL that the admin chose, enterprise or partner.
    named = [_id(it.text) for it in record if it.tag.endswith("}Id")] if record is not None else []
    if not id_ or not named or named[0][:3] not in _TYPES:
        return None
    return Poke(id=id_, refs=(_ref(_TYPES[named[0][:3]], named[0]),))


def _ref(kind: str, id_: str) -> RemoteRef:
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(person=it if kind != "Opportunity" else None, deal=it if kind != "Contact" else None)


def _id(text: str | None) -> str:
    """Give an id in the form that the REST API uses, of 18 characters; one of 15 would be another record's to us."""
    text = (text or "").strip()
    return text if re.fullmatch(r"[A-Za-z0-9]{18}", text) else ""
