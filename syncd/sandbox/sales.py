"""What becomes of a friend: a sales team moves the deal, or the friend buys in the shop without asking anybody.

All of it follows from a seed and the friend's number. Times are seconds of the people's own time. How far a deal has
come is said in words that hold for every CRM; a team knows which stage of its own each of them is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Reach = Literal["meeting", "contract", "won", "lost"]
Fate = Literal["won", "won_by_hand", "reopened", "lost", "shop"]

Deck = tuple[tuple[Fate, ...], ...]

# Dealt like cards, a hand after the other in each CRM, so that already a short story has something of each kind there:
# of three friends one wins by the CRM at the least, of six three do.
PLAIN: Deck = (("won", "shop", "won"), ("lost", "won", "won"), ("shop", "won", "won", "shop"))
MIXED: Deck = (("won", "shop", "won_by_hand"), ("lost", "won", "won"), ("shop", "won", "reopened", "shop"))


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


def fate(seed: int, number: int, accounts: Sequence[str], deck: Deck = MIXED) -> Fate:
    """Tell how it ends for the n-th friend, counted from 1."""
    account, turn = worked_in(seed, number, accounts), (number - 1) // len(accounts)
    round_, card = divmod(turn, sum(len(hand) for hand in deck))
    rng = Random(f"{seed}:fates:{account}:{round_}")
    return [it for hand in deck for it in rng.sample(hand, len(hand))][card]


def worked_in(seed: int, number: int, accounts: Sequence[str]) -> str:
    """Tell in which CRM the sales team works with the n-th friend."""
    round_, card = divmod(number - 1, len(accounts))
    return Random(f"{seed}:accounts:{round_}").sample(accounts, len(accounts))[card]


def is_unheard(seed: int, account: str, win: int) -> bool:
    """Tell whether the message of the n-th win in a CRM gets lost, counted from 1: every other one does."""
    return Random(f"{seed}:losses:{account}").randrange(2) == win % 2


def plan(seed: int, number: int, accounts: Sequence[str], deck: Deck = MIXED) -> Plan:
    """Tell what happens to the n-th friend, from the moment at which the CRM has the lead."""
    rng = Random(f"{seed}:sales:{number}")
    amount = f"{rng.randrange(200, 4000)}.{rng.choice(('00', '50', '90'))}"
    meeting = Move(after=_pause(rng), to="meeting")
    contract = Move(after=_pause(rng), to="contract")
    won = Move(after=_pause(rng), to="won", amount=amount)
    match fate(seed, number, accounts, deck):
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


def _pause(rng: Random) -> float:
    return rng.uniform(300.0, 1800.0)
