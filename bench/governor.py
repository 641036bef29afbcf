"""How much of our share of a CRM's limits a backlog of leads uses, and whether any call is refused.

The connector, the daemon's steps and the simulated CRM with its limits are the real ones; the clock is not. It moves
only when the governor lets a call wait, so a call takes no time by itself: nothing slows it but the governor. Of a
quota of a day the account has so little here that the backlog takes several days.

python -m bench.governor
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography.fernet import Fernet

from bench.machine import write_row
from bench.world import Clock, World
from syncd import registry
from syncd.config import load
from syncd.contract import Meters
from syncd.flow.app import App
from syncd.flow.deliver import deliver
from syncd.flow.opening import equip, open_app
from syncd.governor import Governor, is_short, ours, pace
from syncd.http import Session
from syncd.sandbox.crm import HubSpotSetup, PipedriveSetup, SalesforceSetup, Sandbox, Setup, ZohoSetup
from syncd.sandbox.crm.pipedrive.limits import Limits as PipedriveLimits
from syncd.sandbox.crm.salesforce.limits import OrgLimits
from syncd.sandbox.crm.zoho import ZohoApp
from syncd.store import quotas, sources, work
from syncd.store.engine import read
from syncd.store.quotas import Usage
from syncd.store.tables import outbox

SHARE = 80
MOST_DAYS = 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """A backlog on one vendor. The quota is the one of which most was used; what we may use of it is `allowed`."""

    vendor: str
    leads: int
    arrived: int
    calls: int
    refused: int  # calls too many, as the CRM counts: 429 or what the vendor says in its place
    quota: str
    pace: str
    units: int
    allowed: float
    reached: float  # units / allowed
    seconds: float  # on the clock of the bench


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What an account is like, and the connector's settings for it."""

    setup: Callable[[int], Setup]  # for so many leads
    settings: Mapping[str, Any]
    daily: Callable[[int], int] | None = None  # what the CRM does not say itself


def _credits(leads: int) -> int:
    return 60 + leads // 8


VENDORS = {
    "hubspot": Vendor(
        setup=lambda leads: HubSpotSetup(),
        settings={"token": "{token}", "push": {"as": "deal", "advocates": False}},
    ),
    "salesforce": Vendor(
        setup=lambda leads: SalesforceSetup(limits=OrgLimits(daily=15 + leads // 60, others=0)),
        settings={
            "domain": "acme.my",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
            "push": {"as": "contact_opportunity", "advocates": False},
        },
    ),
    "pipedrive": Vendor(
        setup=lambda leads: PipedriveSetup(limits=PipedriveLimits(daily=10_000_000), background=False),
        settings={
            "company_domain": "acme",
            "api_token": "{token}",
            "push": {"as": "deal", "advocates": False},
        },
    ),
    "zoho": Vendor(
        setup=lambda leads: ZohoSetup(credits=_credits(leads), background=False),
        settings={
            "data_center": "eu",
            "accounts_url": "{url}",
            "oauth": {
                "client_id": ZohoApp().client_id,
                "client_secret": ZohoApp().client_secret,
                "refresh_token": ZohoApp().refresh_token,
            },
            "push": {"as": "deal", "advocates": False},
        },
        daily=_credits,
    ),
}


class Counting(Session):
    """A session that counts what its calls cost, and those that the CRM refused as too many."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(now=clock, monotonic=clock.seconds, sleep=clock.turn)
        self.meter: Meters | None = None
        self.units: Counter[str] = Counter()
        self.refused = 0

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a call and count it."""
        answer = super().send(request, **kwargs)
        if self.meter:
            path = request.path_url.partition("?")[0]
            self.units.update(self.meter.price(request.method or "", path))
        if answer.status_code == 429 or b"REQUEST_LIMIT_EXCEEDED" in answer.content:
            self.refused += 1
        return answer


def measure(vendor: str, leads: int) -> Row:
    """Push leads that are all waiting."""
    logging.getLogger("syncd").setLevel(logging.CRITICAL)  # parking is what is measured
    with _world(vendor, leads) as it:
        it.capture_friends(leads, advocates=max(1, leads // 20))
        connection = it.app.connections[vendor]
        session, meter = connection.session, connection.plug_in()
        assert isinstance(session, Counting)
        assert isinstance(meter, Meters)
        session.meter = meter
        arrived, whole_days = _push(it, vendor, session)
        with read(it.app.database) as tx:
            usages = quotas.of(tx, vendor)
        seconds = it.clock.seconds()
        shares = [_share(usage, session, seconds, whole_days) for usage in usages]
        usage, units, allowed = max(shares, key=lambda share: share[1] / share[2] if share[2] else 0.0)
        return Row(
            vendor=vendor,
            leads=leads,
            arrived=arrived,
            calls=session.calls["total"],
            refused=session.refused,
            quota=usage.name,
            pace=f"{ours(usage.limit, SHARE):g} of {usage.limit} in {usage.window.total_seconds():g} s",
            units=units,
            allowed=round(allowed, 1),
            reached=round(units / allowed, 4) if allowed else 0.0,
            seconds=round(seconds, 2),
        )


def _push(it: World, vendor: str, session: Counting) -> tuple[int, list[Counter[str]]]:
    """Deliver until nothing is owed, going on to the next day where this one is spent; give the units of whole days."""
    arrived, days, before = 0, list[Counter[str]](), Counter[str]()
    while len(days) < MOST_DAYS:
        arrived += deliver(it.app, vendor)
        with read(it.app.database) as tx:
            source, (waiting, _) = sources.get(tx, vendor), work.waiting(tx, outbox, vendor)
        if not waiting:
            break
        if source is None or source.held_until is None or source.state not in {"parked", "healthy"}:
            raise RuntimeError(f"{vendor} is {source and source.state}: {source and source.error}")
        if source.state == "parked":
            days.append(session.units - before)
            before = session.units.copy()
        it.clock.turn((source.held_until - it.clock()).total_seconds())
    return arrived, days


def _share(usage: Usage, session: Counting, seconds: float, days: list[Counter[str]]) -> tuple[Usage, int, float]:
    """Tell how much of a quota was used, and how much was ours in that time."""
    if is_short(usage):
        burst = pace(usage.limit, usage.window, SHARE).burst
        return (
            usage,
            session.units[usage.name],
            ours(usage.limit, SHARE) * seconds / usage.window.total_seconds() + burst,
        )
    return usage, sum(day[usage.name] for day in days), ours(usage.limit, SHARE) * len(days)


@contextmanager
def _world(vendor: str, leads: int) -> Iterator[World]:
    clock, kind = Clock(), VENDORS[vendor]
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-") as name,
        Sandbox(now=clock, clock=clock.seconds, accounts=[kind.setup(leads)]) as crm,
    ):
        folder, values = Path(name), {"token": crm.token(vendor), "url": crm.url(vendor)}
        filled = {
            key: value.format(**values) if isinstance(value, str) else value for key, value in kind.settings.items()
        }
        limits = {"share": f"{SHARE}%", **({"daily": kind.daily(leads)} if kind.daily else {})}
        section = {"name": vendor, "type": vendor, "base_url": values["url"], "limits": limits, **filled}
        document = {
            "database": "sqlite:///syncd.db",
            "secrets": {"key": Fernet.generate_key().decode()},
            "connectors": [section],
            "campaigns": [{"files": ["campaign.yaml"], "connectors": [vendor]}],
        }
        (folder / "syncd.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        campaign = resources.files("syncd.sandbox").joinpath("campaign.yaml").read_text(encoding="utf-8")
        (folder / "campaign.yaml").write_text(campaign, encoding="utf-8")
        config = load(folder / "syncd.yaml", env={}, connector_types=registry.find)
        app = open_app(config, clock)
        _set_clock(app, vendor, clock)
        try:
            yield World(app=app, crm=crm, clock=clock)
        finally:
            app.database.dispose()


def _set_clock(app: App, vendor: str, clock: Clock) -> None:
    """Have the connector's session and governor live by the clock, and wait by turning it."""
    connection = app.connections[vendor]
    connection.session = Counting(clock)
    equip(app.config, app.database, connection.settings, connection.session, clock)

    def wait(seconds: float) -> bool:
        clock.turn(seconds)
        return False

    connection.gate = lambda meter, settings: Governor(
        meter, connector=vendor, share=SHARE / 100, database=app.database, now=clock, wait=wait
    )


def main(leads: int = 5_000) -> None:
    """Measure every vendor."""
    for vendor in VENDORS:
        write_row("governor", measure(vendor, leads))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
