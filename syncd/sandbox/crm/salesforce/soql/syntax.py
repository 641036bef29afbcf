"""A query as a tree, and how its words become one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeVar

from syncd.sandbox.crm.salesforce.refusal import Refusal
from syncd.sandbox.crm.salesforce.soql.words import Word, cut, literal, malformed
from syncd.sandbox.crm.salesforce.values import Value

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "LIKE"]
_KEYWORDS = "SELECT FROM WHERE AND OR NOT IN LIKE ORDER BY ASC DESC NULLS LIMIT GROUP HAVING"
_RESERVED = frozenset(_KEYWORDS.split())
_DEEPEST = 50

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A field held against values: one, or a list for IN and NOT IN."""

    path: Word
    operator: Operator
    values: tuple[Value, ...]
    word: Word  # the first value, for complaints


@dataclass(frozen=True, kw_only=True, slots=True)
class Junction:
    """Conditions of which all, one, or, for NOT, the only one not must hold."""

    word: Literal["AND", "OR", "NOT"]
    parts: tuple[Condition | Junction, ...]


Where = Condition | Junction


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A field by which rows are sorted."""

    path: Word
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query that was understood, its names not yet looked up. Without `fields` it counts."""

    text: str
    fields: tuple[Word, ...]
    source: Word
    where: Where | None
    order: tuple[Order, ...]
    limit: int | None


def parse(text: str) -> Query:
    """Read a query. Raises Refusal MALFORMED_QUERY for anything but the part of SOQL that is simulated."""
    return _Reader(text).query()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words = cut(text)
        self._place = 0
        self._depth = 0

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._fields()
        self._expect("FROM")
        source = self._name()
        where = self._where() if self._take("WHERE") else None
        order: list[Order] = []
        if self._take("ORDER"):
            self._expect("BY")
            order = self._list(self._order)
        limit = self._limit() if self._take("LIMIT") else None
        if self._word.kind != "end":
            raise self._unexpected()
        return Query(text=self._text, fields=tuple(fields), source=source, where=where, order=tuple(order), limit=limit)

    def _fields(self) -> list[Word]:
        if self._word.is_word("COUNT") and self._words[self._place + 1].is_word("("):
            self._place += 2
            self._expect(")")
            return []
        return self._list(self._name)

    def _where(self) -> Where:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise malformed(self._text, self._word.at, "the condition is too deep")
        parts = [self._part()]
        joint = self._word.text.upper() if self._word.is_word("AND", "OR") else ""
        while self._word.is_word("AND", "OR"):
            if not self._take(joint):  # the vendor asks for parentheses where AND meets OR
                raise self._unexpected()
            parts.append(self._part())
        self._depth -= 1
        return parts[0] if not joint else Junction(word="AND" if joint == "AND" else "OR", parts=tuple(parts))

    def _part(self) -> Where:
        if self._take("NOT"):
            return Junction(word="NOT", parts=(self._part(),))
        if self._take("("):
            inner = self._where()
            self._expect(")")
            return inner
        return self._condition()

    def _condition(self) -> Condition:
        path = self._name()
        operator = self._operator()
        word = self._word
        if operator not in {"IN", "NOT IN"}:
            return Condition(path=path, operator=operator, values=(self._value(),), word=word)
        self._expect("(")
        word = self._word
        values = self._list(self._value)
        self._expect(")")
        return Condition(path=path, operator=operator, values=tuple(values), word=word)

    def _operator(self) -> Operator:
        word = self._next()
        if word.is_word("NOT") and self._take("IN"):
            return "NOT IN"
        for operator in ("=", "!=", "<", "<=", ">", ">=", "IN", "LIKE"):
            if word.is_word(operator):
                return operator
        if word.is_word("<>"):
            return "!="
        raise malformed(self._text, word.at, f"unexpected token: '{word.text}'")

    def _value(self) -> Value:
        word = self._next()
        return literal(self._text, word)

    def _order(self) -> Order:
        path = self._name()
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        nulls_last = False
        if self._take("NULLS"):
            nulls_last = self._take("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Order(path=path, descending=descending, nulls_last=nulls_last)

    def _limit(self) -> int:
        value = self._value()
        if not isinstance(value, Decimal) or value != value.to_integral_value() or value < 0:
            raise malformed(self._text, self._words[self._place - 1].at, "LIMIT is a whole number")
        return int(value)

    # --- words ---

    @property
    def _word(self) -> Word:
        return self._words[self._place]

    def _next(self) -> Word:
        word = self._word
        if word.kind == "end":
            raise self._unexpected()
        self._place += 1
        return word

    def _take(self, *names: str) -> bool:
        if self._word.is_word(*names):
            self._place += 1
            return True
        return False

    def _expect(self, name: str) -> None:
        if not self._take(name):
            raise self._unexpected()

    def _name(self) -> Word:
        word = self._word
        if word.kind != "name" or word.text.upper() in _RESERVED:
            raise self._unexpected()
        return self._next()

    def _list(self, read: Callable[[], T]) -> list[T]:
        found = [read()]
        while self._take(","):
            found.append(read())
        return found

    def _unexpected(self) -> Refusal:
        word = self._word
        token = "<EOF>" if word.kind == "end" else word.text
        return malformed(self._text, word.at, f"unexpected token: '{token}'")
