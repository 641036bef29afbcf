"""Faults in opening, settings and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import ConfigDict

from syncd.contract import Account, ConnectorSettings, Http, JsonObject, Outcome, Stage, StageFact
from tests.conformance.asking import ReferenceSettings
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference


@caught_by("it_fulfils_the_contract")
class TakesNone(Reference):
    """Takes no lead at all in a batch."""

    batch_size: ClassVar[int] = 0


@caught_by("opening_calls_nobody")
class CallsAtOnce(Reference):
    """Opens with a network call."""

    @classmethod
    def open(cls, settings: ReferenceSettings, http: Http) -> Self:
        http.request("GET", f"{settings.base_url}/crm/pipelines/2026-09/deals")
        return cls(settings, http)


class LaxSettings(ReferenceSettings):
    """Settings that take what they do not know."""

    model_config = ConfigDict(extra="ignore")


@caught_by("an_unknown_key_is_refused")
class TakesMisspeltKeys(Reference):
    """Ignores a misspelt setting."""

    Settings: ClassVar[type[ConnectorSettings]] = LaxSettings


class AnyAddress(ReferenceSettings):
    """Settings that take any address."""

    base_url: str
    """Where the API is."""


@caught_by("an_address_without_https_is_refused")
class TakesPlainHttp(Reference):
    """Sends the credential to an address without https."""

    Settings: ClassVar[type[ConnectorSettings]] = AnyAddress


class SilentSettings(ReferenceSettings):
    """Settings of which one does not say what it is for."""

    owner: str = ""


@caught_by("every_setting_says_what_it_is_for")
class UndocumentedSetting(Reference):
    """Has a setting without documentation."""

    Settings: ClassVar[type[ConnectorSettings]] = SilentSettings


@caught_by("check_names_the_account_and_what_it_proved")
class ProvesNothing(Reference):
    """Says that all is well without a look."""

    def check(self) -> Account:
        return Account(name="", id="")


@caught_by("check_changes_nothing")
class ChecksByWriting(Reference):
    """Proves the right to write by writing."""

    def check(self) -> Account:
        self.post("objects/2026-09/contacts/batch/upsert", {"inputs": [self.row("probe", {"firstname": "Probe"})]})
        return super().check()


@caught_by("check_names_a_mapped_stage_that_the_crm_lacks")
class TrustsStages(Reference):
    """Takes the stage map as it is written."""

    def check_stages(self) -> None:
        pass


@caught_by("check_names_a_mapped_field_that_the_crm_lacks")
class TrustsFields(Reference):
    """Takes the mapped fields as they are written."""

    def check_fields(self, known: Mapping[str, Any]) -> None:
        pass


@caught_by("check_names_a_referral_property_that_the_crm_lacks")
class TrustsTheProperty(Reference):
    """Takes the referral property for granted."""

    def check_key(self, known: JsonObject | None, kind: str) -> None:
        pass


@caught_by("stages_are_listed_by_id_with_their_outcome")
class ListsLabels(Reference):
    """Lists stages by their labels."""

    def stage(self, pipeline: str, it: JsonObject) -> Stage:
        return replace(super().stage(pipeline, it), id=it["label"])


@caught_by("a_renamed_stage_stays_the_same_stage")
class BelievesLabels(Reference):
    """Tells won from lost by the label."""

    def stage(self, pipeline: str, it: JsonObject) -> Stage:
        outcome: Outcome = (
            "won" if "won" in it["label"].lower() else "lost" if "lost" in it["label"].lower() else "open"
        )
        return replace(super().stage(pipeline, it), outcome=outcome)


@caught_by("a_deal_in_a_renamed_stage_is_told_by_the_stages_id", "a_move_is_told_by_the_ids_of_pipeline_and_stage")
class TellsLabels(Reference):
    """Tells a deal's stage by its label."""

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        fact, labels = super().fact(record, person), {it.id: it.label for it in self.stages()}
        return replace(fact, stage=labels[fact.stage])
