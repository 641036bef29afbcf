"""What time alone will do in the books of one participant: holds end, silences grow long, rewards expire."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

RELEASE, SILENCE, EXPIRY, WINDOW, ACTIVATION = range(5)  # in this order within one instant


class Timer(NamedTuple):
    """Something that is due. It may have become idle meanwhile; whoever set it can tell."""

    due: datetime
    sort: int
    name: Any  # what it is about: an entitlement's name, a friend; alike for all of one sort, or they had no order
    number: int  # a generation, a rule, a version


class Timers:
    """A heap of timers. Idle ones are dropped when they come to the top."""

    __slots__ = ("_heap", "_idle", "listener")

    def __init__(self, idle: Callable[[Timer], bool]) -> None:
        self._heap: list[Timer] = []
        self._idle = idle
        self.listener: Callable[[Timer], None] | None = None

    def add(self, due: datetime, sort: int, name: Any, number: int) -> None:
        """Set a timer."""
        timer = Timer(due, sort, name, number)
        heapq.heappush(self._heap, timer)
        if self.listener:
            self.listener(timer)

    def next(self) -> Timer | None:
        """Look at the one that is due first."""
        while self._heap and self._idle(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def pop(self) -> Timer:
        """Take the one that is due first."""
        return heapq.heappop(self._heap)
