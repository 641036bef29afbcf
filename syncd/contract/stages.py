"""The stages that the settings name, against those that the CRM has."""

from __future__ import annotations

from collections.abc import Iterable

from syncd.contract.errors import Misconfigured
from syncd.contract.settings import ConnectorSettings
from syncd.contract.values import Stage


def check_stages(settings: ConnectorSettings, stages: Iterable[Stage], *, first: tuple[str, str] | None = None) -> None:
    """Raise `Misconfigured` for the first pipeline or stage of the settings that the CRM does not have.

    `first` is the pipeline and stage of `push.pipeline` and `push.stage`, where a connector opens deals.
    """
    known: dict[str, list[str]] = {}
    for stage in stages:
        known.setdefault(stage.pipeline, []).append(stage.id)
    for pipeline, mapped in settings.stages.items():
        for id_ in mapped:
            _check(pipeline, f"stages.{pipeline}", id_, f"stages.{pipeline}.{id_}", known)
    if first:
        _check(first[0], "push.pipeline", first[1], "push.stage", known)


def _check(pipeline: str, pipeline_path: str, stage: str, stage_path: str, known: dict[str, list[str]]) -> None:
    if pipeline not in known:
        raise _unknown("pipeline", pipeline, pipeline_path, known)
    if stage not in known[pipeline]:
        raise _unknown(f"stage in pipeline {pipeline}", stage, stage_path, known[pipeline])


def _unknown(what: str, id_: str, path: str, known: Iterable[str]) -> Misconfigured:
    return Misconfigured(f"the CRM has no {what} with the id {id_}", yaml_path=path, hint=f"it has {', '.join(known)}")
