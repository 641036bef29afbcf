"""Payout: what people and payment systems say of rewards: approved, rejected, handed out, not handed out after all."""

from __future__ import annotations

import hashlib
from typing import Literal

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.book import book, bring_up_to_date, lock
from syncd.flow.programs import OUT_OF_DATE, keep_up
from syncd.flow.refusal import Refusal
from syncd.store import books, people, referrals
from syncd.store.books import Booked
from syncd.store.engine import retrying
from syncd.store.tables import TICK, micros
from syncd_rules import Event

Word = Literal["approved", "rejected", "fulfilled", "failed"]

_FROM: dict[Word, tuple[str, str]] = {  # word -> the statuses that it may be said in, and how to say so
    "approved": ("pending void reversed clawed_back", "is not waiting for approval"),  # what was rejected waits, too
    "rejected": ("pending available", "is not open"),
    "fulfilled": ("available", "is not available"),
    "failed": ("fulfilled clawed_back", "has not been handed out"),
}


def say(app: App, word: Word, key: str, *, by: str, cause: str) -> Booked:
    """Say something of a reward, and give it as it is then. Said again by the same person, it counts once.

    Raises `Refusal` where the reward is in no state for it.
    """
    now, by = app.clock(), " ".join(by.split()).casefold()  # Eva and eva are one person who agrees

    def once(tx: Transaction) -> Booked | Refusal:
        reward = _reward(tx, key)
        if (configured := app.campaign(reward.campaign)) is None:
            raise Refusal("campaign_not_found", "this reward's campaign is not configured any more; its books rest")
        lock(tx, app, [reward])
        if not keep_up(tx, app, configured, now):
            raise Refusal("out_of_date", f"{OUT_OF_DATE.format(reward.campaign)}; nothing is handed out meanwhile")
        bring_up_to_date(tx, app, _reward(tx, key), now)
        reward = _reward(tx, key)
        statuses, not_so = _FROM[word]
        if reward.status not in statuses.split() or (word == "approved" and not reward.approval):
            return Refusal("illegal_transition", f"this reward {not_so}: it is {reward.status.replace('_', ' ')}")
        # As long as the reward has not moved, the same word of the same person is the same event.
        name = hashlib.sha256(f"{reward.key}\0{by}\0{micros(reward.changed_at)}".encode()).hexdigest()[:32]
        data = {"to": reward.recipient, "rule": reward.rule, "reward": reward.reward, "subject": reward.subject}
        # What is said of it comes after what made it what it is, whichever way the clock was set in between.
        at = max(now, reward.changed_at + TICK)
        event = Event(
            id=f"{word}:{name}", type=f"reward.{word}", at=at, campaign=reward.campaign, data={**data, "by": by}
        )
        if books.stored_event(tx, reward.campaign, event.id) is None:
            kind, rule, subject = reward.kind, reward.rule, reward.subject
            referrals.note(
                tx,
                f"reward_{word}",
                at=now,
                cause=cause,
                participant=reward.recipient,
                rule=rule,
                subject=subject,
                kind=kind,
            )
        book(tx, app, reward.campaign, reward.advocate, [event], cause=cause, now=at)
        return _reward(tx, key)

    said = retrying(app.database, once)
    if isinstance(said, Refusal):
        raise said  # only now: what the clock has brought about stands, and the books are back on the shelf
    return said


def _reward(tx: Transaction, key: str) -> Booked:
    found = books.rewards(tx, key=key) or books.rewards(tx, key=people.renamed(tx, key))
    if not found:
        raise Refusal("not_found", "there is no such reward")
    return found[0]
