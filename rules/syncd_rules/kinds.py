"""The kinds of reward that there are. A new kind is a line in this table, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Needs = Literal["points", "money", "percent", "product", "share", "nothing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How rewards of a kind are written in a program, and booked."""

    needs: Needs
    pot: bool = False  # several of them are one sum; the others are vouchers, counted one by one


KINDS: Mapping[str, Form] = {
    "points": Form(needs="points", pot=True),
    "store_credit": Form(needs="money", pot=True),
    "discount_amount": Form(needs="money"),
    "discount_percentage": Form(needs="percent"),
    "free_shipping": Form(needs="nothing"),
    "free_gift": Form(needs="product"),
    "cash": Form(needs="money", pot=True),
    "gift_card": Form(needs="money"),
    "revenue_share": Form(needs="share", pot=True),
}
