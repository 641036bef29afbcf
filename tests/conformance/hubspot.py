"""The sandbox's simulated HubSpot as the double that the conformance suite acts on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.conformance import Calls, Trouble
from syncd.contract import Connector, Lead, RemoteId
from syncd.sandbox.crm import NO_LIMITS, CrmModel, HubSpotSetup, lag_between
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.hubspot.record import Record
from tests.conformance.troubled import TroubledSandbox


class HubSpotDouble:
    """A simulated portal and the connector that is tested on it: HubSpot's own, or one that speaks as it does."""

    text_field = "lastname"
    pipeline = "default"
    open_stages: Sequence[str] = ("appointmentscheduled", "qualifiedtobuy", "contractsent")
    won, lost = "closedwon", "closedlost"
    secrets: Sequence[str] = ("pat-eu1-conformance-7f3c",)

    def __init__(self, connector: type[Connector], *, page_size: int) -> None:
        self.connector = connector
        self.page_size = page_size

    def start(self, now: Callable[[], datetime]) -> str:
        self._crm = TroubledSandbox(
            HubSpotSetup(token=self.secrets[0], limits=NO_LIMITS), now, echo=_echo, is_page=_is_page
        )
        self._crm.start()
        # So that no person's id is a deal's: who takes one for the other is found out.
        nobody = self._model.write("contacts", None, {"firstname": "Nobody"})
        self._model.archive("contacts", nobody.id)
        return self._crm.url()

    def stop(self) -> None:
        self._crm.stop()

    def settings(self, url: str) -> dict[str, Any]:
        return {"name": "crm", "type": "crm", "token": self.secrets[0], "base_url": url}

    # --- what it holds ---

    @property
    def _model(self) -> CrmModel:
        return self._crm.model()

    def persons(self, lead: str) -> list[RemoteId]:
        return [_id(it) for it in self._model.having("contacts", "referral_id", lead) if _is_live(it)]

    def deals(self, lead: str) -> list[RemoteId]:
        return [_id(it) for it in self._model.having("deals", "referral_id", lead) if _is_live(it)]

    def deals_of(self, person: RemoteId) -> list[RemoteId]:
        return [_id(it) for it in self._model.linked(self._record(person))]

    def size(self) -> tuple[int, int]:
        contacts, deals = (self._model.records[kind].values() for kind in ("contacts", "deals"))
        return sum(map(_is_live, contacts)), sum(map(_is_live, deals))

    def stage(self, deal: RemoteId) -> str:
        return self._record(deal).values["dealstage"]

    def value(self, person: RemoteId, field: str) -> str:
        return self._record(person).values.get(field, "")

    def calls(self) -> Calls:
        kinds = {kind: 0 for kind in ("read", "search", "write", "token", "unknown")}
        for _, kind, _, number in self._crm.log.counted():
            kinds[kind] += number
        return Calls(reads=kinds["read"] + kinds["search"], writes=kinds["write"] + kinds["unknown"])

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        return _id(self._model.write("contacts", None, {"email": email}, origin="CRM_UI"))

    def open_deal(self, person: RemoteId) -> RemoteId:
        return RemoteId(type="deal", id=self._model.open_deal(person.id))

    def move(self, deal: RemoteId, stage: str) -> None:
        self._model.move(deal.id, stage)

    def touch(self, deal: RemoteId) -> None:
        self._model.edit("deals", deal.id, description=f"Seen at {self._model.now()}")

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        self._model.edit("deals", deal.id, amount=amount, deal_currency_code=currency)

    def delete(self, record: RemoteId) -> None:
        self._model.archive(self._record(record).type, record.id)

    def restore(self, record: RemoteId) -> None:
        self._model.restore("deals" if record.type == "deal" else "contacts", record.id)

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        return RemoteId(type=kept.type, id=self._model.merge(self._record(kept).type, kept.id, other.id))

    def rename_stage(self, stage: str, label: str) -> None:
        self._model.rename_stage(self.pipeline, stage, label)

    def lag(self, seconds: float) -> None:
        self._model.lag = lag_between(seconds, seconds)

    def unacceptable(self, lead: Lead) -> Lead:
        return replace(lead, person=replace(lead.person, email="zebedee at example.com"))

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        self._crm.begin(trouble, after=after, retry_after=retry_after)

    def mend(self) -> None:
        self._crm.mend()

    def _record(self, remote: RemoteId) -> Record:
        record = self._model.find("deals" if remote.type == "deal" else "contacts", remote.id)
        assert record, f"there is no live {remote.type} {remote.id}"
        return record


def _echo(sent: str) -> Reply:
    return Reply(code=400, body={"status": "error", "category": "VALIDATION_ERROR", "message": f"Not valid: {sent}"})


def _is_page(request: Request) -> bool:
    return request.path.endswith("/search")


def _id(record: Record) -> RemoteId:
    return RemoteId(type="deal" if record.type == "deals" else "contact", id=record.id)


def _is_live(record: Record) -> bool:
    return record.archived is None and record.merged_into is None
