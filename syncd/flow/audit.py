"""Audit: weigh everything anew from the facts, and tell where the books say something else. Nothing is mended here."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.book import is_about_to_be_weighed, lock, scope_of, wake_all
from syncd.flow.shelf import Opened
from syncd.flow.written import Scope, milestones_of, read_written, rewards_of
from syncd.store import access, books, people, referrals
from syncd.store.engine import read, retrying
from syncd_rules import Program, State, dump, reconcile

log = logging.getLogger("syncd")

EVERY = timedelta(days=1)
CHUNK = 200  # advocates whose names are read at a time
_SETTING = "audit"


class ChangedProgram(Exception):
    """A version of a program has changed although it is in effect and something was earned by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What the last audit found."""

    at: datetime
    books: int  # how many were weighed
    differing: int

    @property
    def as_text(self) -> str:
        """Write it as it is stored."""
        return json.dumps({"at": self.at.isoformat(), "books": self.books, "differing": self.differing})


def last(tx: Transaction) -> Audit | None:
    """Read what the last audit found; None before the first."""
    text = access.setting_of(tx, _SETTING)
    if text is None:
        return None
    it = json.loads(text)
    return Audit(at=datetime.fromisoformat(it["at"]), books=it["books"], differing=it["differing"])


def audit(app: App) -> int:
    """Weigh all books anew if a day has passed; tell how many say something else than the facts do."""
    with read(app.database) as tx:
        before = last(tx)
    if before is not None and app.clock() - before.at < EVERY:
        return 0
    total = differing = 0
    for scope in _scopes(app):
        if app.stopping.is_set():
            return differing  # tomorrow's begins anew
        total += 1
        differing += retrying(app.database, lambda tx, scope=scope: _differs(tx, app, scope))  # type: ignore[misc]
    found = Audit(at=app.clock(), books=total, differing=differing)
    retrying(app.database, lambda tx: access.write_setting(tx, _SETTING, found.as_text))
    if differing:
        log.error("audit: %s of %s books say something else than the facts; see syncd rules explain", differing, total)
    return differing


def _scopes(app: App) -> Iterator[Scope]:
    for campaign in sorted(app.config.campaigns):
        if (tied := scope_of(app, campaign, "")).advocate is None:
            yield tied
            continue
        after = ""
        while True:
            with read(app.database) as tx:
                some = people.advocates(tx, campaign, after=after, limit=CHUNK)
            if not some:
                break
            yield from (Scope(campaign=campaign, advocate=who) for who in some)
            after = some[-1]


def _differs(tx: Transaction, app: App, scope: Scope) -> bool:
    """Compare books with the facts as of the moment at which they were last weighed."""
    configured = app.campaign(scope.campaign)
    assert configured is not None
    lock(tx, app, [scope])
    now = app.clock()
    if is_about_to_be_weighed(tx, scope, now):
        return False
    written = read_written(tx, scope)
    opened = Opened(state=State(configured.programs), as_of=max([now, *written.times()]))
    opened.take(books.events(tx, scope.campaign, scope.advocate), now)
    result = opened.state.result(opened.as_of, scope.advocate)
    found = {
        "ledger": len(reconcile(written.ledger.values(), result.ledger)),
        "rewards": len(set(written.rewards.items()) ^ set(rewards_of(result.rewards).items())),
        "milestones": len(set(written.milestones.items()) ^ set(milestones_of(result.milestones).items())),
    }
    if not any(found.values()):
        return False
    note: dict[str, Any] = {name: count for name, count in found.items() if count}
    referrals.note(
        tx, "books_differ", at=now, cause="audit", participant=scope.advocate, campaign=scope.campaign, **note
    )
    log.error("audit: the books of %s in %s differ from the facts: %s", scope.advocate or "all", scope.campaign, note)
    return True


# --- what was promised ------------------------------------------------------------------------------------------------


def hold_programs(tx: Transaction, app: App) -> None:
    """Remember each version of a program that has taken effect, and have the books looked at where one has.

    Raises `ChangedProgram` for one that was changed since, or taken away. As long as nothing has happened in a
    campaign, its program may still be written anew.
    """
    now = app.clock()
    for campaign in app.config.campaigns.values():
        programs = [program for program in campaign.programs if not program.draft]
        ahead = [it.effective_from for it in programs if it.effective_from and it.effective_from > now]
        said = {it.version: fingerprint(it) for it in programs if not it.effective_from or it.effective_from <= now}
        kept = access.programs(tx, campaign.id)
        if books.has_events(tx, campaign.id):
            for version in sorted(kept):
                if said.get(version) != kept[version]:
                    raise ChangedProgram(_CHANGED.format(version=version, campaign=campaign.id, next=max(kept) + 1))
            # Nothing else would look at books of which nobody speaks.
            if kept != said:
                wake_all(tx, app, campaign.id, now, now)
            elif ahead:
                wake_all(tx, app, campaign.id, min(ahead), now)
        if kept != said:
            access.write_programs(tx, campaign.id, said, now)
            access.drop_setting(tx, _SETTING)  # after a change of rules the next audit is due at once


_CHANGED = (
    "version {version} of campaign {campaign} is in effect and has changed since; undo the change, and write it as "
    "version {next} with effective_from: what people were promised stays"
)


def fingerprint(program: Program) -> str:
    """Name what a program says, however it is written."""
    return hashlib.sha256(json.dumps(dump(program), sort_keys=True).encode()).hexdigest()
