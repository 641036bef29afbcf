"""The statuses of Leads and the stages of Opportunities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.contract import JsonObject, Outcome, Stage, read_id
from syncd_connectors.salesforce.client import Client
from syncd_connectors.salesforce.records import outcome_of


class Stages:
    """Two pipelines named like their objects, Lead and Opportunity, as Salesforce listed them last."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Stage] = {}

    def read(self) -> Sequence[Stage]:
        """List the statuses of Leads and the stages of Opportunities."""
        statuses = self._client.rows("SELECT ApiName, MasterLabel FROM LeadStatus ORDER BY SortOrder")
        stages = self._client.rows(
            "SELECT ApiName, MasterLabel, IsClosed, IsWon FROM OpportunityStage ORDER BY SortOrder"
        )
        found = [_stage("Lead", it, "open") for it in statuses]
        found += [_stage("Opportunity", it, outcome_of(it)) for it in stages]
        self._known = {(stage.pipeline, stage.id): stage for stage in found}
        return found

    def known(self, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Stage]:
        """Give the stages by (pipeline, id); they are listed anew if one of those wanted is not among them."""
        if any(it not in self._known for it in wanted):
            self.read()
        return self._known


def _stage(pipeline: str, it: JsonObject, outcome: Outcome) -> Stage:
    id_ = read_id(it.get("ApiName"))
    return Stage(pipeline=pipeline, id=id_, label=str(it.get("MasterLabel") or id_), outcome=outcome)
