"""What a company's records look like: fields, the custom ones under keys of 40 hex digits, pipelines and stages.

https://developers.pipedrive.com/docs/api/v1/DealFields and https://pipedrive.readme.io/docs/core-api-concepts-custom-fields
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["person", "deal", "lead"]
"""What a record is; also how webhooks name it."""

FieldsOf = Literal["person", "deal"]
"""What has fields of its own: leads use those of deals."""

Type = Literal[
    "varchar", "text", "double", "int", "enum", "set", "monetary", "date", "phone", "stage", "status", "user"
]

SEARCHABLE = frozenset({"varchar", "text", "double", "monetary", "phone"})
"""The types of custom fields in which a search looks."""

CREATABLE = frozenset({"varchar", "text", "double", "enum", "set", "monetary", "date", "phone"})
"""The types that a new custom field may have here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field as its metadata shows it. `options` are (id, label)."""

    code: str
    name: str
    type: Type = "varchar"
    custom: bool = False
    optional: bool = False  # only returned when include_fields asks for it
    options: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomField:
    """A custom field that an admin has made, on persons or on deals and leads."""

    on: FieldsOf
    name: str
    type: Type = "varchar"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage of a pipeline. It is never won or lost: a deal's status is."""

    id: int
    pipeline: int
    name: str
    probability: int = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """A pipeline. The first of a company is its default."""

    id: int
    name: str


@dataclass(kw_only=True)
class Schema:
    """All definitions of one company. `seed` decides the keys, which differ from company to company."""

    seed: str
    fields: dict[FieldsOf, dict[str, Field]]
    pipelines: dict[int, Pipeline]
    stages: dict[int, Stage]  # in the order of their pipelines
    _options: int = field(default=0)

    def custom(self, kind: Kind) -> Mapping[str, Field]:
        """Give the custom fields that a record can hold, by key."""
        return {code: it for code, it in self.fields[of(kind)].items() if it.custom}

    def key(self, kind: Kind, name: str) -> str:
        """Give the key of the custom field of this name. Raises KeyError."""
        for code, it in self.custom(kind).items():
            if it.name == name:
                return code
        raise KeyError(f"no custom field {name} on a {kind}")

    def first_stage(self, pipeline: int) -> Stage:
        """Give the stage at which a pipeline begins."""
        return next(it for it in self.stages.values() if it.pipeline == pipeline)

    def rename_stage(self, stage: int, name: str) -> None:
        """Give a stage another name. Raises KeyError."""
        self.stages[stage] = replace(self.stages[stage], name=name)

    def add(self, custom: CustomField) -> Field:
        """Make a custom field; two of one name are possible, as with the vendor."""
        fields = self.fields[custom.on]
        text = f"{self.seed}:{custom.on}:{custom.name}:{len(fields)}"
        options = []
        for label in custom.options:
            self._options += 1
            options.append((self._options, label))
        code = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        made = Field(code=code, name=custom.name, type=custom.type, custom=True, options=tuple(options))
        fields[code] = made
        return made


def of(kind: Kind) -> FieldsOf:
    """Tell whose custom fields a record uses."""
    return "person" if kind == "person" else "deal"


REFERRAL_ID = "Referral ID"


def referral_fields() -> Iterable[CustomField]:
    """Give the custom fields that an admin makes for referrals."""
    for on in ("deal", "person"):
        for name in (REFERRAL_ID, "Referral code", "Referred by"):
            yield CustomField(on=on, name=name)


def standard(seed: str, custom: Iterable[CustomField]) -> Schema:
    """Make a new company's definitions: two pipelines, of which both have a stage "Qualified"."""
    names = {
        1: ("Pipeline", ("Qualified", "Contact Made", "Demo Scheduled", "Proposal Made", "Negotiations Started")),
        2: ("Partners", ("Qualified", "Agreement")),
    }
    stages = [(pipeline, name) for pipeline, (_, stage_names) in names.items() for name in stage_names]
    schema = Schema(
        seed=seed,
        fields={"deal": {it.code: it for it in _DEAL}, "person": {it.code: it for it in _PERSON}},
        pipelines={id_: Pipeline(id=id_, name=name) for id_, (name, _) in names.items()},
        stages={
            id_: Stage(id=id_, pipeline=pipeline, name=name) for id_, (pipeline, name) in enumerate(stages, start=1)
        },
    )
    for it in custom:
        schema.add(it)
    return schema


_DEAL = (
    Field(code="id", name="ID", type="int"),
    Field(code="title", name="Title"),
    Field(code="value", name="Value", type="monetary"),
    Field(code="stage_id", name="Stage", type="stage"),
    Field(code="status", name="Status", type="status"),
    Field(code="owner_id", name="Owner", type="user"),
    Field(code="lost_reason", name="Lost reason"),
    Field(code="expected_close_date", name="Expected close date", type="date"),
    Field(code="source_lead_id", name="Source lead", optional=True),
)
_PERSON = (
    Field(code="id", name="ID", type="int"),
    Field(code="name", name="Name"),
    Field(code="emails", name="Email"),
    Field(code="phones", name="Phone", type="phone"),
    Field(code="owner_id", name="Owner", type="user"),
)
