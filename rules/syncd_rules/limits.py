"""Does a referral count for its advocate? At most so many, at most so many a period, and not too close together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from syncd_rules.model import Program
from syncd_rules.time import Period, add, period_of


class Counted:
    """The referrals that count for one advocate, and since when; every question is answered without going through them.

    Referrals are added in the order of time.
    """

    __slots__ = ("_in", "_order", "_periods", "since")

    def __init__(self, periods: Iterable[tuple[ZoneInfo, Period]]) -> None:
        self.since: dict[str, tuple[datetime, int]] = {}  # friend -> (since when, the place in the books)
        self._periods = periods
        self._in: dict[tuple[ZoneInfo, Period, tuple[int, ...]], int] = defaultdict(int)
        self._order: list[tuple[datetime, str]] = []  # the last that still counts is the last that is true

    def __len__(self) -> int:
        return len(self.since)

    def __contains__(self, friend: str) -> bool:
        return friend in self.since

    def add(self, friend: str, at: datetime, number: int) -> None:
        """Let a referral count from now on."""
        self.since[friend] = (at, number)
        self._order.append((at, friend))
        self._note(at, 1)

    def remove(self, friend: str) -> tuple[datetime, int] | None:
        """Let a referral count no longer; give since when it did, or None where it did not."""
        known = self.since.pop(friend, None)
        if known:
            self._note(known[0], -1)
        return known

    def refusal(self, now: datetime, program: Program) -> str | None:
        """Say which limit keeps another referral from counting now, or None."""
        limits, zone = program.limits, program.timezone
        if limits.max_referrals is not None and len(self.since) >= limits.max_referrals:
            return "max_referrals"
        for period, most in limits.per_period.items():
            if self._in[zone, period, period_of(now, period, zone)] >= most:
                return "per_period"
        last = self._last()
        if limits.cooldown and last is not None and now < add(last, limits.cooldown, zone):
            return "cooldown"
        return None

    def _last(self) -> datetime | None:
        while self._order:
            at, friend = self._order[-1]
            if (known := self.since.get(friend)) and known[0] == at:
                return at
            self._order.pop()
        return None

    def _note(self, at: datetime, step: int) -> None:
        for zone, period in self._periods:
            self._in[zone, period, period_of(at, period, zone)] += step
