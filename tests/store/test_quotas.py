"""Quotas belong to the database: every process that shares it shares them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from syncd.contract import Quota
from syncd.store import quotas, sources
from syncd.store.engine import read, write
from syncd.store.quotas import Spent
from tests.flow.world import START

CALLS = Quota(name="calls", limit=100, window=timedelta(seconds=10))
DAILY = Quota(name="daily calls", limit=250_000, window=timedelta(days=1))

CALLER = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from syncd.contract import Parked, Quota
from syncd.governor import Governor
from syncd.store.engine import connect

class Meter:
    def quotas(self):
        return [Quota(name="calls", limit=100, window=timedelta(seconds=1)),
                Quota(name="daily calls", limit=60, window=timedelta(days=1))]
    def price(self, method, path):
        return {"calls": 1, "daily calls": 1}
    def told(self, answer):
        return []

def wait(seconds):
    time.sleep(seconds)
    return False

governor = Governor(Meter(), connector="crm", share=0.8, database=connect(sys.argv[1]),
                    now=lambda: datetime.now(UTC), wait=wait)
print("ready", flush=True)
sys.stdin.readline()
made = 0
try:
    while True:
        governor.enter("GET", "https://crm.example.com/", 30.0)
        made += 1
except Parked as parked:
    print(json.dumps({"made": made, "said": str(parked)}))
"""


def test_what_was_written_is_read_again(engine: Engine) -> None:
    with write(engine) as tx:
        first, second = quotas.lock(tx, "crm", [DAILY, CALLS])
        moment = START + timedelta(microseconds=1)
        spent = (Spent(at=START, units=2), Spent(at=moment, units=5))
        full = replace(first, limit=190, limit_at=moment, next_at=moment, spent=spent, left=3)
        full = replace(full, left_at=moment, resets_at=moment)
        quotas.keep(tx, "crm", full)

    with read(engine) as tx:
        assert quotas.of(tx, "crm") == [full, second]
        assert quotas.of(tx, "other") == []


def test_a_quota_that_is_there_keeps_its_use_whatever_is_wanted(engine: Engine) -> None:
    with write(engine) as tx:
        (usage,) = quotas.lock(tx, "crm", [CALLS])
        quotas.keep(tx, "crm", replace(usage, spent=(Spent(at=START, units=5),), limit=190))

    with write(engine) as tx:
        usage, new = quotas.lock(tx, "crm", [CALLS, DAILY])

    assert (usage.used, usage.limit) == (5, 190)
    assert (new.name, new.used, new.limit) == ("daily calls", 0, 250_000)


def test_a_connector_that_is_renamed_keeps_what_it_used(engine: Engine) -> None:
    with write(engine) as tx:
        sources.add(tx, "old", START)
        (usage,) = quotas.lock(tx, "old", [CALLS])
        quotas.keep(tx, "old", replace(usage, spent=(Spent(at=START, units=5),)))
        sources.rename(tx, "old", "new")

    with read(engine) as tx:
        assert [usage.used for usage in quotas.of(tx, "new")] == [5]


def test_two_processes_share_one_allowance_to_the_last_unit(engine: Engine, database_url: str) -> None:
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for caller in callers:
        assert caller.stdout
        assert caller.stdout.readline() == "ready\n"
    for caller in callers:
        assert caller.stdin
        caller.stdin.write("go\n")
        caller.stdin.flush()
    answers = [json.loads(caller.communicate(timeout=60)[0]) for caller in callers]

    with read(engine) as tx:
        calls, daily = quotas.of(tx, "crm")
    assert sum(answer["made"] for answer in answers) == daily.used == 48
    assert all("our 80 % of 60 daily calls is used up" in answer["said"] for answer in answers)
    assert calls.next_at is not None
    # The day's count is of the moment at which the last call goes out; after it the next one is free.
    assert calls.next_at > max(each.at for each in daily.spent)
