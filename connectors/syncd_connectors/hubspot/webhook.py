"""HubSpot's webhooks: the proof that HubSpot sent one, and the records that it is about. Pure.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import unquote

from syncd.contract import (
    BadDelivery,
    Delivery,
    JsonObject,
    Poke,
    RemoteId,
    RemoteRef,
    read_json,
    read_time,
    same_secret,
)

Kind = Literal["contact", "deal"]

_OLDEST = timedelta(minutes=5)
_SEVERAL = 1_000  # events; HubSpot sends fewer than a hundred
_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)  # : / ? @ ! $ ' ( ) * , ;
_TYPES: dict[str, Kind] = {"contact": "contact", "deal": "deal", "0-1": "contact", "0-3": "deal"}


def prove(delivery: Delivery, secret: str) -> None:
    """Raise `BadDelivery` unless the delivery is signed, and was within five minutes of now, as both clocks have it.

    Only v3 of the signature counts: the older ones cover no time. The SDK's own check takes any time to come, and
    raises what it should not for a header that is missing.
    """
    given = delivery.headers.get("x-hubspot-signature-v3", "")
    sent = delivery.headers.get("x-hubspot-request-timestamp", "")
    if not re.fullmatch(r"[0-9]{1,14}", sent):
        raise BadDelivery("forged", "there is no time of HubSpot's in X-HubSpot-Request-Timestamp")
    if not same_secret(given, signature(delivery, secret, sent)):
        raise BadDelivery("forged", "X-HubSpot-Signature-v3 does not fit; are app, client secret and public_url right?")
    if abs(delivery.at - read_time(sent)) > _OLDEST:
        raise BadDelivery("stale", "X-HubSpot-Request-Timestamp is more than five minutes from our time")


def signature(delivery: Delivery, secret: str, sent: str) -> str:
    """Work out v3 of the signature, over bytes as they came and the address as HubSpot knows it."""
    path, mark, query = delivery.url.partition("?")
    url = path + mark + _DECODED.sub(lambda found: unquote(found[0]), query)
    signed = f"{delivery.method}{url}".encode(errors="replace") + delivery.body + sent.encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def read(body: bytes, portal: str | None) -> Sequence[Poke]:
    """Read the events of a proved delivery, one hint each; those on other accounts and objects are passed over.

    HubSpot has two dialects: `deal.creation`, and `object.creation` with an `objectTypeId`.
    """
    events = read_json(body)
    if not isinstance(events, list) or len(events) > _SEVERAL or not all(isinstance(it, dict) for it in events):
        raise BadDelivery("unreadable", "the body is no list of events")
    return [poke for it in events if portal in {None, _id(it, "portalId")} and (poke := _poke(it))]


def _poke(event: JsonObject) -> Poke | None:
    subscription = event.get("subscriptionType")
    if not isinstance(subscription, str) or not re.fullmatch(r"[A-Za-z]{1,40}\.[A-Za-z]{1,40}", subscription):
        return None
    owner, _, what = subscription.partition(".")
    kind = _TYPES.get(str(event.get("objectTypeId")) if owner == "object" else owner)
    if what == "associationChange":
        found = _ends(event)
    else:
        found = [(kind, id_) for id_ in (_id(event, "objectId"), *_merged(event, what)) if kind and id_]
    refs = tuple(dict.fromkeys(_ref(kind, id_) for kind, id_ in found))
    # eventId alone is "not guaranteed to be unique"; attemptNumber is another at each repetition.
    objects = "-".join(dict.fromkeys(id_ for _, id_ in found))[:100]
    names = (_id(event, "portalId"), subscription, objects, _id(event, "eventId"), _id(event, "occurredAt"))
    return Poke(id=":".join(names), refs=refs) if refs else None


def _merged(event: JsonObject, what: str) -> list[str]:
    """Name the records of a merge: the two and more that went into it, and the new one that they became."""
    if what != "merge":
        return []
    old = event.get("mergedObjectIds")
    ids = [_number(it) for it in old] if isinstance(old, list) else []
    return [_id(event, "newObjectId"), _id(event, "primaryObjectId"), *ids[:20]]


def _ends(event: JsonObject) -> list[tuple[Kind, str]]:
    """Name the two records of an association, as far as they are of interest; the types are told in either way."""
    kinds = str(event.get("associationType")).lower().split("_to_")
    types = (event.get("fromObjectTypeId") or kinds[0], event.get("toObjectTypeId") or kinds[-1])
    ids = (_id(event, "fromObjectId"), _id(event, "toObjectId"))
    return [(_TYPES[str(it)], id_) for it, id_ in zip(types, ids, strict=True) if str(it) in _TYPES and id_]


def _ref(kind: Kind, id_: str) -> RemoteRef:
    it = RemoteId(type=kind, id=id_)
    return RemoteRef(deal=it) if kind == "deal" else RemoteRef(person=it)


def _id(event: JsonObject, name: str) -> str:
    return _number(event.get(name))


def _number(value: Any) -> str:
    """Give a whole number as text, "" for anything else: HubSpot's ids are numbers, and a name is at most so long."""
    if not isinstance(value, int | str):
        return ""
    text = str(value) if isinstance(value, str) or abs(value) < 10**20 else ""
    return text if re.fullmatch(r"[0-9]{1,20}", text) else ""
