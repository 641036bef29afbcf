"""What every step of the flow needs: the configuration, the database, the clock, and the connectors, each by itself."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from syncd import registry
from syncd.config import Campaign, Config
from syncd.contract import Connector, ConnectorError, ConnectorSettings, Meters, Misconfigured, UsesOAuth
from syncd.flow.shelf import Shelf
from syncd.governor import Governor
from syncd.http import Gate, Session
from syncd.notify import Messenger
from syncd_rules import normalise_email

log = logging.getLogger("syncd")

DECIDE = "engine:decide"  # whom a nudge wakes to decide; no party is called so, as their names have no colon


@dataclass(kw_only=True)
class Connection:
    """One configured connector: its settings, its session, its plug-in once opened. Its troubles are its own."""

    settings: ConnectorSettings
    session: Session = field(repr=False)
    opening: Callable[[ConnectorSettings, Session], Connector] = registry.open_connector
    gate: Callable[[Meters, ConnectorSettings], Gate] | None = field(default=None, repr=False)
    _plug_in: Connector | None = field(default=None, repr=False)
    checking: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        return self.settings.name

    def plug_in(self) -> Connector:
        """Open the connector on first use, since that may import an SDK. Raises `Misconfigured` if it cannot be."""
        with self._lock:
            if self._plug_in is None:
                try:
                    self._plug_in = self._opened()
                except ConnectorError:
                    raise
                except Exception as error:  # a plug-in may raise anything; the others must not suffer
                    log.exception("connector %s cannot be opened", self.name)
                    told = f"the connector cannot be opened: {type(error).__name__}"
                    raise Misconfigured(told, yaml_path="type", hint="see the log") from error
            return self._plug_in

    def _opened(self) -> Connector:
        plug_in = self.opening(self.settings, self.session)
        if self.gate and isinstance(plug_in, Meters):
            self.session.gate = self.gate(plug_in, self.settings)
        return plug_in


@dataclass(kw_only=True)
class App:
    """A running installation."""

    config: Config
    database: Engine
    clock: Callable[[], datetime]
    connections: Mapping[str, Connection]
    messengers: Mapping[str, Messenger] = field(default_factory=dict)  # to the receivers
    pepper: bytes = field(repr=False)  # keys the hash by which people are recognised
    shelf: Shelf = field(default_factory=Shelf, repr=False)
    nudge: Callable[[str], None] = lambda _: None  # "there may be work": a party's name, or DECIDE; the engine's
    stopping: threading.Event = field(default_factory=threading.Event)  # set: take up no new work
    fingerprints: dict[str, Mapping[int, str]] = field(init=False, default_factory=dict, repr=False)  # by campaign
    out_of_date: set[str] = field(init=False, default_factory=set)  # campaigns of which the log says so

    def __post_init__(self) -> None:
        for connection in self.connections.values():
            connection.gate = connection.gate or self._governor

    def _governor(self, meter: Meters, settings: ConnectorSettings) -> Governor:
        """Make whoever spaces out the calls of a connector; until it is opened, nobody knows what a call costs."""
        oauth = meter.oauth(settings) if isinstance(meter, UsesOAuth) else None
        return Governor(
            meter,
            connector=settings.name,
            share=settings.limits.share,
            database=self.database,
            now=self.clock,
            wait=self.stopping.wait,
            free=[oauth.token_url] if oauth else (),
        )

    def campaign(self, id: str) -> Campaign | None:
        """Find a configured campaign."""
        return self.config.campaigns.get(id)

    def identity(self, email: str) -> str | None:
        """Hash an e-mail address in its normal form: the same person gives the same text, and nobody can read it."""
        normal = normalise_email(email)
        return normal and hmac.new(self.pepper, normal.encode(), hashlib.sha256).hexdigest()

    def opaque(self, text: str) -> str:
        """Hash a text that must not be readable in the books, such as a company's domain."""
        return hmac.new(self.pepper, text.encode(), hashlib.sha256).hexdigest()[:32]
