"""The daemon is asked to end in the middle of a push: it ends in time, and after the next start all is there once."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from syncd.sandbox.crm import Fault
from tests.acceptance.installation import Installation, Waiting, installed, prepare

LEADS = 100  # and ten advocates, so that there are two batches
PATIENCE = 25.0  # seconds that an end may take, whatever a CRM does


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    return prepare(tmp_path_factory.mktemp("shutdown") / "waiting", LEADS)


def end_in_a_push(it: Installation) -> float:
    """Send SIGTERM once the first writing call has begun; give the seconds that the end took."""
    child = it.start()
    it.wait(lambda: it.pushes_begun() > 0)
    began = time.monotonic()
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(PATIENCE + 10) == 0, child.tail()
    it.running = None
    return time.monotonic() - began


def test_sigterm_lets_the_push_in_hand_end(waiting: Waiting, tmp_path: Path) -> None:
    with installed(waiting, tmp_path / "here") as it:
        it.slow_down(0.3)

        assert end_in_a_push(it) < PATIENCE
        arrived = it.copies()
        assert arrived.keys() <= {(1, 1), (0, 0)}  # the batch in hand arrived whole, and no other was begun
        assert arrived[1, 1] > LEADS / 2

        began = it.pushes_begun()
        it.start()
        it.wait(it.settled)
        assert it.copies() == {(1, 1): LEADS}
        assert it.pushes_begun() - began <= 3  # the rest, in one batch: what was settled in time is not pushed again


def test_a_crm_that_hangs_does_not_keep_the_daemon_and_nothing_is_lost_by_it(waiting: Waiting, tmp_path: Path) -> None:
    with installed(waiting, tmp_path / "here") as it:
        # The work is done and the answer never comes: the daemon cannot know, and must look before it repeats.
        it.crm.faults.add(Fault(action="hang", path="/batch/upsert", nth=2, seconds=60, applied=True))

        assert end_in_a_push(it) < PATIENCE

        it.crm.faults.clear(None)
        it.let_leases_end()
        it.start()
        it.wait(it.settled)
        assert it.copies() == {(1, 1): LEADS}
