"""Whose friend somebody is: the rules say it, and the list of referrals follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.shelf import Opened
from syncd.flow.told import WHOSE, of_codes
from syncd.store import books, people, referrals
from syncd.store.referrals import Referral
from syncd_rules import Event, State

Found = tuple[str, Event]
"""The advocate whose friend somebody is, and the sign-up that made them so."""


def whose(
    tx: Transaction, app: App, campaign: str, who: str, now: datetime, sign_up: Event | None = None
) -> Found | None:
    """Let the rules say whose friend somebody is; `sign_up` is one that has not been booked."""
    configured = app.campaign(campaign)
    if configured is None:
        return None
    told = books.events_about(tx, campaign, [who], WHOSE)
    new = [] if sign_up is None else [sign_up]
    opened = Opened(state=State(configured.programs), as_of=now)
    opened.take(told, now, of_codes(tx, app, campaign, [*(it.event for it in told), *new]))
    opened.state.add(new, opened.as_of)
    return opened.state.referral_of(who)


def is_refused(referral: Referral) -> bool:
    """Tell whether a sign-up has made somebody nobody's friend."""
    return referral.standing == "rejected" and referral.reason != "disqualified"


def rows_of(tx: Transaction, campaign: str, who: str) -> list[Referral]:
    """Give the referrals of a person in a campaign under all their names, the oldest first."""
    rows = referrals.find(tx, campaign=campaign, friends=people.names_of(tx, who))
    return sorted(rows, key=lambda row: (row.captured_at, row.id))


def standing(rows: Sequence[Referral], who: str, found: Found | None) -> Referral:
    """Say which referral of a person is theirs: that of the sign-up that counts; where none does, the first."""
    if found is None:
        return replace(rows[0], friend=who)
    advocate, sign_up = found
    code, channel = sign_up.data["code"], sign_up.data.get("channel")
    made = [row for row in rows if (row.captured_at, row.code) == (sign_up.at, code)]
    known = [row for row in rows if row.friend == who]
    first = (*made, *known, *rows)[0]
    return replace(first, friend=who, advocate=advocate, code=code, channel=channel, captured_at=sign_up.at)
