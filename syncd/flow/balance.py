"""Balance: what somebody has, by the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.store import books, people
from syncd_rules import POTS, balances_json, pots_of


def balance_of(tx: Transaction, who: str) -> Mapping[str, Mapping[str, Any]]:
    """Tell what a participant has, under whatever ids they were known: unit -> {pending, available, fulfilled}.

    Points and vouchers are whole numbers, money is decimal text. Where clawback is `negative`, so may `available` be.
    """
    accounts = [f"{name}:{pot}" for name in people.names_of(tx, who) for pot in POTS]
    sums: dict[tuple[str, str], int] = {}
    for (account, unit), amount in books.balances(tx, accounts).items():
        mine = f"{who}:{account.rpartition(':')[2]}"
        sums[mine, unit] = sums.get((mine, unit), 0) + amount
    found: Mapping[str, Mapping[str, Any]] = balances_json(pots_of(sums)).get(who, {})
    return found
