"""What Pipedrive allows: calls in two seconds, and tokens in a day that the whole company shares.

https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syncd.contract import Quota, Told, answered_at
from syncd_connectors.pipedrive.settings import PipedriveSettings

if TYPE_CHECKING:
    import requests

CALLS, SEARCH, TOKENS = "calls", "search", "daily tokens"

_BURST, _DAY = timedelta(seconds=2), timedelta(days=1)
_LITE, _LITE_OAUTH, _SEARCHES = 20, 80, 10  # in two seconds, of the smallest plan; searches are the same in each
_ONE_SEAT = 30_000  # tokens a day on Lite; more plan and more seats have more, which the answers' headers tell

# Of version 2, by method and path; version 1 costs twice as much. Lists that are short cost less than others.
_PRICES = (
    ("GET", r"[^/]+/search", 20),
    ("GET", r"(?:deals|leads)/archived", 20),
    ("GET", r"deals/[^/]+/changelog", 10),
    ("GET", r"pipelines|stages", 5),
    ("GET", r"users/me|[^/]+/[^/]+", 1),
    ("GET", r"[^/]+", 10),
    ("DELETE", r".+", 3),
    (".+", r".+", 5),
)


def quotas(settings: PipedriveSettings) -> list[Quota]:
    """List the limits of the smallest plan; what the headers of answers say is put in their place."""
    calls = _LITE if settings.oauth is None else _LITE_OAUTH
    return [
        Quota(name=CALLS, limit=calls, window=_BURST),
        Quota(name=SEARCH, limit=_SEARCHES, window=_BURST),
        Quota(name=TOKENS, limit=settings.limits.daily or _ONE_SEAT, window=_DAY),
    ]


def price(method: str, path: str) -> dict[str, int]:
    """Give what a call takes: one call, or one search, and its tokens. Signing in costs nothing."""
    if not (found := re.search(r"/api/v([12])/(.+)$", path)):
        return {}
    version, rest = found.groups()
    tokens = next(cost for verb, known, cost in _PRICES if re.fullmatch(verb, method) and re.fullmatch(known, rest))
    return {_window(path): 1, TOKENS: tokens if version == "2" else 2 * tokens}


def told(answer: requests.Response) -> list[Told]:
    """Read the headers of an answer. Those of the day are sent and nowhere described, so that they may be missing."""
    it = []
    limit, left = _number(answer, "x-ratelimit-limit"), _number(answer, "x-ratelimit-remaining")
    if limit is not None or left is not None:
        at, wait = answered_at(answer), _number(answer, "x-ratelimit-reset")
        resets_at = at + timedelta(seconds=wait) if at and wait is not None and wait <= 3_600 else None
        path = urlsplit(answer.request.url or "").path
        it.append(Told(quota=_window(path), limit=limit, left=left, resets_at=resets_at))
    limit = _number(answer, "x-daily-ratelimit-token-limit")
    left = _number(answer, "x-daily-ratelimit-token-remaining")
    if limit is not None or left is not None:
        # The day ends at midnight of Pipedrive's server, and nothing tells in which zone that is.
        it.append(Told(quota=TOKENS, limit=limit, left=left))
    return it


def _window(path: str) -> str:
    return SEARCH if path.endswith("/search") else CALLS


def _number(answer: requests.Response, name: str) -> int | None:
    text = answer.headers.get(name, "")
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
