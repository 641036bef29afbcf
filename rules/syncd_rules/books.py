"""The rewards of a campaign while time passes: each grant, release, fulfilment and reversal, booked and told."""

from __future__ import annotations

import heapq
from datetime import datetime
from typing import Any

from syncd_rules import rewards
from syncd_rules.ledger import Txn, entitlement_key
from syncd_rules.model import Prize, Program
from syncd_rules.result import Effect
from syncd_rules.rewards import Reward
from syncd_rules.time import add

_TOLD = {"pending": "granted", "available": "released", "void": "reversed", "reversed": "reversed"}


class Books:
    """Rewards by key, the ledger they left, the holds that still run, and the effects to be had."""

    def __init__(self, campaign: str) -> None:
        self.campaign = campaign
        self.rewards: dict[str, Reward] = {}
        self.ledger: list[Txn] = []
        self.effects: dict[str, Effect] = {}
        self._given: dict[tuple[str, str, str], set[str]] = {}  # (to, rule, subject) -> keys
        self._holds: list[tuple[datetime, str, int]] = []  # a heap: (end, key, generation)

    def stands(self, rule: str, prize: Prize, to: str, subject: str) -> bool:
        """Tell whether somebody has this reward."""
        known = self.rewards.get(rewards.key_of(self.campaign, rule, prize, to, subject))
        return known is not None and known.stands

    def grant(self, program: Program, rule: str, prize: Prize, to: str, subject: str, at: datetime, cause: str) -> None:
        """Grant a reward, unless it stands already."""
        if self.stands(rule, prize, to, subject):
            return
        known = self.rewards.get(rewards.key_of(self.campaign, rule, prize, to, subject))
        reward, txn = rewards.granted(
            known, program=program, rule=rule, prize=prize, to=to, subject=subject, at=at, cause=cause
        )
        self._put(reward, txn)
        self._given.setdefault((to, rule, subject), set()).add(reward.key)
        heapq.heappush(self._holds, (add(at, prize.hold, program.timezone), reward.key, reward.generation))

    def revoke(self, rule: str, prize: Prize, to: str, subject: str, at: datetime, cause: str) -> None:
        """Take a reward back, if it is there to be taken; what was handed out stays (clawback: none)."""
        known = self.rewards.get(rewards.key_of(self.campaign, rule, prize, to, subject))
        if known and known.status in {"pending", "available"}:
            self._put(*rewards.revoked(known, at, cause))

    def fulfil(self, to: str, rule: str, subject: str, reward: str | None, at: datetime, cause: str) -> bool:
        """Note that a reward was handed out; False where there is none to hand out, or no telling which."""
        found = [self.rewards[key] for key in self._given.get((to, rule, subject), ())]
        found = [known for known in found if reward is None or known.reward == reward]
        if len(found) != 1 or found[0].status not in {"pending", "available"}:
            return False
        self._put(*rewards.fulfilled(found[0], at, cause))
        return True

    def release(self, until: datetime) -> None:
        """End the holds that run out up to and including `until`."""
        while (due := self.next_release()) is not None and due <= until:
            at, key, _ = heapq.heappop(self._holds)
            self._put(*rewards.released(self.rewards[key], at, "timer:hold"))

    def next_release(self) -> datetime | None:
        """Tell when the next hold runs out."""
        while self._holds and not self._is_held(*self._holds[0][1:]):
            heapq.heappop(self._holds)
        return self._holds[0][0] if self._holds else None

    def _is_held(self, key: str, generation: int) -> bool:
        return self.rewards[key].status == "pending" and self.rewards[key].generation == generation

    def _put(self, reward: Reward, txn: Txn) -> None:
        self.rewards[reward.key] = reward
        self.ledger.append(txn)
        if word := _TOLD.get(reward.status):
            names = ("to", "rule", "reward", "subject", "kind", "amount", "currency", "product")
            data = {name: value for name in names if (value := getattr(reward, name)) is not None}
            self.tell(f"trigger.reward_{word}", txn.effective_at, txn.key, **data)

    def tell(self, name: str, at: datetime, *about: str, **data: Any) -> None:
        """Emit an effect, once for what it is about."""
        key = entitlement_key(name, self.campaign, *about)
        self.effects.setdefault(key, Effect(key=key, name=name, at=at, data=data))
