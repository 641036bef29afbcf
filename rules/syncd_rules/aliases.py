"""Two ids that turn out to be one person: from the moment that this is known, they were one person all along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from syncd_rules.events import Event
from syncd_rules.versions import Versions

_PEOPLE = ("participant", "friend", "advocate", "to")


def aliases_of(events: Iterable[Event]) -> dict[str, str]:
    """Read the merges among events in canonical order; give id -> the id that the person is known by."""
    into: dict[str, str] = {}
    for event in events:
        if event.type == "identity.merged":
            old, new = _root(event.data["from"], into), _root(event.data["into"], into)
            if old != new:
                into[old] = new
    return {name: _root(name, into) for name in into}


def _root(name: str, into: Mapping[str, str]) -> str:
    while name in into:
        name = into[name]
    return name


def renamed(event: Event, aliases: Mapping[str, str], versions: Versions) -> Event:
    """Give the event with every person under the id that they are known by."""
    names = [name for name in _PEOPLE if event.data.get(name) in aliases]
    rule = versions.referral_rules.get(event.data.get("rule", ""))
    if rule and rule.trigger != "order.paid" and event.data.get("subject") in aliases:
        names.append("subject")
    if not names:
        return event
    return replace(event, data={**event.data, **{name: aliases[event.data[name]] for name in names}})
