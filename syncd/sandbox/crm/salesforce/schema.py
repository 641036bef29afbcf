"""What an org is made of: objects, their fields, and the stages and statuses that an admin has set up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from syncd.sandbox.crm.humans import Outcome

Type = Literal[
    "id",
    "reference",
    "string",
    "email",
    "phone",
    "textarea",
    "picklist",
    "boolean",
    "currency",
    "percent",
    "int",
    "date",
    "datetime",
]
TEXTS = frozenset({"string", "email", "phone", "textarea", "picklist"})
NUMBERS = frozenset({"currency", "percent", "int"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of an object, as a describe shows it."""

    name: str
    label: str
    type: Type = "string"
    length: int = 0  # characters that a text may have
    required: bool = False
    defaulted: bool = False  # has a value of its own accord when a record is made without one
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    custom: bool = False
    to: str = ""  # the object that a reference leads to
    relationship: str = ""  # by which name a query follows it

    @property
    def indexed(self) -> bool:
        """Whether records are looked for by this field's value."""
        return self.external_id or self.unique or self.name == "Email"


@dataclass(frozen=True, kw_only=True)
class Object:
    """An object type. `fields` is keyed by name; `field` finds one in any case, as the vendor does."""

    name: str
    label: str
    fields: dict[str, Field]
    writable: bool = True
    _names: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._names.update({name.lower(): name for name in self.fields})

    def field(self, name: str) -> Field | None:
        """Give the field of this name."""
        known = self._names.get(name.lower())
        return self.fields[known] if known else None

    def relation(self, name: str) -> Field | None:
        """Give the reference that is followed under this name."""
        return next((it for it in self.fields.values() if it.relationship.lower() == name.lower() and name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A value of Opportunity.StageName. The name is what records carry; the label is what an admin may change."""

    name: str
    label: str
    probability: int
    forecast: str = "Pipeline"

    @property
    def outcome(self) -> Outcome:
        """Tell whether an opportunity that stands here is open, won or lost."""
        return {"Closed": "won", "Omitted": "lost"}.get(self.forecast, "open")  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """A value of Lead.Status."""

    name: str
    converted: bool = False


@dataclass(kw_only=True)
class Schema:
    """All definitions of one org."""

    objects: dict[str, Object]
    stages: dict[str, Stage]
    statuses: dict[str, Status]

    def object(self, name: str) -> Object | None:
        """Give the object of this name, in any case."""
        return next((it for known, it in self.objects.items() if known.lower() == name.lower()), None)

    def options(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Give the (value, label) pairs of a picklist that is restricted to them; none if any text goes."""
        if (kind, name) == ("Lead", "Status"):
            return [(it.name, it.name) for it in self.statuses.values()]
        if name == "StageName":
            return [(it.name, it.label) for it in self.stages.values()]
        return []


def stages() -> Iterable[Stage]:
    """Give the sales process of a new org."""
    probabilities = {
        "Prospecting": 10,
        "Qualification": 10,
        "Needs Analysis": 20,
        "Value Proposition": 50,
        "Id. Decision Makers": 60,
        "Perception Analysis": 70,
        "Proposal/Price Quote": 75,
        "Negotiation/Review": 90,
    }
    yield from (Stage(name=name, label=name, probability=p) for name, p in probabilities.items())
    yield Stage(name="Closed Won", label="Closed Won", probability=100, forecast="Closed")
    yield Stage(name="Closed Lost", label="Closed Lost", probability=0, forecast="Omitted")


def statuses() -> Iterable[Status]:
    """Give the lead process of a new org; the first is the default."""
    yield Status(name="Open - Not Contacted")
    yield Status(name="Working - Contacted")
    yield Status(name="Closed - Converted", converted=True)
    yield Status(name="Closed - Not Converted")
