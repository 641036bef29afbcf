"""Tell: post what a receiver is owed, each message under one id however often it is tried."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_
from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.health import FIRST_HOLD, bounded, rest
from syncd.notify import Outcome
from syncd.store import receivers, referrals, work
from syncd.store.engine import read, retrying, write
from syncd.store.tables import outbox
from syncd.store.work import Duty

log = logging.getLogger("syncd")

AT_ONCE = 3  # messages that one claim takes: posted one after the other, they take less than the lease
TURN = 30  # claims of one turn, so that whoever runs the steps in one thread comes to the others
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md asks for some three days.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    *[timedelta(hours=10)] * 7,
)
JITTER = 0.1  # of a wait: messages that failed together come back apart


def tell(app: App, name: str) -> int:
    """Post what is due to one receiver; tell how many messages it took.

    Where the trouble is not the message itself, and not the first in a row, the receiver rests as a whole, longer each
    time, and with it all that waits.
    """
    taken = 0
    for _ in range(TURN):
        if not is_ready(app, name, app.clock()) or not (duties := _claim(app, name)):
            break
        for number, duty in enumerate(duties):
            outcome = app.messengers[name].post(message_id(app, duty.key), duty.payload)
            pause = _settle(app, name, duty, outcome)
            taken += outcome.next == "done"
            if pause or app.stopping.is_set():
                _give_back(app, duties[number + 1 :])
                break
    return taken


def is_ready(app: App, name: str, now: datetime) -> bool:
    """Tell whether a receiver may be called now."""
    with read(app.database) as tx:
        held_until = receivers.get(tx, name).held_until
    return not app.stopping.is_set() and (held_until is None or held_until <= now)


def message_id(app: App, key: str) -> str:
    """Give the id of a message by its duty's key: the same at each try, and nothing can be read from it."""
    return f"msg_{app.opaque(key)}"


def wait(failures: int, id: str) -> timedelta | None:
    """How long a message waits after its n-th failure, a little less than the schedule says; None when it was the last.

    How much less hangs on the message alone.
    """
    if failures > len(SCHEDULE):
        return None
    share = int(id[-4:], 16) / 0xFFFF
    return SCHEDULE[failures - 1] * (1 - JITTER * share)


def pause_of(failures: int, outcome: Outcome) -> timedelta:
    """How long a receiver rests after a call, where so many before it failed in a row.

    One failure may be the network's; from the second on it is the receiver's.
    """
    if outcome.next in {"done", "again"}:
        return timedelta()
    if outcome.retry_after is not None:
        return max(bounded(outcome.retry_after), FIRST_HOLD)
    if outcome.next == "gone":
        return rest(failures)
    return rest(failures - 1) if failures else timedelta()


def note_health(tx: Transaction, name: str, outcome: Outcome, now: datetime) -> receivers.Receiver:
    """Write down how a receiver fares after a call; give how it fared before."""
    before = receivers.get(tx, name)
    pause = pause_of(before.failures, outcome)
    if outcome.next == "done":
        well = {"held_until": None, "failures": 0, "error": None, "ill_since": None, "told_at": now}
        receivers.mark(tx, name, "healthy", **well)
    elif outcome.next == "rest" and not pause:
        receivers.mark(tx, name, before.state, failures=1, error=outcome.told)
    elif outcome.next != "again":
        receivers.mark(
            tx,
            name,
            "gone" if outcome.next == "gone" else "failing",
            held_until=now + pause,
            failures=before.failures + 1,
            error=outcome.told,
            ill_since=before.ill_since or now,
        )
    return before


def _claim(app: App, name: str) -> list[Duty]:
    """Take some messages. The attempt is durable before the call: whoever finds the row again knows of it."""
    with write(app.database) as tx:
        return work.claim(tx, outbox, _of(name), limit=AT_ONCE, now=app.clock())


def _settle(app: App, name: str, duty: Duty, outcome: Outcome) -> timedelta:
    """Write down how a message fared, and how its receiver does; give for how long it rests now."""
    now = app.clock()

    def once(tx: Transaction) -> tuple[receivers.Receiver, int]:
        dead = _settle_one(tx, app, duty, outcome, now)
        return note_health(tx, name, outcome, now), dead

    before, dead = retrying(app.database, once)
    if dead:
        log.warning("receiver %s: %d dead letters more: %s", name, dead, outcome.told)
    pause = pause_of(before.failures, outcome)
    if outcome.next == "done" or pause:
        _log_change(name, before, outcome, now)
    return pause


def _settle_one(tx: Transaction, app: App, duty: Duty, outcome: Outcome, now: datetime) -> int:
    """Close a message, or have it tried again; tell how many have become dead letters."""
    if outcome.next == "done":
        work.settle(tx, outbox, duty)
        return 0
    if outcome.next == "gone":  # nothing that waits is wanted, this message included
        letters = work.bury(tx, outbox, _of(duty.party), outcome.told)
        _note_failure(tx, duty, outcome, now, letters=letters)
        return letters
    pause = wait(duty.failures + 1, message_id(app, duty.key))
    if pause is not None and outcome.retry_after is not None:
        pause = max(pause, bounded(outcome.retry_after))
    due_at = None if pause is None else now + pause
    dead = due_at is None
    if not work.settle(tx, outbox, duty, due_at=due_at, error=outcome.told, dead=dead, failed=True) or not dead:
        return 0
    _note_failure(tx, duty, outcome, now, letter=f"o{duty.id}")
    return 1


def _note_failure(tx: Transaction, duty: Duty, outcome: Outcome, now: datetime, **more: object) -> None:
    what = {"connector": duty.party, "error": outcome.told, **more}
    referrals.note_lead(tx, "tell_failed", duty.lead, at=now, cause=f"tell:{duty.party}", **what)


def _give_back(app: App, duties: Sequence[Duty]) -> None:
    """Give messages back that were taken and not posted."""
    if duties:
        with write(app.database) as tx:
            for duty in duties:
                work.settle(tx, outbox, duty, due_at=app.clock(), counted=False)


def _of(name: str) -> ColumnElement[bool]:
    return and_(outbox.c.connector == name, outbox.c.kind == "tell")


def _log_change(name: str, before: receivers.Receiver, outcome: Outcome, now: datetime) -> None:
    """Say when a receiver falls ill and when it is well again, and nothing between."""
    if outcome.next == "done" and before.ill_since:
        log.info("receiver %s is healthy again after %s", name, now - before.ill_since)
    elif outcome.next == "gone" and before.state != "gone":
        log.error("receiver %s is gone: %s; remove it, or correct its url", name, outcome.told)
    elif outcome.next == "rest" and before.state != "failing":
        log.error("receiver %s is failing: %s; its messages wait", name, outcome.told)
