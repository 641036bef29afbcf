"""What the tests of connectors share: a clock that is moved by hand, and a session that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from syncd.conformance.probe import Clock
from syncd.http import Session


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))


@pytest.fixture
def http(clock: Clock) -> Iterator[Session]:
    """A session that waits for nothing between its tries."""
    with Session(deadline=5, now=clock, sleep=lambda _: None) as session:
        yield session
