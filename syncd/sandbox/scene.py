"""Where a trouble happens: one account of the sandbox, and what is at hand there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random

from syncd.sandbox.clock import Clock
from syncd.sandbox.courier import Courier
from syncd.sandbox.crm import Fault, Sandbox
from syncd.sandbox.market import Case, Market
from syncd.sandbox.team import Team


@dataclass(frozen=True, kw_only=True)
class World:
    """All that a sandbox consists of, but for the daemon."""

    crms: Sandbox
    clock: Clock
    market: Market
    people_time: Callable[[], float]
    rng: Random
    courier: Courier = field(default_factory=Courier)
    wrong: list[str] = field(default_factory=list)  # what the daemon did in a trouble and must not do
    bin: list[Case] = field(default_factory=list)  # whose deals were deleted, the first one first


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An account in which a trouble is to last `seconds`. What is in `undo` is done when it is over."""

    world: World
    account: str
    seconds: float
    undo: list[Callable[[], object]] = field(default_factory=list, repr=False)

    @property
    def team(self) -> Team:
        """Those who work in the account."""
        return self.world.market.teams[self.account]

    def fault(self, fault: Fault) -> None:
        """Let calls to the account go wrong until the trouble is over."""
        # The end is told to the CRM too, so that nobody's death leaves it ill for ever.
        end = self.world.clock() + timedelta(seconds=self.seconds)
        number = self.world.crms.faults.add(replace(fault, account=self.account, end=end))
        self.undo.append(partial(self.world.crms.faults.clear, number))

    def mischief(self, **fields: float) -> None:
        """Let the account's own messages go astray until the trouble is over; the fields are those of `Mischief`."""
        mischief = self.world.market.mischief[self.account]
        for name, value in fields.items():
            self.undo.append(partial(setattr, mischief, name, getattr(mischief, name)))
            setattr(mischief, name, value)

    def cases(self) -> Iterator[Case]:
        """Give the cases of the account in a chance order."""
        mine = [case for case in list(self.world.market.cases.values()) if case.account == self.account]
        return iter(self.world.rng.sample(mine, len(mine)))
