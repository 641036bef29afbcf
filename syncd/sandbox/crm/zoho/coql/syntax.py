"""A query as a tree, and how its words become one.

Limits: https://www.zoho.com/crm/developer/docs/api/v8/COQL-Limitations.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from syncd.sandbox.crm.zoho.coql.words import Raw, Word, cut, literal, missing, unexpected
from syncd.sandbox.crm.zoho.refusal import Refusal

MOST_ROWS = 2_000
MOST_REACHED = 100_000
MOST_COLUMNS = 50
MOST_CRITERIA = 25
MOST_ORDERS = 10
MOST_VALUES = 50
USUAL_ROWS = 200

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "not like", "between", "is null", "is not null"
]
_KEYWORDS = "select from where and or not in like between is null order by asc desc limit offset"
_RESERVED = frozenset(_KEYWORDS.split())
_BEYOND = ("group", "having", "join", "union")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """A column held against values: none for `is null`, two for `between`."""

    column: str
    operator: Operator
    values: tuple[Raw, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two conditions of which both or one must hold."""

    word: Literal["and", "or"]
    left: Where
    right: Where


Where = Criterion | Pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A column by which rows are sorted."""

    column: str
    descending: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query that was understood, its names not yet looked up."""

    columns: tuple[str, ...]
    module: str
    where: Where
    order: tuple[Order, ...]
    offset: int
    limit: int

    @property
    def cost(self) -> int:
        """Tell the credits that it costs."""
        if self.limit <= USUAL_ROWS:
            return 1
        return 2 if self.limit <= 1_000 else 3


def parse(text: str) -> Query:
    """Read a query. Raises Refusal SYNTAX_ERROR for anything but the part of COQL that is simulated."""
    return _Reader(cut(text)).query()


class _Reader:
    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._place = 0
        self._criteria = 0
        self._depth = 0

    def query(self) -> Query:
        self._expect("select")
        columns = self._list(self._name)
        self._expect("from")
        module = self._name()
        if not self._take("where"):
            raise missing("where")
        where = self._where()
        order: list[Order] = []
        if self._take("order"):
            self._expect("by")
            order = self._list(self._order)
        offset, limit = self._limit()
        if self._word.is_word(*_BEYOND):
            raise Refusal("SYNTAX_ERROR", "given coql query not supported")
        if self._word.kind != "end":
            raise unexpected(self._word)
        _within("columns", len(columns), MOST_COLUMNS)
        _within("criteria", self._criteria, MOST_CRITERIA)
        _within("order by", len(order), MOST_ORDERS)
        _once([*columns], "duplicate select column")
        _once([it.column for it in order], "duplicate order by column")
        return Query(columns=tuple(columns), module=module, where=where, order=tuple(order), offset=offset, limit=limit)

    def _where(self) -> Where:
        """Read a condition, or two that are joined: a third one needs brackets, so that nothing is ambiguous."""
        self._depth += 1
        if self._depth > MOST_CRITERIA + 1:
            raise unexpected(self._word)
        left = self._part()
        joint: Where = left
        for word in ("and", "or"):
            if self._take(word):
                joint = Pair(word="and" if word == "and" else "or", left=left, right=self._part())
                break
        self._depth -= 1
        return joint

    def _part(self) -> Where:
        if self._take("("):
            inner = self._where()
            self._expect(")")
            return inner
        return self._criterion()

    def _criterion(self) -> Criterion:
        self._criteria += 1
        column = self._name()
        operator = self._operator()
        values: list[Raw] = []
        if operator in {"in", "not in"}:
            self._expect("(")
            values = self._list(self._value)
            self._expect(")")
            _within(operator, len(values), MOST_VALUES)
        elif operator == "between":
            values.append(self._value())
            self._expect("and")
            values.append(self._value())
        elif operator not in {"is null", "is not null"}:
            values.append(self._value())
        return Criterion(column=column, operator=operator, values=tuple(values))

    def _operator(self) -> Operator:
        word = self._next()
        if word.is_word("is"):
            inverted = self._take("not")
            self._expect("null")
            return "is not null" if inverted else "is null"
        if word.is_word("not"):
            if self._take("in"):
                return "not in"
            if self._take("like"):
                return "not like"
            raise Refusal("SYNTAX_ERROR", "operator not supported", details={"operator": "not"})
        for operator in ("=", "!=", "<", "<=", ">", ">=", "in", "like", "between"):
            if word.is_word(operator):
                return operator
        raise unexpected(word)

    def _order(self) -> Order:
        column = self._name()
        descending = self._take("desc")
        if not descending:
            self._take("asc")
        return Order(column=column, descending=descending)

    def _limit(self) -> tuple[int, int]:
        """Read `limit n`, `limit offset, n` or `limit n offset m`."""
        if not self._take("limit"):
            return 0, USUAL_ROWS
        first = self._whole("limit")
        offset, limit = 0, first
        if self._take(","):
            offset, limit = first, self._whole("limit")
        elif self._take("offset"):
            offset = self._whole("offset")
        if limit < 1:
            raise Refusal("INVALID_DATA", "limit should be greater than 0")
        _within("limit", limit, MOST_ROWS)
        _within("offset", offset + limit, MOST_REACHED)
        return offset, limit

    def _whole(self, clause: str) -> int:
        word = self._next()
        if word.kind != "number" or not word.text.isdigit():
            raise Refusal("INVALID_QUERY", f"{clause} given seems to be invalid", details={clause: word.text})
        return int(word.text)

    # --- words ---

    @property
    def _word(self) -> Word:
        return self._words[self._place]

    def _next(self) -> Word:
        word = self._word
        if word.kind == "end":
            raise unexpected(word)
        self._place += 1
        return word

    def _take(self, name: str) -> bool:
        if self._word.is_word(name):
            self._place += 1
            return True
        return False

    def _expect(self, name: str) -> None:
        if not self._take(name):
            raise unexpected(self._word)

    def _name(self) -> str:
        word = self._word
        if word.kind != "name" or word.text.lower() in _RESERVED:
            raise unexpected(word)
        name = self._next().text
        if self._word.is_word("("):
            raise Refusal("SYNTAX_ERROR", "given coql query not supported")
        return name

    def _value(self) -> Raw:
        return literal(self._next())

    def _list(self, read: Callable[[], T]) -> list[T]:
        found = [read()]
        while self._take(","):
            found.append(read())
        return found


def _within(what: str, number: int, most: int) -> None:
    if number > most:
        details = {"clause": what, "limit": most}
        raise Refusal("LIMIT_EXCEEDED", "limit exceeded", details=details)


def _once(columns: list[str], problem: str) -> None:
    for place, column in enumerate(columns):
        if column in columns[:place]:
            raise Refusal("DUPLICATE_DATA", problem, details={"column_name": column})
