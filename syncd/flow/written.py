"""What is written of what follows from books: standings, milestones, rewards, the ledger, and effects.

Only what differs from what the database holds is written; what it holds is remembered from one time to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection as Transaction

from syncd.contract import parts
from syncd.flow.heard import REACHED, Teller
from syncd.store import books, people, records, referrals, work
from syncd.store.books import Booked
from syncd.store.records import Deal
from syncd.store.referrals import Referral, Standing
from syncd.store.tables import EPOCH
from syncd_rules import Effect, News, Reached, ReferralState, Rejected, Reward, Txn, reconcile

CHUNK = 10_000  # ids in one question to the database

K = TypeVar("K")
V = TypeVar("V")

MilestoneKey = tuple[str, str, int]  # participant, milestone, number


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What is weighed together: the books of an advocate, or of a whole campaign."""

    campaign: str
    advocate: str | None


@dataclass(kw_only=True, slots=True)
class Written:
    """What the database says follows from the events that were weighed."""

    ledger: dict[str, Txn] = field(default_factory=dict)  # by key, in the order of its writing
    owners: dict[str, str] = field(default_factory=dict)  # entitlement -> the advocate in whose ledger it is
    rewards: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)  # key -> status, amount, approval
    milestones: dict[MilestoneKey, datetime] = field(default_factory=dict)
    effects: set[str] = field(default_factory=set)
    referrals: dict[str, ReferralState] = field(default_factory=dict)  # friend -> as written since opened
    rejected: dict[str, str] = field(default_factory=dict)
    compared: bool = False  # all that follows has been held against it, so that what is new is all that differs

    def learn(self, posted: Sequence[tuple[str, Txn]]) -> None:
        """Take in what the ledger held already: (advocate, txn)."""
        self.ledger |= {txn.key: txn for _, txn in posted}
        self.owners |= {txn.entitlement: owner for owner, txn in posted}
        self.compared = False

    def times(self) -> list[datetime]:
        """List when what is written came about: the books have been weighed then, whatever a clock says now."""
        return [EPOCH, *(txn.effective_at for txn in self.ledger.values()), *self.milestones.values()]


def read_written(tx: Transaction, scope: Scope) -> Written:
    """Read what the database says follows from what was weighed."""
    names = None if scope.advocate is None else people.names_of(tx, scope.advocate)
    posted = books.posted(tx, scope.campaign, names)
    rewards = books.rewards(tx, campaign=scope.campaign, advocates=names)
    return Written(
        ledger={txn.key: txn for _, txn in posted},
        owners={it.key: it.advocate for it in rewards} | {txn.entitlement: owner for owner, txn in posted},
        rewards={it.key: (it.status, it.amount, it.approval) for it in rewards},
        milestones=books.milestones(tx, scope.campaign, names),
        effects=work.effects_of(tx, scope.campaign, names),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pen:
    """Writes what follows from books into the database, in one transaction and for one cause."""

    tx: Transaction
    scope: Scope
    written: Written
    as_of: datetime  # the books' own time
    cause: str
    now: datetime
    teller: Teller

    def posted_elsewhere(self, news: News) -> list[tuple[str, Txn]]:
        """Give what was posted of these rewards in other books: a friend may turn out to be another advocate's."""
        if self.scope.advocate is None:
            return []  # these are all the books there are
        new_here = [it.key for it in news.result.rewards if it.key not in self.written.owners]
        return books.posted_of(self.tx, self.scope.campaign, new_here) if new_here else []

    def write(self, news: News, friends: frozenset[str]) -> None:
        """Write the difference between what was written and what follows now, and remember it as written.

        Of `friends` something has changed that the rules do not know of, such as a deal in a stage that means nothing.
        """
        self._write_ledger(news)
        self._write_standings(news, friends)
        self._write_milestones(news)
        gone = self._write_rewards(news)
        self._write_effects(news, gone)

    def _write_ledger(self, news: News) -> None:
        old = self.written
        for reward in news.result.rewards:
            old.owners.setdefault(reward.key, reward.book)
        new = following(list(old.ledger.values()), news.result.ledger) if news.whole else news.result.ledger
        books.post(self.tx, self.scope.campaign, [(old.owners[txn.entitlement], txn) for txn in new], self.now)
        old.ledger |= {txn.key: txn for txn in new}

    def _write_standings(self, news: News, friends: frozenset[str]) -> None:
        old, touched = self.written, None if news.whole else news.friends
        rejected = refusals_of(news.result.rejected)
        changed = {*_update(old.referrals, news.result.referrals, touched), *_update(old.rejected, rejected, touched)}
        for some in parts(sorted(changed | friends), CHUNK):
            campaign, advocate = self.scope.campaign, self.scope.advocate
            rows = referrals.find(self.tx, campaign=campaign, advocate=advocate, friends=some, limit=CHUNK)
            self._write_some(rows)

    def _write_some(self, rows: Sequence[Referral]) -> None:
        leads = [row.id for row in rows]
        deals, pushed = records.deals_of(self.tx, leads), records.pushed(self.tx, leads)
        for old in rows:
            state, refused = self.written.referrals.get(old.friend), self.written.rejected.get(old.friend)
            new = as_it_stands(old, state, refused, old.id in pushed, deals.get(old.id, ()))
            if new != old:
                referrals.write_standing(self.tx, new)
            if new.standing != old.standing:
                what = "unqualified" if old.standing == "qualified" and new.standing != "rejected" else new.standing
                self._note(what, referral=old.id, reason=new.reason, via=new.qualified_via)

    def _write_milestones(self, news: News) -> None:
        wanted = milestones_of(news.result.milestones)
        before = _update(self.written.milestones, wanted, None if news.whole else news.milestones)
        gone = [key for key in sorted(before) if key not in wanted]
        reached = [(*key, wanted[key]) for key in sorted(before) if key in wanted]
        books.write_milestones(self.tx, self.scope.campaign, gone=gone, reached=reached)
        for who, name, number in gone:
            self._note("milestone_lost", participant=who, milestone=name, number=number)
        for who, name, number, _ in reached:
            if before[who, name, number] is None:
                self._note("milestone", participant=who, milestone=name, number=number)

    def _write_rewards(self, news: News) -> Iterable[str]:
        """Write how rewards stand; give the keys of those that were never due."""
        wanted = rewards_of(news.result.rewards)
        before = _update(self.written.rewards, wanted, None if news.whole else wanted)
        for reward in news.result.rewards:
            if reward.key in before:
                was = before[reward.key]
                # By the books' own time, which a clock that was set back does not take back.
                books.write_reward(self.tx, self.scope.campaign, reward.book, reward, self.as_of)
                self._note_reward(reward.to, reward, reward.status, before=was and was[0])
        for key in sorted(before.keys() - wanted.keys()):  # what we learnt late shows that it was never due
            for gone in books.rewards(self.tx, key=key):
                books.drop_reward(self.tx, key)
                self._note_reward(gone.recipient, gone, "void", before=gone.status)
        return before.keys() - wanted.keys()

    def _write_effects(self, news: News, gone: Iterable[str]) -> None:
        rewards: dict[str, list[Effect]] = {key: [] for key in sorted(gone)}
        for effect in news.result.effects:
            if effect.name in REACHED:
                rewards.setdefault(effect.data["key"], []).append(effect)
            else:
                named = effect.data.get("advocate") or effect.data.get("participant") or ""
                self.teller.tell(effect, self.scope.advocate or str(named))
        self.teller.tell_of_rewards(rewards, whole=news.whole, as_of=self.as_of, whose=self.scope.advocate)

    def _note_reward(self, to: str, reward: Reward | Booked, status: str, *, before: str | None) -> None:
        self._note(
            "reward",
            participant=to,
            rule=reward.rule,
            subject=reward.subject,
            kind=reward.kind,
            amount=str(reward.amount),
            currency=reward.currency,
            status=status,
            approval=reward.approval,
            before=before,
        )

    def _note(self, what: str, **data: Any) -> None:
        referrals.note(self.tx, what, at=self.now, cause=self.cause, **data)


def following(posted: Sequence[Txn], wanted: Sequence[Txn]) -> list[Txn]:
    """Give what the ledger lacks. Mostly it is what came last, and the rest need not be gone through."""
    if list(wanted[: len(posted)]) == posted:
        return list(wanted[len(posted) :])
    return reconcile(posted, wanted)


def _update(old: dict[K, V], new: Mapping[K, V], touched: Iterable[K] | None) -> dict[K, V | None]:
    """Make `old` what `new` says of what was touched, or of everything; give what has changed, as it was before."""
    looked = old.keys() | new.keys() if touched is None else touched
    before = {key: old.get(key) for key in looked if old.get(key) != new.get(key)}
    for key in before:
        if key in new:
            old[key] = new[key]
        else:
            del old[key]
    return before


def as_it_stands(
    old: Referral, state: ReferralState | None, refused: str | None, pushed: bool, deals: Iterable[Deal]
) -> Referral:
    """Give a referral as the rules, and what the CRMs say, will have it; `refused` is why a sign-up was."""
    if old.reason == "already_referred":
        return old  # a person who turned out to have been referred before; this referral is over
    # Who has a referral may have been refused by another sign-up.
    reason = state.barred if state else refused
    stands = standing(state, reason is not None, pushed, deals)
    qualified = state if stands == "qualified" else None
    return replace(
        old,
        standing=stands,
        reason=reason or ("disqualified" if stands == "rejected" else None),
        counted=bool(state and state.counted),
        qualified_at=qualified.qualified_at if qualified else None,
        qualified_via=qualified.via if qualified else None,
    )


def standing(state: ReferralState | None, rejected: bool, pushed: bool, deals: Iterable[Deal]) -> Standing:
    """Say in one word where a referral stands."""
    deals = list(deals)
    open_ = [deal for deal in deals if deal.outcome not in {"lost"} and not deal.gone]
    if rejected or (state and state.status == "disqualified"):
        return "rejected"
    if state and state.status == "qualified":
        return "qualified"
    if deals and not open_:
        return "lost"
    if any(deal.version for deal in open_):
        return "in_pipeline"
    return "pushed" if pushed else "captured"


def refusals_of(rejected: Sequence[Rejected]) -> dict[str, str]:
    """Tell why a sign-up of each friend was refused; of several the first counts."""
    return {refused.friend: refused.reason for refused in reversed(rejected)}


def milestones_of(reached: Iterable[Reached]) -> dict[MilestoneKey, datetime]:
    """Give milestones as they are written."""
    return {(it.participant, it.milestone, it.number): it.reached_at for it in reached}


def rewards_of(rewards: Iterable[Reward]) -> dict[str, tuple[str, str, str | None]]:
    """Give rewards as they are written."""
    return {it.key: (it.status, it.amount, it.approval) for it in rewards}
