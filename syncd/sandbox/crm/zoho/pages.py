"""Page tokens: where a list goes on, for whom, and until when.

https://www.zoho.com/crm/developer/docs/api/v8/get-records.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from syncd.sandbox.crm.zoho.refusal import Refusal

LIFETIME = timedelta(hours=24)
_KEPT = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a list goes on: after the record of this sort key, `passed` records from its start."""

    after: Any
    passed: int
    number: int  # of the page
    bound: Mapping[str, str]  # the parameters that the list was begun with
    expiry: datetime


class Pages:
    """The page tokens that were given out. Not locked itself."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._places: OrderedDict[str, Place] = OrderedDict()

    def keep(self, place: Place) -> str:
        """Give a token for a place."""
        token = f"{self._rng.getrandbits(256):064x}"
        self._places[token] = place
        while len(self._places) > _KEPT:
            self._places.popitem(last=False)
        return token

    def find(self, token: str, bound: Mapping[str, str], now: datetime) -> Place:
        """Give the place of a token. Raises Refusal for one that has expired, or that comes with other parameters."""
        place = self._places.get(token)
        if place is None or place.bound != bound:
            message = "The page_token given seems to be invalid or input param is added or altered or deleted"
            raise Refusal("TOKEN_BOUND_DATA_MISMATCH", message, details={"param_name": "page_token"})
        if now >= place.expiry:
            details = {"api_name": "page_token", "json_path": "$.query.page_token"}
            raise Refusal("EXPIRED_VALUE", "Page token expired", details=details)
        return place
