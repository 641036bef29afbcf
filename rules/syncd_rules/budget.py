"""What a whole campaign may give: one sum per unit over all advocates.

It is the only thing that ties the books of one advocate to those of another. As long as all that was ever granted,
taken together, fits the budget, nobody can have been refused anything, whatever the order; so books are kept one by
one, and `Tight` is raised when that is no longer certain. From then on (`strict`) the campaign's books are kept in the
one order of time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count

from syncd_rules.model import POINTS, Exhausted
from syncd_rules.rewards import Entitlement
from syncd_rules.versions import Versions

EXHAUSTED = "alert.budget_exhausted"

Serve = Callable[[Entitlement, datetime, str], None]


class Tight(Exception):
    """The budget may bind: the order of grants over the whole campaign matters."""


def unit_of(entitlement: Entitlement) -> str | None:
    """Name the budget that a reward draws on: POINTS, or the currency that it is worth money in."""
    return POINTS if entitlement.prize.kind == "points" else entitlement.currency


class Budget:
    """The sums so far, and who waits."""

    def __init__(self, versions: Versions, *, strict: bool) -> None:
        self.strict = strict
        self.granted: Counter[str] = Counter()  # all that was ever granted; kept while not strict
        self.issued: Counter[str] = Counter()  # what was granted and has not come back; kept while strict
        self.told: set[str] = set()  # units of which it is known that they are exhausted
        self._versions = versions
        limits = [program.limits.budget for program in versions.known]
        self._floor = {unit: min(b[unit] for b in limits if unit in b) for each in limits for unit in each}
        self._queue: dict[str, deque[tuple[int, Entitlement, Serve]]] = {}  # with the ticket of each who waits
        self._tickets = count(1)
        self._moved: dict[str, str] = {}  # units whose queue may move on, each with what made it so

    @property
    def limited(self) -> bool:
        """Whether there is any limit at all, which would tie the books of all to each other."""
        return bool(self._floor)

    def room(self, unit: str, at: datetime) -> int | None:
        """Tell how much may still be given, if only so much."""
        program = self._versions.at(at)
        limit = program.limits.budget.get(unit) if program else None
        return None if limit is None else max(limit - self.issued[unit], 0)

    def has_room_for(self, cost: int, unit: str, at: datetime) -> bool:
        """Tell whether so much may be given now, without overtaking those who wait."""
        room = self.room(unit, at)
        return room is None or (cost <= room and not self._waits(unit))

    def when_exhausted(self, at: datetime) -> Exhausted:
        """Say what is to be done with what there is no room for."""
        program = self._versions.at(at)
        return program.limits.when_exhausted if program else "suppress"

    def give(self, unit: str, amount: int) -> None:
        """Note that something was granted. Raises `Tight` where that may have been too much."""
        if self.strict:
            self.issued[unit] += amount
            return
        self.granted[unit] += amount
        if self.granted[unit] > self._floor.get(unit, self.granted[unit]):
            raise Tight

    def take_back(self, unit: str, amount: int, cause: str) -> None:
        """Note that something came back: those who wait may be served, once the event is over that brought it."""
        if self.strict:
            self.issued[unit] -= amount
            self._moved.setdefault(unit, cause)

    def forget(self, granted: Mapping[str, int]) -> None:
        """Leave out what was granted in books that are kept anew."""
        self.granted.subtract(granted)

    def queue(self, unit: str, entitlement: Entitlement, serve: Serve) -> None:
        """Let a reward wait its turn; a ticket that it gives up, or was served with, is worth nothing any more."""
        entitlement.ticket = next(self._tickets)
        self._queue.setdefault(unit, deque()).append((entitlement.ticket, entitlement, serve))

    def look_again(self, unit: str, cause: str) -> None:
        """Note that one who waits has gone, or asks for less: there may be room for who is next."""
        self._moved.setdefault(unit, cause)

    def move_on(self, at: datetime) -> None:
        """Serve those who wait, once an event has taken back all that it takes back."""
        moved, self._moved = self._moved, {}
        for unit in sorted(moved):
            self._serve(unit, at, moved[unit])

    def serve_all(self, at: datetime, cause: str) -> None:
        """Grant what a new version has room for."""
        for unit in sorted(self._queue):
            self._serve(unit, at, cause)

    def _waits(self, unit: str) -> bool:
        queue = self._queue.get(unit)
        while queue and queue[0][1].ticket != queue[0][0]:
            queue.popleft()
        return bool(queue)

    def _serve(self, unit: str, at: datetime, cause: str) -> None:
        """Grant what has waited longest, as far as there is room."""
        while self._waits(unit):
            _, entitlement, serve = self._queue[unit][0]
            room = self.room(unit, at)
            if room is not None and entitlement.cost > room:
                return
            self._queue[unit].popleft()
            serve(entitlement, at, cause)
