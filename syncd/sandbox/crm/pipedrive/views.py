"""Records as the vendor's JSON: v2 for deals and persons, v1 for leads, and the form that webhooks have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.record import Record
from syncd.sandbox.crm.pipedrive.schema import Field

INCLUDABLE = frozenset({"source_lead_id", "first_won_time", "next_activity_id", "last_activity_id"})
"""What a deal shows when include_fields asks for it."""

COUNTS = frozenset({"open_deals_count", "closed_deals_count"})
"""The same of a person."""

_DEAL = (
    "title",
    "creator_user_id",
    "owner_id",
    "person_id",
    "org_id",
    "pipeline_id",
    "stage_id",
    "value",
    "currency",
    "stage_change_time",
    "status",
    "is_archived",
    "archive_time",
    "probability",
    "lost_reason",
    "visible_to",
    "close_time",
    "won_time",
    "lost_time",
    "expected_close_date",
    "label_ids",
    "origin",
    "origin_id",
    "channel",
    "channel_id",
)
_PERSON = ("name", "first_name", "last_name", "owner_id", "org_id", "emails", "phones", "visible_to", "label_ids")
_LEAD = (
    "title",
    "owner_id",
    "creator_id",
    "label_ids",
    "person_id",
    "organization_id",
    "source_name",
    "origin",
    "origin_id",
    "channel",
    "channel_id",
    "source_deal_id",
    "is_archived",
    "was_seen",
    "value",
    "expected_close_date",
    "next_activity_id",
    "visible_to",
)


def v2(it: Record, known: Iterable[str], *, include: Iterable[str] = ()) -> dict[str, Any]:
    """Show a deal or a person; `known` are the keys of the custom fields to show, null where empty."""
    names = _DEAL if it.kind == "deal" else _PERSON
    shown: dict[str, Any] = {"id": int(it.id), **{name: it.values.get(name) for name in names}}
    shown |= {"add_time": moments.rfc3339(it.added), "update_time": moments.rfc3339(it.updated)}
    shown["is_deleted"] = it.deleted is not None
    if it.kind == "deal" and it.deleted is not None:
        shown["status"] = "deleted"
    shown |= {name: it.values.get(name) for name in include}
    shown["custom_fields"] = {key: it.custom.get(key) for key in known}
    return shown


def lead(it: Record) -> dict[str, Any]:
    """Show a lead: its custom fields stand beside the vendor's own, the empty ones do not appear."""
    shown: dict[str, Any] = {"id": it.id, **{name: it.values.get(name) for name in _LEAD}}
    return {**shown, "add_time": moments.with_ms(it.added), "update_time": moments.with_ms(it.updated), **it.custom}


def hooked(it: Record, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Show a record as a webhook's `data` does; a custom field is an object there, with its type."""
    if it.kind == "lead":
        shown = {name: value for name, value in lead(it).items() if name not in it.custom}
    else:
        shown = v2(it, ())
    shown["custom_fields"] = {
        key: {"type": field.type, "value": it.custom[key]} if key in it.custom else None
        for key, field in fields.items()
    }
    return shown
