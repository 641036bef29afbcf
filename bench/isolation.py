"""Whether sick CRMs delay a healthy one: how long a lead takes from its capture into account d, beside others.

Three installations run at the same time on the same machine, each a real daemon. One has account d alone; one has four
accounts, all well; in one of four accounts a hangs, b drips and c fails. Leads come to them in turn, in a chance order,
so that whatever else the machine does befalls all alike.

python -m bench.isolation
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median, quantiles

from bench.machine import write_row
from syncd import registry
from syncd.config import load
from syncd.flow.opening import open_app
from syncd.sandbox import daemon, place
from syncd.sandbox.client import Client
from syncd.sandbox.crm import NO_LIMITS, Fault, HubSpotSetup, Sandbox
from syncd.sandbox.place import CAMPAIGN, Item, Place
from syncd.sandbox.team import teams
from syncd.web import tokens

ACCOUNTS, WELL = ("a", "b", "c", "d"), "d"
SICK = (
    Fault(action="hang", account="a", seconds=60.0),
    Fault(action="drip", account="b", rate=20.0),
    Fault(action="status", account="c", code=503),
)
PAUSE = (0.05, 0.25)  # seconds between two leads: the machine is to be busy, not full
WARM = 20  # leads that are not counted: every part is used for the first time
PATIENCE = 30.0  # seconds for the last leads


@dataclass(frozen=True, kw_only=True)
class Row:
    """Milliseconds that leads took into account d: alone, beside three that are well, beside three that are sick."""

    leads: int
    alone_median: float
    alone_p95: float
    well_median: float
    well_p95: float
    sick_median: float
    sick_p95: float
    sick_to_well_median: float
    sick_to_well_p95: float
    sick_to_alone_median: float
    sick_to_alone_p95: float
    missing: int  # leads that are not in d exactly once


@dataclass(kw_only=True)
class Side:
    """One of the installations."""

    client: Client = field(repr=False)
    crm: Sandbox = field(repr=False)
    leads: list[str] = field(default_factory=list)

    def capture(self, number: int) -> None:
        """Let a friend come."""
        friend = {"email": f"friend{number}@example.com", "first_name": f"Friend {number}"}
        self.leads.append(self.client.post("/api/v1/referrals", {"code": "ANNA-7", "friend": friend})["id"])

    def arrived(self) -> dict[str, datetime]:
        """Tell since when account d has the deal of each lead."""
        model = self.crm.model(WELL)
        with model.lock:
            return {deal.values["referral_id"]: deal.created for deal in model.records["deals"].values()}

    def seconds(self) -> list[float]:
        """Tell how long each counted lead took, from its capture to its deal."""
        lines = [line for line in self.client.history(0) if line["what"] == "captured"]
        captured = {line["referral"]: datetime.fromisoformat(line["at"]) for line in lines}
        arrived = self.arrived()
        return [(arrived[it] - captured[it]).total_seconds() for it in self.leads[WARM:] if it in arrived]

    def missing(self) -> int:
        """Count the leads that are not in account d exactly once."""
        return sum(len(self.crm.model(WELL).having("deals", "referral_id", lead)) != 1 for lead in self.leads)


def measure(leads: int = 150, seed: int = 42) -> Row:
    """Let leads come to the three installations, and compare."""
    rng = Random(f"{seed}:isolation")
    with ExitStack() as stack:
        alone = stack.enter_context(_side("alone", (WELL,)))
        well, sick = (stack.enter_context(_side(name, ACCOUNTS)) for name in ("well", "sick"))
        sides = (alone, well, sick)
        for number in range(WARM + leads):
            if number == WARM // 2:
                for fault in SICK:
                    sick.crm.faults.add(fault)
            for side in rng.sample(sides, len(sides)):
                side.capture(number)
                time.sleep(rng.uniform(*PAUSE))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and any(side.missing() for side in sides):
            time.sleep(0.2)
        missing = sum(side.missing() for side in sides)
        return compare(alone.seconds(), well.seconds(), sick.seconds(), missing=missing)


def compare(alone: Sequence[float], well: Sequence[float], sick: Sequence[float], *, missing: int) -> Row:
    """Make a row of the seconds that leads took."""
    (alone_median, alone_p95), (well_median, well_p95), (sick_median, sick_p95) = map(
        _middle_and_tail, (alone, well, sick)
    )
    return Row(
        leads=min(len(alone), len(well), len(sick)),
        alone_median=alone_median,
        alone_p95=alone_p95,
        well_median=well_median,
        well_p95=well_p95,
        sick_median=sick_median,
        sick_p95=sick_p95,
        sick_to_well_median=round(sick_median / well_median, 2),
        sick_to_well_p95=round(sick_p95 / well_p95, 2),
        sick_to_alone_median=round(sick_median / alone_median, 2),
        sick_to_alone_p95=round(sick_p95 / alone_p95, 2),
        missing=missing,
    )


def _middle_and_tail(seconds: Sequence[float]) -> tuple[float, float]:
    return round(median(seconds) * 1000, 1), round(quantiles(seconds, n=20)[-1] * 1000, 1)


@contextmanager
def _side(name: str, accounts: Sequence[str]) -> Iterator[Side]:
    """Set up an installation and start its daemon."""
    setups = [HubSpotSetup(name=it, limits=NO_LIMITS) for it in accounts]
    with (
        tempfile.TemporaryDirectory(prefix=f"syncd-bench-{name}-") as folder,
        Sandbox(now=lambda: datetime.now(UTC), accounts=setups) as crm,
    ):
        there = place.furnish(Path(folder) / "data", _items(crm, accounts), port=0)
        token = _token(there)
        running = daemon.start(there)
        try:
            if not running.wait_until_ready(60.0, lambda: False):
                raise SystemExit(f"the daemon did not start:\n{running.tail()}")
            client = Client(url=running.url, token=token, key=there.key)
            anna: Mapping[str, str] = {"campaign": CAMPAIGN, "code": "ANNA-7", "email": "anna@example.org"}
            client.post("/api/v1/advocates", anna)
            yield Side(client=client, crm=crm)
        finally:
            running.kill()  # calls that hang would hold up a stop; nothing here is to be kept


def _items(crm: Sandbox, accounts: Sequence[str]) -> list[Item]:
    team = teams()["hubspot"]
    return [Item(name=it, section=team.section(it, crm.url(it)), secret=team.secret(crm, it)) for it in accounts]


def _token(there: Place) -> str:
    app = open_app(load(there.config, env=there.environment(), connector_types=registry.find))
    try:
        return tokens.issue(app, "bench", "write")
    finally:
        app.database.dispose()


def main() -> None:
    """Measure twice: a single tail is a matter of luck."""
    for seed in range(2):
        write_row("isolation", measure(seed=seed))


if __name__ == "__main__":
    main()
