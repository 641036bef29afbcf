"""Conditions on a reward: closed clauses over fixed fields, compiled once when the program is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Operator = Literal["eq", "ne", "in", "not_in", "gt", "gte", "lt", "lte", "exists"]
Operand = str | Decimal | bool | frozenset[str | Decimal]
Fields = Mapping[str, str | None]
"""What is known of a friend and an order; None, or not there, where it is not known."""

ORDER_FIELDS = ("order.product", "order.country", "order.currency", "order.amount")
FRIEND_FIELDS = ("friend.country", "friend.channel")
NUMBERS = frozenset({"order.amount"})
COMPARISONS: tuple[Operator, ...] = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """One comparison of one field."""

    field: str
    operator: Operator
    operand: Operand

    def compiled(self) -> Callable[[Fields], bool]:
        """Give the clause as a function. A field that is not known matches `exists: false` and nothing else."""
        name, operand = self.field, self.operand
        if self.operator == "exists":
            return lambda fields: (fields.get(name) is not None) is operand
        read: Callable[[str], str | Decimal] = Decimal if name in NUMBERS else str
        compare = _COMPARE[self.operator]
        return lambda fields: (value := fields.get(name)) is not None and compare(read(value), operand)


_COMPARE: Mapping[str, Callable[..., bool]] = {
    "eq": lambda value, operand: value == operand,
    "ne": lambda value, operand: value != operand,
    "in": lambda value, operand: value in operand,
    "not_in": lambda value, operand: value not in operand,
    "gt": lambda value, operand: value > operand,
    "gte": lambda value, operand: value >= operand,
    "lt": lambda value, operand: value < operand,
    "lte": lambda value, operand: value <= operand,
}


@dataclass(frozen=True, slots=True)
class Where:
    """Clauses that must all hold."""

    clauses: tuple[Clause, ...] = ()
    _compiled: tuple[Callable[[Fields], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", tuple(clause.compiled() for clause in self.clauses))

    def __call__(self, fields: Fields) -> bool:
        """Tell whether the fields fulfil every clause."""
        return not self._compiled or all(holds(fields) for holds in self._compiled)
