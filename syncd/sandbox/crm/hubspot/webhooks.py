"""What the vendor tells an app of its own accord: events on records, signed, in batches and again and again.

https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide and
https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, Literal

from syncd.sandbox.crm.hooks import Body, Hooks, Manners, Post
from syncd.sandbox.crm.hubspot.schema import SINGULAR, ObjectType
from syncd.sandbox.crm.hubspot.store import Happening, What

_MINUTE = 60.0
MANNERS = Manners(
    waits=tuple(minutes * _MINUTE for minutes in (1, 5, 15, 30, 60, 120, 180, 240, 300, 360)),
    timeout=5.0,
    most=99,
    join=lambda events: b"[" + b",".join(events) + b"]",
)
"""Ten repetitions within a day, fewer than a hundred events a request. When each comes no page says."""

EVENTS: dict[What, str] = {
    "created": "creation",
    "changed": "propertyChange",
    "archived": "deletion",
    "restored": "restore",
    "merged": "merge",
    "linked": "associationChange",
}
NUMBERS: dict[ObjectType, str] = {"contacts": "0-1", "deals": "0-3"}
USUAL = frozenset(
    {
        *(f"deal.{event}" for event in ("creation", "deletion", "restore", "merge", "associationChange")),
        *(f"deal.propertyChange.{name}" for name in ("dealstage", "pipeline", "amount")),
        *(f"contact.{event}" for event in ("deletion", "restore", "merge")),
    }
)

_DECODED = {"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'"}
_DECODED |= {"%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";"}


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookApp:
    """An app of the portal that subscribes to events; where they go is known once `Webhooks.subscribe` says so."""

    client_secret: str = field(default="sandbox-client-secret", repr=False)
    app_id: int = 1_160_452
    words: Literal["object", "classic"] = "object"  # object.creation with an objectTypeId, or deal.creation
    subscriptions: frozenset[str] = USUAL  # such as deal.creation, or deal.propertyChange.dealstage
    gathers: float = 0.2  # seconds that an event waits for others to go with it


class Webhooks:
    """The events of one portal, for one app. Not locked itself."""

    def __init__(
        self,
        *,
        app: WebhookApp,
        portal: int,
        now: Callable[[], datetime],
        seed: str,
        background: bool,
        post: Post | None,
    ) -> None:
        self.app = app
        manners = replace(MANNERS, gathers=app.gathers)
        self.hooks = Hooks(manners, now=now, rng=Random(f"{seed}:hooks"), post=post)
        self._portal = portal
        self._now = now
        self._rng = Random(f"{seed}:events")
        self._background = background

    def subscribe(self, url: str) -> None:
        """Have events sent to this URL from now on. Raises ValueError for one that is not on this machine."""
        self.hooks.subscribe("app", url, lambda body: self.signed(url, body))
        if self._background:
            self.hooks.start()

    def signed(self, url: str, body: bytes) -> Mapping[str, str]:
        """Sign a request of now: v3 of the signature, and beside it v1, which covers no time."""
        sent = str(int(self._now().timestamp() * 1000))
        before = hashlib.sha256(self.app.client_secret.encode() + body).hexdigest()
        return {
            "Content-Type": "application/json",
            "X-HubSpot-Signature": before,
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": signature(self.app.client_secret, "POST", url, body, sent),
            "X-HubSpot-Request-Timestamp": sent,
        }

    def tell(self, happening: Happening) -> None:
        """Queue an event if the app is subscribed to it."""
        name = f"{SINGULAR[happening.type]}.{EVENTS[happening.what]}"
        if (f"{name}.{happening.property}" if happening.property else name) in self.app.subscriptions:
            self.hooks.offer("app", self._body(self._event(happening)))

    def _event(self, happening: Happening) -> dict[str, Any]:
        event = EVENTS[happening.what]
        classic = self.app.words == "classic"
        told: dict[str, Any] = {
            "eventId": self._rng.getrandbits(31),
            "subscriptionId": 1 + sorted(EVENTS.values()).index(event),
            "portalId": self._portal,
            "appId": self.app.app_id,
            "occurredAt": int(happening.at.timestamp() * 1000),
            "subscriptionType": f"{SINGULAR[happening.type] if classic else 'object'}.{event}",
            "changeSource": happening.origin,
        }
        if happening.what == "linked":
            return told | _association(happening, classic=classic)
        told |= {"objectId": int(happening.id)} | ({} if classic else {"objectTypeId": NUMBERS[happening.type]})
        if happening.what == "changed":
            told |= {"propertyName": happening.property, "propertyValue": happening.value}
        elif happening.what == "merged":
            old = [int(id_) for id_ in happening.others]
            told |= {"primaryObjectId": old[0], "mergedObjectIds": old[1:], "newObjectId": int(happening.id)}
            told |= {"numberOfPropertiesMoved": 1}
        return told

    def _body(self, event: dict[str, Any]) -> Body:
        return lambda attempt: json.dumps({**event, "attemptNumber": attempt - 1}).encode()


def _association(happening: Happening, *, classic: bool) -> dict[str, Any]:
    """Tell which two records hang together now; such an event has no objectId."""
    types = {"associationType": "DEAL_TO_CONTACT"}
    if not classic:
        types = {"fromObjectTypeId": NUMBERS["deals"], "toObjectTypeId": NUMBERS["contacts"]}
    ends = {"fromObjectId": int(happening.id), "toObjectId": int(happening.others[0])}
    return {**types, **ends, "associationRemoved": False, "isPrimaryAssociation": False}


def signature(secret: str, method: str, url: str, body: bytes, sent: str) -> str:
    """Give v3 of the signature; twelve characters of the query are signed as they are before they are encoded."""
    path, mark, query = url.partition("?")
    for code, char in _DECODED.items():
        query = query.replace(code, char).replace(code.lower(), char)
    text = method.encode() + (path + mark + query).encode() + body + sent.encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
