"""Every trouble from which there is a way back, one after another, by a seed; each for a short while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from syncd.sandbox.admin import Admin
from syncd.sandbox.desk import Desk
from syncd.sandbox.troubles import TROUBLES, Impossible

PAUSE = (0.6, 1.4)  # seconds between the beginnings of two troubles
SHORT = (1.5, 2.5)  # seconds that one lasts
FIRST = "clock-skew"  # and only once: a jump makes what was done just before it seem older than the sign-up
DECK = tuple(name for name, it in TROUBLES.items() if it.cure != "nothing" and name != FIRST)


@dataclass(kw_only=True)
class Chaos:
    """Deals troubles until each was dealt once, then calms down. Times are seconds that never go back."""

    desk: Desk
    admin: Admin
    rng: Random
    say: Callable[[str], None]
    endless: bool  # whether to shuffle and begin anew instead of calming down
    calm: bool = False  # nothing goes wrong any more, and what an admin would mend is mended
    begun: set[str] = field(default_factory=set)
    _deck: deque[str] = field(default_factory=deque)
    _next: float = 0.0

    def __post_init__(self) -> None:
        self._deck.append(FIRST)
        self._shuffle()

    @property
    def deck(self) -> Sequence[str]:
        """List the troubles that can befall one of the accounts."""
        return [name for name in DECK if self._accounts(name)]

    def act(self, now: float) -> None:
        """Deal the next card if it is time; mend what is over and does not mend itself."""
        over = self.desk.tick()
        self._mend([it.account for it in over if TROUBLES[it.name].cure == "admin"])
        if self.calm or now < self._next:
            return
        if not self._deck and self.endless:
            self._shuffle()
        if self._deck:
            self._deal()
            self._next = now + self.rng.uniform(*PAUSE)
        elif not self.desk.going():
            self.settle()

    def settle(self) -> None:
        """Let everything be well from now on."""
        self.calm = True
        self.desk.clear()
        self._mend(list(self.desk.teams))
        self.say(
            f"calm       {len(self.begun)} of {len(self.deck) + 1} troubles are over; now everything must come right"
        )

    def missing(self) -> str:
        """Say what of the deck is still to come; nothing once all is calm."""
        return "" if self.calm else f"troubles to come or going on: {', '.join(sorted(set(self._deck))) or 'the last'}"

    def _shuffle(self) -> None:
        self._deck.extend(self.rng.sample(self.deck, len(self.deck)))

    def _accounts(self, name: str) -> Sequence[str]:
        return [account for account, team in self.desk.teams.items() if TROUBLES[name].fits(type(team))]

    def _deal(self) -> None:
        name = self._deck.popleft()
        account = self.rng.choice(self._accounts(name))
        try:
            told = self.desk.begin(name, account, self.rng.uniform(*SHORT))
        except Impossible:  # no deal is won yet, or the like
            self._deck.append(name)
            return
        self.begun.add(name)
        self.say(f"TROUBLE    {name} in {account}: {told}")

    def _mend(self, accounts: Sequence[str]) -> None:
        for told in self.admin.mend(sorted(set(accounts))):
            self.say(f"admin      {told}")
