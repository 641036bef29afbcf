"""Two workers, one advocate: a milestone is neither missed nor granted twice."""

from __future__ import annotations

import threading

from syncd.flow.decisions import Decision, decide_now
from tests.flow.world import World

ROUNDS = 100


def test_two_referrals_qualified_at_the_same_moment_grant_the_milestone_exactly_once(world: World) -> None:
    """Each round has an advocate of its own; without the lock on the advocate PostgreSQL misses most of them."""
    for round_ in range(ROUNDS):
        code = world.advocate(f"advocate{round_}")
        ids = [world.refer(f"friend{round_}-{n}", code).referral.id for n in range(2)]
        barrier = threading.Barrier(2)

        def qualify(id: str, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            decide_now(world.app, Decision(verdict="qualified", via="api", referral=id), id=f"api:{id}", cause="test")

        workers = [threading.Thread(target=qualify, args=(id,)) for id in ids]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        advocate = world.referral(ids[0]).advocate
        assert world.points().get(advocate) == 500, f"round {round_}"

    assert len(world.history("milestone")) == ROUNDS
