"""What the vendor sets of its own accord when a record is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.record import Source
from syncd.sandbox.crm.pipedrive.refusal import wrong_field
from syncd.sandbox.crm.pipedrive.schema import Kind, Schema

_CLOSES: Mapping[str, frozenset[str]] = {
    "won_time": frozenset({"won"}),
    "lost_time": frozenset({"lost"}),
    "lost_reason": frozenset({"lost"}),
    "close_time": frozenset({"won", "lost"}),
}


def beginning(kind: Kind, user: int, currency: str, source: Source) -> dict[str, Any]:
    """Give what a new record holds before anything is written into it."""
    origin = "API" if source == "api" else "ManuallyCreated"
    if kind == "person":
        return {"owner_id": user, "emails": [], "phones": [], "visible_to": 3, "label_ids": []}
    if kind == "deal":
        fixed = {"creator_user_id": user, "owner_id": user, "value": 0, "currency": currency, "status": "open"}
        return {**fixed, "visible_to": 3, "label_ids": [], "origin": origin, "is_archived": False}
    name = "API" if source == "api" else "Manually created"
    fixed = {"owner_id": user, "creator_id": user, "source_name": name, "origin": origin, "visible_to": "3"}
    return {**fixed, "label_ids": [], "is_archived": False, "was_seen": source == "app"}


def person(
    schema: Schema, before: Mapping[str, Any], values: Mapping[str, Any], at: datetime, *, made: bool
) -> dict[str, Any]:
    """Split the name of a person."""
    if "name" not in values:
        return dict(values)
    first, _, last = str(values["name"]).strip().rpartition(" ")
    return {**values, "first_name": first or last, "last_name": last if first else None}


def lead(
    schema: Schema, before: Mapping[str, Any], values: Mapping[str, Any], at: datetime, *, made: bool
) -> dict[str, Any]:
    """Refuse a lead of nobody."""
    after = {**before, **values}
    if after.get("person_id") is None and after.get("organization_id") is None:
        raise wrong_field("person_id", "a lead needs a person_id or an organization_id")
    return dict(values)


def deal(
    schema: Schema, before: Mapping[str, Any], values: Mapping[str, Any], at: datetime, *, made: bool
) -> dict[str, Any]:
    """Put a deal into pipeline and stage, and set the times of its stage and its status."""
    now = moments.rfc3339(at)
    found = {**values, **_stand(schema, before, values)}
    if not made and found.get("stage_id", before.get("stage_id")) != before.get("stage_id"):
        found["stage_change_time"] = now
    status = found.get("status", before.get("status"))
    for code, fitting in _CLOSES.items():
        if values.get(code) is not None and status not in fitting:
            raise wrong_field(code, f"can only be set if status is {' or '.join(sorted(fitting))}")
    if status != before.get("status"):
        found |= _closed(str(status), found, before, now)
    if found.get("is_archived", False) != before.get("is_archived", False):
        found["archive_time"] = now if found["is_archived"] else None
    return found


def _stand(schema: Schema, before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A stage decides the pipeline; a pipeline alone means its first stage."""
    if (stage := values.get("stage_id")) is not None:
        return {"stage_id": stage, "pipeline_id": schema.stages[stage].pipeline}
    pipeline = values.get("pipeline_id", before.get("pipeline_id") or next(iter(schema.pipelines)))
    if pipeline == before.get("pipeline_id"):
        return {}
    return {"pipeline_id": pipeline, "stage_id": schema.first_stage(pipeline).id}


def _closed(status: str, found: Mapping[str, Any], before: Mapping[str, Any], now: str) -> dict[str, Any]:
    if status == "open":
        return dict.fromkeys(_CLOSES)
    own, other = ("won_time", "lost_time") if status == "won" else ("lost_time", "won_time")
    at = found.get(own) or now
    times = {own: at, other: None, "close_time": found.get("close_time") or at}
    if status == "won":
        times |= {"lost_reason": None, "first_won_time": before.get("first_won_time") or at}
    return times
