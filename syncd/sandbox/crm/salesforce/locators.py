"""Queries of which a client has not fetched all pages yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.refusal import Refusal

MOST_OPEN = 10
"""Queries that a user may have open; one more ends the one that was not used for longest."""


class Locators:
    """The results of open queries. Not locked itself."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Sequence[Any]] = OrderedDict()
        self._number = 0

    def keep(self, records: Sequence[Any]) -> str:
        """Keep the records of a query and give it a name."""
        self._number += 1
        name = ids.make("QueryLocator", self._number)
        self._open[name] = records
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return name

    def find(self, locator: str) -> tuple[str, int, Sequence[Any]]:
        """Give name, place and records of a locator such as 01g...AAA-2000."""
        name, _, place = locator.partition("-")
        if name not in self._open or not place.isdigit() or int(place) >= len(self._open[name]):
            raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
        self._open.move_to_end(name)
        return name, int(place), self._open[name]
