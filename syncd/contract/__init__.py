"""What a connector is: the values it is given and gives, what it can do, and how it says that something went wrong.

This is the one module of ours that a connector imports; a built-in connector and one of a third party see the same.
Times are aware and in UTC, money is an integer of minor units, ids are text and never interpreted.
"""

from __future__ import annotations

from syncd.contract.abilities import Connector, Http, KeepsHistory, ListsFields, Provisions
from syncd.contract.answers import (
    JsonObject,
    answered_at,
    json_object,
    json_objects,
    minor_units,
    read_id,
    read_time,
    retry_after,
    to_ms,
)
from syncd.contract.batches import in_halves, parts
from syncd.contract.errors import (
    ConnectorError,
    Misconfigured,
    Parked,
    Rejected,
    Transient,
    Unauthorized,
    status_error,
    veiled,
)
from syncd.contract.settings import (
    BaseUrl,
    ConnectorSettings,
    Constant,
    Interval,
    LimitSettings,
    OptionalStage,
    PollSettings,
    PushSettings,
    Section,
    Share,
    is_loopback,
)
from syncd.contract.stages import check_stages
from syncd.contract.values import (
    Account,
    Cursor,
    Gone,
    Lead,
    Outcome,
    Page,
    Person,
    Pushed,
    RemoteField,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
)

__all__ = [
    "Account",
    "BaseUrl",
    "Connector",
    "ConnectorError",
    "ConnectorSettings",
    "Constant",
    "Cursor",
    "Gone",
    "Http",
    "Interval",
    "JsonObject",
    "KeepsHistory",
    "Lead",
    "LimitSettings",
    "ListsFields",
    "Misconfigured",
    "OptionalStage",
    "Outcome",
    "Page",
    "Parked",
    "Person",
    "PollSettings",
    "Provisions",
    "PushSettings",
    "Pushed",
    "Rejected",
    "RemoteField",
    "RemoteId",
    "RemoteRef",
    "Section",
    "Share",
    "Stage",
    "StageFact",
    "Transient",
    "Unauthorized",
    "answered_at",
    "check_stages",
    "in_halves",
    "is_loopback",
    "json_object",
    "json_objects",
    "minor_units",
    "parts",
    "read_id",
    "read_time",
    "retry_after",
    "status_error",
    "to_ms",
    "veiled",
]
