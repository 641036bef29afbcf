"""A campaign's books, kept as events arrive.

The newest event of somebody costs a few steps, however much there was before. A late one keeps the books of that
participant anew, and nobody else's. What comes out is the same as if all events had been weighed at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from syncd_rules.aliases import aliases_of, renamed
from syncd_rules.attribution import Attributed, Refused, Register
from syncd_rules.budget import Budget, Tight
from syncd_rules.cluster import Cluster
from syncd_rules.events import Event, earlier_copy
from syncd_rules.gather import Part, drained, everything, gathered, suppressed
from syncd_rules.journal import Clock
from syncd_rules.model import Program
from syncd_rules.refunds import misfits
from syncd_rules.result import News, Result
from syncd_rules.timers import Timer
from syncd_rules.versions import Versions

BEGINNING = datetime.min.replace(tzinfo=UTC)

_FACTS = frozenset(
    {"code.created", "customer.existing", "referral.captured", "participant.joined", "participant.erased"}
)
_AFTER_ALL_TIMERS = 99


def evaluate(
    programs: Sequence[Program], events: Iterable[Event], as_of: datetime, participant: str | None = None
) -> Result:
    """Say what the events up to and including `as_of` amount to under the versions of one campaign.

    With a `participant`, only what is in their books: their own milestones, and their friends' referrals. Events of
    other campaigns are left out, and so are later ones. Raises `InvalidProgram` where the programs are not versions of
    one campaign.
    """
    state = State(programs)
    state.add(events, as_of)
    return state.result(as_of, participant)


class State:
    """What the events so far amount to: `apply` takes one more, `result` says what there is, `news` what is new.

    Events may come in any order and any number of times; one from the future waits for its time. Time only goes
    forward: `as_of` may not be earlier than it was.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        """Begin with no events. Raises `InvalidProgram` where the programs are not versions of one campaign."""
        self._versions = Versions(programs)
        self._campaign = self._versions.campaign if self._versions.known else None
        self._as_of = BEGINNING
        self._events: dict[str, Event] = {}
        self._later: list[tuple[datetime, int, Event]] = []  # a heap of what is still to come
        self._parked = count()  # how many ever were, or two of one time had no order
        self._conflicts: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._strict = False  # the budget binds, so that the order over the whole campaign matters
        self._begin()

    def _begin(self) -> None:
        self._register = Register(self._versions)
        self._clock = Clock()
        self._budget = Budget(self._versions, strict=self._strict)
        self._clusters: dict[str, Cluster] = {}
        self._own: dict[str, list[Event]] = {}  # participant -> what is about them
        self._followed: dict[str, list[Event]] = {}  # friend -> what concerns their advocate
        self._sign_ups: list[Event] = []
        self._refunds: list[Event] = []
        self._referred: dict[str, dict[str, None]] = {}  # advocate -> friends
        self._refusals: list[Event] = []  # a sign-up each time that it was refused, or is no longer
        self._told: tuple[str | None, int] | None = None  # who knows all news, and of how many refusals
        self._place: tuple[datetime, int, str] | None = None  # the newest event of all
        self._fired = BEGINNING  # the newest timer of all, kept while strict
        self._due: list[tuple[datetime, int, str]] = []  # a heap over all clusters, kept while strict
        if self._strict:
            self._due = [(at, _AFTER_ALL_TIMERS, "") for at, _ in self._versions.activations]

    # --- the door -----------------------------------------------------------------------------------------------------

    def apply(self, event: Event, as_of: datetime) -> None:
        """Take in one event, at a time."""
        simple = as_of == self._as_of and event.at <= as_of and event.type != "identity.merged" and not self._aliases
        if simple and not self._strict and event.id not in self._events and event.campaign == self._campaign:
            self._events[event.id] = event
            try:
                self._take(event)
            except Tight:
                self._keep_anew(strict=True)
        else:
            self.add([event], as_of)

    def add(self, events: Iterable[Event], as_of: datetime) -> None:
        """Take in events, at a time. Raises ValueError where `as_of` is earlier than it was."""
        if not self._versions.known:
            return
        fresh, anew = self._admit([*self._risen(as_of), *events])
        if anew or any(event.type == "identity.merged" for event in fresh) or self._is_late(fresh):
            self._keep_anew()
            return
        try:
            for event in fresh:
                self._take(renamed(event, self._aliases, self._versions) if self._aliases else event)
        except Tight:
            self._keep_anew(strict=True)

    def result(self, as_of: datetime, participant: str | None = None) -> Result:
        """Say what there is at a time, in all books or in those of one participant."""
        if not self._versions.known:
            return Result(as_of=as_of)
        clusters = self._looked_at(as_of, participant)
        result = self._gathered([everything(cluster) for cluster in clusters], clusters, self._sign_ups, participant)
        kept = (*suppressed(clusters), *misfits(self._refunds_of(participant), self._followed))
        return replace(result, suppressed=kept, conflicts=tuple(sorted(self._conflicts)))

    def news(self, as_of: datetime, participant: str | None = None) -> News:
        """Say what has changed since the last time that this was asked, which costs little where little has.

        It is for one who asks about the same books each time; who asks about others is told everything.
        """
        if not self._versions.known:
            return News(result=Result(as_of=as_of), whole=True)
        clusters = self._looked_at(as_of, participant)
        parts = [drained(cluster) for cluster in clusters if cluster.has_news]
        known, self._told = self._told, (participant, len(self._refusals))
        if known is None or known[0] != participant:
            return News(result=self.result(as_of, participant), whole=True)
        refused = {it.data["friend"] for it in self._refusals[known[1] :] if self._may_be_of(it, participant)}
        friends = refused.union(*(part.friends for part in parts))
        sign_ups = [it for friend in sorted(friends) for it in self._register.sign_ups_of(friend)]
        return News(
            result=self._gathered(parts, clusters, sign_ups, participant),
            friends=frozenset(friends),
            milestones=frozenset((part.cluster.name, *it) for part in parts for it in part.milestones),
        )

    def _looked_at(self, as_of: datetime, participant: str | None) -> list[Cluster]:
        """Let time pass; give all books, or those of one participant, in the order of their names."""
        self.add((), as_of)
        try:
            self._let_time_pass(as_of, participant)
        except Tight:
            self._keep_anew(strict=True)
            self._let_time_pass(as_of, participant)
        names = sorted(self._clusters) if participant is None else [participant]
        return [self._clusters[name] for name in names if name in self._clusters]

    def _gathered(
        self, parts: Sequence[Part], clusters: Sequence[Cluster], sign_ups: Iterable[Event], participant: str | None
    ) -> Result:
        mine = [it for it in sign_ups if self._may_be_of(it, participant)]
        next_due = min((due for cluster in clusters if (due := cluster.next_due())), default=None)
        return gathered(parts, mine, self._register, self._versions, self._as_of, next_due)

    def _may_be_of(self, sign_up: Event, participant: str | None) -> bool:
        return participant is None or self._register.may_be_of(sign_up, participant)

    def _refunds_of(self, participant: str | None) -> list[Event]:
        """Give the refunds of everybody, or those that one participant's books are concerned with."""
        if participant is None:
            return self._refunds
        advocate_of = self._register.advocate_of
        return [
            it for it in self._refunds if participant in {it.data["participant"], advocate_of(it.data["participant"])}
        ]

    def referral_of(self, friend: str) -> tuple[str, Event] | None:
        """Name the advocate whose friend somebody is, and give the sign-up that made them so."""
        sign_up, advocate = self._register.accepted.get(friend), self._register.advocate_of(friend)
        return None if sign_up is None or advocate is None else (advocate, sign_up)

    def strangers(self, participant: str) -> list[str]:
        """Name those who are the friends of others than this participant."""
        return sorted(it for name, friends in self._referred.items() if name != participant for it in friends)

    def books_of(self, friend: str) -> Cluster | None:
        """Give the books in which somebody's referral is, as of the last `result`; for those who explain."""
        advocate = self._register.advocate_of(friend)
        return self._clusters.get(advocate) if advocate is not None else None

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _risen(self, as_of: datetime) -> list[Event]:
        """Move time forward; give the events whose time has come."""
        if as_of < self._as_of:
            raise ValueError(f"time went back from {self._as_of.isoformat()} to {as_of.isoformat()}")
        self._as_of = as_of
        risen = []
        while self._later and self._later[0][0] <= as_of:
            risen.append(heapq.heappop(self._later)[2])
        return risen

    def _admit(self, events: Iterable[Event]) -> tuple[list[Event], bool]:
        """Give what is new of events, in order, and whether one replaces what was heard before."""
        fresh: dict[str, Event] = {}
        anew = False
        for event in events:
            if event.campaign != self._campaign:
                continue
            if event.at > self._as_of:
                heapq.heappush(self._later, (event.at, next(self._parked), event))
                continue
            known = self._events.get(event.id)
            if known is None:
                fresh[event.id] = self._events[event.id] = event
            elif known != event:
                self._conflicts.add(event.id)
                self._events[event.id] = kept = earlier_copy(known, event)
                anew = anew or (kept is event and event.id not in fresh)
                if event.id in fresh:
                    fresh[event.id] = kept
        return sorted(fresh.values(), key=lambda event: event.order), anew

    def _is_late(self, events: Sequence[Event]) -> bool:
        """Tell whether events come too late for the one order of time, where that is needed."""
        if not self._strict or not events:
            return False
        return events[0].at < self._fired or (self._place is not None and events[0].order < self._place)

    def _keep_anew(self, *, strict: bool = False) -> None:
        """Keep all books from the beginning."""
        self._strict = self._strict or strict
        ordered = sorted(self._events.values(), key=lambda event: event.order)
        self._aliases = aliases_of(ordered)
        if self._aliases:
            ordered = [renamed(event, self._aliases, self._versions) for event in ordered]
            ordered.sort(key=lambda event: event.order)
        self._begin()
        try:
            for event in ordered:
                self._take(event)
        except Tight:
            self._keep_anew(strict=True)

    # --- whose books it is for ----------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        """Let everybody hear an event whom it concerns."""
        if self._strict:
            self._let_time_pass(event.at)
        if self._place is None or event.order > self._place:
            self._place = event.order
        late: set[str] = set()
        if event.type == "friend.signed_up":
            self._sign_ups.append(event)
            self._decide(event, late)
        else:
            if event.type in _FACTS:
                self._decide(event, late)
            if event.type == "referral.captured":
                for sign_up in self._register.sign_ups_of(event.data["friend"]):
                    self._tell_of(sign_up)  # which may be of the touched code's owner, too
            if event.type == "code.created":
                self._tell_all(event.data["advocate"])  # older sign-ups that were refused may have been by this code
            names = self._concerned(event)
            for name in sorted(names) if len(names) > 1 else names:
                self._let_hear(name, event, late)
        for name in sorted(late) if late else ():
            self._refold(name)

    def _concerned(self, event: Event) -> set[str]:
        """Name those in whose books an event goes, and remember it for them."""
        data, names = event.data, set()
        owner, friend = data.get("participant") or data.get("advocate"), data.get("friend")
        if "rule" in data:
            rule = self._versions.referral_rules.get(data["rule"])
            owner, friend = (None, data["to"]) if rule and rule.to == "friend" else (data["to"], None)
        elif event.type.startswith("order.") or event.type == "participant.erased":
            friend = owner
        if event.type == "order.refunded":
            self._refunds.append(event)
        if owner is not None and (self._versions.watches_activity or event.type not in _ACTIVITY):
            self._own.setdefault(owner, []).append(event)
            names.add(owner)
        if friend is not None and event.type not in _FACTS - {"participant.erased"}:
            self._followed.setdefault(friend, []).append(event)
            sign_up, advocate = self._register.accepted.get(friend), self._register.advocate_of(friend)
            if advocate is not None and sign_up is not None and sign_up.order < event.order:
                names.add(advocate)
        return names

    def _let_hear(self, name: str, event: Event, late: set[str]) -> None:
        cluster = self._cluster(name)
        if not self._strict:
            if name in late or (cluster.place is not None and (event.at, 1, *event.order[1:], 0) < cluster.place):
                late.add(name)
                return
            cluster.advance(event.at)
        cluster.hear(event)

    def _decide(self, event: Event, late: set[str]) -> None:
        """See what a fact or a sign-up changes about who is whose friend."""
        for sign_up, before in self._register.learn(event):
            now, friend = self._register.decided[sign_up.id], sign_up.data["friend"]
            for verdict in (before, now):
                if isinstance(verdict, Attributed):
                    self._note_friend(verdict.advocate, friend)
            if isinstance(before, Refused) or isinstance(now, Refused):
                self._tell_of(sign_up)
            if sign_up is event and before is None:
                if isinstance(now, Attributed):
                    for heard in self._story_of(friend):
                        self._let_hear(now.advocate, heard, late)
            else:
                late |= {v.advocate for v in (before, now) if isinstance(v, Attributed)}

    def _tell_of(self, sign_up: Event) -> None:
        """Let whoever asks for news be told whether a sign-up was refused."""
        self._refusals.append(sign_up)
        if books := self.books_of(friend := sign_up.data["friend"]):
            books.friends.touched.append(friend)

    def _note_friend(self, advocate: str, friend: str) -> None:
        if self._register.advocate_of(friend) == advocate:
            self._referred.setdefault(advocate, {})[friend] = None
        else:
            self._referred.get(advocate, {}).pop(friend, None)

    def _story_of(self, friend: str) -> list[Event]:
        """Give a referral's sign-up and what followed, in order."""
        sign_up = self._register.accepted[friend]
        after = [event for event in self._followed.get(friend, ()) if event.order > sign_up.order]
        return [sign_up, *sorted(after, key=lambda event: event.order)]

    def _refold(self, name: str) -> None:
        """Keep the books of one participant anew."""
        assert not self._strict, "where the budget binds, all books are kept anew"
        self._tell_all(name)
        if old := self._clusters.pop(name, None):
            self._budget.forget(old.books.granted)
        events = {event.id: event for event in self._own.get(name, ())}
        for friend in self._referred.get(name, ()):
            events |= {event.id: event for event in self._story_of(friend)}
        cluster = self._cluster(name)
        for event in sorted(events.values(), key=lambda event: event.order):
            cluster.advance(event.at)
            cluster.hear(event)

    def _tell_all(self, name: str) -> None:
        """Let whoever asks for the news of these books next be told everything."""
        if self._told and self._told[0] in {None, name}:
            self._told = None

    def _cluster(self, name: str) -> Cluster:
        cluster = self._clusters.get(name)
        if cluster is None:
            cluster = Cluster(name, self._versions, self._register, self._clock, self._budget)
            self._clusters[name] = cluster
            if self._strict:
                cluster.timers.listener = self._listener(name)
        return cluster

    # --- time, over the whole campaign --------------------------------------------------------------------------------

    def _listener(self, name: str) -> Callable[[Timer], None]:
        def noted(timer: Timer) -> None:
            heapq.heappush(self._due, (timer.due, timer.sort, name))

        return noted

    def _let_time_pass(self, until: datetime, participant: str | None = None) -> None:
        """Let what is due happen, perhaps for one participant; where the budget binds, all in the one order of time."""
        if not self._strict:
            clusters: Iterable[Cluster] = self._clusters.values()
            if participant is not None and not self._budget.limited:
                clusters = [self._clusters[participant]] if participant in self._clusters else []
            for cluster in clusters:
                cluster.advance(until)
            return
        while self._due and self._due[0][0] <= until:
            at, sort, name = heapq.heappop(self._due)
            if sort == _AFTER_ALL_TIMERS:
                self._clock.place = (at, 0, sort, "", 0)
                self._budget.serve_all(at, "timer:version")
                continue
            timers = self._clusters[name].timers
            timer = timers.next()
            if timer is not None and (timer.due, timer.sort) == (at, sort):
                self._fired = at
                self._clusters[name].fire(timers.pop())


_ACTIVITY = frozenset(
    {
        "order.paid",
        "order.refunded",
        "review.posted",
        "points.earned",
        "subscription.cycle_paid",
        "subscription.cycle_failed",
        "subscription.cancelled",
    }
)
