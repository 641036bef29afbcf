"""What becomes of a message: decided by its answer, or by there being none."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

Next = Literal["done", "again", "rest", "gone"]
"""Taken; this message again later; the receiver is left alone for a while; it wants no messages any more."""

# Said of what a message is, and not of who sends it or how it comes, so that the next one may fare better.
_ABOUT_THE_MESSAGE = frozenset({400, 409, 413, 414, 415, 422})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How posting a message ended, and what happens next."""

    next: Next
    told: str  # in words that may be shown: no part of the answer's body, none of the URL but its host
    status: int | None = None  # None: there was no answer
    forbidden: bool = False  # no call was made, since it would go where none may
    retry_after: float | None = None  # seconds for which the receiver wants to be left alone


def outcome_of(status: int, host: str, retry_after: float | None = None) -> Outcome:
    """Decide by the status alone: a body proves nothing, and a redirect is no consent to be led elsewhere."""
    told = f"{host} answered {status}{_phrase(status)}"
    if 200 <= status < 300:
        return Outcome(next="done", told=told, status=status)
    if status == HTTPStatus.GONE:
        return Outcome(next="gone", told=told, status=status)
    if 300 <= status < 400:
        told += ", a redirect, which is not followed: write the URL to which it leads"
    next: Next = "again" if status in _ABOUT_THE_MESSAGE else "rest"
    return Outcome(next=next, told=told, status=status, retry_after=retry_after)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
