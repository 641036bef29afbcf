"""What HubSpot allows, and what its answers say of it: pure.

https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from syncd.contract import Quota, Told

CALLS, SEARCH, DAILY = "calls", "search", "daily calls"

_TEN_SECONDS = timedelta(seconds=10)
_STATIC, _APP, _SEARCHES, _A_DAY = 100, 110, 5, 250_000
"""Of the smallest edition, for a token; of an app; of the whole account. An answer tells if there is more."""


def quotas(told: Mapping[str, int], *, is_app: bool, daily: int | None) -> Sequence[Quota]:
    """List an account's quotas, with the limits that answers told or else the usual ones; an app has none for a day."""
    calls = told.get(CALLS, _APP if is_app else _STATIC)
    a_day = told.get(DAILY) or daily or (None if is_app else _A_DAY)
    return [
        Quota(name=CALLS, limit=calls, window=_TEN_SECONDS),
        Quota(name=SEARCH, limit=_SEARCHES, window=timedelta(seconds=1)),
        *([Quota(name=DAILY, limit=a_day, window=timedelta(days=1))] if a_day else []),
    ]


def price(path: str) -> Mapping[str, int]:
    """Say what a call takes. A search has a quota of its own; the making of tokens is not counted."""
    if re.search(r"/oauth/[^/]+/[^/]+$", path):
        return {}
    return {SEARCH if path.endswith("/search") else CALLS: 1, DAILY: 1}


def told(headers: Mapping[str, str]) -> Sequence[Told]:
    """Read an answer's headers; a search's has none, and an app is told nothing of days."""
    said = []
    # A limit of another window than ours would space calls wrongly.
    if _number(headers, "Interval-Milliseconds") == _TEN_SECONDS // timedelta(milliseconds=1):
        said.append(Told(quota=CALLS, limit=_number(headers, "Max"), left=_number(headers, "Remaining")))
    said.append(Told(quota=DAILY, limit=_number(headers, "Daily"), left=_number(headers, "Daily-Remaining")))
    return [it for it in said if it.limit or it.left is not None]


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"X-HubSpot-RateLimit-{name}", "")
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
