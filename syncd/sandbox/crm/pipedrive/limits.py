"""How much a client may call: bursts for each credential, and tokens of a day for the whole company.

https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from syncd.sandbox.crm.pipedrive.refusal import Refusal, too_many
from syncd.sandbox.crm.window import Window

WINDOW = 2.0
BASE_TOKENS = 30_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """A company's allowance; the defaults are those of Lite with one seat. None is no limit."""

    burst: int | None = 20  # calls in any two seconds with the API token, search apart
    burst_oauth: int | None = 80  # the same with an OAuth token
    search: int | None = 10  # searches in any two seconds
    daily: int | None = BASE_TOKENS  # tokens; 30,000 x multiplier of the plan x seats
    others: int = 0  # tokens of today that users and other integrations have spent
    patience: int = 40  # refused calls in a minute after which the API token's caller is shut out
    shut_out: float = 300.0  # for so many seconds
    daily_headers: bool = True  # whether answers carry the headers that the vendor sends and does not document


NO_LIMITS = Limits(burst=None, burst_oauth=None, search=None, daily=None)


class ShutOut(Exception):
    """The caller did not heed 429; Cloudflare answers in the vendor's place."""


class Meter:
    """Counts a company's calls against its limits. `clock` gives seconds that never go back. Not locked itself."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self.limits = limits
        self._clock = clock
        self._now = now
        self._calls = Window(limits.burst, WINDOW)
        self._oauth = Window(limits.burst_oauth, WINDOW)
        self._searches = Window(limits.search, WINDOW)
        self._refused = Window(limits.patience, 60.0)
        self._shut_until = 0.0
        self._day: date | None = None
        self._spent = 0

    @property
    def spent(self) -> int:
        """Tell how many tokens of today are gone, those of others with them; the day ends at midnight UTC."""
        if (today := self._now().date()) != self._day:
            self._day, self._spent = today, self.limits.others
        return self._spent

    def admit(self, cost: int, *, search: bool, oauth: bool) -> None:
        """Count a call, or refuse it; what is refused costs nothing. Raises ShutOut for who goes on all the same."""
        clock = self._clock()
        if clock < self._shut_until:
            raise ShutOut
        window = self._searches if search else self._oauth if oauth else self._calls
        empty = self.limits.daily is not None and self.spent + cost > self.limits.daily
        if empty or not window.take(clock):
            if not oauth and not self._refused.take(clock):
                self._shut_until = clock + self.limits.shut_out
                raise ShutOut
            raise _with(too_many(daily=empty), self.headers(search=search, oauth=oauth))
        self._spent += cost

    def headers(self, *, search: bool, oauth: bool) -> Mapping[str, str]:
        """Give the headers that an answer carries."""
        window = self._searches if search else self._oauth if oauth else self._calls
        headers: dict[str, str] = {}
        if window.most is not None:
            left = window.most - window.used(self._clock())
            headers |= {"x-ratelimit-limit": str(window.most), "x-ratelimit-remaining": str(left)}
            headers["x-ratelimit-reset"] = str(int(WINDOW))
        if self.limits.daily is not None and self.limits.daily_headers:
            headers["x-daily-ratelimit-token-limit"] = str(self.limits.daily)
            headers["x-daily-ratelimit-token-remaining"] = str(max(self.limits.daily - self.spent, 0))
        return headers


def _with(refusal: Refusal, headers: Mapping[str, str]) -> Refusal:
    refusal.headers = headers
    return refusal
