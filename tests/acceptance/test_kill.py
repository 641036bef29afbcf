"""The daemon is killed in the middle of its work, at random moments, and nothing is lost and nothing happens twice."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from tests.acceptance.installation import Installation, Waiting, installed, prepare

ROUNDS = int(os.environ.get("SYNCD_KILL_ROUNDS", "20"))
LEADS = 500
LATENCY = 0.1  # seconds of each of the CRM's answers to a batch
CALLS = 18  # that write, for 500 leads and 50 advocates: six batches of contacts, deals and associations


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    return prepare(tmp_path_factory.mktemp("kill") / "waiting", LEADS)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_each_lead_is_in_the_crm_once_and_each_milestone_in_the_ledger_once_after_kill_9(
    round_: int, waiting: Waiting, tmp_path: Path
) -> None:
    """500 leads are pushed; meanwhile sales wins some and the shop reports others; then the plug is pulled."""
    rng = Random(f"kill:{round_}")
    with installed(waiting, tmp_path / "round") as it:
        it.slow_down(LATENCY)
        orders = rng.sample(it.referrals, 20)
        for _ in range(rng.choice((1, 1, 2))):
            it.start()
            run_until(it, rng.randint(1, CALLS), orders)
            time.sleep(rng.uniform(0.0, LATENCY))
            it.kill()
        it.crm.faults.clear(None)
        it.start()
        while orders and it.buy(orders[-1]):
            orders.pop()
        it.wait(lambda: it.copies().keys() == {(1, 1)})
        it.win(every=4)
        it.wait(it.settled)

        assert it.copies() == {(1, 1): LEADS}
        assert it.milestones() == it.milestones_due() != {}
        assert it.points() == {who: 500 * len(numbers) for who, numbers in it.milestones_due().items()}


def run_until(it: Installation, calls: int, orders: list[str]) -> None:
    """Let things go on until so many more writing calls have reached the CRM, or there is nothing left to push."""
    enough = it.pushes_begun() + calls

    def seen() -> bool:
        it.win(every=4)
        if orders and it.buy(orders[-1]):
            orders.pop()
        return it.pushes_begun() >= enough or it.copies().keys() == {(1, 1)}

    it.wait(seen, pause=0.02)
