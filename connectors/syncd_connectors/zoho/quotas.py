"""What Zoho allows: credits of the last 24 hours, which the whole account shares.

How many calls may run at the same moment is no matter of a time; the client holds to that.
https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from syncd.contract import Quota, Told
from syncd_connectors.zoho.settings import ZohoSettings

if TYPE_CHECKING:
    import requests

CREDITS = "daily credits"
_DAY = timedelta(days=1)
_STANDARD = 50_000
"""Of the smallest edition that has unique fields of one's own. To take too few would end our work for nothing, as Zoho
tells nobody that there are more; of too many it tells us once half of the real ones are spent."""


def quotas(settings: ZohoSettings) -> list[Quota]:
    """List the one quota that is a matter of time."""
    return [Quota(name=CREDITS, limit=settings.limits.daily or _STANDARD, window=_DAY)]


def price(path: str, cost: int) -> dict[str, int]:
    """Give the credits of a call of the API: `cost`. Signing in costs none."""
    return {CREDITS: cost} if "/crm/v" in path else {}


def told(answer: requests.Response) -> list[Told]:
    """Read how many credits are left, which is told once half of them are spent."""
    left = credits_left(answer)
    return [] if left is None else [Told(quota=CREDITS, left=left)]


def credits_left(answer: requests.Response) -> int | None:
    """Read the header that tells it."""
    text = answer.headers.get("X-API-CREDITS-REMAINING", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None
