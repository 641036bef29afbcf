"""How words from outside are repeated in a sentence: never at length, never with what steers a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 60  # characters of what somebody wrote that are repeated to them


def quoted(word: object) -> str:
    """Quote what was written; of a long text its beginning."""
    text = str(word)
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}… ({len(text)} characters)"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word, or all of them where none is near."""
    words = list(dict.fromkeys(known))
    near = get_close_matches(word[:_LONGEST], words, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(words)}"
