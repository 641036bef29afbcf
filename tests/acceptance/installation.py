"""An installation with leads that wait, the CRM that they go to, and the daemon as a process that can be killed."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, update

from syncd import registry
from syncd.config import load
from syncd.contract import Person, Transient
from syncd.flow.capture import Invitation, capture, enrol
from syncd.flow.opening import open_app
from syncd.sandbox import daemon, place
from syncd.sandbox.client import Client
from syncd.sandbox.crm import NO_LIMITS, CrmModel, Fault, HubSpotSetup, Sandbox
from syncd.sandbox.daemon import Daemon
from syncd.sandbox.place import CAMPAIGN, CONNECTOR, Place
from syncd.store import books, referrals
from syncd.store.engine import connect, read, write
from syncd.store.tables import inbox, outbox, source
from syncd.store.work import LEASE, waiting
from syncd.web import tokens

NOWHERE = "http://127.0.0.1:1/hubspot"  # stands in the configuration until a CRM has a port
ADVOCATES_OF_TEN = 10  # friends of each advocate


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A folder in which leads are captured and none is pushed: copied for each test, since to make it takes long."""

    there: Place
    token: str
    referrals: tuple[str, ...]


def prepare(folder: Path, leads: int) -> Waiting:
    """Capture leads into a database that no daemon has seen yet, ten for each advocate."""
    there = place.make(folder, base_url=NOWHERE, crm_token="sandbox-hubspot", port=0)
    app = open_app(load(there.config, env=there.environment(), connector_types=registry.find))
    token = tokens.issue(app, "test", "write")
    found = []
    for number in range(leads):
        if number % ADVOCATES_OF_TEN == 0:
            who = Person(email=f"advocate{number}@example.org", first_name="Anna")
            _, (code, *_) = enrol(app, CAMPAIGN, who, cause="test")
        friend = Person(email=f"friend{number}@example.com", first_name=f"Friend {number}")
        found.append(capture(app, Invitation(friend=friend, code=code), cause="test").referral.id)
    app.database.dispose()
    return Waiting(there=there, token=token, referrals=tuple(found))


@dataclass(kw_only=True)
class Installation:
    """A copy of such a folder, beside a CRM of its own."""

    there: Place
    crm: Sandbox
    token: str
    referrals: tuple[str, ...]
    database: Engine
    running: Daemon | None = None
    won: set[str] = field(default_factory=set)  # referrals: what sales, or the shop, has surely done

    @property
    def model(self) -> CrmModel:
        """The CRM's records."""
        return self.crm.model()

    def start(self) -> Daemon:
        """Start the daemon and wait until it listens."""
        self.running = daemon.start(self.there)
        assert self.running.wait_until_ready(60, lambda: False), self.running.tail()
        return self.running

    def kill(self) -> None:
        """Pull the plug (SIGKILL), and let as much time pass as a lease lasts."""
        assert self.running
        self.running.kill()
        self.running = None
        self.let_leases_end()

    def let_leases_end(self) -> None:
        """Move all that is due so far into the past that it is as if a lease's time had gone by."""
        past = LEASE + timedelta(seconds=1)
        with write(self.database) as tx:
            for table in (outbox, inbox, source):
                for row in tx.execute(table.select().where(table.c.due_at.is_not(None))).mappings().all():
                    key = next(iter(table.primary_key.columns))
                    tx.execute(update(table).where(key == row[key.name]).values(due_at=row["due_at"] - past))
            tx.execute(update(source).values(held_until=None))

    def slow_down(self, seconds: float) -> None:
        """Let each of the CRM's answers to a batch come late, so that a moment falls into a push."""
        self.crm.faults.add(Fault(action="slow_headers", path="/batch/", seconds=seconds))

    def pushes_begun(self) -> int:
        """Count the calls that write."""
        return sum(1 for call in self.crm.log.listed() if call.kind == "write")

    def win(self, every: int) -> None:
        """Let sales win each n-th of the leads whose deals are in the CRM by now."""
        for referral in self.referrals[::every]:
            deal = self.model.find_by("deals", "referral_id", referral)
            if deal is not None and referral not in self.won:
                self.model.move(deal.id, "closedwon")
                self.won.add(referral)

    def buy(self, referral: str) -> bool:
        """Let the shop tell the daemon of a purchase; False if nobody answered, and then it is told again later."""
        assert self.running
        client = Client(url=self.running.url, token=self.token, key=self.there.key)
        body = json.dumps({"type": "referral.qualified", "data": {"referral": referral}}).encode()
        try:
            client.deliver(f"order-{referral}", body, datetime.now(UTC))
        except Transient:
            return False
        self.won.add(referral)
        return True

    def settled(self) -> bool:
        """Whether nothing is owed, nothing waits to be decided, and every win is booked."""
        with read(self.database) as tx:
            owed, dead = waiting(tx, outbox, CONNECTOR)
            told, unread = waiting(tx, inbox, CONNECTOR)
            ordered, _ = waiting(tx, inbox, "shop")
            qualified = referrals.count_by_standing(tx).get("qualified", 0)
        assert dead == unread == 0
        return owed == told == ordered == 0 and qualified == len(self.won)

    def wait(self, condition: Callable[[], bool], seconds: float = 60.0, pause: float = 0.1) -> None:
        """Wait until a condition holds; fail with the daemon's log if it does not in time, or the daemon dies."""
        until = time.monotonic() + seconds
        while not condition():
            if self.running:
                self.running.check()
            assert time.monotonic() < until, self.running.tail() if self.running else "not in time"
            time.sleep(pause)

    def copies(self) -> Counter[tuple[int, int]]:
        """Count the leads by how many contacts and how many deals the CRM has of them; all should be (1, 1)."""
        with self.model.lock:
            per = {
                kind: Counter(it.values.get("referral_id", "") for it in self.model.records[kind].values())
                for kind in ("contacts", "deals")
            }
        return Counter((per["contacts"][each], per["deals"][each]) for each in self.referrals)

    def milestones(self) -> dict[str, Counter[int]]:
        """Tell how often the history has each milestone of each advocate: advocate -> number -> times."""
        found: dict[str, Counter[int]] = {}
        with read(self.database) as tx:
            after = 0
            while lines := referrals.changes(tx, after=after):
                after = lines[-1].id
                for line in lines:
                    assert line.what not in {"milestone_lost", "push_failed", "conflict"}
                    if line.what == "milestone":
                        found.setdefault(line.participant or "", Counter())[line.detail["number"]] += 1
        return found

    def points(self) -> dict[str, int]:
        """Read from the ledger how many points each advocate has."""
        with read(self.database) as tx:
            balances = {key: n for key, n in books.balances(tx).items() if key[0].startswith("per_")}
        return {who.partition(":")[0]: amount for (who, unit), amount in balances.items() if unit == "POINTS"}

    def milestones_due(self) -> dict[str, Counter[int]]:
        """Work out from what was won which milestones there must be, each once: one for every three wins."""
        wins: Counter[str] = Counter()
        with read(self.database) as tx:
            for referral in referrals.find(tx, ids=sorted(self.won)):
                wins[referral.advocate] += 1
        return {who: Counter(range(1, number // 3 + 1)) for who, number in wins.items() if number >= 3}


@contextmanager
def installed(waiting: Waiting, folder: Path) -> Iterator[Installation]:
    """Give a copy of the waiting leads with a new CRM; whatever still runs in the end is ended."""
    shutil.copytree(waiting.there.folder, folder)
    account = HubSpotSetup(limits=NO_LIMITS)
    with Sandbox(now=lambda: datetime.now(UTC), accounts=[account]) as crm:
        there = Place(folder=folder, config=folder / "syncd.yaml", key=waiting.there.key)
        _rewrite(there.config, {NOWHERE: crm.url(), "every: 1s": "every: 3s", "sweep: 5s": "sweep: 1m"})
        database = connect(f"sqlite:///{folder / 'syncd.db'}")
        it = Installation(there=there, crm=crm, token=waiting.token, referrals=waiting.referrals, database=database)
        try:
            yield it
        finally:
            if it.running:
                it.running.kill()
            database.dispose()
            shutil.rmtree(folder)


def _rewrite(path: Path, changes: Mapping[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
