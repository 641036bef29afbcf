"""The history of a referral reads like sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.cli.sentences import sentence
from syncd.store.referrals import Change

LABELS = {("crm", "contractsent"): "Contract sent", ("crm", "closedwon"): "Closed won"}


@pytest.mark.parametrize(
    ("what", "detail", "told"),
    [
        ("captured", {"channel": "whatsapp"}, "captured through whatsapp"),
        ("captured", {}, "captured"),
        ("pushed", {"person": "1", "deal": "2", "created": True}, "pushed to crm: created person 1, deal 2"),
        ("pushed", {"person": "1", "created": False}, "pushed to crm: updated person 1"),
        ("push_failed", {"error": "no such owner"}, "could not be pushed to crm: no such owner"),
        ("stage", {"after": "contractsent"}, "deal is in Contract sent, says crm"),
        (
            "stage",
            {"before": "contractsent", "after": "closedwon", "amount": 124900, "currency": "EUR"},
            "deal moved from Contract sent to Closed won, EUR 1249.00, says crm",
        ),
        ("stage", {"before": "unheard-of", "after": "closedwon"}, "deal moved from unheard-of to Closed won, says crm"),
        ("qualified", {"via": "manual"}, "qualified through manual"),
        ("rejected", {"reason": "self_referral"}, "rejected: self_referral"),
        (
            "decided",
            {"verdict": "disqualified", "via": "manual", "reason": "fraud"},
            "decided to be disqualified, through manual: fraud",
        ),
        ("merged", {"old": "1", "new": "2"}, "record 1 was merged into 2 in crm"),
        ("deleted", {}, "deal ? was deleted in crm"),
        ("something_new", {"size": 3}, "something new (size 3)"),
    ],
)
def test_a_change_is_a_sentence(what: str, detail: dict[str, Any], told: str) -> None:
    change = Change(
        id=1,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        what=what,
        referral="ref_1",
        participant=None,
        connector="crm",
        cause="poll:crm",
        detail=detail,
    )

    assert sentence(change, LABELS) == told
