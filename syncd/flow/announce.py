"""Announce: what follows from the books besides the books is owed to every receiver that wants to know it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.heard import Teller
from syncd.store import referrals, work
from syncd.store.engine import once_committed
from syncd_rules import Effect


def teller(tx: Transaction, app: App, campaign: str, known: set[str], now: datetime) -> Teller:
    """Give whoever tells a campaign's effects to all receivers; `known` are those that were told, as far as known."""
    tell = partial(announce, tx, app, campaign, now=now)
    return Teller(tx=tx, campaign=campaign, now=now, announce=tell, known=known)


def announce(tx: Transaction, app: App, campaign: str, effect: Effect, now: datetime) -> None:
    """Owe a message to each receiver of such effects, in this transaction; it is on its way once that is committed."""
    if not (wanting := [it.name for it in app.config.receivers if it.wants(effect.name)]):
        return
    data = {"campaign": campaign, **_referral(tx, campaign, effect), **effect.data}
    message = {"type": effect.name, "timestamp": effect.at.astimezone(UTC).isoformat(), "data": data}
    lead = next((data[name] for name in ("referral", "advocate", "participant", "to") if data.get(name)), None)
    for name in wanting:
        if work.owe_message(tx, receiver=name, effect=effect.key, lead=lead, message=message, now=now):
            once_committed(tx, lambda name=name: app.nudge(name))  # type: ignore[misc]


def _referral(tx: Transaction, campaign: str, effect: Effect) -> Mapping[str, Any]:
    """Give our id of the referral that an effect is about, by which the API tells more."""
    if not (friend := effect.data.get("friend")):
        return {}
    found = referrals.find(tx, campaign=campaign, friend=friend, limit=1)
    return {"referral": found[0].id} if found else {}
