"""How far what a client sees may be behind what was written."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Lag = Callable[[Random], float]
"""How many seconds one write stays out of sight: of a search index, or of other transactions."""


def no_lag(_: Random) -> float:
    """Let every write be seen at once."""
    return 0.0


def lag_between(least: float, most: float) -> Lag:
    """Let each write be seen after a time between `least` and `most` seconds, evenly spread."""
    return lambda rng: rng.uniform(least, most)
