"""What Salesforce allows, and what its answers say of it: pure.

https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from syncd.contract import Quota, Told

DAILY = "daily calls"

_SMALLEST = 15_000  # calls in 24 hours, of the smallest edition; each answer tells what the org really has
_USED = re.compile(r"(?:^|[;,\s])api-usage=([0-9]{1,12})/([0-9]{1,12})")  # beside it there may be per-app-api-usage


def quotas(told: int | None, daily: int | None) -> Sequence[Quota]:
    """List the org's quota of 24 rolling hours, which all of its integrations share."""
    return [Quota(name=DAILY, limit=told or daily or _SMALLEST, window=timedelta(days=1))]


def price(path: str) -> Mapping[str, int]:
    """Say what a call takes: a request is one, however many records it holds; signing in is not counted."""
    return {DAILY: 1} if re.search(r"/services/data/v[0-9]", path) else {}


def told(headers: Mapping[str, str]) -> Sequence[Told]:
    """Read the header that every success carries, Sforce-Limit-Info."""
    if not (used := _USED.search(headers.get("Sforce-Limit-Info", ""))):
        return []
    limit = int(used[2])
    return [Told(quota=DAILY, limit=limit, left=max(limit - int(used[1]), 0))] if limit else []
