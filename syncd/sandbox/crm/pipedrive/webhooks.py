"""Webhooks v2: who is told what, in which words, and how the vendor goes on when nobody listens.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from syncd.sandbox.crm.hooks import Hooks, Manners
from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.refusal import Refusal
from syncd.sandbox.crm.pipedrive.store import Happening

MANNERS = Manners(waits=(3.0, 30.0, 150.0), timeout=10.0, ban_after=10, ban_seconds=1_800.0, ends_after=3 * 86_400.0)
MOST = 40
"""Webhooks that a user can have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """A webhook as it was asked for."""

    id: str
    name: str
    url: str
    action: str  # create, change, delete or *
    entity: str  # person, deal, lead ... or *
    added: datetime
    user: int
    auth_user: str | None = None
    auth_password: str | None = field(default=None, repr=False)

    def wants(self, happening: Happening) -> bool:
        """Tell whether it is about this. What the user may not see is nobody's business."""
        fits = self.action in {"*", happening.action} and self.entity in {"*", happening.kind}
        return fits and not happening.hidden


class Webhooks:
    """The webhooks of one company. Not locked itself."""

    def __init__(
        self, *, company: int, host: str, hooks: Hooks, now: Callable[[], datetime], rng: Random, background: bool
    ) -> None:
        self.hooks = hooks
        self._company = company
        self._host = host
        self._now = now
        self._rng = rng
        self._background = background
        self._made: dict[str, Webhook] = {}

    def create(self, **values: Any) -> Webhook:
        """Make a webhook; `values` are the fields of `Webhook` but for `id` and `added`."""
        if len(self.listed()) >= MOST:
            raise Refusal(422, "Webhooks limit reached")
        it = Webhook(id=str(6_001 + len(self._made)), added=self._now(), **values)
        try:
            self.hooks.subscribe(it.id, it.url, _auth(it))
        except ValueError as error:
            raise Refusal(400, f"subscription_url: {error}") from None
        self._made[it.id] = it
        if self._background:
            self.hooks.start()
        return it

    def delete(self, id_: str) -> None:
        """Remove a webhook. Raises KeyError."""
        if id_ not in {it.id for it in self.listed()}:
            raise KeyError(id_)
        self.hooks.unsubscribe(id_)

    def listed(self) -> list[Webhook]:
        """Give the webhooks that neither a client nor the vendor has removed."""
        return [it for it in self._made.values() if self.hooks.subscription(it.id)]

    def show(self, it: Webhook) -> dict[str, Any]:
        """Show a webhook as v1 does."""
        fate = self.hooks.subscription(it.id)
        last = fate.last_at if fate else None
        # No page says how a ban shows; that it does, here, is our guess.
        is_banned = fate is not None and fate.banned_until is not None and self._now() < fate.banned_until
        return {
            "id": int(it.id),
            "company_id": self._company,
            "owner_id": it.user,
            "user_id": it.user,
            "admin_id": it.user,
            "name": it.name,
            "event_action": it.action,
            "event_object": it.entity,
            "subscription_url": it.url,
            "version": "2.0",
            "is_active": 1 if fate and not is_banned else 0,
            "type": "general",
            "add_time": moments.with_ms(it.added),
            "remove_time": None,
            "remove_reason": None,
            "last_delivery_time": moments.with_ms(last) if last else None,
            "last_http_status": fate.last_code if fate else None,
            "http_auth_user": it.auth_user,
            "http_auth_password": it.auth_password,
            "additional_data": None,
        }

    def tell(self, happening: Happening) -> None:
        """Queue a message for each webhook that is about this."""
        ids = tuple(str(UUID(int=self._rng.getrandbits(128), version=4)) for _ in range(2))
        for it in self.listed():
            if it.wants(happening):
                self.hooks.offer(it.id, self._body(it, happening, ids))

    def _body(self, it: Webhook, happening: Happening, ids: tuple[str, ...]) -> Callable[[int], bytes]:
        def body(attempt: int) -> bytes:
            meta = {**self._meta(it, happening), "id": ids[0], "correlation_id": ids[1], "attempt": attempt}
            return json.dumps({"meta": meta, "data": happening.data, "previous": happening.previous}).encode()

        return body

    def _meta(self, it: Webhook, happening: Happening) -> dict[str, Any]:
        merged = {"merged_to_id": happening.merged_to, "merged_from_id": happening.merged_from}
        return {
            "action": happening.action,
            "entity": happening.kind,
            "entity_id": happening.id,
            "company_id": str(self._company),
            "user_id": str(it.user),
            "timestamp": moments.with_ms(happening.at),
            "type": "general",
            "version": "2.0",
            "webhook_id": it.id,
            "webhook_owner_id": str(it.user),
            "change_source": happening.source,
            "is_bulk_edit": False,
            "permitted_user_ids": [str(it.user)],
            "host": self._host,
            **{name: value for name, value in merged.items() if value},
        }


def _auth(it: Webhook) -> Mapping[str, str]:
    if it.auth_user is None and it.auth_password is None:
        return {}
    pair = f"{it.auth_user or ''}:{it.auth_password or ''}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
