"""The deal stages of the account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from syncd.contract import JsonObject, Outcome, Stage, json_objects, read_id
from syncd_connectors.hubspot.client import Client
from syncd_connectors.hubspot.records import as_object


class Stages:
    """The stages of every deal pipeline, as HubSpot listed them last."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Stage] = {}

    def read(self) -> Sequence[Stage]:
        """List the stages of every deal pipeline."""
        pipelines = json_objects(self._client.ask(self._client.sdk.pipelines.get_all, "deals"), "results")
        stages = [_stage(pipeline, stage) for pipeline in pipelines for stage in json_objects(pipeline, "stages")]
        self._known = {(stage.pipeline, stage.id): stage for stage in stages}
        return stages

    def known(self, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Stage]:
        """Give the stages by (pipeline, id); they are listed anew if one of those wanted is not among them."""
        if any(it not in self._known for it in wanted):
            self.read()
        return self._known


def _stage(pipeline: JsonObject, stage: JsonObject) -> Stage:
    # Never by the label: accounts have a "Closed lost" that is open. The metadata are texts.
    id_, metadata = read_id(stage.get("id")), as_object(stage.get("metadata"))
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    is_won = re.fullmatch(r"1(\.0+)?", str(metadata.get("probability", ""))) is not None
    outcome: Outcome = "open" if not closed else "won" if is_won else "lost"
    return Stage(pipeline=read_id(pipeline.get("id")), id=id_, label=str(stage.get("label") or id_), outcome=outcome)
