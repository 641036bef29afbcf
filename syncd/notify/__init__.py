"""Ways to tell others what happens: signed messages to receivers, posted where it is safe to."""

from __future__ import annotations

from syncd.notify.messenger import Messenger
from syncd.notify.outcome import Next, Outcome

__all__ = ["Messenger", "Next", "Outcome"]
