"""An admin's consent: what it gave is kept, the connector is tried again at once, and the history has it."""

from __future__ import annotations

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.oauth import Given, Grant
from syncd.store import referrals, sources
from syncd.store.engine import retrying


def accept(app: App, connector: str, grant: Grant, given: Given, *, by: str) -> None:
    """Take tokens that an admin has just consented to, in place of all that there were."""
    grant.renew_with(given)
    now = app.clock()

    def once(tx: Transaction) -> None:
        source = sources.get(tx, connector)
        if source and source.state == "misconfigured":  # a quota that is spent would not come back by consent
            sources.mark(tx, connector, held_until=None)
        referrals.note(tx, "consented", at=now, cause=by, connector=connector)

    retrying(app.database, once)
    app.nudge(connector)
