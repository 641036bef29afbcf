"""A file's text, and the problems found in it. Excerpts are cut here, so secrets are masked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncd.config.problems import Problem, Severity

if TYPE_CHECKING:
    from syncd.config.tree import Node

MASK = "***"
_WIDEST = 160  # longest excerpt, in characters
_SECRET_NAME = re.compile(r"token|secret|passw|credential|private|auth|(^|_|-)key$|api_?key", re.IGNORECASE)
# Lines may be as long as the file, so that every repetition here is bounded or cannot be tried twice.
_SECRET_ENTRY = re.compile(
    r"""(?:token|secret|passw|credential|private|auth|key)[\w-]{0,60}["']?\s{0,9}:\s{0,9}""", re.IGNORECASE
)
_ANY_ENTRY = re.compile(r"""^[\s-]*[\w.-]{1,80}["']?\s{0,9}:(?:\s|$)|[{,]\s{0,9}[\w-]{1,80}\s{0,9}:\s""")
_URL_LOGIN = re.compile(r"(://)\S{1,999}@")
_REFERENCE = re.compile(r"\$\{[A-Za-z_]\w*(:\?[^}]*)?\}|\$\{file:[^}]*\}")


def names_secret(key: str) -> bool:
    """Tell whether a key's name alone says that its value is secret."""
    return _SECRET_NAME.search(key) is not None


def is_reference(text: str) -> bool:
    """Tell whether a scalar only points at its value, `${VAR}` or `${file:path}`, and so is safe to show."""
    return _REFERENCE.fullmatch(text) is not None


class Source:
    """A file as it was read. `mask` marks what must never be shown of it."""

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self.text = text
        self.lines = text.splitlines()
        self._masks: dict[
            int, set[tuple[int, int]]
        ] = {}  # line from 1 -> first column of a stretch, and behind its last

    def mask(self, node: Node) -> None:
        """Hide a value from every excerpt, unless it only refers to one."""
        if isinstance(node.value, dict):
            for child in node.value.values():
                self.mask(child)
        elif isinstance(node.value, tuple):
            for child in node.value:
                self.mask(child)
        elif not is_reference(node.raw):
            for line in range(node.mark.line, node.end.line + 1):
                first = node.mark.col - 1 if line == node.mark.line else 0
                self._hide(line, first, node.end.col - 1 if line == node.end.line else None)

    def mask_blindly(self) -> None:
        """Hide what may be secret in a text that cannot be parsed: values by their key's name, lines without a key."""
        for number, line in enumerate(self.lines, 1):
            if entry := _SECRET_ENTRY.search(line):
                self._hide(number, entry.end(), None)
            elif not _ANY_ENTRY.search(line):
                self._hide(number, len(line) - len(line.lstrip(" \t-")), None)

    def excerpt(self, line: int, col: int) -> tuple[str, int]:
        """Give line `line` (from 1) without its secrets, and where column `col` of the file is in it (from 0)."""
        if not 1 <= line <= len(self.lines):
            return "", 0
        text, caret = self.lines[line - 1], col - 1
        hidden = self._masks.get(line, set()) | {(login.end(1), login.end() - 1) for login in _URL_LOGIN.finditer(text)}
        for first, last in sorted(hidden, reverse=True):
            text = text[:first] + MASK + text[last:]
            if caret > first:
                caret = max(first, caret - (last - first) + len(MASK))
        start = max(0, caret - _WIDEST // 2) if len(text) > _WIDEST else 0
        return text[start : start + _WIDEST].rstrip(), caret - start

    def _hide(self, line: int, first: int, last: int | None) -> None:
        if line <= len(self.lines):
            end = len(self.lines[line - 1]) if last is None else last
            if first < end:
                self._masks.setdefault(line, set()).add((first, end))


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1; 0, 0 is the file as a whole."""

    source: Source
    line: int = 0
    col: int = 0


class Report:
    """Collects problems while the reading goes on, so that one run finds them all."""

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str], tuple[Severity, str]] = {}

    def error(self, mark: Mark, message: str, hint: str = "") -> None:
        """Note something that must be put right. The same sentence on the same place is kept once."""
        self._found.setdefault((mark, message), ("error", hint))

    def warning(self, mark: Mark, message: str, hint: str = "") -> None:
        """Note something that works, and should not stay."""
        self._found.setdefault((mark, message), ("warning", hint))

    @property
    def errors(self) -> int:
        """How many errors were noted so far."""
        return sum(severity == "error" for severity, _ in self._found.values())

    def all(self, severity: Severity) -> tuple[Problem, ...]:
        """Give what was noted, file by file in the order of reading, from top to bottom."""
        order = {mark.source: number for number, (mark, _) in reversed(list(enumerate(self._found)))}
        rows = sorted(self._found.items(), key=lambda row: (order[row[0][0].source], row[0][0].line, row[0][0].col))
        return tuple(_problem(mark, message, *noted) for (mark, message), noted in rows if noted[0] == severity)


def _problem(mark: Mark, message: str, severity: Severity, hint: str) -> Problem:
    excerpt, caret = mark.source.excerpt(mark.line, mark.col)
    return Problem(
        file=mark.source.file,
        line=mark.line,
        col=mark.col,
        message=message,
        hint=hint,
        severity=severity,
        excerpt=excerpt,
        caret=caret,
    )
