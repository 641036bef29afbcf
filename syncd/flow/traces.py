"""Traces: by what a text that we were told may name a person who wants to be forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

_ADDRESS = re.compile(r"""[^\s"'<>(),;:\\\[\]]+@[\w-]+(?:\.[\w-]+)+""")  # whatever may be one, in any text
_LEAD_IN = re.compile(r".*[=&?/{}|]")  # what may be of an address, and mostly is what stands before one
_ID = re.compile(r"(?:per|ref)_[0-9a-z]+")
_LETTER = re.compile(r"\\+u(?!d[89a-f])([0-9a-f]{4})", re.IGNORECASE)  # as JSON writes it; not a half of a pair
_BREAK = re.compile(r"\\+[bfnrt]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What is known of one person, to find them in what was told."""

    identity: Callable[[str], str | None] = field(repr=False)  # hashes an e-mail address
    identities: frozenset[str] = field(repr=False)  # the hashes of theirs
    ids: frozenset[str]  # ours: of the participant, of the referrals that they are the friend of
    records: frozenset[tuple[str, str]]  # (connector, id) of what a CRM holds of them
    words: frozenset[str] = field(repr=False)  # their names, their telephone number, their company

    def are_in(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a message names them: by address or id, or by name where nobody could read it.

        One that may still be acted on is somebody else's if only their name is in it.
        """
        text = spelt_out(json.dumps(payload, ensure_ascii=False))
        return (
            (payload.get("connector"), payload.get("record")) in self.records
            or not self.ids.isdisjoint(_ID.findall(text))
            or any(self.identity(it) in self.identities for it in _addresses(text))
            or ("raw" in payload and self._are_words_of(_ADDRESS.sub(" ", text).casefold()))
        )

    def _are_words_of(self, text: str) -> bool:
        return any(re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text) for word in self.words)


def _addresses(text: str) -> Iterator[str]:
    for found in _ADDRESS.findall(text):
        yield from (found, _LEAD_IN.sub("", found))


def spelt_out(text: str) -> str:
    """Undo what JSON and forms do to letters, in a text that may be neither or the beginning of one."""
    return _BREAK.sub(" ", _LETTER.sub(lambda found: chr(int(found[1], 16)), unquote(text)))
