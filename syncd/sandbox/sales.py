"""What becomes of a friend: a sales team moves the deal, or the friend buys in the shop without asking anybody.

All of it follows from a seed and the friend's number. Times are seconds of the people's own time. How far a deal has
come is said in words that hold for every CRM; a team knows which stage of its own each of them is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

T = TypeVar("T")

Reach = Literal["meeting", "contract", "won", "lost"]
Fate = Literal["won", "won_by_hand", "reopened", "lost", "shop"]

# Dealt like cards, so that already a short story has one of each.
PLAIN: tuple[Fate, ...] = ("won", "won", "won", "shop", "shop", "won", "won", "lost", "won", "shop")
MIXED: tuple[Fate, ...] = ("won", "won", "won", "shop", "shop", "shop", "won_by_hand", "reopened", "lost", "won")


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A sales rep moves a deal on, `after` seconds after the last move; an amount is typed in before that."""

    after: float
    to: Reach
    amount: str | None = None
    new_deal: bool = False  # opened by hand for the person, without any id of ours; later moves are of this one


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """The friend buys in the shop, which tells the daemon by a signed delivery."""

    after: float


Plan = tuple[Move | Purchase, ...]


def fate(seed: int, number: int, deck: Sequence[Fate] = MIXED) -> Fate:
    """Tell how it ends for the n-th friend, counted from 1."""
    return _dealt(f"{seed}:fates", number, deck)


def worked_in(seed: int, number: int, accounts: Sequence[str]) -> str:
    """Tell in which CRM the sales team works with the n-th friend."""
    return _dealt(f"{seed}:accounts", number, accounts)


def plan(seed: int, number: int, deck: Sequence[Fate] = MIXED) -> Plan:
    """Tell what happens to the n-th friend, from the moment at which the CRM has the lead."""
    rng = Random(f"{seed}:sales:{number}")
    amount = f"{rng.randrange(200, 4000)}.{rng.choice(('00', '50', '90'))}"
    meeting = Move(after=_pause(rng), to="meeting")
    contract = Move(after=_pause(rng), to="contract")
    won = Move(after=_pause(rng), to="won", amount=amount)
    match fate(seed, number, deck):
        case "won":
            return (meeting, contract, won)
        case "won_by_hand":
            return (meeting, Move(after=_pause(rng), to="contract", new_deal=True), won)
        case "reopened":
            return (meeting, won, Move(after=_pause(rng), to="contract"), Move(after=_pause(rng), to="lost"))
        case "lost":
            return (meeting, Move(after=_pause(rng), to="lost"))
        case "shop":
            return (Purchase(after=2 * _pause(rng)),)


def _dealt(name: str, number: int, deck: Sequence[T]) -> T:
    round_, card = divmod(number - 1, len(deck))
    return Random(f"{name}:{round_}").sample(deck, len(deck))[card]


def _pause(rng: Random) -> float:
    return rng.uniform(300.0, 1800.0)
