"""The books that were opened last, kept as they are in the database, so that the next entry costs little.

Books are what is weighed together: those of one advocate, or of a whole campaign where a budget ties all together.
Whoever works with books holds their lock, takes them from the shelf, and puts them back once the database has them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from syncd.flow.written import Scope, Written
from syncd.store.books import Told
from syncd_rules import News, State

MOST_EVENTS = 200_000
"""How many events the advocates' books on the shelf hold together at the most; one takes about a kilobyte."""


@dataclass(kw_only=True, slots=True)
class Opened:
    """Books in memory."""

    state: State
    as_of: datetime
    written: Written = field(default_factory=Written)
    version: int = -1  # of what was written; another one in the database means that another process was here
    seq: int = 0  # up to which event they have been read
    events: int = 0
    sign_ups: set[int] = field(default_factory=set)  # the places of those that were read, among all that came
    ahead: list[datetime] = field(default_factory=list)  # of events whose time has not come

    def begin_anew(self, blank: State) -> None:
        """Forget the events that were read; what was written stays known."""
        self.state, self.seq, self.events, self.sign_ups, self.ahead = blank, 0, 0, set(), []

    def take(self, told: Iterable[Told], as_of: datetime, beside: Iterable[Told] = ()) -> None:
        """Weigh events, and what is known `beside` of others, at a time that never goes back: a clock that was set back
        unmakes nothing.
        """
        told = list(told)
        self.seq = max([self.seq, *(it.seq for it in told)])
        self.sign_ups.update(it.seq for it in told if it.event.type == "friend.signed_up")
        told += beside
        self.as_of = max([as_of, self.as_of, *(it.received_at for it in told)])
        self.events += len(told)
        self.ahead = [at for at in (*self.ahead, *(it.event.at for it in told)) if at > self.as_of]
        self.state.add([it.event for it in told], self.as_of)

    def news(self, advocate: str | None) -> News:
        """Say what follows that may not have been written."""
        news, written = self.state.news(self.as_of, advocate), self.written
        # What was posted, and taken back by a correction since the past had changed, is not posted a second time.
        again = any(txn.key in written.ledger for txn in news.result.ledger)
        if not news.whole and (again or not written.compared):
            news = News(result=self.state.result(self.as_of, advocate), whole=True)
        written.compared = True
        return news


class Shelf:
    """Opened books by their scope, the least used dropped first. Safe in several threads.

    Books that were just put here stay, however large: the next entry is likely to be theirs. Those of a whole campaign
    always stay, since they are as many as budgets are configured, and to read them all for each entry would cost more
    than memory. So memory is bounded by `most_events`, or by the largest advocate, and by what the campaigns with a
    budget hold.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most = most_events
        self._lock = threading.Lock()
        self._books: OrderedDict[Scope, Opened] = OrderedDict()
        self._campaigns: dict[Scope, Opened] = {}
        self._events = 0  # of the advocates' books

    def take(self, scope: Scope) -> Opened | None:
        """Take books away; whoever fails to bring them back leaves nothing half-written here."""
        with self._lock:
            if scope.advocate is None:
                return self._campaigns.pop(scope, None)
            opened = self._books.pop(scope, None)
            self._events -= opened.events if opened else 0
            return opened

    def put(self, scope: Scope, opened: Opened) -> None:
        """Bring books back."""
        with self._lock:
            if scope.advocate is None:
                self._campaigns[scope] = opened
                return
            if there := self._books.pop(scope, None):
                self._events -= there.events
            self._books[scope] = opened
            self._events += opened.events
            while self._events > self._most and len(self._books) > 1:
                self._events -= self._books.popitem(last=False)[1].events
