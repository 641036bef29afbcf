"""Leads becoming deals through the API: asked for now, done later, told for a few days.

https://developers.pipedrive.com/docs/api/v1/Leads (convertLeadToDeal, getLeadConversionStatus; API v2)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from syncd.sandbox.crm.pipedrive.company import Company
from syncd.sandbox.crm.pipedrive.refusal import Refusal, not_found

_TOLD = timedelta(days=3)
_MOST = 1_000


@dataclass(kw_only=True, slots=True)
class Conversion:
    """One conversion that was asked for."""

    id: str
    lead: str
    stage: str | None
    due: datetime
    deal: str | None = None
    failed: bool = False

    def body(self) -> dict[str, Any]:
        """Show how far it is."""
        if self.deal:
            return {"conversion_id": self.id, "status": "completed", "deal_id": int(self.deal)}
        return {"conversion_id": self.id, "status": "failed" if self.failed else "running"}


class Conversions:
    """The conversions of one company. `seconds` is how long one takes. Not locked itself."""

    def __init__(self, company: Company, *, seconds: float, now: Callable[[], datetime], rng: Random) -> None:
        self.seconds = seconds
        self._company = company
        self._now = now
        self._rng = rng
        self._asked: OrderedDict[str, Conversion] = OrderedDict()

    def ask(self, lead: str, stage: str | None) -> str:
        """Begin a conversion and give its id."""
        id_ = str(UUID(int=self._rng.getrandbits(128), version=4))
        due = self._now() + timedelta(seconds=self.seconds)
        self._asked[id_] = Conversion(id=id_, lead=lead, stage=stage, due=due)
        while len(self._asked) > _MOST:
            self._asked.popitem(last=False)
        self.settle()
        return id_

    def settle(self) -> None:
        """Do what is due."""
        now = self._now()
        for it in self._asked.values():
            if it.deal is None and not it.failed and it.due <= now:
                try:
                    it.deal = self._company.convert_lead(it.lead, stage=it.stage, source="api")
                except (KeyError, Refusal):  # the lead has gone meanwhile, or there is no room for its deal
                    it.failed = True

    def told(self, lead: str, id_: str) -> Conversion:
        """Give a conversion of the last few days, or refuse."""
        it = self._asked.get(id_)
        if it is None or it.lead != lead or self._now() - it.due > _TOLD:
            raise not_found("Conversion")
        return it
