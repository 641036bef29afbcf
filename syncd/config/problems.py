"""What is wrong with a configuration: values to print, to annotate a pull request with, or to show on a page."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing to put right, with the place where. No text of it ever holds a secret."""

    file: str
    line: int  # from 1; 0 where no line can be named
    col: int
    message: str
    hint: str = ""  # what to do about it
    severity: Severity = "error"
    excerpt: str = ""  # the line of the source, secrets masked
    caret: int = 0  # where in the excerpt the trouble starts, from 0


class ConfigError(Exception):
    """The configuration cannot be used as it is; all that is wrong with it is here, not just the first thing."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(map(format_problem, self.problems)))


class Unavailable(LookupError):
    """A connector type that cannot be had. The text says why, `hint` what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def format_problem(problem: Problem) -> str:
    """Write a problem as compilers do: place, sentence, source line, caret, hint. Editors can jump to it."""
    place = f"{problem.file}:{problem.line}:{problem.col}" if problem.line else problem.file
    lines = [f"{place}: {problem.severity}: {problem.message}"]
    if problem.excerpt:
        # A tab before the caret stays a tab, so that both lines indent alike on every terminal.
        indent = "".join("\t" if char == "\t" else " " for char in problem.excerpt[: problem.caret])
        lines.append(f"{problem.line:>6} | {problem.excerpt}")
        lines.append(f"{'':>6} | {indent}^  {problem.hint}".rstrip())
    elif problem.hint:
        lines.append(f"{'':>6}   {problem.hint}")
    return "\n".join(lines)


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that `word` probably means: a hint, or the list where nothing is near."""
    names = sorted(set(known))
    if close := difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6):
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if names else ""
