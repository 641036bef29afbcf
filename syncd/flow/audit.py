"""Audit: weigh everything anew from the facts, and tell where the books say something else. Nothing is mended here."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import SQLAlchemyError

from syncd.flow.app import App
from syncd.flow.book import is_about_to_be_weighed, scope_of
from syncd.flow.programs import out_of_date
from syncd.flow.shelf import Opened
from syncd.flow.told import read_told
from syncd.flow.written import Scope, Written, as_it_stands, milestones_of, read_written, refusals_of, rewards_of
from syncd.store import access, books, people, records, referrals
from syncd.store.books import Told
from syncd.store.engine import read, retrying
from syncd.store.records import Deal
from syncd.store.referrals import Referral
from syncd_rules import Program, Result, State, reconcile

log = logging.getLogger("syncd")

EVERY = timedelta(days=1)
CHUNK = 200  # advocates whose names, or referrals whose deals, are read at a time
_SETTING = "audit"


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What the database holds of books at one moment: the facts, and what was written of them."""

    told: Sequence[Told]
    beside: Sequence[Told]  # what decides, besides, whose friends people are
    written: Written
    referrals: list[Referral] = field(default_factory=list)
    deals: dict[str, list[Deal]] = field(default_factory=dict)  # of referrals, by id
    pushed: set[str] = field(default_factory=set)  # ids of referrals


def last(tx: Transaction) -> Audit | None:
    """Read what the last audit found; None before the first, and after a change of rules."""
    text = access.setting_of(tx, _SETTING)
    if text is None:
        return None
    it = json.loads(text)
    return Audit(at=datetime.fromisoformat(it["at"]), books=it["books"], differing=it["differing"])


def make_due(tx: Transaction) -> None:
    """Have the next audit held at once."""
    access.drop_setting(tx, _SETTING)


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
        differing += _differs(app, scope)
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
        with read(app.database) as tx:
            strays = books.strays(tx, campaign, limit=CHUNK)
        yield from (Scope(campaign=campaign, advocate=who) for who in strays)


def _differs(app: App, scope: Scope) -> bool:
    """Compare books with the facts, both as of one moment; whoever books meanwhile is not kept waiting."""
    now = app.clock()
    try:
        note = _differences(app, scope, now)
    except SQLAlchemyError:
        raise  # the database is at fault, and not these books
    except Exception as error:  # or nobody would look at the books that come after these
        log.exception("audit: the books of %s in %s cannot be weighed", scope.advocate or "all", scope.campaign)
        note = {"error": type(error).__name__}
    if not note:
        return False
    more: dict[str, Any] = {"participant": scope.advocate, "campaign": scope.campaign, **note}
    retrying(app.database, lambda tx: referrals.note(tx, "books_differ", at=now, cause="audit", **more))
    log.error("audit: the books of %s in %s differ from the facts: %s", scope.advocate or "all", scope.campaign, note)
    return True


def _differences(app: App, scope: Scope, now: datetime) -> dict[str, Any]:
    """Count what is written otherwise than it follows; nothing of books that somebody is about to write."""
    configured = app.campaign(scope.campaign)
    assert configured is not None
    with read(app.database) as tx:
        if out_of_date(tx, app, configured) or is_about_to_be_weighed(tx, scope, now):
            return {}
        stored = _stored(tx, app, scope)
    return _compared(stored, _weighed(stored, configured.programs, scope.advocate, now))


def _stored(tx: Transaction, app: App, scope: Scope) -> Stored:
    told, beside = read_told(tx, app, scope)
    stored = Stored(told=told, beside=beside, written=read_written(tx, scope))
    before = None
    while some := referrals.find(tx, campaign=scope.campaign, advocate=scope.advocate, before=before, limit=CHUNK):
        before, leads = (some[-1].captured_at, some[-1].id), [it.id for it in some]
        stored.referrals.extend(some)
        stored.deals.update(records.deals_of(tx, leads))
        stored.pushed.update(records.pushed(tx, leads))
    return stored


def _weighed(stored: Stored, programs: Sequence[Program], advocate: str | None, now: datetime) -> Result:
    """Say what follows from the facts, as of the moment at which the books were last weighed."""
    opened = Opened(state=State(programs), as_of=max([now, *stored.written.times()]))
    opened.take(stored.told, now, stored.beside)
    return opened.state.result(opened.as_of, advocate)


def _compared(stored: Stored, result: Result) -> dict[str, int]:
    written = stored.written
    refused = refusals_of(result.rejected)

    def stands(it: Referral) -> Referral:
        state, reason = result.referrals.get(it.friend), refused.get(it.friend)
        return as_it_stands(it, state, reason, it.id in stored.pushed, stored.deals.get(it.id, ()))

    found = {
        "ledger": len(reconcile(written.ledger.values(), result.ledger)),
        "rewards": len(set(written.rewards.items()) ^ set(rewards_of(result.rewards).items())),
        "milestones": len(set(written.milestones.items()) ^ set(milestones_of(result.milestones).items())),
        "referrals": sum(it != stands(it) for it in stored.referrals),
    }
    return {name: count for name, count in found.items() if count}
