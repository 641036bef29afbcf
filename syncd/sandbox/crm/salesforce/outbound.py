"""Outbound Messages: SOAP about records that were saved, sent until somebody says the one word that ends it.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_notifications.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from xml.sax.saxutils import escape

from syncd.sandbox.crm.hooks import Exchange, Hooks, Manners, exchange, thanked
from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.org import Org
from syncd.sandbox.crm.salesforce.row import Row, State
from syncd.sandbox.crm.salesforce.values import show

_DAY, _LONGEST, _FIRST = 86_400.0, 7_200.0, 15.0
_ACK = re.compile(rb"<(?:\w+:)?Ack>\s*true\s*</(?:\w+:)?Ack>")
_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}


def _waits() -> Iterator[float]:
    """Grow from seconds to two hours, until a day is over; the message is dropped then."""
    wait, past = _FIRST, 0.0
    while past + wait < _DAY:
        yield wait
        past, wait = past + wait, min(wait * 2, _LONGEST)


WAITS = tuple(_waits())


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundMessages:
    """The messages that flows of the org send, one for each object; where to is known once `subscribe` says so."""

    fields: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Lead", ("Id", "Status", "IsConverted")),
        ("Opportunity", ("Id", "StageName", "Amount")),
    )
    gathers: float = 0.2  # seconds that a notification waits for others to go with it


class Outbound:
    """The messages of one org. Not locked itself."""

    def __init__(
        self,
        *,
        setup: OutboundMessages,
        org: Org,
        seed: str,
        background: bool,
        post: Exchange | None,
    ) -> None:
        self._fields = dict(setup.fields)
        manners = Manners(waits=WAITS, timeout=60.0, most=100, gathers=setup.gathers, join=self.envelope)
        post_ = thanked(lambda answer: _ACK.search(answer) is not None, post or exchange)
        self.hooks = Hooks(manners, now=org.now, rng=Random(f"{seed}:hooks"), post=post_)
        self._org = org
        self._background = background
        self._number = 0

    def subscribe(self, url: str) -> None:
        """Have messages sent to this URL from now on. Raises ValueError for one that is not on this machine."""
        for kind in self._fields:
            self.hooks.subscribe(kind, url, _HEADERS)
        if self._background:
            self.hooks.start()

    def tell(self, row: Row) -> None:
        """Queue a notification of a record that was saved, to go out when its transaction is committed."""
        if row.kind not in self._fields or row.deleted:
            return
        self._number += 1
        id_ = ids.make("OutboundNotification", self._number)
        after = max((row.states[-1].visible - self._org.now()).total_seconds(), 0.0)
        self.hooks.offer(row.kind, lambda _: self._notification(id_, row.kind, row.id), after=after)

    def _notification(self, id_: str, kind: str, record: str) -> bytes:
        """Write a notification with the values of now; of a record that was deleted since, there are none."""
        with self._org.lock:
            row = self._org.find(kind, record)
            state = row.seen(self._org.now()) if row else None
        values = "" if state is None or state.deleted else "".join(_field(it, state) for it in self._fields[kind])
        namespace = 'xmlns:sf="urn:sobject.enterprise.soap.sforce.com"'
        told = f'<sObject xsi:type="sf:{kind}" {namespace}>{values}</sObject>'
        return f"<Notification><Id>{id_}</Id>{told}</Notification>".encode()

    def envelope(self, notifications: Sequence[bytes]) -> bytes:
        """Write a message. Its session id has been empty since February 2026."""
        action = ids.make("OutboundMessage", 1)
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            '<soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{self._org.id}</OrganizationId><ActionId>{action}</ActionId>"
            '<SessionId xsi:nil="true"/>'
            "<EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/66.0</EnterpriseUrl>"
            "<PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/66.0</PartnerUrl>"
        )
        return head.encode() + b"".join(notifications) + b"</notifications></soapenv:Body></soapenv:Envelope>"


def _field(name: str, state: State) -> str:
    value = show(state.values[name])
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "" if value is None else f"<sf:{name}>{escape(text)}</sf:{name}>"
