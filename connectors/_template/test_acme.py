"""Acme does what every connector does, and copes with what is odd about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from syncd import registry
from syncd.conformance import Calls, Conformance, CrmDouble, Trouble
from syncd.contract import Connector, Lead, RemoteId

SEE = "write this; syncd.conformance.CrmDouble says what it promises, tests/conformance/hubspot.py is one that is whole"


class AcmeDouble:
    """A simulated Acme on loopback: strict, with state, and able to go wrong on demand."""

    connector: type[Connector] = registry.find("acme")
    secrets: Sequence[str] = ("acme-conformance-7f3c",)
    page_size = 5
    text_field = "last_name"  # this and what follows: as Acme calls it
    pipeline = "sales"
    open_stages: Sequence[str] = ("new", "talking", "offer")
    won, lost = "won", "lost"

    def start(self, now: Callable[[], datetime]) -> str:
        raise NotImplementedError(SEE)

    def stop(self) -> None:
        raise NotImplementedError(SEE)

    def settings(self, url: str) -> dict[str, Any]:
        return {"name": "crm", "type": "acme", "token": self.secrets[0], "base_url": url}

    # --- what it holds ---

    def persons(self, lead: str) -> Sequence[RemoteId]:
        raise NotImplementedError(SEE)

    def deals(self, lead: str) -> Sequence[RemoteId]:
        raise NotImplementedError(SEE)

    def deals_of(self, person: RemoteId) -> Sequence[RemoteId]:
        raise NotImplementedError(SEE)

    def size(self) -> tuple[int, int]:
        raise NotImplementedError(SEE)

    def stage(self, deal: RemoteId) -> str:
        raise NotImplementedError(SEE)

    def value(self, person: RemoteId, field: str) -> str:
        raise NotImplementedError(SEE)

    def calls(self) -> Calls:
        raise NotImplementedError(SEE)

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        raise NotImplementedError(SEE)

    def open_deal(self, person: RemoteId) -> RemoteId:
        raise NotImplementedError(SEE)

    def move(self, deal: RemoteId, stage: str) -> None:
        raise NotImplementedError(SEE)

    def touch(self, deal: RemoteId) -> None:
        raise NotImplementedError(SEE)

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        raise NotImplementedError(SEE)

    def delete(self, record: RemoteId) -> None:
        raise NotImplementedError(SEE)

    def rename_stage(self, stage: str, label: str) -> None:
        raise NotImplementedError(SEE)

    def unacceptable(self, lead: Lead) -> Lead:
        raise NotImplementedError(SEE)

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        raise NotImplementedError(SEE)

    def mend(self) -> None:
        raise NotImplementedError(SEE)


class TestAcme(Conformance):
    exempt: ClassVar[Mapping[str, str]] = {  # a behaviour that Acme makes impossible, and why
        "ReceivesWebhooks": "not written so far; with read_webhook this goes, and the double becomes one that Tells",
        "ManagesWebhooks": "not written so far; with subscribe this goes, and the double TakesOrders",
        "UsesOAuth": "not written so far; with oauth this goes",
    }

    def double(self) -> CrmDouble:
        return AcmeDouble()
