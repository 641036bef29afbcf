"""What becomes of a friend: a sales team moves the deal, or the friend buys in the shop without asking anybody.

All of it follows from a seed and the friend's number. Times are seconds of the people's own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Fate = Literal["won", "won_by_hand", "reopened", "lost", "shop"]

# Dealt like cards, so that already a short story has one of each.
_DECK: tuple[Fate, ...] = ("won", "won", "won", "shop", "shop", "shop", "won_by_hand", "reopened", "lost", "won")

_MEETING, _CONTRACT, _WON, _LOST = "qualifiedtobuy", "contractsent", "closedwon", "closedlost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A sales rep drags a deal to a stage, `after` seconds after the last move; an amount is typed in before that."""

    after: float
    stage: str
    amount: str | None = None
    new_deal: bool = False  # opened by hand for the contact, without any id of ours; later moves are of this one


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """The friend buys in the shop, which tells the daemon by a signed delivery."""

    after: float


Plan = tuple[Move | Purchase, ...]


def fate(seed: int, number: int) -> Fate:
    """Tell how it ends for the n-th friend, counted from 1."""
    deal, card = divmod(number - 1, len(_DECK))
    return Random(f"{seed}:fates:{deal}").sample(_DECK, len(_DECK))[card]


def plan(seed: int, number: int) -> Plan:
    """Tell what happens to the n-th friend, from the moment at which the CRM has the lead."""
    rng = Random(f"{seed}:sales:{number}")
    amount = f"{rng.randrange(200, 4000)}.{rng.choice(('00', '50', '90'))}"
    meeting = Move(after=_pause(rng), stage=_MEETING)
    contract = Move(after=_pause(rng), stage=_CONTRACT)
    won = Move(after=_pause(rng), stage=_WON, amount=amount)
    match fate(seed, number):
        case "won":
            return (meeting, contract, won)
        case "won_by_hand":
            return (meeting, Move(after=_pause(rng), stage=_CONTRACT, new_deal=True), won)
        case "reopened":
            return (meeting, won, Move(after=_pause(rng), stage=_CONTRACT), Move(after=_pause(rng), stage=_LOST))
        case "lost":
            return (meeting, Move(after=_pause(rng), stage=_LOST))
        case "shop":
            return (Purchase(after=2 * _pause(rng)),)


def _pause(rng: Random) -> float:
    return rng.uniform(300.0, 1800.0)
