"""Reading the clauses of `where`: a field, an operator, and what it is compared with."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from syncd_rules import scalars
from syncd_rules.prize import Trigger
from syncd_rules.tree import Kind, Noted, Place, Section, Wrong, listing
from syncd_rules.where import COMPARISONS, FRIEND_FIELDS, NUMBERS, ORDER_FIELDS, Clause, Operand, Operator

_OPERATORS: tuple[Operator, ...] = get_args(Operator)


def clauses(place: Place, trigger: Trigger | None) -> tuple[Clause, ...]:
    """Read a list of clauses; those of a reward for orders know of the order."""
    return listing(lambda clause: _clause(clause, trigger))(place)


def _clause(place: Place, trigger: Trigger | None) -> Clause:
    """Read {field: order.product, in: [pro, team]}: a field, and one operator with its operand."""
    with Section(place) as section:
        name = section.need("field", _field(trigger), None)
        operand: Operand | None = None
        given = [operator for operator in _OPERATORS if operator in section]
        for operator in _OPERATORS:
            if operator in COMPARISONS and name is not None and name not in NUMBERS:
                section.refuse(operator, f"{name} is no number", "use eq, ne, in, not_in or exists")
            else:
                operand = section.take(operator, _operand(name, operator), operand)
        if not given:
            place.report("a clause needs an operator", "write one of " + ", ".join(_OPERATORS))
        for operator in given[1:]:
            place.report("this is a second operator", "write a clause for each", operator, at_key=True)
    if name is None or operand is None:
        raise Noted
    return Clause(field=name, operator=given[0], operand=operand)


def _field(trigger: Trigger | None) -> Kind[str]:
    def read(place: Place) -> str:
        name = scalars.choice(*FRIEND_FIELDS, *ORDER_FIELDS)(place)
        if name in ORDER_FIELDS and trigger not in {"order.paid", None}:
            raise Wrong(f"{name} is known with the trigger order.paid only", f"use {' or '.join(FRIEND_FIELDS)}")
        return name

    return read


def _operand(field: str | None, operator: Operator) -> Kind[Operand]:
    if operator == "exists":
        return scalars.flag
    one: Kind[str | Decimal] = scalars.text
    if field in NUMBERS or (field is None and operator in COMPARISONS):
        one = scalars.decimal
    if operator in {"in", "not_in"}:
        return lambda place: frozenset(listing(one)(place))
    return one
