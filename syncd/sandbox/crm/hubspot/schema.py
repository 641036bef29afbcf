"""What an account's records look like: properties, pipelines, stages, and the standard ones.

Standard names: https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide and .../pipelines/guide
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from syncd.sandbox.crm.humans import Outcome

ObjectType = Literal["contacts", "deals"]

OTHER: dict[ObjectType, ObjectType] = {"contacts": "deals", "deals": "contacts"}
SINGULAR: dict[ObjectType, str] = {"contacts": "contact", "deals": "deal"}
MODIFIED: dict[ObjectType, str] = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
ALIASES: dict[str, ObjectType] = {
    "contacts": "contacts",
    "contact": "contacts",
    "0-1": "contacts",
    "deals": "deals",
    "deal": "deals",
    "0-3": "deals",
}
MAX_UNIQUE = 10
"""Unique properties that one object type can have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """The definition of one property."""

    name: str
    label: str
    type: str = "string"
    field: str = "text"
    group: str = ""
    description: str = ""
    options: tuple[tuple[str, str], ...] = ()  # (value, label)
    unique: bool = False
    read_only: bool = False
    own: bool = False  # made by the account, not by the vendor


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A deal stage. The vendor keeps both `closed` and `probability` as text."""

    id: str
    label: str
    probability: str
    closed: Literal["true", "false"] = "false"

    @property
    def outcome(self) -> Outcome:
        """Tell whether a deal that stands here is open, won or lost."""
        if self.closed == "true" and float(self.probability) in {0.0, 1.0}:
            return "won" if float(self.probability) else "lost"
        return "open"

    @property
    def won(self) -> bool:
        """Whether a deal that stands here is won."""
        return self.outcome == "won"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """A deal pipeline and its stages, in order."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    def stage(self, stage_id: str) -> Stage | None:
        """Give the stage of this id, or None."""
        return next((stage for stage in self.stages if stage.id == stage_id), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Required:
    """An admin's rule: `property` must have a value, always or when `when` = (property, value) holds.

    https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement
    """

    type: ObjectType
    property: str
    when: tuple[str, str] | None = None


@dataclass(kw_only=True)
class Schema:
    """All definitions of one account."""

    properties: dict[ObjectType, dict[str, Property]]
    pipelines: dict[str, Pipeline]
    required: list[Required] = field(default_factory=list)

    def unique(self, kind: ObjectType) -> list[str]:
        """Name the properties that no two live records of a type may share, the e-mail address among them."""
        return [p.name for p in self.properties[kind].values() if p.unique]

    def rename_stage(self, pipeline: str, stage: str, label: str) -> None:
        """Give a stage another label; its id stays. Raises KeyError for a pipeline or stage that is not there."""
        old = self.pipelines[pipeline]
        if old.stage(stage) is None:
            raise KeyError(stage)
        stages = tuple(replace(s, label=label) if s.id == stage else s for s in old.stages)
        self.pipelines[pipeline] = replace(old, stages=stages)


_LIFECYCLE = tuple(
    (name, name.title())
    for name in (
        "subscriber",
        "lead",
        "marketingqualifiedlead",
        "salesqualifiedlead",
        "opportunity",
        "customer",
        "evangelist",
        "other",
    )
)
LIFECYCLE_ORDER = tuple(value for value, _ in _LIFECYCLE)


def _read_only(name: str, label: str, kind: str, group: str) -> Property:
    field_name = "booleancheckbox" if kind == "bool" else "date" if kind == "datetime" else kind
    return Property(
        name=name, label=label, type=kind, field="text" if kind == "string" else field_name, group=group, read_only=True
    )


def _contact_properties() -> list[Property]:
    group = "contactinformation"
    texts = {
        "firstname": "First name",
        "lastname": "Last name",
        "phone": "Phone number",
        "mobilephone": "Mobile phone number",
        "company": "Company name",
        "jobtitle": "Job title",
        "website": "Website URL",
        "address": "Street address",
        "city": "City",
        "state": "State/Region",
        "zip": "Postal code",
        "country": "Country/Region",
        "hubspot_owner_id": "Contact owner",
    }
    return [
        Property(name="email", label="Email", group=group, unique=True),
        *(Property(name=name, label=label, group=group) for name, label in texts.items()),
        Property(
            name="lifecyclestage",
            label="Lifecycle stage",
            type="enumeration",
            field="radio",
            group=group,
            options=_LIFECYCLE,
        ),
        _read_only("createdate", "Create date", "datetime", group),
        _read_only("lastmodifieddate", "Last modified date", "datetime", group),
        _read_only("hs_object_id", "Record ID", "number", group),
        _read_only("hs_additional_emails", "Additional email addresses", "string", group),
        _read_only("hs_merged_object_ids", "Merged record IDs", "string", group),
        _read_only("num_associated_deals", "Number of associated deals", "number", group),
    ]


def _deal_properties() -> list[Property]:
    group = "dealinformation"
    return [
        Property(name="dealname", label="Deal name", group=group),
        Property(name="dealstage", label="Deal stage", type="enumeration", field="radio", group=group),
        Property(name="pipeline", label="Pipeline", type="enumeration", field="select", group=group),
        Property(name="amount", label="Amount", type="number", field="number", group=group),
        Property(name="deal_currency_code", label="Currency", group=group),
        Property(name="closedate", label="Close date", type="datetime", field="date", group=group),
        _read_only("createdate", "Create date", "datetime", group),
        Property(name="dealtype", label="Deal type", group=group),
        Property(name="description", label="Deal description", field="textarea", group=group),
        Property(name="hubspot_owner_id", label="Deal owner", group=group),
        _read_only("hs_lastmodifieddate", "Last modified date", "datetime", group),
        _read_only("hs_object_id", "Record ID", "number", group),
        _read_only("hs_is_closed", "Is deal closed?", "bool", group),
        _read_only("hs_is_closed_won", "Is closed won", "bool", group),
        _read_only("hs_is_closed_lost", "Is closed lost", "bool", group),
        _read_only("hs_deal_stage_probability", "Deal probability", "number", group),
        _read_only("hs_merged_object_ids", "Merged record IDs", "string", group),
        _read_only("num_associated_contacts", "Number of associated contacts", "number", group),
    ]


def _own_properties(group: str, unique: bool) -> list[Property]:
    texts = {"referral_code": "Referral code", "referred_by": "Referred by"}
    return [
        Property(name="referral_id", label="Referral id", group=group, unique=unique, own=True),
        *(Property(name=name, label=label, group=group, own=True) for name, label in texts.items()),
    ]


def _sales_pipeline() -> Pipeline:
    open_stages = {
        "appointmentscheduled": ("Appointment Scheduled", "0.2"),
        "qualifiedtobuy": ("Qualified To Buy", "0.4"),
        "presentationscheduled": ("Presentation Scheduled", "0.6"),
        "decisionmakerboughtin": ("Decision Maker Bought-In", "0.8"),
        "contractsent": ("Contract Sent", "0.9"),
    }
    return Pipeline(
        id="default",
        label="Sales Pipeline",
        stages=(
            *(Stage(id=id_, label=label, probability=p) for id_, (label, p) in open_stages.items()),
            Stage(id="closedwon", label="Closed Won", probability="1.0", closed="true"),
            Stage(id="closedlost", label="Closed Lost", probability="0.0", closed="true"),
        ),
    )


def standard(*, referral_property: bool = True, unique: bool = True) -> Schema:
    """Make a new account's definitions; its admin has, or has not, added the unique property `referral_id`."""
    contacts, deals = _contact_properties(), _deal_properties()
    if referral_property:
        contacts += _own_properties("contactinformation", unique)
        deals += _own_properties("dealinformation", unique)
    sales = _sales_pipeline()
    return Schema(
        properties={"contacts": {p.name: p for p in contacts}, "deals": {p.name: p for p in deals}},
        pipelines={sales.id: sales},
    )
