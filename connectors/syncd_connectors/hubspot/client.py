"""The client: every call goes through it, and every answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from syncd.contract import Http, JsonObject, Misconfigured, Transient, json_objects, parts, read_id, veiled
from syncd_connectors.hubspot.answers import Refused, context_of, read_answer, read_complaint, verdict_on
from syncd_connectors.hubspot.records import Record, as_object, end_of, read_records
from syncd_connectors.hubspot.sdk import open_sdk
from syncd_connectors.hubspot.settings import HubSpotSettings

if TYPE_CHECKING:
    import requests

BATCH = 100  # records in one call
_BATCH_WITH_HISTORY, _BATCH_OF_ASSOCIATIONS = 50, 1_000


class Client:
    """Asks HubSpot by the SDK, whose API objects are `sdk`."""

    def __init__(self, settings: HubSpotSettings, http: Http) -> None:
        self._settings = settings
        self.sdk = open_sdk(settings, http)

    def ask(self, call: Callable[..., Any], *args: Any) -> JsonObject:
        """Send a call of the SDK and read its answer; raise what its status or its body means."""
        answer: requests.Response = call(*args, _preload_content=False).answer
        try:
            return read_answer(answer, self._settings.credential)
        except Refused as refused:
            verdict = verdict_on(refused.complaint, self._settings.push, ())
            if isinstance(verdict, Misconfigured):
                raise verdict from None
            raise

    def read(
        self, kind: str, ids: Iterable[str], properties: Iterable[str], *, by: str = "", history: Sequence[str] = ()
    ) -> tuple[list[Record], frozenset[str]]:
        """Read records by their ids or by a unique property; give them, and the ids that HubSpot says are not there."""
        api = self.sdk.contacts if kind == "contacts" else self.sdk.deals
        records: dict[str, Record] = {}
        missing: set[str] = set()
        for part in parts(list(dict.fromkeys(ids)), _BATCH_WITH_HISTORY if history else BATCH):
            query = {"inputs": [{"id": id_} for id_ in part], "propertiesWithHistory": [*history]}
            query["properties"] = list(dict.fromkeys([*properties, "hs_merged_object_ids"]))  # names whom it stands for
            body = self.ask(api.read, query | ({"idProperty": by} if by else {}))
            records |= {record.id: record for record in read_records(body)}
            for error in json_objects(body, "errors", optional=True):
                if error.get("category") != "OBJECT_NOT_FOUND":
                    raise Transient(f"HubSpot could not read some {kind}: {veiled(read_complaint(error).text, ())}")
                missing |= {str(id_) for id_ in context_of(error).get("ids", ())}
        return list(records.values()), frozenset(missing)

    def linked(self, start: str, end: str, ids: Iterable[str]) -> list[tuple[str, str]]:
        """Give the associations of these records, as (record, record of the other type)."""
        found: list[tuple[str, str]] = []
        inputs: list[dict[str, str]] = [{"id": id_} for id_ in ids]
        while inputs:
            part, inputs = inputs[:_BATCH_OF_ASSOCIATIONS], inputs[_BATCH_OF_ASSOCIATIONS:]
            body = self.ask(self.sdk.associations.get_page, start, end, {"inputs": part})
            for result in json_objects(body, "results"):
                id_ = end_of(result, "from")
                found += [(id_, read_id(to.get("toObjectId"))) for to in json_objects(result, "to")]
                if after := as_object(as_object(result.get("paging")).get("next")).get("after"):
                    inputs.append({"id": id_, "after": str(after)})
        return found
