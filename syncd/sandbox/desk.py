"""Who lets troubles happen in a running sandbox, and ends them in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syncd.sandbox.scene import Scene, World
from syncd.sandbox.team import Team
from syncd.sandbox.troubles import TROUBLES, Impossible

LONGEST = 600.0  # seconds that a trouble may last


@dataclass(frozen=True, kw_only=True)
class Going:
    """A trouble that is going on, until a moment of the monotonic clock."""

    name: str
    scene: Scene
    until: float

    @property
    def account(self) -> str:
        """The account that it befalls."""
        return self.scene.account


@dataclass(kw_only=True)
class Desk:
    """All the troubles of one sandbox. Safe to call from any thread."""

    world: World
    monotonic: Callable[[], float] = time.monotonic
    _going: list[Going] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def teams(self) -> Mapping[str, Team]:
        """The teams of all accounts, by account."""
        return self.world.market.teams

    def begin(self, name: str, account: str, seconds: float) -> str:
        """Let a trouble happen, and say what it did. Raises `Impossible`, or ValueError for a name that is none."""
        if name not in TROUBLES:
            raise ValueError(f"there is no trouble {name!r}; there are {', '.join(TROUBLES)}")
        if account not in self.teams:
            raise ValueError(f"there is no account {account!r}; there are {', '.join(self.teams)}")
        if not 0 < seconds <= LONGEST:
            raise ValueError(f"a trouble lasts more than 0 and at most {LONGEST:g} seconds")
        if not TROUBLES[name].fits(type(self.teams[account])):
            raise Impossible(f"{self.teams[account].vendor} has no such trouble")
        with self._lock:
            scene = Scene(world=self.world, account=account, seconds=seconds)
            told = TROUBLES[name].begin(scene)
            if not TROUBLES[name].moment:
                self._going.append(Going(name=name, scene=scene, until=self.monotonic() + seconds))
            return told

    def going(self) -> Sequence[Going]:
        """List what is going on."""
        with self._lock:
            return list(self._going)

    def tick(self) -> list[Going]:
        """End what has lasted long enough, and give it."""
        now = self.monotonic()
        return self._end(lambda it: it.until <= now)

    def clear(self) -> list[Going]:
        """End everything now, and give it. What is for good stays so."""
        return self._end(lambda _: True)

    def _end(self, is_over: Callable[[Going], bool]) -> list[Going]:
        with self._lock:
            over = [it for it in self._going if is_over(it)]
            self._going = [it for it in self._going if not is_over(it)]
            for it in over:
                for undo in it.scene.undo:
                    undo()
            return over
