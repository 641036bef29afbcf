"""A refusal: what people or programs asked for, and why it cannot be done."""

from __future__ import annotations


class Refusal(Exception):
    """What was asked cannot be done; `reason` is a word for programs, the text a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
