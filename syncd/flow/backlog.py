"""Backlog: what was captured before its campaign had a connector is owed to that connector too."""

from __future__ import annotations

from syncd.flow.app import App
from syncd.store import referrals, work
from syncd.store.engine import read, write

AT_ONCE = 1000  # leads in one transaction, so that nobody waits long for the database


def catch_up(app: App) -> int:
    """Owe every referral to every connector of its campaign, if that has not been done; tell how many it were."""
    total = 0
    for campaign in app.config.campaigns.values():
        for connector in campaign.connectors:
            while not app.stopping.is_set():
                # Found in a reading: to look through all referrals takes a while, and mostly there are none.
                with read(app.database) as tx:
                    missing = referrals.not_owed(tx, campaign.id, connector, limit=AT_ONCE)
                if not missing:
                    break
                with write(app.database) as tx:
                    owed = sum(
                        work.owe_push(tx, connector=connector, lead=lead, campaign=campaign.id, now=app.clock())
                        for lead in missing
                    )
                total += owed
                if not owed:  # somebody else was quicker; to look again would find the same
                    break
            app.nudge(connector)
    return total
