"""How a connector fares: whether its CRM may be called now, and what follows when a call goes wrong or well again."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from syncd.contract import ConnectorError, Misconfigured, Parked, Throttled, Transient
from syncd.flow.app import App, Connection
from syncd.store import sources
from syncd.store.engine import read, write

log = logging.getLogger("syncd")

HEAL = timedelta(minutes=5)  # how long after a misconfiguration the CRM is asked again whether it was mended
FIRST_HOLD, LONGEST_HOLD = timedelta(seconds=5), timedelta(minutes=10)
MOST_FAILURES = 82  # of one row, before it becomes a dead letter: with the rests between them, three days and more


def ready(app: App, connection: Connection, now: datetime) -> sources.Source | None:
    """Give the source if its CRM may be called now: not held back, and checked since it last proved misconfigured."""
    with connection.checking:  # or delivering and collecting would both ask, and both tell
        with read(app.database) as tx:
            source = sources.get(tx, connection.name)
        if source is None or source.is_paused(now) or app.stopping.is_set():
            return None
        if source.held_until and source.held_until > now:
            return None
        return _checked(app, connection, source, now)


def _checked(app: App, connection: Connection, source: sources.Source, now: datetime) -> sources.Source | None:
    try:
        plug_in = connection.plug_in()
        if source.state not in {"new", "misconfigured"} and source.cursor is not None:
            return source
        account, stages = plug_in.check(), plug_in.stages()
        cursor = source.cursor or plug_in.start(source.created_at + skew_of(connection, source))
    except Exception as error:
        ail(app, connection.name, ending(connection, error, "in check"), now)
        return None
    with write(app.database) as tx:
        values = {"account": account.name, "stages": stages, "cursor": cursor}
        sources.mark(tx, connection.name, **values)
    for warning in account.warnings:
        log.warning("connector %s: %s", connection.name, warning)
    recover(app, connection.name, now)
    with read(app.database) as tx:
        return sources.get(tx, connection.name)


def ending(connection: Connection, error: Exception, when: str) -> ConnectorError:
    """Give what a call ended with. A fault of the connector's own, which may be anything, is logged, and passes."""
    if isinstance(error, ConnectorError):
        return error
    log.error("connector %s broke down %s", connection.name, when, exc_info=error)
    return Transient(f"the connector broke down {when}: {type(error).__name__}")


def skew_of(connection: Connection, source: sources.Source) -> timedelta:
    """Tell how far the CRM's clock is ahead of ours.

    It is measured from answers that carry whole seconds, so a small change is noise, and following it would let two
    changes of one deal swap places. The stored value moves only when the clocks really do.
    """
    stored = timedelta(milliseconds=source.skew_ms)
    seen = connection.session.skew
    if seen is None:
        return stored
    if abs(seen) < timedelta(seconds=5):
        seen = timedelta()
    return seen if abs(seen - stored) > timedelta(seconds=10) or not seen else stored


def ail(app: App, name: str, error: ConnectorError, now: datetime) -> None:
    """Hold a connector back after an error that concerns all of its leads, and say so when it begins."""
    with write(app.database) as tx:
        source = sources.get(tx, name)
        if source is None:
            return
        if isinstance(error, Throttled):  # the CRM is well, and so are we
            until = now + _moment(error)
            if source.held_until is None or source.held_until < until:  # or a moment would end a day's rest
                sources.mark(tx, name, held_until=until, error=str(error))
            return
        state, until = _hold(error, source.failures, now)
        ill_since = source.ill_since or now
        sources.mark(
            tx,
            name,
            state=state,
            held_until=until,
            error=str(error),
            failures=source.failures + (not isinstance(error, Parked)),  # a quota that is spent is no failure
            ill_since=ill_since,
        )
    if source.state != state or (source.error != str(error) and state == "misconfigured"):
        hint = f" at {error.yaml_path} ({error.hint})" if isinstance(error, Misconfigured) else ""
        log.error("connector %s is %s: %s%s; its leads wait", name, state, error, hint)


def recover(app: App, name: str, now: datetime) -> None:
    """Note that a connector's CRM answers as it should, and say so if it did not before."""
    with read(app.database) as tx:
        source = sources.get(tx, name)
    if source is None or (source.state == "healthy" and source.error is None):
        return
    if source.held_until and source.held_until > now:
        return  # held back while this call was on its way: that is the newer news
    with write(app.database) as tx:
        sources.mark(tx, name, state="healthy", held_until=None, error=None, failures=0, ill_since=None)
    if source.ill_since:
        log.info("connector %s is healthy again after %s", name, now - source.ill_since)


def _hold(error: ConnectorError, failures: int, now: datetime) -> tuple[sources.State, datetime]:
    match error:
        case Parked(until=until):
            return "parked", until
        case Misconfigured():
            return "misconfigured", now + HEAL
        case Transient(retry_after=float() | int() as seconds):
            return "failing", now + max(bounded(seconds), FIRST_HOLD if failures else timedelta())
        case _:
            return "failing", now + rest(failures)


def _moment(error: Throttled) -> timedelta:
    """How long a connector rests after too many calls in a moment."""
    return FIRST_HOLD if error.retry_after is None else bounded(error.retry_after)


def rest(failures: int) -> timedelta:
    """How long whoever failed as a whole is left alone, after so many failures before: 5 s, doubling, ten minutes."""
    return min(FIRST_HOLD * (1 << min(failures, 10)), LONGEST_HOLD)


def bounded(seconds: float) -> timedelta:
    """Take the wait that somebody asks for, an hour at the most."""
    return timedelta(seconds=min(max(seconds, 0), 3600))


def backoff(attempt: int) -> timedelta:
    """How long a duty rests after its n-th failure: 5 s, doubling, an hour at the most."""
    return timedelta(seconds=min(5 << min(max(attempt - 1, 0), 12), 3600))
