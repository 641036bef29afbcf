"""A real installation on a clock that is turned by hand, and a CRM on loopback beside it."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from random import Random

from syncd import registry
from syncd.config import load
from syncd.contract import Person
from syncd.flow.app import App
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.opening import open_app
from syncd.http import Session
from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, Sandbox, no_lag
from syncd.store import records
from syncd.store.engine import read

NAME = "hubspot"
BEGINNING = datetime(2026, 3, 2, 8, tzinfo=UTC)

_YAML = """\
database: sqlite:///syncd.db
connectors:
  - name: hubspot
    type: hubspot
    token: {token}
    base_url: {url}
    push:
      as: deal
      advocates: false
      fields: {{firstname: friend.first_name, referral_code: referral.code, deal.dealname: "Referral: {{friend.name}}"}}
    stages: {{default: {{qualifiedtobuy: meeting}}}}
    poll: {{every: {every}, overlap: {overlap}, sweep: {sweep}}}
campaigns: [{{files: [campaign.yaml], connectors: [hubspot]}}]
"""


@dataclass(kw_only=True)
class Clock:
    """Both sides' time; it moves only when it is told to."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """Give the seconds since the beginning."""
        return (self.now - BEGINNING).total_seconds()

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass(kw_only=True)
class World:
    """The installation, the CRM and their common clock."""

    app: App
    crm: Sandbox
    clock: Clock = field(repr=False)

    @property
    def model(self) -> CrmModel:
        """The CRM's records."""
        return self.crm.model(NAME)

    def capture_friends(self, number: int, advocates: int) -> list[str]:
        """Capture friends, spread evenly over advocates; give the referrals' ids."""
        codes = [
            enrol(self.app, "sandbox", Person(email=f"advocate{n}@example.org"), cause="bench")[1][0]
            for n in range(advocates)
        ]
        return [
            capture(
                self.app,
                Invitation(
                    friend=Person(email=f"friend{n}@example.com", first_name=f"Friend {n}"),
                    code=codes[n % advocates],
                ),
                cause="bench",
            ).referral.id
            for n in range(number)
        ]

    def deals(self, referrals: list[str]) -> dict[str, str]:
        """Tell the deal that the installation believes each referral to have: referral -> deal id."""
        with read(self.app.database) as tx:
            known = records.known(tx, NAME, referrals)
        return {lead: ref.deal.id for lead, ref in known.items() if ref.deal}

    def calls(self) -> Counter[str]:
        """Count the calls that the CRM got so far, by kind: read, write, search."""
        counted: Counter[str] = Counter()
        for _, kind, _, number in self.crm.log.counted():
            counted[kind] += number
        return counted


@contextmanager
def world(
    *,
    lag: Callable[[Random], float] = no_lag,
    every: str = "10s",
    overlap: str = "30s",
    sweep: str = "7d",
    seed: int = 42,
) -> Iterator[World]:
    """Set up an empty world; the CRM limits no calls, since its clock stands still between two turns."""
    logging.getLogger("syncd").setLevel(logging.ERROR)
    clock, account = Clock(), HubSpotSetup(limits=NO_LIMITS, lag=lag)
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-") as name,
        Sandbox(now=clock, clock=clock.seconds, seed=seed, accounts=[account]) as crm,
    ):
        folder = Path(name)
        values = {"token": crm.token(), "url": crm.url(), "every": every, "overlap": overlap, "sweep": sweep}
        (folder / "syncd.yaml").write_text(_YAML.format(**values), encoding="utf-8")
        campaign = resources.files("syncd.sandbox").joinpath("campaign.yaml").read_text(encoding="utf-8")
        (folder / "campaign.yaml").write_text(campaign, encoding="utf-8")
        config = load(folder / "syncd.yaml", env={}, connector_types=registry.find)
        app = open_app(config, clock)
        for connection in app.connections.values():
            connection.session = Session(now=clock)  # or it would think that the CRM's clock is wrong
            connection.gate = None  # the clock stands still between two turns: nobody could wait by it
        try:
            yield World(app=app, crm=crm, clock=clock)
        finally:
            app.database.dispose()
