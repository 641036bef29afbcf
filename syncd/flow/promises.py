"""Promises: what people were promised stays; a process whose rules are not those in effect does not begin to book."""

from __future__ import annotations

from sqlalchemy import Connection as Transaction

from syncd.config import Campaign
from syncd.flow import audit
from syncd.flow.app import App
from syncd.flow.book import wake_all
from syncd.flow.programs import differing, in_effect, known
from syncd.store import access, books


class ChangedProgram(Exception):
    """A version of a program in effect has changed, or one comes too late: what was earned would change with it."""

    def __init__(self, told: str, place: str = "") -> None:
        super().__init__(told)
        self.place = place  # file:line:column, where it is known


def hold_programs(tx: Transaction, app: App) -> None:
    """Write down each version of a program that has taken effect, and have the books looked at where one has.

    Raises `ChangedProgram` for one that was changed since, or taken away. As long as nothing has happened in a
    campaign, its program may still be written anew.
    """
    for campaign in app.config.campaigns.values():
        _hold(tx, app, campaign)


def _hold(tx: Transaction, app: App, campaign: Campaign) -> None:
    now, said = app.clock(), known(app, campaign)
    kept, happened = access.programs(tx, campaign.id), books.has_events(tx, campaign.id)
    if changed := differing(kept, said):
        if happened:
            told = _CHANGED.format(version=changed[0], campaign=campaign.id, next=max(kept) + 1)
            raise ChangedProgram(told, campaign.place_of(changed[0]))
        access.drop_programs(tx, campaign.id)
        kept = {}
    begun = [program for program in in_effect(campaign, now) if program.version not in kept]
    for it in begun:
        if it.effective_from is not None and books.has_booked(tx, campaign.id, it.effective_from):
            told = _TOO_LATE.format(version=it.version, campaign=campaign.id, at=it.effective_from.isoformat())
            raise ChangedProgram(told, campaign.place_of(it.version))
        access.add_program(tx, campaign.id, it.version, said[it.version], now)
    if begun:
        audit.make_due(tx)  # as after each change of rules
    ahead = [it.effective_from for it in campaign.programs if it.effective_from and it.effective_from > now]
    # Nothing else would look at books of which nobody speaks.
    if happened and (begun or ahead):
        wake_all(tx, app, campaign.id, now if begun else min(ahead), now)


_CHANGED = (
    "version {version} of campaign {campaign} is in effect and has changed since; undo the change, and write it as "
    "version {next} with effective_from: what people were promised stays"
)
_TOO_LATE = (
    "version {version} of campaign {campaign} would have been in effect since {at}, and things were booked since "
    "by the version before; give it an effective_from that is still to come: what people were promised stays"
)
