"""How often a client may call, as the vendor limits it.

https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncd.sandbox.crm.hubspot.refusal import Refusal
from syncd.sandbox.crm.window import Window

WINDOW = 10.0
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """An account's allowance; the defaults are those of its smallest edition. None is no limit."""

    burst: int | None = 100  # calls in any ten seconds, search apart
    search: int | None = 5  # searches in any second
    daily: int | None = 250_000


NO_LIMITS = Limits(burst=None, search=None, daily=None)


class Meter:
    """Counts an account's calls against its limits. `clock` gives seconds that never go back. Not locked itself."""

    def __init__(self, limits: Limits, clock: Callable[[], float], portal: int) -> None:
        self.limits = limits
        self._clock = clock
        self._portal = portal
        self._calls = Window(limits.burst, WINDOW)
        self._searches = Window(limits.search, 1.0)
        self._day = -1
        self._today = 0

    def admit(self, *, search: bool) -> None:
        """Count a call, or refuse it; what is refused is not counted."""
        now = self._clock()
        if self._day != int(now // DAY):
            self._day, self._today = int(now // DAY), 0
        if self.limits.daily is not None and self._today >= self.limits.daily:
            raise rate_limit("DAILY", self._portal)
        if not (self._searches if search else self._calls).take(now):
            raise rate_limit("SECONDLY" if search else "TEN_SECONDLY_ROLLING", self._portal)
        self._today += 1

    def headers(self, *, oauth: bool) -> Mapping[str, str]:
        """Give the headers that every answer but a search's carries."""
        headers: dict[str, str] = {}
        if (burst := self.limits.burst) is not None:
            headers |= {
                "X-HubSpot-RateLimit-Max": str(burst),
                "X-HubSpot-RateLimit-Remaining": str(burst - self._calls.used(self._clock())),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(WINDOW * 1000)),
            }
        if (daily := self.limits.daily) is not None and not oauth:
            headers |= {
                "X-HubSpot-RateLimit-Daily": str(daily),
                "X-HubSpot-RateLimit-Daily-Remaining": str(daily - self._today),
            }
        return headers


def rate_limit(policy: str, portal: int) -> Refusal:
    """Refuse a call too many. No Retry-After: the vendor documents none for 429."""
    extra = {"errorType": "RATE_LIMIT", "policyName": policy, "groupName": f"publicapi:private-apps:api-calls:{portal}"}
    return Refusal(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", extra=extra)
