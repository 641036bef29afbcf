"""Batches: cutting what is too much for one call, and finding the row at fault in one that was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

_Row = TypeVar("_Row")
_Verdict = TypeVar("_Verdict")
_Refusal = TypeVar("_Refusal", bound=Exception)


def parts(items: Sequence[_Row], size: int) -> Iterator[Sequence[_Row]]:
    """Cut a sequence into parts of at most `size`, in order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def in_halves(
    rows: Mapping[str, _Row], send: Callable[[Mapping[str, _Row]], Mapping[str, _Verdict]], refusal: type[_Refusal]
) -> dict[str, _Verdict | _Refusal]:
    """Send rows together; a batch that is refused as a whole goes in halves, down to the rows at fault.

    `send` gives a verdict for each row by its name, or raises `refusal` where the CRM names no row. A row that is
    refused alone has that refusal as its verdict; every other error passes through.
    """
    if not rows:
        return {}
    try:
        return dict(send(rows))
    except refusal as refused:
        if len(rows) == 1:
            return dict.fromkeys(rows, refused)
    names = list(rows)
    verdicts: dict[str, _Verdict | _Refusal] = {}
    for half in (names[: len(names) // 2], names[len(names) // 2 :]):
        verdicts |= in_halves({name: rows[name] for name in half}, send, refusal)
    return verdicts
