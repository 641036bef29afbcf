"""How many calls an org may be sent in a rolling day, all its integrations together.

https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncd.sandbox.crm.salesforce.refusal import limit_exceeded
from syncd.sandbox.crm.window import Window

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OrgLimits:
    """An org's allowance."""

    daily: int = 100_000
    others: int = 17  # what other integrations have used of it


class Usage:
    """Counts an org's calls. `clock` gives seconds that never go back. Not locked itself."""

    def __init__(self, limits: OrgLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._calls = Window(max(limits.daily - limits.others, 0), DAY)

    def admit(self) -> None:
        """Count a call, or refuse it; what is refused is not counted."""
        if not self._calls.take(self._clock()):
            raise limit_exceeded("TotalRequests")

    @property
    def used(self) -> int:
        """Tell how many calls the last 24 hours had, those of others included."""
        return self.limits.others + self._calls.used(self._clock())

    def headers(self) -> dict[str, str]:
        """Give the header that every success carries."""
        return {"Sforce-Limit-Info": f"api-usage={self.used}/{self.limits.daily}"}
