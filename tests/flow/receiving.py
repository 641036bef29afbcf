"""A receiver in memory, and a world that tells it what happens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from syncd.notify import Outcome
from syncd.notify.outcome import outcome_of
from syncd.store import letters, receivers
from syncd.store.engine import read
from syncd.store.letters import Letter
from syncd.store.tables import outbox
from tests.flow.world import PROGRAM, World

SECRET = "a receiver's own secret of 36 letters"
SILENT = Outcome(next="rest", told="no whole answer from hooks.example.com within 15 s")


@dataclass
class Inbox:
    """A receiver that keeps what it gets, and answers with what is lined up, then with 204."""

    got: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answers: list[Outcome | BaseException] = field(default_factory=list)
    always: Outcome | None = None

    def answer(self, *statuses: int, retry_after: float | None = None) -> None:
        self.answers += [outcome_of(status, "hooks.example.com", retry_after) for status in statuses]

    def post(self, id: str, message: Mapping[str, Any]) -> Outcome:
        self.got.append((id, json.loads(json.dumps(message))))
        answer = self.answers.pop(0) if self.answers else self.always or outcome_of(204, "hooks.example.com")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def types(self) -> list[str]:
        return [message["type"] for _, message in self.got]

    def ids(self) -> list[str]:
        return [id for id, _ in self.got]


def telling_world(
    engine: Engine, folder: Path, *receivers: Mapping[str, Any], program: str = PROGRAM
) -> tuple[World, dict[str, Inbox]]:
    """Make a world with receivers in memory, by name; without any, one named shop that is told all."""
    some = receivers or ({"name": "shop"},)
    url = "https://hooks.example.com/in?key=k-4711"
    section = json.dumps([{"url": url, "secrets": [SECRET], **each} for each in some])
    world = World(engine, folder, program=program, yaml=f"notify: {{webhooks: {section}}}\n")
    inboxes = {str(each["name"]): Inbox() for each in some}
    world.app.messengers = inboxes  # type: ignore[assignment]
    return world, inboxes


def done() -> Outcome:
    return outcome_of(204, "hooks.example.com")


def owed(world: World, name: str = "shop") -> list[Letter]:
    """List what waits for a receiver."""
    with read(world.app.database) as tx:
        return letters.find(tx, dead=False, party=name, limit=10_000)


def dead(world: World, name: str = "shop") -> list[Letter]:
    with read(world.app.database) as tx:
        return letters.find(tx, dead=True, party=name, limit=10_000)


def fares(world: World, name: str = "shop") -> receivers.Receiver:
    with read(world.app.database) as tx:
        return receivers.get(tx, name)


def effects(world: World) -> Sequence[str]:
    """List the keys of all effects that came about, in the order of their telling."""
    with read(world.app.database) as tx:
        return list(tx.scalars(select(outbox.c.key).where(outbox.c.kind == "effect").order_by(outbox.c.id)))


def replayed(world: World) -> dict[str, str | None]:
    """Tell what somebody knows who has heard everything: reward -> granted, released, or None: taken back."""
    known: dict[str, str | None] = {}
    with read(world.app.database) as tx:
        told = list(tx.scalars(select(outbox.c.payload).where(outbox.c.kind == "effect").order_by(outbox.c.id)))
    for it in told:
        if step := it["name"].partition("trigger.reward_")[2]:
            allowed = {"granted": {None}, "released": {"granted"}}.get(step, {"granted", "released"})
            assert known.get(it["key"]) in allowed, (it["key"], step)
            known[it["key"]] = None if step == "reversed" else step
    return known
