"""The records that an org has from its first day: itself, its lead statuses and its opportunity stages. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from syncd.sandbox.crm.salesforce.schema import Schema
from syncd.sandbox.crm.salesforce.values import Values


def first_rows(schema: Schema) -> Iterator[tuple[str, Values]]:
    """Give object and values of each record."""
    yield (
        "Organization",
        {
            "Name": "Acme",
            "OrganizationType": "Enterprise Edition",
            "InstanceName": "SBX1",
            "TimeZoneSidKey": "GMT",
            "DefaultLocaleSidKey": "en_IE_EURO",
            "LanguageLocaleKey": "en_US",
        },
    )
    for number, status in enumerate(schema.statuses.values(), 1):
        names: Values = {"MasterLabel": status.name, "ApiName": status.name, "SortOrder": Decimal(number)}
        yield "LeadStatus", {**names, "IsDefault": number == 1, "IsConverted": status.converted}
    for number, stage in enumerate(schema.stages.values(), 1):
        yield (
            "OpportunityStage",
            {
                "MasterLabel": stage.label,
                "ApiName": stage.name,
                "IsActive": True,
                "SortOrder": Decimal(number),
                "IsClosed": stage.outcome != "open",
                "IsWon": stage.outcome == "won",
                "ForecastCategory": stage.forecast,
                "DefaultProbability": Decimal(stage.probability),
            },
        )
