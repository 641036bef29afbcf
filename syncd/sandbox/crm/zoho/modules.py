"""The modules of an account and their fields: the vendor's, and those that an admin has added for referrals.

https://www.zoho.com/crm/developer/docs/api/v8/field-meta.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from syncd.sandbox.crm.zoho.schema import Field, Module, Pipeline, Schema, Stage, Type


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralField:
    """The custom field that carries our id, as an admin has made it."""

    name: str = "Referral_ID"
    on: tuple[str, ...] = ("Leads", "Contacts", "Deals")
    unique: bool = True  # "Do not allow duplicate values"
    case_sensitive: bool = False
    mapped: tuple[str, ...] = ("Contacts", "Deals")  # what a conversion copies it to

    def field(self) -> Field:
        """Define the field."""
        return Field(
            name=self.name,
            label="Referral ID",
            unique=self.unique,
            case_sensitive=self.case_sensitive,
            custom=True,
        )


LEAD_STATUSES = (
    "Not Contacted",
    "Attempted to Contact",
    "Contact in Future",
    "Contacted",
    "Pre-Qualified",
    "Not Qualified",
    "Junk Lead",
    "Lost Lead",
)
LEAD_SOURCES = ("Advertisement", "Cold Call", "Employee Referral", "External Referral", "Partner", "Web Download")
COMPANIONS = {"Referral_Code": "Referral Code", "Referred_By": "Referred By"}

STANDARD = Pipeline(
    name="Standard (Standard)",
    stages=(
        "Qualification",
        "Needs Analysis",
        "Value Proposition",
        "Id. Decision Makers",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Closed Won",
        "Closed Lost",
        "Closed-Lost to Competition",
    ),
)
"""The pipeline of a new account. One of its stages has another label than name."""

_PROBABILITIES = {
    "Qualification": 10,
    "Needs Analysis": 20,
    "Value Proposition": 40,
    "Id. Decision Makers": 60,
    "Proposal/Price Quote": 75,
    "Negotiation/Review": 90,
    "Closed Won": 100,
    "Closed Lost": 0,
    "Closed-Lost to Competition": 0,
}
_LABELS = {"Id. Decision Makers": "Identify Decision Makers"}


def standard(
    prefix: str, referral: ReferralField | None, pipelines: tuple[Pipeline, ...] = (STANDARD,), *, currencies: bool
) -> Schema:
    """Make an account's definitions; `prefix` begins all its ids. With `currencies` every record has a Currency."""
    tables = {"Leads": _lead(), "Accounts": _account(), "Contacts": _contact(), "Deals": _deal()}
    titles = {"Leads": "Full_Name", "Accounts": "Account_Name", "Contacts": "Full_Name", "Deals": "Deal_Name"}
    modules = {}
    for number, (name, fields) in enumerate(tables.items()):
        own = list(fields)
        if referral:
            own += [Field(name=it, label=label, custom=True) for it, label in COMPANIONS.items()]
        if referral and name in referral.on:
            own.append(referral.field())
        if currencies:
            own.append(Field(name="Currency", label="Currency", type="picklist", values=("EUR", "USD", "GBP")))
        modules[name] = Module(
            name=name,
            id=f"{prefix}{2175 + 2 * number:06d}",
            title=titles[name],
            system_key="Email" if name in {"Leads", "Contacts"} else titles[name],
            fields={it.name: it for it in [*_system(), *own]},
        )
    return Schema(modules=modules, stages=_stages(prefix, pipelines), pipelines=pipelines)


def _stages(prefix: str, pipelines: Iterable[Pipeline]) -> dict[str, Stage]:
    stages: dict[str, Stage] = {}
    for name in (name for pipeline in pipelines for name in pipeline.stages if name not in stages):
        lost = name.replace("-", " ").startswith("Closed Lost")
        stage = Stage(
            id=f"{prefix}{7104 + 2 * len(stages):06d}",
            actual=name,
            display=_LABELS.get(name, name),
            probability=_PROBABILITIES.get(name, 50),
        )
        won = name == "Closed Won"
        stages[name] = replace(stage, forecast_type="Closed Won" if won else "Closed Lost" if lost else "Open")
    return stages


def _system() -> list[Field]:
    return [
        _given("id", "Record Id", "bigint"),
        Field(name="Owner", label="Owner", type="ownerlookup"),
        _given("Created_Time", "Created Time", "datetime"),
        _given("Created_By", "Created By", "ownerlookup"),
        _given("Modified_Time", "Modified Time", "datetime"),
        _given("Modified_By", "Modified By", "ownerlookup"),
    ]


def _given(name: str, label: str, kind: Type, *, to: str = "", queried: bool = True) -> Field:
    """A field that the vendor fills in and nobody writes."""
    return Field(name=name, label=label, type=kind, length=0, read_only=True, to=to, queried=queried)


def _person() -> list[Field]:
    return [
        Field(name="First_Name", label="First Name", length=40),
        Field(name="Last_Name", label="Last Name", length=80, required=True),
        _given("Full_Name", "Full Name", "text"),
        Field(name="Email", label="Email", type="email", length=100),
        Field(name="Phone", label="Phone", type="phone", length=30),
        Field(name="Mobile", label="Mobile", type="phone", length=30),
        Field(name="Lead_Source", label="Lead Source", type="picklist", length=120, values=LEAD_SOURCES),
        Field(name="Description", label="Description", type="textarea", length=32_000),
    ]


def _lead() -> list[Field]:
    converted: list[tuple[str, str, Type, str]] = [
        ("Converted__s", "Is Converted", "boolean", ""),
        ("Converted_Date_Time", "Converted Date Time", "datetime", ""),
        ("Converted_Account", "Converted Account", "lookup", "Accounts"),
        ("Converted_Contact", "Converted Contact", "lookup", "Contacts"),
        ("Converted_Deal", "Converted Deal", "lookup", "Deals"),
    ]
    return [
        *_person(),
        Field(name="Company", label="Company", length=200),
        Field(name="Designation", label="Title", length=100),
        Field(name="Website", label="Website", type="website", length=450),
        Field(name="Country", label="Country", length=100),
        Field(name="Lead_Status", label="Lead Status", type="picklist", length=120, values=LEAD_STATUSES),
        *(_given(name, label, kind, to=to, queried=False) for name, label, kind, to in converted),
    ]


def _account() -> list[Field]:
    return [
        Field(name="Account_Name", label="Account Name", length=200, required=True),
        Field(name="Phone", label="Phone", type="phone", length=30),
        Field(name="Website", label="Website", type="website", length=450),
    ]


def _contact() -> list[Field]:
    return [
        *_person(),
        Field(name="Title", label="Title", length=100),
        Field(name="Account_Name", label="Account Name", type="lookup", to="Accounts"),
    ]


def _deal() -> list[Field]:
    return [
        Field(name="Deal_Name", label="Deal Name", length=120, required=True),
        Field(name="Stage", label="Stage", type="picklist", length=120, required=True),
        Field(name="Pipeline", label="Pipeline", type="picklist", length=120),
        Field(name="Amount", label="Amount", type="currency", length=16),
        Field(name="Closing_Date", label="Closing Date", type="date"),
        Field(name="Probability", label="Probability (%)", type="integer", length=3),
        _given("Expected_Revenue", "Expected Revenue", "currency"),
        Field(name="Account_Name", label="Account Name", type="lookup", to="Accounts"),
        Field(name="Contact_Name", label="Contact Name", type="lookup", to="Contacts"),
        Field(name="Type", label="Type", type="picklist", values=("Existing Business", "New Business")),
        Field(name="Lead_Source", label="Lead Source", type="picklist", length=120, values=LEAD_SOURCES),
        Field(name="Description", label="Description", type="textarea", length=32_000),
    ]
