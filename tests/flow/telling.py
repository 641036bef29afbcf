"""The world's CRM, which also tells of changes by webhook: a header proves it, the body names records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

from sqlalchemy import select

from syncd.config.model import ServerSettings
from syncd.contract import (
    Acknowledgement,
    BadDelivery,
    Delivery,
    Poke,
    RemoteId,
    RemoteRef,
    Subscription,
    WebhookSettings,
    same_secret,
)
from syncd.flow import pokes
from syncd.flow.app import Connection
from syncd.store.engine import read, write
from syncd.store.tables import inbox
from tests.flow.world import World, connector_for

SECRET = "what only the CRM knows"
PATH_SECRET = "a-path-nobody-guesses-0123456789"
PUBLIC_URL = "https://refer.example.com"


@dataclass
class Telling:
    """What the CRM's side of its webhooks saw, and what it is to do."""

    deliveries: list[Delivery] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    subscription: Subscription = field(default_factory=lambda: Subscription(done="created"))
    trouble: Exception | None = None  # that ordering ends with


def tells(world: World, *, media_type: str = "application/json", path_secret: str | None = None) -> Telling:
    """Have the world's CRM send webhooks, and take orders for them."""
    seen = Telling()

    class Tells(connector_for(world.crm)):  # type: ignore[misc]
        acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(media_type=media_type, body=b"<thanks/>")

        def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
            seen.deliveries.append(delivery)
            if not same_secret(delivery.headers.get("x-proof", ""), SECRET):
                raise BadDelivery("forged", "X-Proof is not what it must be")
            if delivery.headers.get("x-age"):
                raise BadDelivery("stale", "the message is too old")
            if delivery.body == b"boom":
                raise KeyError(delivery.body.decode())
            try:
                told = json.loads(delivery.body)
            except ValueError:
                raise BadDelivery("unreadable", "the body is no JSON") from None
            return [Poke(id=each["id"], refs=(deal(each["deal"]),)) for each in told]

        def subscribe(self, url: str) -> Subscription:
            seen.ordered.append(url)
            if seen.trouble:
                raise seen.trouble
            return seen.subscription

        def unsubscribe(self, url: str) -> None: ...

    webhook = WebhookSettings.model_validate({"path_secret": path_secret})
    before = world.app.connections["crm"]
    settings = before.settings.model_copy(update={"webhook": webhook})
    connection = Connection(settings=settings, session=before.session, opening=Tells.open)
    world.app.connections = {**world.app.connections, "crm": connection}
    server = ServerSettings(listen="127.0.0.1:0", public_url=PUBLIC_URL)
    world.app.config = replace(world.app.config, server=server)
    return seen


def deal(id: str) -> RemoteRef:
    """Name a deal of the CRM."""
    return RemoteRef(deal=RemoteId(type="deal", id=id))


def poke(world: World, *refs: RemoteRef, id: str = "m1") -> pokes.Taken:
    """Have a proved poke come in."""
    with write(world.app.database) as tx:
        return pokes.take(tx, "crm", [Poke(id=id, refs=refs)], world.clock())


def open_pokes(world: World) -> list[tuple[str, timedelta]]:
    """List the pokes that are not closed: key, and how long it is until they are due."""
    mine = select(inbox.c.key, inbox.c.due_at).where(inbox.c.kind == "poke", inbox.c.due_at.is_not(None))
    with read(world.app.database) as tx:
        return [(row.key, row.due_at - world.clock()) for row in tx.execute(mine.order_by(inbox.c.id))]
