"""Pipedrive's webhooks: what one says, and ordering them.

They carry no signature. What proves them is the user and the password that they were ordered with (HTTP Basic), and
the secret part of the address where the settings have one.
https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from syncd.contract import (
    BadDelivery,
    Delivery,
    JsonObject,
    Misconfigured,
    Poke,
    RemoteId,
    RemoteRef,
    Subscription,
    read_id,
    read_json,
    same_secret,
)
from syncd_connectors.pipedrive.answers import Missing, Refused
from syncd_connectors.pipedrive.records import rows_of
from syncd_connectors.pipedrive.settings import PipedriveSettings, PipedriveWebhook

_VERSION = "2.0"
_IDS = {"deal": r"[0-9]{1,18}", "person": r"[0-9]{1,18}", "lead": r"[0-9a-f-]{36}"}

# --- what one says ---


def read(delivery: Delivery, settings: PipedriveWebhook) -> list[Poke]:
    """Prove a message and read which records it is about."""
    _prove(delivery, settings)
    message = read_json(delivery.body)
    try:
        meta = message["meta"]
        id_, version = meta["id"], meta["version"]
        entity, action = str(meta["entity"]), str(meta["action"])
    except (LookupError, TypeError):
        raise BadDelivery("unreadable", "this is no message of Pipedrive's webhooks v2") from None
    if version != _VERSION or not isinstance(id_, str) or not re.fullmatch(r"[!-~]{1,200}", id_):
        raise BadDelivery("unreadable", "this is no message of Pipedrive's webhooks v2")
    refs = _refs(entity, action, meta)
    return [Poke(id=id_, refs=refs)] if refs else []


def _prove(delivery: Delivery, settings: PipedriveWebhook) -> None:
    secret = settings.path_secret
    if secret and not same_secret(delivery.secret, secret.get_secret_value()):
        raise BadDelivery("forged", "the address is not the one that the webhook was ordered for")
    scheme, _, credentials = delivery.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):  # of letters that are no ASCII
        given = b""
    if not same_secret(given, f"{settings.user}:{settings.password.get_secret_value()}"):
        raise BadDelivery("forged", "user and password are not those that the webhook was ordered with")


def _refs(entity: str, action: str, meta: JsonObject) -> tuple[RemoteRef, ...]:
    """Name the records of a message: one that was merged away, and what it is in now, too.

    Of persons only their end is of interest, and of leads not their beginning: nobody but us makes one that is ours.
    """
    if (entity == "person" and action != "delete") or (entity == "lead" and action == "create"):
        return ()
    if (known := _IDS.get(entity)) is None:
        return ()
    named = [str(id_) for id_ in (meta.get("entity_id"), meta.get("merged_to_id")) if isinstance(id_, str | int)]
    ids = [RemoteId(type=entity, id=id_) for id_ in named if re.fullmatch(known, id_)]
    return tuple(RemoteRef(person=it) if entity == "person" else RemoteRef(deal=it) for it in ids)


# --- ordering them ---


class Orders:
    """The webhooks that are ordered for one URL. Those of other URLs are nobody's business here.

    Pipedrive bans a webhook for half an hour when ten messages were not taken at once, and removes it after three days
    without success. Both show in its list.
    """

    def __init__(self, v1: Any, settings: PipedriveSettings) -> None:
        self._v1, self._settings = v1, settings

    def subscribe(self, url: str) -> Subscription:
        """Order what is missing, then remove what is of another version, has another password, is off, or is double.

        In this order, so that nothing that happens meanwhile goes untold.
        """
        wanted, useless, there = self._wanted(), list[str](), set[tuple[str, str]]()
        for row in self._ordered(url):
            what = (str(row.get("event_action")), str(row.get("event_object")))
            if what in wanted and what not in there and self._is_well(row):
                there.add(what)
            else:
                useless.append(read_id(row.get("id")))
        missing = [it for it in wanted if it not in there]
        for action, entity in missing:
            self._order(url, action, entity)
        for id_ in useless:
            self._remove(id_)
        words = [f"ordered {', '.join(f'{entity}.{action}' for action, entity in missing)}"] if missing else []
        words += [f"removed {len(useless)} that did not serve"] if useless else []
        return Subscription(done="; ".join(words))

    def unsubscribe(self, url: str) -> None:
        """Remove all that is ordered for a URL."""
        for row in self._ordered(url):
            self._remove(read_id(row.get("id")))

    def _wanted(self) -> list[tuple[str, str]]:
        of_leads = [("*", "lead")] if self._settings.push.kind == "lead" else []
        return [("*", "deal"), *of_leads, ("delete", "person")]

    def _ordered(self, url: str) -> Sequence[JsonObject]:
        answer = self._v1.webhooks.get_hooks_subscription()
        return [it for it in rows_of(answer.body) if it.get("subscription_url") == url]

    def _is_well(self, row: JsonObject) -> bool:
        webhook = self._webhook
        password = row.get("http_auth_password")
        # Where the list veils the password nobody can tell whether it is the right one: then the user has to do.
        is_shown = isinstance(password, str) and re.fullmatch(r"[*•]+", password) is None
        return (
            str(row.get("version")) == _VERSION
            and row.get("is_active") not in (0, False)
            and row.get("http_auth_user") == webhook.user
            and (not is_shown or password == webhook.password.get_secret_value())
        )

    def _order(self, url: str, action: str, entity: str) -> None:
        webhook = self._webhook
        body = {
            "name": f"syncd {self._settings.name}: {entity}",
            "subscription_url": url,
            "event_action": action,
            "event_object": entity,
            "version": _VERSION,
            "http_auth_user": webhook.user,
            "http_auth_password": webhook.password.get_secret_value(),
        }
        try:
            # Not by the SDK's own method, which takes no version and no password.
            self._v1._post(f"{self._v1.BASE_URL}webhooks", json=body)
        except Refused:
            hint = "Pipedrive takes https addresses that answer without a redirect, and 40 webhooks of a user"
            raise Misconfigured("Pipedrive takes no webhook", yaml_path="webhook", hint=hint) from None

    def _remove(self, id_: str) -> None:
        try:
            self._v1.webhooks.delete_hook_subscription(id_)
        except Missing:  # somebody was faster
            return

    @property
    def _webhook(self) -> PipedriveWebhook:
        if self._settings.webhook is None:
            hint = "give a user and a password; syncd webhooks keys makes one"
            raise Misconfigured("nothing says how webhooks prove themselves", yaml_path="webhook", hint=hint)
        return self._settings.webhook
