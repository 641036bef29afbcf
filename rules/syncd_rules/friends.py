"""The referrals of one advocate: qualified, counted, and rewarded on both sides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd_rules import qualification
from syncd_rules.attribution import Attributed
from syncd_rules.books import Books
from syncd_rules.events import Event
from syncd_rules.limits import Counted
from syncd_rules.model import Program
from syncd_rules.orders import ORDER_TAKEN, Orders
from syncd_rules.prize import ReferralReward
from syncd_rules.progress import Progress
from syncd_rules.purchases import Purchases
from syncd_rules.qualification import Case, Ignored
from syncd_rules.referral import Grounds, Referral
from syncd_rules.time import add
from syncd_rules.timers import WINDOW, Timers
from syncd_rules.versions import Versions


class Friends:
    """The referrals of one advocate, by friend."""

    def __init__(self, advocate: str, versions: Versions, books: Books, progress: Progress, timers: Timers) -> None:
        self.advocate = advocate
        self.all: dict[str, Referral] = {}
        self.counted = Counted(versions.periods)
        self.erased = False
        self.barred: dict[str, tuple[datetime, str]] = {}  # friend -> when and why a code kept them from qualifying
        self._versions, self._books, self._progress, self._timers = versions, books, progress, timers
        self._redeemed: dict[str, int] = defaultdict(int)  # code -> who qualified by it, where that is limited
        self.by_order: dict[str, Referral] = {}  # the number of an order -> who had it first
        self.touched: list[str] = []  # friends who may not stand as they were told, each perhaps many times
        self._purchases = Purchases(self, books, versions)

    # --- events -------------------------------------------------------------------------------------------------------

    def sign_up(self, event: Event, verdict: Attributed, number: int) -> None:
        """Make a referral of a sign-up."""
        friend, program = event.data["friend"], self._versions.at(event.at)
        assert program is not None
        terms = self._versions.at(verdict.captured_at) or program
        window = terms.attribution.conversion_window
        referral = self.all[friend] = Referral(
            friend=friend,
            advocate=self.advocate,
            terms=terms,
            case=qualification.opened(terms),
            code=verdict.code,
            signed_up_at=event.at,
            fields={"friend.country": event.data.get("country"), "friend.channel": verdict.channel},
            channel=verdict.channel,
            review=verdict.review,
            orders=Orders(purchases=terms.qualification.purchases),
            closes_at=add(event.at, window, terms.timezone) if window else None,
        )
        self._set_window(referral)
        self._tell("trigger.new_referral_count", referral, event.at)
        if verdict.review:
            self._tell("alert.review_required", referral, event.at, reason=verdict.review)
        self._settle(referral, event, number)

    def go_on(self, event: Event, number: int) -> None:
        """Follow a referral's deal, or a decision on it."""
        referral = self.all[event.data["friend"]]
        if referral.frozen and event.type == "referral.qualified":
            return
        try:
            case = qualification.heard(referral.case, event, referral.terms)
        except Ignored as ignored:
            self._books.suppress(self.advocate, "qualification", referral.friend, str(ignored))
        else:
            by_rule = event.type == "deal.stage_changed"  # a word takes an earlier one back at any time
            referral.case = self._in_time(referral, case, event.at) if by_rule else case
            self._settle(referral, event, number)

    def hear(self, event: Event, number: int) -> None:
        """Follow what a friend buys, until the friend is erased, and brings back."""
        referral = self.all[event.data["participant"]]
        if referral.frozen and event.type == "order.paid":
            return
        if event.type == "order.paid":
            owner = self.by_order.setdefault(event.data["order"], referral)
            if owner is not referral or referral.orders.contradicts(event):
                self._books.suppress(referral.friend, "order", event.data["order"], ORDER_TAKEN)
                return
            order = referral.orders.pay(event, number)
            if order is None:
                return
            case = qualification.bought(referral.case, order, referral.orders)
            referral.case = self._in_time(referral, case, event.at)
            self._settle(referral, event, number)
            order.counted = len(self.counted)
            order.earns = referral.matching(order, self._versions.at(event.at))
            self._purchases.give_for(order, referral, event.at, event.id)
        elif event.type == "order.refunded":
            changed = referral.orders.refund(event)
            if changed:
                self._settle(referral, event, number)
                self._purchases.refunded(changed[0], referral, event)
        elif event.type == "participant.erased":
            referral.frozen = True
            self._books.void_pending(referral.friend, event.at, event.id)

    def _in_time(self, referral: Referral, case: Case, at: datetime) -> Case:
        """Let a disqualification stand where what would end it comes too late, or by a code that is worth nothing."""
        ends = referral.case.withdrawn and not case.withdrawn
        if ends and (referral.frozen or referral.closed(at) or self._barred(referral, at)):
            return replace(case, withdrawn=True)
        return case

    def may_expire(self, friend: str) -> bool:
        """Tell whether a referral can still run out of time."""
        return self.all[friend].qualified_at is None

    # --- what follows -------------------------------------------------------------------------------------------------

    def _settle(self, referral: Referral, event: Event, number: int) -> None:
        """Draw the consequences of what was heard of a referral."""
        self.touched.append(referral.friend)
        self._qualify(referral, event.at)
        self._count(referral, event.at, number)
        self._reward(referral, event)
        self._pay_orders(referral, event)

    def _qualify(self, referral: Referral, at: datetime) -> None:
        """Decide whether it is qualified, and since when without a break."""
        via = qualification.ground(referral.case, referral.stages(), referral.orders, referral.terms)
        self.barred.pop(referral.friend, None)
        if referral.frozen and referral.qualified_at is None:
            via = None
        if via is not None and via != "manual" and referral.qualified_at is None:
            via = None if referral.closed(at) or self._barred(referral, at) else via
        if via is None:
            if referral.qualified_at is not None:
                self._redeemed[referral.code.text] -= 1
                self._set_window(referral)
            referral.qualified_at = referral.via = None
        elif referral.qualified_at is None:
            self._redeemed[referral.code.text] += 1
            referral.qualified_at, referral.via = at, via
            self._tell("trigger.referral_converted", referral, at, via=via)

    def _set_window(self, referral: Referral) -> None:
        if referral.closes_at:
            self._timers.add(referral.closes_at, WINDOW, referral.friend, 0)

    def _barred(self, referral: Referral, at: datetime) -> bool:
        """Check the code, where the program checks it at qualification; note why it does not pass."""
        if referral.terms.codes.checked_at != "qualification":
            return False
        reason = referral.code.refusal(at, self._redeemed[referral.code.text], referral.terms)
        if reason is not None:
            self.barred[referral.friend] = (at, reason)
        return reason is not None

    def _count(self, referral: Referral, at: datetime, number: int) -> None:
        """Decide whether it counts for its advocate: at sign-up or at qualification, if the limits hold then."""
        complete = referral.terms.counting == "referrals" or referral.qualified_at is not None
        if not complete or referral.out:
            since = self.counted.remove(referral.friend)
            if since:
                self._progress.feed("referrals", since[0], since[1], -1)
            referral.weighed = False  # what a limit refused once stays refused
        elif not referral.weighed:
            referral.weighed = True
            if referral.uncounted is None:
                refusal = self.counted.refusal(at, self._in_force(referral, at))
                referral.uncounted = "erased" if self.erased else refusal
            if referral.uncounted is None:
                self.counted.add(referral.friend, at, number)
                self._progress.feed("referrals", at, number, 1)
            self._tell("email.referral_success", referral, at)

    def _reward(self, referral: Referral, event: Event) -> None:
        """Grant or take back the rewards of one referral, where something that they go by is not as it was."""
        counted = referral.friend in self.counted
        now = Grounds(referral.stages(), referral.closed(event.at), referral.out, referral.qualified_at, counted)
        if now == referral.grounds:
            return
        before, referral.grounds = referral.grounds, now
        for rule, terms in referral.rules(self._versions.at(event.at)):
            if rule.trigger == "order.paid" or not rule.where(referral.fields):
                continue
            earned = rule.id in referral.earned
            if not now.hold(rule, earned):
                if earned:
                    self._lose(referral, rule, event)
            elif earned or not (referral.frozen or before.hold(rule, earned)):  # held: a later version has it
                self._earn(referral, rule, terms, event)

    def _earn(self, referral: Referral, rule: ReferralReward, terms: Program, event: Event) -> None:
        """Give a reward for which there is ground, once; what a limit kept back is given when the referral counts."""
        if rule.id in referral.earned and not (rule.id in referral.kept and referral.friend in self.counted):
            return
        referral.earned[rule.id] = (rule, terms)
        to = referral.recipient(rule)
        limit = self._kept_back(rule, referral, event.at)
        if limit:
            referral.kept.add(rule.id)
            self._books.suppress(to, rule.id, referral.friend, limit)
            return
        referral.kept.discard(rule.id)
        self._books.suppressed.pop((to, rule.id, referral.friend), None)
        it = self._books.find(terms, rule.id, rule.prize, to, referral.friend, rule.to)
        self._books.earn(it, terms, rule.prize, rule.prize.worth(), event.at, event.id)

    def _lose(self, referral: Referral, rule: ReferralReward, event: Event) -> None:
        rule, terms = referral.earned.pop(rule.id)
        referral.kept.discard(rule.id)
        to = referral.recipient(rule)
        self._books.suppressed.pop((to, rule.id, referral.friend), None)
        it = self._books.find(terms, rule.id, rule.prize, to, referral.friend, rule.to)
        self._books.lose(it, event.at, event.id)

    def _kept_back(self, rule: ReferralReward, referral: Referral, at: datetime) -> str | None:
        """Name the limit that keeps a reward back."""
        if rule.to == "advocate" and self.erased:
            return "erased"
        if rule.to == "friend" and self._in_force(referral, at).limits.friend_reward_when_capped:
            return None
        return referral.uncounted

    def _pay_orders(self, referral: Referral, event: Event) -> None:
        """Give or take back what all orders of a friend earn, when it begins or ceases to count."""
        capped = referral.uncounted is not None
        if capped and self._in_force(referral, event.at).limits.friend_reward_when_capped:
            capped = False
        shares, gifts = referral.friend in self.counted, referral.weighed and not capped
        if (shares, gifts) != (referral.shares, referral.gifts):
            referral.shares, referral.gifts = shares, gifts
            for order in referral.orders.by_id.values():
                self._purchases.give_for(order, referral, event.at, event.id)

    # --- small things -------------------------------------------------------------------------------------------------

    def _in_force(self, referral: Referral, at: datetime) -> Program:
        """Give the version that is in force now; there is one, since there was one at the sign-up."""
        return self._versions.at(at) or referral.terms

    def _tell(self, name: str, referral: Referral, at: datetime, **more: Any) -> None:
        """Emit an effect about a referral, once in its life."""
        self._books.tell(name, at, referral.friend, friend=referral.friend, advocate=referral.advocate, **more)
