"""The objects of an org and their fields: the vendor's, and those that an admin has added for referrals.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from syncd.sandbox.crm.salesforce.schema import Field, Object, Schema, Type, stages, statuses


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralField:
    """The custom field that carries our id, as an admin has made it."""

    name: str = "Referral_Id__c"
    on: tuple[str, ...] = ("Lead", "Contact", "Opportunity")
    external_id: bool = True
    unique: bool = True
    case_sensitive: bool = False
    mapped: tuple[str, ...] = ("Contact", "Opportunity")  # what a conversion copies it to

    def field(self) -> Field:
        """Define the field."""
        return Field(
            name=self.name,
            label="Referral Id",
            length=64,
            external_id=self.external_id,
            unique=self.unique,
            case_sensitive=self.case_sensitive,
            custom=True,
        )


def standard(referral: ReferralField | None = None, *, currencies: bool = False) -> Schema:
    """Make a new org's definitions; with `currencies` every record has a CurrencyIsoCode."""
    objects = {it.name: it for it in _objects(referral, currencies=currencies)}
    return Schema(objects=objects, stages={it.name: it for it in stages()}, statuses={it.name: it for it in statuses()})


def _objects(referral: ReferralField | None, *, currencies: bool) -> Iterable[Object]:
    tables = {"Account": _account(), "Contact": _contact(), "Lead": _lead(), "Opportunity": _opportunity()}
    for name, fields in tables.items():
        own = [_text(custom, label, 255, custom=True) for custom, label in _COMPANIONS.items()] if referral else []
        if referral and name in referral.on:
            own.append(referral.field())
        if currencies:
            own.append(Field(name="CurrencyIsoCode", label="Currency", type="picklist", length=3, defaulted=True))
        yield _object(name, [*fields, *own], merges=name != "Opportunity")
    yield _object("OpportunityContactRole", _role())
    yield _object("OpportunityHistory", _history(), writable=False)
    yield _object("OpportunityStage", _stage(), writable=False)
    yield _object("LeadStatus", _status(), writable=False)
    yield _object("Organization", _organization(), writable=False)


_COMPANIONS = {"Referral_Code__c": "Referral Code", "Referred_By__c": "Referred By"}


def _object(name: str, fields: Iterable[Field], *, writable: bool = True, merges: bool = False) -> Object:
    system = [
        _given("Id", "Record ID", "id"),
        *([_given("IsDeleted", "Deleted", "boolean")] if writable or name == "OpportunityHistory" else []),
        *([_given("MasterRecordId", "Master Record ID", "reference", to=name, by="MasterRecord")] if merges else []),
        _given("CreatedDate", "Created Date", "datetime"),
        _given("CreatedById", "Created By ID", "reference", to="User"),
        *([_given("LastModifiedDate", "Last Modified Date", "datetime")] if name != "OpportunityHistory" else []),
        *([_given("LastModifiedById", "Last Modified By ID", "reference", to="User")] if writable else []),
        _given("SystemModstamp", "System Modstamp", "datetime"),
    ]
    both = {it.name: it for it in [*system, *fields]}
    return Object(name=name, label=name, fields=both, writable=writable)


def _text(name: str, label: str, length: int, *, required: bool = False, custom: bool = False) -> Field:
    return Field(name=name, label=label, length=length, required=required, custom=custom)


def _given(name: str, label: str, kind: Type, *, to: str = "", by: str = "") -> Field:
    """A field that the vendor fills in and nobody writes."""
    return Field(
        name=name,
        label=label,
        type=kind,
        length=18 if kind in {"id", "reference"} else 0,
        defaulted=True,
        createable=False,
        updateable=False,
        to=to,
        relationship=by,
    )


def _link(
    name: str, label: str, to: str, *, required: bool = False, defaulted: bool = False, updateable: bool = True
) -> Field:
    return Field(
        name=name,
        label=label,
        type="reference",
        length=18,
        required=required,
        defaulted=defaulted,
        updateable=updateable,
        to=to,
        relationship=name.removesuffix("Id"),
    )


def _person() -> list[Field]:
    return [
        _text("FirstName", "First Name", 40),
        _text("LastName", "Last Name", 80, required=True),
        _given("Name", "Full Name", "string"),
        Field(name="Email", label="Email", type="email", length=80),
        Field(name="Phone", label="Phone", type="phone", length=40),
        Field(name="MobilePhone", label="Mobile Phone", type="phone", length=40),
        _text("Title", "Title", 128),
        Field(name="LeadSource", label="Lead Source", type="picklist", length=255),
        Field(name="Description", label="Description", type="textarea", length=32000),
        _link("OwnerId", "Owner ID", "User", defaulted=True),
    ]


def _account() -> list[Field]:
    return [_text("Name", "Account Name", 255, required=True), _link("OwnerId", "Owner ID", "User", defaulted=True)]


def _contact() -> list[Field]:
    return [*_person(), _link("AccountId", "Account ID", "Account")]


def _lead() -> list[Field]:
    return [
        *_person(),
        _text("Company", "Company", 255, required=True),
        _text("Country", "Country", 80),
        _text("Website", "Website", 255),
        Field(name="Status", label="Status", type="picklist", length=255, required=True, defaulted=True),
        _given("IsConverted", "Converted", "boolean"),
        _given("ConvertedDate", "Converted Date", "date"),
        _given("ConvertedAccountId", "Converted Account ID", "reference", to="Account", by="ConvertedAccount"),
        _given("ConvertedContactId", "Converted Contact ID", "reference", to="Contact", by="ConvertedContact"),
        _given(
            "ConvertedOpportunityId",
            "Converted Opportunity ID",
            "reference",
            to="Opportunity",
            by="ConvertedOpportunity",
        ),
    ]


def _opportunity() -> list[Field]:
    return [
        _text("Name", "Name", 120, required=True),
        Field(name="StageName", label="Stage", type="picklist", length=255, required=True),
        Field(name="CloseDate", label="Close Date", type="date", required=True),
        Field(name="Amount", label="Amount", type="currency"),
        Field(name="Probability", label="Probability (%)", type="percent", defaulted=True),
        _given("ExpectedRevenue", "Expected Amount", "currency"),
        _given("IsClosed", "Closed", "boolean"),
        _given("IsWon", "Won", "boolean"),
        _given("ForecastCategory", "Forecast Category", "picklist"),
        _given("LastStageChangeDate", "Last Stage Change Date", "datetime"),
        _text("Type", "Opportunity Type", 255),
        Field(name="LeadSource", label="Lead Source", type="picklist", length=255),
        Field(name="Description", label="Description", type="textarea", length=32000),
        _link("AccountId", "Account ID", "Account"),
        _link("ContactId", "Contact ID", "Contact", updateable=False),
        _link("OwnerId", "Owner ID", "User", defaulted=True),
    ]


def _role() -> list[Field]:
    return [
        _link("OpportunityId", "Opportunity ID", "Opportunity", required=True, updateable=False),
        _link("ContactId", "Contact ID", "Contact", required=True),
        Field(name="Role", label="Role", type="picklist", length=255),
        Field(name="IsPrimary", label="Primary", type="boolean", defaulted=True),
    ]


def _history() -> list[Field]:
    return [
        _given("OpportunityId", "Opportunity ID", "reference", to="Opportunity", by="Opportunity"),
        _given("StageName", "Stage", "picklist"),
        _given("Amount", "Amount", "currency"),
        _given("ExpectedRevenue", "Expected Revenue", "currency"),
        _given("CloseDate", "Close Date", "date"),
        _given("Probability", "Probability (%)", "percent"),
        _given("ForecastCategory", "To ForecastCategory", "picklist"),
    ]


def _stage() -> list[Field]:
    return [
        _given("MasterLabel", "Master Label", "string"),
        _given("ApiName", "API Name", "string"),
        _given("IsActive", "Is Active", "boolean"),
        _given("SortOrder", "Order", "int"),
        _given("IsClosed", "Closed", "boolean"),
        _given("IsWon", "Won", "boolean"),
        _given("ForecastCategory", "Forecast Category", "picklist"),
        _given("DefaultProbability", "Probability (%)", "percent"),
    ]


def _status() -> list[Field]:
    return [
        _given("MasterLabel", "Master Label", "string"),
        _given("ApiName", "API Name", "string"),
        _given("SortOrder", "Order", "int"),
        _given("IsDefault", "Is Default", "boolean"),
        _given("IsConverted", "Is Converted", "boolean"),
    ]


def _organization() -> list[Field]:
    return [
        _given("Name", "Name", "string"),
        _given("OrganizationType", "Edition", "picklist"),
        _given("InstanceName", "Instance Name", "string"),
        _given("IsSandbox", "Is Sandbox", "boolean"),
        _given("TimeZoneSidKey", "Time Zone", "picklist"),
        _given("DefaultLocaleSidKey", "Locale", "picklist"),
        _given("LanguageLocaleKey", "Language", "picklist"),
    ]
