"""Zoho's notifications: what one says, and the channel through which they come.

They carry no signature. What proves them is the token that the channel was opened with, which every message repeats,
and the secret part of the address where the settings have one.
https://www.zoho.com/crm/developer/docs/api/v8/notifications/overview.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from syncd.contract import (
    BadDelivery,
    Delivery,
    JsonObject,
    Misconfigured,
    Poke,
    Subscription,
    Transient,
    json_objects,
    read_json,
    read_time,
    same_secret,
)
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.records import as_object, literal, ref_to
from syncd_connectors.zoho.settings import ZohoSettings, ZohoWebhook

_MOST_IDS = 1_000  # Zoho's pages name a hundred to a message
_OPERATIONS = frozenset({"insert", "update", "delete"})
_LASTS = timedelta(days=6, hours=20)  # of the week that a channel may last; one that asks for more gets an hour
_RENEWED = timedelta(days=3, hours=10)  # what is left of a channel when it is renewed

# Nobody but us makes a Lead or a Contact that is ours, and of Contacts only the end is of interest.
_EVENTS = {
    "Leads": ("edit", "delete"),
    "Contacts": ("delete",),
    "Deals": ("create", "edit", "delete"),
}
# Of Leads every edit is told: a conversion is one, and no page says of which field.
_FIELDS = {"Deals": ("Stage", "Amount")}

# --- what one says ---


def read(delivery: Delivery, settings: ZohoWebhook) -> list[Poke]:
    """Prove a message and read which records it is about."""
    message = _proved(delivery, settings)
    module, operation, ids = message.get("module"), message.get("operation"), message.get("ids")
    if not isinstance(module, str) or not isinstance(operation, str):
        raise BadDelivery("unreadable", "this is no message of Zoho's notifications")
    if module not in _EVENTS or operation not in _OPERATIONS:
        return []
    if not isinstance(ids, list) or len(ids) > _MOST_IDS:
        raise BadDelivery("unreadable", "a message names the records that it is about, and not thousands of them")
    named = [str(id_) for id_ in ids if isinstance(id_, str | int)]
    refs = tuple(ref_to(module, id_) for id_ in named if id_.isascii() and id_.isdigit() and len(id_) <= 19)
    return [Poke(id=_name(message), refs=refs)] if refs else []


def _proved(delivery: Delivery, settings: ZohoWebhook) -> JsonObject:
    secret = settings.path_secret
    if secret and not same_secret(delivery.secret, secret.get_secret_value()):
        raise BadDelivery("forged", "the address is not the one that the channel was opened for")
    try:
        message = as_object(read_json(delivery.body))
    except BadDelivery:  # what proves it is in the body: one that cannot be read is not proved
        message = {}
    given, token = message.get("token"), settings.token.get_secret_value()
    is_ours = str(message.get("channel_id")) == channel_of(delivery.url)
    if not isinstance(given, str) or not same_secret(_bytes(given), token) or not is_ours:
        raise BadDelivery("forged", "it does not repeat the token of our channel")
    return message


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold halves of letters


def _name(message: JsonObject) -> str:
    """Name a message, which has no id of its own: by when, of what and how it tells."""
    parts = [message.get(name) for name in ("server_time", "module", "operation", "ids", "affected_fields")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def channel_of(url: str) -> str:
    """Give the number of our channel to a URL: always the same, so that no second one is ever opened."""
    return str(10**14 + int.from_bytes(hashlib.sha256(url.encode()).digest()[:6], "big"))


# --- the channel ---


class Orders:
    """The channel to one URL; it ends by itself after a week at the most. All others are nobody's business here."""

    def __init__(self, client: Client, settings: ZohoSettings) -> None:
        self._client, self._settings = client, settings

    def subscribe(self, url: str) -> Subscription:
        """Open the channel, or renew it when half of its time is over or the settings have changed.

        https://www.zoho.com/crm/developer/docs/api/v8/notifications/enable.html
        """
        rows, wanted = self._open(url), self._wanted(url)
        until = min((read_time(it.get("channel_expiry")) for it in rows), default=None)
        now = self._client.now
        if until and now and until - now > _RENEWED and _is_as(rows, wanted):
            return Subscription(until=until)
        if now:  # without it Zoho gives an hour, and says so
            wanted["channel_expiry"] = literal(now + _LASTS)
        method, right = ("PUT", "UPDATE") if rows else ("POST", "CREATE")
        body = {"watch": [wanted]}
        answer = self._client.ask(method, "actions/watch", scope=f"notifications.{right}", body=body)
        return Subscription(until=_until(answer), done="renewed the channel" if rows else "opened a channel")

    def unsubscribe(self, url: str) -> None:
        """Close the channel to a URL."""
        if self._open(url):
            params = {"channel_ids": channel_of(url)}
            self._client.ask("DELETE", "actions/watch", scope="notifications.DELETE", params=params)

    def _open(self, url: str) -> list[JsonObject]:
        """Give what Zoho says of the channel, an entry for each module; nothing if it is not open."""
        id_ = channel_of(url)
        body = self._client.ask("GET", "actions/watch", scope="notifications.READ", params={"channel_id": id_})
        return [it for it in json_objects(body, "watch", optional=not body) if str(it.get("channel_id")) == id_]

    def _wanted(self, url: str) -> JsonObject:
        webhook = self._settings.webhook
        if webhook is None:
            hint = "give a token; syncd webhooks keys makes one"
            raise Misconfigured("nothing says how notifications prove themselves", yaml_path="webhook", hint=hint)
        modules = [it for it in _EVENTS if it != "Leads" or self._settings.push.kind == "lead"]
        return {
            "channel_id": channel_of(url),
            "events": [f"{module}.{event}" for module in modules for event in _EVENTS[module]],
            "notification_condition": [_selection(module, fields) for module, fields in _FIELDS.items()],
            "notify_url": url,
            "token": webhook.token.get_secret_value(),
            "return_affected_field_values": False,
            "notify_on_related_action": False,  # Zoho's own default would tell of every note and every task
        }


def _selection(module: str, fields: Sequence[str]) -> JsonObject:
    group: list[Any] = [{"field": {"api_name": name}} for name in fields]
    selection = {"group_operator": "or", "group": group}
    return {"type": "field_selection", "module": {"api_name": module}, "field_selection": selection}


def _is_as(rows: Sequence[JsonObject], wanted: JsonObject) -> bool:
    """Tell whether an open channel is as we want it; a token that Zoho does not show may be any."""
    events = {event for it in rows for event in it.get("events") or ()}
    return events == set(wanted["events"]) and all(
        it.get("notify_url") == wanted["notify_url"] and it.get("token") in (None, wanted["token"]) for it in rows
    )


def _until(answer: JsonObject) -> datetime:
    """Read when the channel ends: as Zoho says, whatever it was asked for."""
    rows = json_objects(answer, "watch")
    events = [event for it in rows for event in json_objects(as_object(it.get("details")), "events", optional=True)]
    if not events or any(it.get("code") != "SUCCESS" for it in rows):
        raise Transient("Zoho does not say that the channel is open")
    return min(read_time(it.get("channel_expiry")) for it in events)
