"""What the vendor works out from a record's values: names, and what an opportunity's stage implies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from syncd.sandbox.crm.salesforce.row import Row
from syncd.sandbox.crm.salesforce.schema import Schema
from syncd.sandbox.crm.salesforce.values import Value, Values

HISTORY = ("StageName", "Amount", "ExpectedRevenue", "CloseDate", "Probability", "ForecastCategory")
"""What an opportunity's history keeps; a change of any of them is an entry."""


def derive(
    schema: Schema,
    kind: str,
    before: Mapping[str, Value] | None,
    after: Mapping[str, Value],
    changes: Mapping[str, Value],
    at: datetime,
) -> Values:
    """Give the values that follow from those just written."""
    if kind in {"Lead", "Contact"}:
        return {"Name": " ".join(str(after[name]) for name in ("FirstName", "LastName") if after[name])}
    if kind != "Opportunity":
        return {}
    stage = schema.stages[str(after["StageName"])]
    moved = before is None or before["StageName"] != after["StageName"]
    probability = after["Probability"]
    if probability is None or (moved and "Probability" not in changes):
        probability = Decimal(stage.probability)
    assert isinstance(probability, Decimal)
    amount = after["Amount"]
    derived: Values = {
        "Probability": probability,
        "ExpectedRevenue": amount * probability / 100 if isinstance(amount, Decimal) else None,
        "IsClosed": stage.outcome != "open",
        "IsWon": stage.outcome == "won",
        "ForecastCategory": stage.forecast,
    }
    return {**derived, "LastStageChangeDate": at} if moved and before is not None else derived


def history_of(deal: Row) -> Values:
    """Give the values of the history entry that an opportunity's present state makes."""
    return {"OpportunityId": deal.id, **{name: deal.get(name) for name in HISTORY}}
