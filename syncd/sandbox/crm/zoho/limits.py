"""How many credits an account may spend in a rolling day.

https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from syncd.sandbox.crm.zoho.refusal import too_many

DAY = 86_400.0


class Credits:
    """Counts an account's credits, of which there are `most`; None is no limit. Not locked itself.

    `clock` gives seconds that never go back.
    """

    def __init__(self, most: int | None, clock: Callable[[], float]) -> None:
        self.most = most
        self.spent = 0
        self._clock = clock
        self._calls: deque[tuple[float, int]] = deque()

    def admit(self, cost: int) -> None:
        """Take what a call costs, or refuse it; what is refused costs nothing."""
        now = self._clock()
        while self._calls and self._calls[0][0] <= now - DAY:
            self.spent -= self._calls.popleft()[1]
        if self.most is not None and self.spent + cost > self.most:
            raise too_many()
        self._calls.append((now, cost))
        self.spent += cost

    def headers(self) -> dict[str, str]:
        """Give the header that says what is left; it comes once half of the credits are spent."""
        if self.most is None or self.spent * 2 < self.most:
            return {}
        return {"X-API-CREDITS-REMAINING": str(self.most - self.spent)}
