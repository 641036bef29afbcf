"""What an account's modules are made of: fields, pipelines and their stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from syncd.sandbox.crm.humans import Outcome

Type = Literal[
    "bigint",
    "boolean",
    "currency",
    "date",
    "datetime",
    "email",
    "integer",
    "lookup",
    "ownerlookup",
    "phone",
    "picklist",
    "text",
    "textarea",
    "website",
]
"""The vendor's `data_type`."""

NUMBERS = frozenset({"currency", "integer"})
TEXTS = frozenset({"email", "phone", "picklist", "text", "textarea", "website"})
REFERENCES = frozenset({"lookup", "ownerlookup"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of a module."""

    name: str
    label: str
    type: Type = "text"
    length: int = 255
    required: bool = False
    read_only: bool = False
    unique: bool = False
    case_sensitive: bool = False
    custom: bool = False
    queried: bool = True  # whether COQL knows it
    to: str = ""  # the module that a lookup leads to
    values: tuple[str, ...] = ()  # of a picklist; the stages of deals and their pipelines are not here


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A module and its fields."""

    name: str
    id: str
    title: str  # the field by which people call a record
    system_key: str  # the field that an upsert looks at if it is told no other
    fields: Mapping[str, Field] = field(repr=False)

    @property
    def unique(self) -> list[str]:
        """Give the fields whose values no two records may share."""
        return [it.name for it in self.fields.values() if it.unique]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A value of Deals.Stage. `actual` is what records carry; `display` is what an admin may change."""

    id: str
    actual: str
    display: str
    probability: int
    forecast_type: Literal["Open", "Closed Won", "Closed Lost"] = "Open"

    @property
    def outcome(self) -> Outcome:
        """Tell whether a deal that stands here is open, won or lost."""
        outcomes: dict[str, Outcome] = {"Open": "open", "Closed Won": "won", "Closed Lost": "lost"}
        return outcomes[self.forecast_type]

    @property
    def forecast_category(self) -> str:
        """Tell where the stage counts in a forecast."""
        return {"Open": "Pipeline", "Closed Won": "Closed", "Closed Lost": "Omitted"}[self.forecast_type]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """A pipeline: names of the stages that its deals go through, in their order. The account's first is its default."""

    name: str
    stages: tuple[str, ...]


@dataclass(kw_only=True)
class Schema:
    """All definitions of one account."""

    modules: dict[str, Module]
    stages: dict[str, Stage]
    pipelines: tuple[Pipeline, ...]

    def pipeline(self, name: str | None) -> Pipeline | None:
        """Give the pipeline of this name, the default one for None."""
        if name is None:
            return self.pipelines[0]
        return next((it for it in self.pipelines if it.name == name), None)

    def options(self, field: Field) -> tuple[str, ...]:
        """Give the values that a picklist takes."""
        if field.name == "Stage":
            return tuple(self.stages)
        return tuple(it.name for it in self.pipelines) if field.name == "Pipeline" else field.values
