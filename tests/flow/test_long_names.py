"""Names as long as a CRM may give them: what is put together of them finds room, as the parts do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, func, select, update

from syncd.contract import RemoteId, RemoteRef, StageFact
from syncd.flow.decide import decide
from syncd.flow.keep import keep
from syncd.store.engine import read, write
from syncd.store.tables import ledger_txn, source
from tests.flow.world import World


def test_a_deal_all_of_whose_names_are_long_is_booked(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, tmp_path, keeps_history=False)
    ben = world.refer("ben", world.advocate()).referral
    with write(engine) as tx:
        tx.execute(update(source).values(origin="o" * 48))
    world.clock.move(hours=1)
    fact = StageFact(
        ref=RemoteRef(deal=RemoteId(type="t" * 40, id="d" * 120), person=RemoteId(type="u" * 40, id="p" * 120)),
        lead=ben.id,
        pipeline="i" * 120,
        stage="s" * 120,
        outcome="won",
        at=world.clock(),
        version=2**62,
    )
    keep(world.app, world.app.connections["crm"], [fact], cause="poll:crm", still_ours=lambda tx: True)
    decide(world.app)

    assert world.standing(ben.id) == "qualified"
    with read(engine) as tx:
        caused = tx.scalar(select(func.max(func.length(ledger_txn.c.cause_event)))) or 0
    assert caused > 480
