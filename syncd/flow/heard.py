"""Telling effects, each once; and of each reward in such an order that what was heard of it ends in the truth.

The rules say every move of a reward once. What is learnt late, two people who are one, and new rules change the past
instead: then what was told is no longer how it was, and the difference is told.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

from sqlalchemy import Connection as Transaction

from syncd.store import books, heard, people, work
from syncd.store.heard import Heard
from syncd.store.tables import TICK
from syncd_rules import EFFECTS, Effect

GRANTED, RELEASED, REVERSED = (f"trigger.reward_{step}" for step in ("granted", "released", "reversed"))
REACHED = {REVERSED: 0, GRANTED: 1, RELEASED: 2}
"""How far a reward has come, for whoever has heard of the effect."""
_FROM = {REVERSED: {1, 2}, GRANTED: {0}, RELEASED: {1}}  # from where a reward comes there


@dataclass(frozen=True, kw_only=True, slots=True)
class Teller:
    """Whoever tells the effects of a campaign, in one transaction."""

    tx: Transaction
    campaign: str
    now: datetime
    announce: Callable[[Effect], None]  # to those who want to know of effects
    known: set[str] = field(default_factory=set)  # the effects that were told, as far as it is known

    def tell(self, effect: Effect, whose: str) -> bool:
        """Tell an effect; False if it was told before."""
        if effect.key in self.known:
            return False
        self.known.add(effect.key)
        payload = {"name": effect.name, **effect.data}
        told = work.owe_effect(self.tx, self.campaign, effect.key, whose, payload, self.now)
        if told:
            self.announce(effect)
        return told

    def tell_of_rewards(
        self, wanted: Mapping[str, Sequence[Effect]], *, whole: bool, as_of: datetime, whose: str | None = None
    ) -> None:
        """Tell of rewards, by key, what has to be heard: all that follows of each, or what is new if not `whole`."""
        before = heard.read(self.tx, wanted)
        for reward, effects in wanted.items():
            known = before.get(reward) or Heard(reward=reward, key=reward)
            if missing := unheard(known, effects, self.known, whole=whole, as_of=as_of):
                self._tell_of(known, missing, whose)

    def _tell_of(self, known: Heard, effects: Iterable[Effect], whose: str | None) -> None:
        for effect in effects:
            # No two messages about a reward have one time, so that they can be put in order.
            at = max(effect.at, known.at + TICK) if known.at else effect.at
            known = replace(known, name=effect.name, at=at, data={**effect.data, "key": known.key})
            effect = replace(effect, at=at, data=known.data)
            lead = whose or str(known.data["to"])
            # What comes about a second time, or in no course of things that the rules know, is a message of its own.
            while not (effect.key and self.tell(effect, lead)):
                known = replace(known, corrections=known.corrections + 1)
                effect = replace(effect, key=f"{effect.name}/{known.key}/history/{known.corrections}")
        heard.write(self.tx, self.campaign, known, self.now)

    # --- two people who are one ---------------------------------------------------------------------------------------

    def rename(self, old: str, into: str, advocates: Iterable[str]) -> list[str]:
        """Let what was heard of `old` be of `into`, in the books of these advocates; give the rewards it was about.

        Of two rewards that are one from now on, that which came less far is taken back.
        """
        leads = sorted({name for who in (old, into, *advocates) for name in people.names_of(self.tx, who)})
        keys = [f"{name}/{self.campaign}/{old}" for name in EFFECTS]
        heard.note_renamed(self.tx, self.campaign, old, into, leads=leads, keys=keys)
        moved = heard.naming(self.tx, self.campaign, old, leads)
        there = heard.read(self.tx, [it.reward.replace(old, into) for it in moved])
        for it in moved:
            heard.forget(self.tx, it.reward)
            it = replace(it, reward=it.reward.replace(old, into), data=_renamed(it.data, old, into))
            if other := there.get(it.reward):
                it, other = (other, it) if reached(other.name) >= reached(it.name) else (it, other)
                self._take_back(other)
            there[it.reward] = it
            heard.write(self.tx, self.campaign, it, self.now)
        return list(there)

    def take_back_what_is_gone(self, rewards: Sequence[str]) -> None:
        """Tell that these rewards are taken back, those that are in nobody's books."""
        for it in heard.read(self.tx, rewards).values():
            if not books.rewards(self.tx, key=it.reward):
                self._take_back(it)

    def _take_back(self, it: Heard) -> None:
        if missing := unheard(it, (), self.known, whole=True, as_of=self.now):
            self._tell_of(it, missing, None)


def unheard(
    it: Heard, wanted: Sequence[Effect], known: Container[str], *, whole: bool, as_of: datetime
) -> list[Effect]:
    """Give what has yet to be heard of a reward, of which `wanted` follows: in all if `whole`, or newly.

    Where that begins with what was told, and goes on from there, it is the rest. Else it is the difference between how
    far the reward has come and how far it had, as it was heard; it comes about now.
    """
    told = list(takewhile(lambda effect: effect.key in known, wanted))
    rest = wanted[len(told) :]
    far = reached(it.name)
    began = _reached_by(told) if whole or told else far
    if far == began and not any(effect.key in known for effect in rest) and _goes_on(far, rest):
        return list(rest)
    goal, last = _reached_by(wanted), {effect.name: effect for effect in wanted}
    steps = [REVERSED] if goal < far else []
    steps += [name for name in (GRANTED, RELEASED) if (0 if steps else far) < REACHED[name] <= goal]
    return [_now(name, last.get(name), it, known, as_of) for name in steps]


def reached(name: str | None) -> int:
    """Tell how far a reward has come of which this effect was heard last, or nothing."""
    return REACHED[name] if name else 0


def _reached_by(effects: Sequence[Effect]) -> int:
    return reached(effects[-1].name if effects else None)


def _goes_on(far: int, effects: Iterable[Effect]) -> bool:
    for effect in effects:
        if far not in _FROM[effect.name]:
            return False
        far = REACHED[effect.name]
    return True


def _now(name: str, effect: Effect | None, it: Heard, known: Container[str], as_of: datetime) -> Effect:
    """Make the effect that mends what was heard, of the one that the rules say last; it may have been told already."""
    key = effect.key if effect and effect.key not in known else ""
    # What is taken back is what was told, whatever it should have been.
    data = it.data if name == REVERSED or not effect else effect.data
    return Effect(key=key, name=name, at=as_of, data=data)


def _renamed(data: Mapping[str, object], old: str, into: str) -> dict[str, object]:
    return {name: into if value == old and name != "key" else value for name, value in data.items()}
