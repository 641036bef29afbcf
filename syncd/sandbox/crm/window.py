"""Counts calls in a window of time that moves on."""

from __future__ import annotations

from collections import deque


class Window:
    """The calls of the last `seconds`, of which there may be `most`; None is no limit. Not locked itself."""

    def __init__(self, most: int | None, seconds: float) -> None:
        self.most = most
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def used(self, now: float) -> int:
        """Tell how many calls the window holds."""
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        return len(self._calls)

    def take(self, now: float) -> bool:
        """Count a call if there is room for it, and say whether there was."""
        if self.most is None:
            return True
        if self.used(now) >= self.most:
            return False
        self._calls.append(now)
        return True
