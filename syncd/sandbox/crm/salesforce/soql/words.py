"""Cuts a query into words, and says where one is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from syncd.sandbox.crm.salesforce.refusal import Refusal
from syncd.sandbox.crm.salesforce.values import Value

Kind = Literal["name", "text", "number", "date", "datetime", "sign", "end"]

_WORD = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>[+-]?\d+(?:\.\d+)?)(?![\w.])
      | (?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)
      | (?P<sign><=|>=|!=|<>|[=<>(),])
      | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"', "\\": "\\"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a query and its place, counted from 0."""

    kind: Kind
    text: str
    at: int

    def is_word(self, *names: str) -> bool:
        """Tell whether it is one of these keywords or signs, in any case."""
        return self.kind in {"name", "sign"} and self.text.upper() in names


def cut(query: str) -> list[Word]:
    """Give the words of a query; the last is its end."""
    words: list[Word] = []
    place = 0
    while not words or words[-1].kind != "end":
        found = _WORD.match(query, place)
        if found is None:
            rest = query[place:].lstrip()
            raise malformed(query, len(query) - len(rest), f"unexpected token: '{rest[:1]}'")
        kind: Kind = found.lastgroup  # type: ignore[assignment]
        words.append(Word(kind=kind, text=found[kind], at=found.start(kind)))
        place = found.end()
    return words


def literal(query: str, word: Word) -> Value:
    """Give the value of a literal."""
    if word.kind == "text":
        return re.sub(r"\\(.)", lambda m: _unescaped(query, word, m[1]), word.text[1:-1], flags=re.DOTALL)
    if word.kind == "number":
        return Decimal(word.text)
    if word.kind == "name" and word.text.lower() in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[word.text.lower()]
    try:
        if word.kind == "date":
            return date.fromisoformat(word.text)
        if word.kind == "datetime":
            return datetime.fromisoformat(word.text).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        raise malformed(query, word.at, f"Invalid datetime: {word.text}") from None
    raise malformed(query, word.at, f"unexpected token: '{word.text}'")


def malformed(query: str, at: int, problem: str) -> Refusal:
    """Refuse a query that is not understood."""
    return _refuse("MALFORMED_QUERY", query, at, problem)


def no_such_field(query: str, at: int, name: str, kind: str) -> Refusal:
    """Refuse a field that an object does not have."""
    problem = f"No such column '{name}' on entity '{kind}'. If you are attempting to use a custom field, be sure to"
    problem += " append the '__c' after the custom field name. Please reference your WSDL or the describe call for the"
    return _refuse("INVALID_FIELD", query, at, f"{problem} appropriate names.")


def no_such_relation(query: str, at: int, path: str) -> Refusal:
    """Refuse a relationship that is none."""
    problem = f"Didn't understand relationship '{path}' in field path. If you are attempting to use a custom"
    return _refuse("INVALID_FIELD", query, at, f"{problem} relationship, be sure to append the '__r'.")


def no_such_object(query: str, at: int, name: str) -> Refusal:
    """Refuse an object that the org does not have."""
    problem = f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to"
    return _refuse("INVALID_TYPE", query, at, f"{problem} append the '__c' after the entity name.")


def _refuse(code: str, query: str, at: int, problem: str) -> Refusal:
    """The vendor repeats the query around the place: what a client puts into its log may name people."""
    excerpt = query[max(at - 40, 0) : at + 40].replace("\n", " ")
    arrow = " " * min(at, 40) + "^"
    return Refusal(code, f"\n{excerpt}\n{arrow}\nERROR at Row:1:Column:{at + 1}\n{problem}")


def _unescaped(query: str, word: Word, char: str) -> str:
    if char in "%_":  # only LIKE tells them from wildcards
        return f"\\{char}"
    if char not in _ESCAPES:
        raise malformed(query, word.at, f"Invalid string literal '{word.text[1:-1]}'. Illegal character sequence.")
    return _ESCAPES[char]
