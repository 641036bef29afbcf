"""Where the people act: friends come through the API, sales teams work in the CRMs, the shop sends deliveries."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.sandbox import sales
from syncd.sandbox.client import Client
from syncd.sandbox.crm.hooks import Mischief
from syncd.sandbox.people import Advocate, Friend, advocates, friends
from syncd.sandbox.place import CAMPAIGN
from syncd.sandbox.sales import Deck, Move, Purchase
from syncd.sandbox.story import Story
from syncd.sandbox.team import Team

LATER = 900.0  # seconds of the people's own time after which a move is tried again whose deal was in the bin


@dataclass(kw_only=True)
class Case:
    """A friend's lead in the CRM in which it is worked, and what is still to become of it."""

    referral: str
    account: str
    person: str
    deals: list[str]  # the last one is the one that is worked
    plan: Iterator[Move | Purchase] = field(repr=False)
    won_at: datetime | None = None  # when sales last won it, by this machine's clock


@dataclass(kw_only=True)
class Market:
    """Everybody who is not the daemon. `now` is always the people's own time, in seconds since the beginning."""

    seed: int
    client: Client
    teams: Mapping[str, Team]  # by account
    story: Story
    deck: Deck = sales.MIXED
    mischief: Mapping[str, Mischief] = field(default_factory=dict)  # by account: what becomes of its own messages
    cases: dict[str, Case] = field(default_factory=dict)  # by referral
    bought: set[str] = field(default_factory=set)  # referrals whose friends have bought in the shop
    _due: list[tuple[float, int, Move | Purchase, Case]] = field(default_factory=list)  # a heap
    _order: Iterator[int] = field(default_factory=itertools.count)
    _wins: Counter[str] = field(default_factory=Counter)  # by account
    _coming: Iterator[Friend] = field(init=False)
    _next: Friend = field(init=False)

    def __post_init__(self) -> None:
        self._coming = friends(self.seed)
        self._next = next(self._coming)

    def open(self) -> None:
        """Let the advocates join."""
        for advocate in advocates(self.seed):
            self.story.meet(self._join(advocate), advocate)

    def act(self, now: float, at: datetime) -> None:
        """Let happen what is due; `at` is the real time, which a delivery carries."""
        while self._next.comes_at <= now:
            self._refer(self._next)
            self._next = next(self._coming)
        while self._due and self._due[0][0] <= now:
            _, _, step, case = heapq.heappop(self._due)
            try:
                self._do(step, case, at)
            except KeyError:  # the deal is in the bin
                self._put(now + LATER, step, case)
            else:
                self._schedule(case, now)

    def lead_arrived(self, account: str, referral: str, person: str, deal: str, now: float) -> None:
        """Let the sales team find a new lead, if it is in this CRM that they work with it."""
        number = self.story.number(referral)
        if sales.worked_in(self.seed, number, list(self.teams)) == account:
            plan = iter(sales.plan(self.seed, number, list(self.teams), self.deck))
            case = Case(referral=referral, account=account, person=person, deals=[deal], plan=plan)
            self.cases[referral] = case
            self._schedule(case, now)

    # --- what troubles need ---

    def email_to_come(self) -> str:
        """Tell the address of the friend who comes next."""
        return self._next.email

    def send_next_from(self, company: str) -> None:
        """Let the friend who comes next be of a company."""
        self._next = replace(self._next, company=company)

    def win_again(self, case: Case, now: float) -> None:
        """Let a deal that is open again be won some time later."""
        self._put(now + LATER, Move(after=0.0, to="won"), case)

    # --- how the friends fare in truth ---

    def won(self) -> set[str]:
        """Name the referrals that have done the qualifying thing, as the CRMs and the shop know it."""
        return self.bought | {case.referral for case in self.cases.values() if self._is_won(case)}

    def _is_won(self, case: Case) -> bool:
        return any(self.teams[case.account].outcome(deal) == "won" for deal in case.deals)

    # --- inside ---

    def _schedule(self, case: Case, now: float) -> None:
        if step := next(case.plan, None):
            self._put(now + step.after, step, case)

    def _put(self, at: float, step: Move | Purchase, case: Case) -> None:
        heapq.heappush(self._due, (at, next(self._order), step, case))

    def _do(self, step: Move | Purchase, case: Case, at: datetime) -> None:
        if isinstance(step, Purchase):
            self._buy(case, at)
            return
        team = self.teams[case.account]
        if step.new_deal:
            case.deals.append(team.open_deal(case.person))
        with self._unheard(case.account) if step.to == "won" else nullcontext():
            case.won_at = at if step.to == "won" else case.won_at
            case.deals[-1] = team.move(case.deals[-1], step.to, step.amount)

    @contextmanager
    def _unheard(self, account: str) -> Iterator[None]:
        """Let the CRM's own message of every other win get lost, so that polls have something to find."""
        self._wins[account] += 1
        mischief = self.mischief.get(account)
        if mischief is None or not sales.is_unheard(self.seed, account, self._wins[account]):
            yield
            return
        with self.teams[account].humans.lock:
            before, mischief.losses = mischief.losses, 1.0
            try:
                yield
            finally:
                mischief.losses = before

    def _join(self, who: Advocate) -> str:
        body = {
            "campaign": CAMPAIGN,
            "code": who.code,
            "email": who.email,
            "first_name": who.first_name,
            "last_name": who.last_name,
        }
        return str(self.client.post("/api/v1/advocates", body)["id"])

    def _refer(self, who: Friend) -> None:
        body = {
            "code": who.advocate.code,
            "channel": who.channel,
            "external_id": who.external_id,
            "friend": {
                "email": who.email,
                "first_name": who.first_name,
                "last_name": who.last_name,
                "company": who.company,
            },
        }
        answer = self.client.post("/api/v1/referrals", body)
        self.story.expect(answer["id"], answer.get("friend"), who)

    def _buy(self, case: Case, at: datetime) -> None:
        friend = self.story.friends.get(case.referral)
        who = {"email": friend.email, "code": friend.advocate.code} if friend else {"referral": case.referral}
        body = json.dumps({"type": "referral.qualified", "data": who}).encode()
        self.client.deliver(f"order-{self.story.number(case.referral)}", body, at)
        self.bought.add(case.referral)
