"""Subscribe: have a CRM tell us of changes, and see to it that it goes on doing so.

Vendors end, ban and delete webhooks without a word, so their state is looked at hourly. Nothing hangs on it: polling
goes on beside it, and what was not told while there was no webhook is found by the next poll.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from syncd.contract import ConnectorError, ManagesWebhooks, Misconfigured, Parked, Subscription, Throttled, Transient
from syncd.flow import addresses
from syncd.flow.app import App
from syncd.flow.health import ending, ready, skew_of
from syncd.store import sources
from syncd.store.engine import read, write
from syncd.store.sources import Source
from syncd.store.work import LEASE

log = logging.getLogger("syncd")

AT_LEAST_EVERY = timedelta(hours=1)
AT_MOST_EVERY = timedelta(minutes=1)
SOON = timedelta(minutes=5)  # after an error that passes by itself


def begin(app: App) -> None:
    """See to all webhooks soon, whatever was well before: the address or a secret may be another one now."""
    with write(app.database) as tx:
        for name, connection in app.connections.items():
            wanted = connection.settings.webhook is not None and app.config.server.public_url is not None
            values = {} if wanted else {"subscribed_until": None, "subscribed_url": None}
            sources.mark(tx, name, subscribe_at=app.clock() if wanted else None, **values)


class Subscriber:
    """Sees to the webhooks of one connector. A refusal is said once, and its leads and deals go on as before."""

    def __init__(self, app: App, name: str) -> None:
        self._app = app
        self._connection = app.connections[name]
        self._said = ""
        self._looked_at: datetime | None = None

    def subscribe(self) -> int:
        """Order or renew the webhooks, if it is time to look at them; tell how many orders were made."""
        app, name, now = self._app, self._connection.name, self._app.clock()
        if self._looked_at and now < self._looked_at - AT_MOST_EVERY:
            self._look_anew(now)
        self._looked_at = now
        source = self._due(now)
        if source is None:
            return 0
        try:
            plug_in = self._connection.plug_in()
            if not isinstance(plug_in, ManagesWebhooks):
                self._mark(subscribe_at=None)
                return 0
            settings, server = self._connection.settings.webhook, app.config.server
            subscription = plug_in.subscribe(addresses.webhook(server, name, settings))
        except Exception as error:
            failure = ending(self._connection, error, "while it ordered its webhooks")
            self._mark(subscribe_at=retry_at(failure, app.clock()))
            self._say(failure)
            return 0
        self._said = ""
        self._note(subscription, skew_of(self._connection, source))
        if subscription.done:
            log.info("webhooks of %s: %s", name, subscription.done)
        return int(bool(subscription.done))

    def _look_anew(self, now: datetime) -> None:
        """Wait no longer for a time from before the clock was set back: the CRM's clock went on meanwhile."""
        with write(self._app.database) as tx:
            source = sources.get(tx, self._connection.name)
            if source and source.subscribe_at:
                sources.mark(tx, source.name, subscribe_at=now)

    def _due(self, now: datetime) -> Source | None:
        """Take the care for the webhooks if it is time and the CRM may be called."""
        name = self._connection.name
        with read(self._app.database) as tx:
            source = sources.get(tx, name)
        if source is None or source.subscribe_at is None or source.subscribe_at > now:
            return None
        if (source := ready(self._app, self._connection, now)) is None:
            return None
        with write(self._app.database) as tx:
            return source if sources.take_subscription(tx, name, now, now + LEASE) else None

    def _note(self, subscription: Subscription, skew: timedelta) -> None:
        """Write down how long this lasts, and when to look again."""
        server, settings = self._app.config.server, self._connection.settings.webhook
        now, until = self._app.clock(), subscription.until and subscription.until - skew
        url = addresses.webhook(server, self._connection.name, settings, shown=True)
        self._mark(subscribe_at=look_at(until, now), subscribed_until=until, subscribed_url=url)

    def _mark(self, **values: object) -> None:
        with write(self._app.database) as tx:
            sources.mark(tx, self._connection.name, **values)

    def _say(self, error: ConnectorError) -> None:
        if isinstance(error, Throttled | Parked) or self._said == str(error):
            return
        self._said = str(error)
        hint = f" ({error.hint})" if isinstance(error, Misconfigured) and error.hint else ""
        log.warning("webhooks of %s: %s%s; polling goes on without them", self._connection.name, error, hint)


def look_at(until: datetime | None, now: datetime) -> datetime:
    """Say when to look at a subscription again: when half of what is left of it is over, and hourly in any case."""
    half = (until - now) / 2 if until else AT_LEAST_EVERY
    return now + min(max(half, AT_MOST_EVERY), AT_LEAST_EVERY)


def retry_at(error: ConnectorError, now: datetime) -> datetime:
    """Say when to try again after an error: soon if it passes by itself, in an hour if somebody must mend it."""
    match error:
        case Parked(until=until):
            return max(until, now + AT_MOST_EVERY)
        case Transient(retry_after=after):
            return now + max(timedelta(seconds=min(after or 0, 3600)), SOON)
        case _:
            return now + AT_LEAST_EVERY
