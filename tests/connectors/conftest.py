"""What the tests of connectors share: a hand clock and a session that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from syncd.http import Session


class HandClock:
    """A time that moves only when a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@pytest.fixture
def clock() -> HandClock:
    return HandClock(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))


@pytest.fixture
def http(clock: HandClock) -> Iterator[Session]:
    """A session that waits for nothing between its tries."""
    with Session(deadline=5, now=clock, sleep=lambda _: None) as session:
        yield session
