"""The stages of Deals and the statuses of Leads."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.contract import JsonObject, Outcome, Stage, json_objects, read_id
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.leads import kinds_of
from syncd_connectors.zoho.records import NO_STATUS, read_stage
from syncd_connectors.zoho.schema import Schema
from syncd_connectors.zoho.settings import ZohoPush


class Stages:
    """The stages of every pipeline, as Zoho listed them last."""

    def __init__(self, client: Client, schema: Schema, push: ZohoPush) -> None:
        self._client = client
        self._schema = schema
        self._kinds = kinds_of(push)
        self._known: dict[tuple[str, str], Stage] = {}

    def read(self) -> Sequence[Stage]:
        """List the stages of every pipeline of Deals and, where Leads are written, their statuses as a pipeline."""
        layouts = self._client.ask("GET", "settings/layouts", scope="settings.layouts.READ", params={"module": "Deals"})
        found = [_status(it) for it in self._statuses()] if "Leads" in self._kinds else []
        for layout in json_objects(layouts, "layouts"):
            params = {"layout_id": read_id(layout.get("id"))}
            body = self._client.ask("GET", "settings/pipeline", scope="settings.pipeline.READ", params=params)
            for pipeline in json_objects(body, "pipeline", optional=True):
                found += [read_stage(pipeline, it) for it in json_objects(pipeline, "maps")]
        self._known = {(stage.pipeline, stage.id): stage for stage in found}
        return list(self._known.values())

    def outcome(self, pipeline: str, stage: str) -> Outcome | None:
        """Tell what Zoho forecasts for a stage; records do not say whether they are won."""
        if (pipeline, stage) not in self._known:
            self.read()
        known = self._known.get((pipeline, stage))
        return known.outcome if known else None

    def _statuses(self) -> list[JsonObject]:
        return json_objects(self._schema.of("Leads").get("Lead_Status", {}), "pick_list_values", optional=True)


def _status(it: JsonObject) -> Stage:
    # Zoho wins and loses Deals only; what a status of a Lead means, `stages` of the settings may say.
    id_ = str(it.get("actual_value") or NO_STATUS)
    return Stage(pipeline="Leads", id=id_, label=str(it.get("display_value") or id_), outcome="open")
