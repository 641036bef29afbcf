"""Notification channels: who is told what, until when, and in which words.

https://www.zoho.com/crm/developer/docs/api/v8/notifications/overview.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.sandbox.crm.hooks import Hooks, Manners
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid
from syncd.sandbox.crm.zoho.store import Change
from syncd.sandbox.crm.zoho.values import show

MANNERS = Manners(timeout=10.0)
"""No page says that a failed notification is sent again."""

LONGEST = timedelta(weeks=1)
USUAL = timedelta(hours=1)
"""What a channel gets that asks for nothing, or for more than the longest. Nobody is told."""

MOST = 100
EVENTS = {"insert": "create", "update": "edit", "delete": "delete"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The fields of a module of which one, or for `every` each, must be new for an edit to be told."""

    every: bool
    parts: tuple[str | Selection, ...]

    def holds(self, fields: frozenset[str]) -> bool:
        """Tell whether a change of these fields is to be told."""
        found = [part in fields if isinstance(part, str) else part.holds(fields) for part in self.parts]
        return all(found) if self.every else any(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A channel as it was asked for."""

    id: str
    url: str = field(repr=False)
    events: frozenset[str]  # such as Deals.edit
    expiry: datetime
    token: str | None = field(default=None, repr=False)
    selections: tuple[tuple[str, Selection], ...] = ()  # with the module
    raw_condition: Any = field(default=None, repr=False)
    with_values: bool = False
    on_related: bool = True

    @property
    def modules(self) -> list[str]:
        """List the modules that it is about."""
        return sorted({event.partition(".")[0] for event in self.events})

    def wants(self, change: Change) -> bool:
        """Tell whether it is about this change."""
        if not {f"{change.module}.{EVENTS[change.operation]}", f"{change.module}.all"} & self.events:
            return False
        chosen = [it for module, it in self.selections if module == change.module]
        fields = frozenset(change.fields)
        return change.operation != "update" or all(it.holds(fields) for it in chosen)


class Channels:
    """The channels of one account. Not locked itself."""

    def __init__(self, *, org: ZohoOrg, hooks: Hooks, background: bool) -> None:
        self.hooks = hooks
        self._org = org
        self._background = background
        self._open: dict[str, Channel] = {}

    def put(self, channel: Channel) -> None:
        """Open a channel, or give one other details. Raises Refusal for a URL that is not on this machine."""
        if channel.id not in self._open and len(self.listed()) >= MOST:
            raise Refusal("LIMIT_EXCEEDED", "limit exceeded", details={"limit": MOST, "api_name": "channel_id"})
        try:
            self.hooks.subscribe(channel.id, channel.url, {})
        except ValueError:
            raise invalid("notify_url") from None
        self._open[channel.id] = channel
        if self._background:
            self.hooks.start()

    def find(self, id_: str) -> Channel:
        """Give an open channel. Raises Refusal."""
        found = next((it for it in self.listed() if it.id == id_), None)
        if found is None:
            raise invalid("channel_id")
        return found

    def close(self, id_: str) -> Channel:
        """Close a channel. Raises Refusal for one that is not open."""
        channel = self.find(id_)
        self._open.pop(id_)
        self.hooks.unsubscribe(id_)
        return channel

    def listed(self) -> list[Channel]:
        """Give the channels that have not expired; those that have are forgotten."""
        now = self._org.now()
        for id_ in [id_ for id_, it in self._open.items() if now >= it.expiry]:
            self._open.pop(id_)
            self.hooks.unsubscribe(id_)
        return list(self._open.values())

    def tell(self, change: Change) -> None:
        """Queue a message for each channel that is about a change."""
        for channel in self.listed():
            if channel.wants(change):
                self.hooks.offer(channel.id, self._body(channel, change))

    def _body(self, channel: Channel, change: Change) -> Callable[[int], bytes]:
        """Make the message. It names a record by its id alone, and an old version of the API in its address."""
        message: dict[str, Any] = {
            "server_time": int(change.at.timestamp() * 1000),
            "query_params": {},
            "module": change.module,
            "resource_uri": f"https://www.zohoapis.com/crm/v2/{change.module}",
            "ids": [change.id],
            "affected_fields": [{change.id: list(change.fields)}] if change.operation == "update" else [],
            "operation": change.operation,
            "channel_id": channel.id,
            "token": channel.token,
        }
        if channel.with_values and change.operation == "update":
            record = self._org.records[change.module][change.id]
            new = {name: show(record.get(name), self._org.zone) for name in change.fields}
            message["affected_values"] = [{"record_id": change.id, "values": new}]
        text = json.dumps(message).encode()
        return lambda _: text


def lasting(asked: datetime | None, now: datetime) -> datetime:
    """Give the time at which a channel ends that asks for this one."""
    if asked is None or asked > now + LONGEST:
        return now.replace(microsecond=0) + USUAL
    return asked
