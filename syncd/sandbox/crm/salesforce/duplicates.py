"""Duplicate rules: what an admin has set up against two records of one person.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from syncd.sandbox.crm.salesforce.refusal import Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateRule:
    """Compares e-mail addresses within one object. An alert can be passed over by a header, a block cannot."""

    action: Literal["off", "alert", "block"] = "alert"
    on: tuple[str, ...] = ("Lead", "Contact")

    def covers(self, kind: str) -> bool:
        """Tell whether records of this object are compared."""
        return self.action != "off" and kind in self.on

    def refuse(self, kind: str, others: Sequence[str]) -> Refusal:
        """Refuse a record that is like these."""
        result = {
            "allowSave": self.action == "alert",
            "duplicateRule": f"Standard_{kind}_Duplicate_Rule",
            "duplicateRuleEntityType": kind,
            "errorMessage": "Use one of these records?",
            "matchResults": [_matches(kind, others)],
        }
        return Refusal("DUPLICATES_DETECTED", "Use one of these records?", extra={"duplicateResult": result})


NO_RULE = DuplicateRule(action="off")


def _matches(kind: str, others: Sequence[str]) -> dict[str, Any]:
    return {
        "entityType": kind,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": [_match(kind, other) for other in others],
        "rule": f"Standard_{kind}_Match_Rule_v1_0",
        "size": len(others),
        "success": True,
    }


def _match(kind: str, other: str) -> dict[str, Any]:
    record = {"attributes": {"type": kind, "url": f"/services/data/v66.0/sobjects/{kind}/{other}"}, "Id": other}
    return {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}
