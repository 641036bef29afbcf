"""Webhooks of CRMs: proved by their connectors, kept as hints before they are answered, never believed in more.

Vendors give up on a message that is answered with a 4xx. So whatever is not the sender's fault is a 503.
"""

from __future__ import annotations

import logging
import threading
import traceback
from pathlib import Path

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from syncd.contract import (
    Acknowledgement,
    BadDelivery,
    ConnectorError,
    Delivery,
    Poke,
    ReceivesWebhooks,
    WebhookSettings,
)
from syncd.flow import addresses, pokes
from syncd.flow.app import App, Connection
from syncd.store import sources
from syncd.store.engine import retrying
from syncd.web.incoming import single
from syncd.web.problems import Problem
from syncd.web.report import Tally

log = logging.getLogger("syncd")

_LATER = {"Retry-After": "60"}
_CODES = {"forged": "bad_signature", "stale": "stale"}


class Floods:
    """Which connectors have more pokes open than are kept, so that each flood is told of once.

    One ends when half of them are heeded, not with the first: its two polls must not become two for each batch.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def turns(self, name: str, taken: pokes.Taken) -> bool:
        """Note what became of some pokes; tell whether a flood begins or ends with them."""
        with self._lock:
            begins = taken.dropped > 0 and name not in self._names
            ends = name in self._names and not taken.dropped and taken.open <= pokes.MOST_OPEN // 2
            if begins:
                self._names.add(name)
            elif ends:
                self._names.discard(name)
            return begins or ends


async def endpoint(request: Request, connection: Connection) -> Response:
    """Answer POST /webhooks/{connector} and /webhooks/{connector}/{secret}."""
    app: App = request.app.state.installation
    tally: Tally = request.app.state.tally
    delivery = Delivery(
        method=request.method,
        url=_url(app, request),
        secret=request.path_params.get("secret", ""),
        headers=single(request),
        body=await request.body(),
        at=app.clock(),
    )
    try:
        thanks = await run_in_threadpool(receive, app, connection, delivery, request.app.state.floods)
    except Problem as problem:
        tally.add(connection.name, problem.code)
        raise
    tally.add(connection.name, "accepted")
    return Response(thanks.body, 200, media_type=thanks.media_type)


def receive(app: App, connection: Connection, delivery: Delivery, floods: Floods) -> Acknowledgement:
    """Take a delivery: its pokes are in the inbox when this returns what the CRM wants to hear. Raises `Problem`."""
    name, plug_in = connection.name, _plug_in(connection)
    _check_type(delivery, plug_in.acknowledgement)
    try:
        told = _understand(connection, plug_in, delivery)
    except BadDelivery as bad:
        if bad.reason == "unreadable":
            why = str(bad)
            secrets = _secrets(connection.settings.webhook)
            retrying(app.database, lambda tx: pokes.bury(tx, name, delivery.body, why, app.clock(), secrets=secrets))
            raise Problem(400, "unusable", f"{why}; the beginning is kept as a dead letter") from None
        raise Problem(401, _CODES[bad.reason], str(bad)) from None
    # Also while people have it paused: no call is made for it, and a vendor that hears no for days ends its webhooks.
    _take(app, name, told, floods)
    return plug_in.acknowledgement


def _plug_in(connection: Connection) -> ReceivesWebhooks:
    """Give the connector, which is known to take webhooks."""
    absent = Problem(404, "not_found", "no sender or connector of this name takes webhooks here")
    if connection.settings.webhook is None:
        raise absent
    try:
        plug_in = connection.plug_in()
    except ConnectorError:
        raise Problem(
            503, "not_open", "this connector cannot be opened now; the log says why", headers=_LATER
        ) from None
    if not isinstance(plug_in, ReceivesWebhooks):
        raise absent
    return plug_in


def _check_type(delivery: Delivery, thanks: Acknowledgement) -> None:
    """Refuse a body that says it is of another kind than the CRM's: a CRM that is thanked in XML writes XML."""
    family = "xml" if thanks.media_type.endswith("xml") else "json"
    kind, _, rest = delivery.headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().replace('"', "")
    right = kind.strip().lower() in {f"application/{family}", f"text/{family}"} or kind.strip().endswith(f"+{family}")
    if not right or charset not in {"", "charset=utf-8"}:
        raise Problem(415, f"not_{family}", f"send the body as {thanks.media_type}, in UTF-8")


def _understand(connection: Connection, plug_in: ReceivesWebhooks, delivery: Delivery) -> list[Poke]:
    try:
        return list(plug_in.read_webhook(delivery))
    except BadDelivery:
        raise
    except Exception as error:
        # Its text may quote the body, so only its kind and its place are told.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind, place = type(error).__name__, f"{Path(frame.filename).name}:{frame.lineno}"
        log.error("connector %s broke down on a webhook: %s at %s", connection.name, kind, place)
        raise Problem(500, "internal", "something went wrong here; the log says where") from None


def _secrets(settings: WebhookSettings | None) -> list[str]:
    """List what proves a connector's messages; some CRMs write it into the message itself."""
    values = [getattr(settings, key) for key in type(settings).model_fields] if settings else []
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _take(app: App, name: str, told: list[Poke], floods: Floods) -> None:
    """Keep the pokes. What is too much is not kept: one poll, and one sweep, find it all."""
    if not told:
        return
    taken = retrying(app.database, lambda tx: pokes.take(tx, name, told, app.clock()))
    if floods.turns(name, taken):
        # At the end of a flood too, for what was dropped since its beginning.
        retrying(app.database, lambda tx: sources.mark(tx, name, due_at=app.clock(), sweep_at=app.clock()))
        if taken.dropped:
            log.warning("connector %s: %s pokes wait; others are dropped, and it is polled", name, pokes.MOST_OPEN)
        else:
            log.info("connector %s: pokes are kept again", name)
    if taken.new or taken.dropped:
        app.nudge(name)


def _url(app: App, request: Request) -> str:
    """Give the URL as the CRM was told it: the Host of a request is whatever the caller likes."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return addresses.base(app.config.server) + (path + (b"?" + query if query else b"")).decode("latin-1")
