"""Where the people act: friends come through the API, the sales team works in the CRM, the shop sends deliveries."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from syncd.sandbox import sales
from syncd.sandbox.client import Client
from syncd.sandbox.crm import CrmModel
from syncd.sandbox.people import Advocate, Friend, advocates, friends
from syncd.sandbox.place import CAMPAIGN
from syncd.sandbox.sales import Move, Purchase
from syncd.sandbox.story import Story


@dataclass(kw_only=True)
class _Deal:
    """A lead that the CRM has, and what is still to become of it."""

    referral: str
    contact: str
    deal: str
    plan: Iterator[Move | Purchase]


@dataclass(kw_only=True)
class Market:
    """Everybody who is not the daemon. `now` is always the people's own time, in seconds since the beginning."""

    seed: int
    client: Client
    crm: CrmModel
    story: Story
    leads: set[str] = field(default_factory=set)  # referrals of which the sales team knows
    _due: list[tuple[float, int, Move | Purchase, _Deal]] = field(default_factory=list)  # a heap
    _order: Iterator[int] = field(default_factory=itertools.count)
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
            _, _, step, deal = heapq.heappop(self._due)
            if isinstance(step, Purchase):
                self._buy(deal, at)
            else:
                self._move(step, deal)
            self._schedule(deal, now)

    def lead_arrived(self, referral: str, contact: str, deal: str, now: float) -> None:
        """Let the sales team find a new lead in the CRM."""
        self.leads.add(referral)
        plan = iter(sales.plan(self.seed, self.story.number(referral)))
        self._schedule(_Deal(referral=referral, contact=contact, deal=deal, plan=plan), now)

    def _schedule(self, deal: _Deal, now: float) -> None:
        if step := next(deal.plan, None):
            heapq.heappush(self._due, (now + step.after, next(self._order), step, deal))

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

    def _move(self, move: Move, deal: _Deal) -> None:
        if move.new_deal:
            deal.deal = self.crm.open_deal(deal.contact, name="A second try", stage=move.stage)
        values = {"amount": move.amount, "deal_currency_code": "EUR"} if move.amount else {}
        self.crm.edit("deals", deal.deal, dealstage=move.stage, **values)

    def _buy(self, deal: _Deal, at: datetime) -> None:
        friend = self.story.friends.get(deal.referral)
        who = {"email": friend.email, "code": friend.advocate.code} if friend else {"referral": deal.referral}
        body = json.dumps({"type": "referral.qualified", "data": who}).encode()
        self.client.deliver(f"order-{self.story.number(deal.referral)}", body, at)
