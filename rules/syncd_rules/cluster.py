"""The fold of one participant's books: what the participant does, what their friends do, and what time does.

A cluster hears its events in canonical order, each once, and never needs to look back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property

from syncd_rules.attribution import Attributed, Register
from syncd_rules.books import Books
from syncd_rules.budget import Budget
from syncd_rules.decisions import Decisions
from syncd_rules.events import Event
from syncd_rules.friends import Friends
from syncd_rules.journal import Clock, Place
from syncd_rules.model import POINTS
from syncd_rules.orders import ORDER_TAKEN, Orders
from syncd_rules.progress import Progress
from syncd_rules.rewards import Entitlement
from syncd_rules.timers import ACTIVATION, EXPIRY, RELEASE, SILENCE, WINDOW, Timer, Timers
from syncd_rules.versions import STREAK, Versions


class Cluster:
    """The books of one participant, and of the friends they referred."""

    def __init__(self, name: str, versions: Versions, register: Register, clock: Clock, budget: Budget) -> None:
        self.name = name
        self.versions, self.clock = versions, clock
        self.number = 0  # how many events and timers there were
        self.place: Place | None = None  # the last event or timer
        self.timers = Timers(self._idle)
        self.books = Books(versions.campaign, clock, budget, self.timers)
        self.books.on_available, self.books.serve = self._points_given, self._serve
        self.progress = Progress(name, versions, self.books, self.timers)
        self._register = register
        self._heard: set[tuple[str, ...]] = set()  # reviews and cycles, each once

    # Most participants never invite anybody and never buy; what that would need is made when it is needed.

    @cached_property
    def friends(self) -> Friends:
        """The referrals."""
        friends = Friends(self.name, self.versions, self.books, self.progress, self.timers)
        friends.erased = self.progress.stopped
        return friends

    @cached_property
    def _decisions(self) -> Decisions:
        return Decisions(self.name, self.versions, self.books, self.friends)

    @cached_property
    def _orders(self) -> Orders:
        return Orders()

    @property
    def invited(self) -> bool:
        """Whether there is a referral."""
        return "friends" in vars(self)

    @property
    def has_news(self) -> bool:
        """Whether something may not be as it was told."""
        books = self.books
        told = books.told == books.length and not (books.touched or self.progress.moved)
        return not told or bool(self.invited and self.friends.touched)

    def orders(self) -> Iterator[tuple[str, Orders]]:
        """Give what the participant bought, and what each friend did."""
        if "_orders" in vars(self):
            yield self.name, self._orders
        if self.invited:
            yield from ((friend, referral.orders) for friend, referral in self.friends.all.items())

    def _knows(self, who: str | None) -> bool:
        return self.invited and who in self.friends.all

    # --- time ---------------------------------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """Tell when time alone will do something."""
        timer = self.timers.next()
        return timer.due if timer else None

    def advance(self, until: datetime) -> None:
        """Do what falls due up to and including `until`."""
        while (timer := self.timers.next()) is not None and timer.due <= until:
            self.fire(self.timers.pop())

    def fire(self, timer: Timer) -> None:
        """Do what is due now."""
        at = timer.due
        self.number += 1
        if self.place is None or self.place[0] < at:
            self.place = (at, 0, timer.sort, "", 0)
        self.clock.place = self.place
        match timer.sort:
            case _ if timer.sort == RELEASE:
                self.books.hold_ends(timer.name, at)
            case _ if timer.sort == SILENCE:
                self.progress.silent(timer.number, at, "timer:inactivity")
            case _ if timer.sort == EXPIRY:
                self.books.expires(timer.name, at)
            case _ if timer.sort == WINDOW:
                self.friends.touched.append(timer.name)
            case _ if timer.sort == ACTIVATION:
                self._activate(timer.number, at)
        self.progress.climb(at, self.number, "timer")
        self.books.collect(at, "timer")

    def _serve(self, it: Entitlement, at: datetime, cause: str) -> None:
        """Grant what waited until the budget had room again."""
        self.number += 1
        # Behind what made room for it, also where one event makes room several times.
        self.place = self.clock.place = (*self.clock.place[:4], self.clock.place[4] + 1)
        self.books.grant(it, at, cause)

    def _activate(self, index: int, at: datetime) -> None:
        program = self.versions.activations[index][1]
        self.progress.activate(program, at, self.number, f"timer:version:{program.version}")
        self._await_version(index + 1)

    def _await_version(self, index: int) -> None:
        if index < len(self.versions.activations):
            self.timers.add(self.versions.activations[index][0], ACTIVATION, "", index)

    def _idle(self, timer: Timer) -> bool:
        """Tell whether a timer has nothing to do any more."""
        if timer.sort == RELEASE:
            it = self.books.entitlements[timer.name]
            return it.status != "pending" or it.generation != timer.number or it.ripe
        if timer.sort == SILENCE:
            return self.progress.is_idle(timer.number, timer.due)
        if timer.sort == EXPIRY:
            it = self.books.entitlements[timer.name]
            return it.status != "available" or it.generation != timer.number or it.expires_at != timer.due
        if timer.sort == WINDOW:
            return not self.friends.may_expire(timer.name)
        return False

    # --- events -------------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take in an event; it is later than all that was heard, and timers up to it have fired."""
        if self.place is None:
            self._begin(event.at)
        self.number += 1
        place = (event.at, 1, event.order[1], event.id, 0)
        self.place = self.clock.place = max(self.place, place) if self.place else place
        self.progress.program = self.versions.at(event.at)
        data = event.data
        if event.type == "friend.signed_up" or self._knows(data.get("friend")):
            self._hear_friend(event)
        elif (who := data.get("participant")) is not None:
            if self._knows(who):
                self.friends.hear(event, self.number)
            if who == self.name and (not self.progress.stopped or event.type == "order.refunded"):
                self._hear_own(event)
        elif "rule" in data:
            self._decisions.hear(event)
        elif data.get("advocate") == self.name and not self.progress.stopped:
            self._hear_advocate(event)
        self.progress.climb(event.at, self.number, event.id)
        self.books.collect(event.at, event.id)

    def _begin(self, at: datetime) -> None:
        """Versions that came before the first event have nothing to look at."""
        past = sum(start <= at for start, _ in self.versions.activations)
        self._await_version(past)

    def _hear_friend(self, event: Event) -> None:
        if event.type == "friend.signed_up":
            verdict = self._register.decided[event.id]
            if isinstance(verdict, Attributed) and verdict.advocate == self.name:
                self.friends.sign_up(event, verdict, self.number)
        elif event.type in {"deal.stage_changed", "referral.qualified", "referral.disqualified"}:
            self.friends.go_on(event, self.number)

    def _hear_advocate(self, event: Event) -> None:
        """Note a code, or a link that was shared."""
        if event.type == "link.shared":
            data = {name: event.data[name] for name in ("advocate", "channel") if event.data.get(name)}
            self.books.tell("trigger.referral_link_shared", event.at, event.id, **data)
            self.progress.hear("link.shared", event.at)
        else:
            self._heard.add(("code",))
            self.progress.hear("participant", event.at)

    def _hear_own(self, event: Event) -> None:
        """Count what the participant did."""
        at = event.at
        match event.type:
            case "participant.joined":
                self.books.tell("trigger.participation", at, self.name, participant=self.name)
                if ("code",) not in self._heard:
                    self.books.tell("trigger.create_code", at, self.name, participant=self.name)
            case "participant.erased":
                self.progress.stopped = True
                if self.invited:
                    self.friends.erased = True
                self.books.void_pending(self.name, at, event.id)
            case "order.refunded":
                self._refund(event)
            case "subscription.cycle_failed" | "subscription.cancelled":
                self.progress.break_streak()
            case _ if self._is_news(event):
                self._count(event)
                self.progress.hear(event.type, at)
            case "order.paid" if self._orders.contradicts(event):
                self.books.suppress(self.name, "order", event.data["order"], ORDER_TAKEN)
        self.progress.hear("participant", at)

    def _count(self, event: Event) -> None:
        """Count an activity that was not heard of before."""
        at, number = event.at, self.number
        match event.type:
            case "order.paid":
                order = self._orders.pay(event, number)
                if order and order.net:
                    self.progress.feed("orders", at, number, 1)
                    self.progress.feed("amount_spent", at, number, order.net, order.currency)
            case "review.posted":
                self.progress.feed("reviews", at, number, 1)
            case "points.earned":
                self.progress.feed("points_earned", at, number, event.data["points"])
            case "subscription.cycle_paid":
                self.progress.feed("subscription_cycles", at, number, 1)
                self.progress.feed(STREAK, at, number, 1)

    def _refund(self, event: Event) -> None:
        if changed := self._orders.refund(event):
            order, fell = changed
            self.progress.feed("amount_spent", order.at, order.number, -fell, order.currency)
            if not order.net:
                self.progress.feed("orders", order.at, order.number, -1)

    def _is_news(self, event: Event) -> bool:
        """Tell whether an activity is heard of for the first time, whichever event says it."""
        names = _NAMES[event.type]
        known = (event.type, *(str(event.data[name]) for name in names))
        if not names or known not in self._heard:
            self._heard.add(known)
            return True
        return False

    def _points_given(self, it: Entitlement, quantity: int, at: datetime) -> None:
        """Count the program's own points, where a milestone asks for them."""
        if it.unit != POINTS or it.to != self.name:
            return
        if quantity > 0:
            it.number, it.available_at = self.number, at
        self.progress.feed("points_earned", it.available_at or at, it.number, quantity, own=True)


# What an activity is known by, beside its event.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "order.paid": ("order",),
    "review.posted": ("review",),
    "points.earned": (),
    "subscription.cycle_paid": ("contract", "cycle"),
}
