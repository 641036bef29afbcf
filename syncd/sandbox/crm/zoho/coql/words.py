"""Cuts a query into words, and says where one is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from syncd.sandbox.crm.zoho.refusal import Refusal

Kind = Literal["name", "text", "number", "sign", "end"]
Raw = str | Decimal | bool
"""A literal as it is written: times and ids are texts in quotes."""

_WORD = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<sign><=|>=|!=|[=<>(),])
      | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a query and its place, counted from 0."""

    kind: Kind
    text: str
    at: int

    def is_word(self, *names: str) -> bool:
        """Tell whether it is one of these keywords or signs, in any case."""
        return self.kind in {"name", "sign"} and self.text.lower() in names


def cut(query: str) -> list[Word]:
    """Give the words of a query; the last is its end."""
    words: list[Word] = []
    place = 0
    while not words or words[-1].kind != "end":
        found = _WORD.match(query, place)
        if found is None:
            rest = query[place:].lstrip()
            raise unexpected(Word(kind="sign", text=rest[:1], at=len(query) - len(rest)))
        kind: Kind = found.lastgroup  # type: ignore[assignment]
        words.append(Word(kind=kind, text=found[kind], at=found.start(kind)))
        place = found.end()
    return words


def literal(word: Word) -> Raw:
    """Give the value of a literal."""
    if word.kind == "text":
        return re.sub(r"\\(.)", r"\1", word.text[1:-1], flags=re.DOTALL)
    if word.kind == "number":
        return Decimal(word.text)
    if word.is_word("true", "false"):
        return word.text.lower() == "true"
    raise unexpected(word)


def unexpected(word: Word) -> Refusal:
    """Refuse a query at a word that is out of place."""
    details = {"line": 1, "column": word.at + 1, "near": word.text}
    return Refusal("SYNTAX_ERROR", "unexpected token", details=details)


def missing(clause: str) -> Refusal:
    """Refuse a query that lacks a clause."""
    return Refusal("SYNTAX_ERROR", "missing clause", details={"clause": clause})
