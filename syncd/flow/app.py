"""What every step of the flow needs: the configuration, the database, the clock, and the connectors, each by itself."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from syncd import registry
from syncd.config import Campaign, Config
from syncd.contract import Connector, ConnectorError, ConnectorSettings, Misconfigured, Parked, Transient
from syncd.http import Session
from syncd.store import sources
from syncd.store.engine import read, write
from syncd_rules import normalise_email

log = logging.getLogger("syncd")

HEAL = timedelta(minutes=5)  # how long after a misconfiguration the CRM is asked again whether it was mended
FIRST_HOLD, LONGEST_HOLD = timedelta(seconds=5), timedelta(minutes=10)


@dataclass(kw_only=True)
class Connection:
    """One configured connector: its settings, its session, its plug-in once opened. Its troubles are its own."""

    settings: ConnectorSettings
    session: Session = field(repr=False)
    opening: Callable[[ConnectorSettings, Session], Connector] = registry.open_connector
    _plug_in: Connector | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        return self.settings.name

    def plug_in(self) -> Connector:
        """Open the connector on first use, since that may import an SDK. Raises `Misconfigured` if it cannot be."""
        with self._lock:
            if self._plug_in is None:
                try:
                    self._plug_in = self.opening(self.settings, self.session)
                except ConnectorError:
                    raise
                except Exception as error:  # a plug-in may raise anything; the others must not suffer
                    log.exception("connector %s cannot be opened", self.name)
                    told = f"the connector cannot be opened: {type(error).__name__}"
                    raise Misconfigured(told, yaml_path="type", hint="see the log") from error
            return self._plug_in


@dataclass(kw_only=True)
class App:
    """A running installation."""

    config: Config
    database: Engine
    clock: Callable[[], datetime]
    connections: Mapping[str, Connection]
    pepper: bytes = field(repr=False)  # keys the hash by which people are recognised
    nudge: Callable[[str], None] = lambda _: None  # "there may be work": a connector's name, or "decide"; the engine's
    stopping: threading.Event = field(default_factory=threading.Event)  # set: take up no new work

    def campaign(self, id: str) -> Campaign | None:
        """Find a configured campaign."""
        return self.config.campaigns.get(id)

    def identity(self, email: str, campaign: str | None = None) -> str | None:
        """Hash an e-mail address in its normal form: the same person gives the same text, and nobody can read it."""
        normal = normalise_email(email)
        return normal and hmac.new(self.pepper, normal.encode(), hashlib.sha256).hexdigest()

    def opaque(self, text: str) -> str:
        """Hash a text that must not be readable in the books, such as a company's domain."""
        return hmac.new(self.pepper, text.encode(), hashlib.sha256).hexdigest()[:32]


def ready(app: App, connection: Connection, now: datetime) -> sources.Source | None:
    """Give the source if its CRM may be called now: not held back, and checked since it last proved misconfigured."""
    with read(app.database) as tx:
        source = sources.get(tx, connection.name)
    if source is None or source.is_paused(now) or app.stopping.is_set():
        return None
    if source.held_until and source.held_until > now:
        return None
    try:
        plug_in = connection.plug_in()
    except ConnectorError as error:
        ail(app, connection.name, error, now)
        return None
    if source.state in {"new", "misconfigured"} or source.cursor is None:
        try:
            account, stages = plug_in.check(), plug_in.stages()
            cursor = source.cursor or plug_in.start(source.created_at + skew_of(connection, source))
        except ConnectorError as error:
            ail(app, connection.name, error, now)
            return None
        with write(app.database) as tx:
            values = {"account": account.name, "stages": stages, "cursor": cursor}
            sources.mark(tx, connection.name, **values)
        for warning in account.warnings:
            log.warning("connector %s: %s", connection.name, warning)
        recover(app, connection.name, now)
        with read(app.database) as tx:
            source = sources.get(tx, connection.name)
    return source


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
        state, until = _hold(error, source.attempt, now)
        ill_since = source.ill_since or now
        sources.mark(
            tx,
            name,
            state=state,
            held_until=until,
            error=str(error),
            attempt=source.attempt + 1,
            ill_since=ill_since,
        )
    if source.state != state or (source.error != str(error) and state == "misconfigured"):
        hint = f" at {error.yaml_path} ({error.hint})" if isinstance(error, Misconfigured) else ""
        log.error("connector %s is %s: %s%s; its leads wait", name, state, error, hint)


def recover(app: App, name: str, now: datetime) -> None:
    """Note that a connector's CRM answers as it should, and say so if it did not before."""
    with read(app.database) as tx:
        source = sources.get(tx, name)
    if source is None or source.state == "healthy":
        return
    with write(app.database) as tx:
        sources.mark(tx, name, state="healthy", held_until=None, error=None, attempt=0, ill_since=None)
    if source.ill_since:
        log.info("connector %s is healthy again after %s", name, now - source.ill_since)


def _hold(error: ConnectorError, failures: int, now: datetime) -> tuple[sources.State, datetime]:
    match error:
        case Parked(until=until):
            return "parked", until
        case Misconfigured():
            return "misconfigured", now + HEAL
        case Transient(retry_after=float() | int() as seconds):
            least = timedelta(seconds=min(max(seconds, 0), 3600))
            return "failing", now + max(least, FIRST_HOLD if failures else timedelta())
        case _:
            return "failing", now + min(FIRST_HOLD * 2 ** min(failures, 10), LONGEST_HOLD)


def backoff(attempt: int) -> timedelta:
    """How long a duty rests after its n-th failure: 5 s, doubling, an hour at the most."""
    return timedelta(seconds=min(5 << min(max(attempt - 1, 0), 12), 3600))
