"""What a merged record takes from the two that went into it: pure.

https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from syncd.sandbox.crm.hubspot.record import PastValue, Record
from syncd.sandbox.crm.hubspot.schema import MODIFIED, OTHER


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """The values and past values, the further e-mail addresses, and the ids that lead to the new record."""

    values: dict[str, str] = field(repr=False)
    history: dict[str, deque[PastValue]] = field(repr=False)
    more_emails: list[str] = field(repr=False)
    former_ids: list[str]
    linked: set[str]


def inherit(primary: Record, other: Record) -> Inheritance:
    """The primary's values win, the other's fill the gaps; of e-mail addresses both are kept."""
    own = {"hs_object_id", "createdate", MODIFIED[primary.type], f"num_associated_{OTHER[primary.type]}"}
    values = {name: value for name, value in {**other.values, **primary.values}.items() if name not in own}
    history = {name: past for name, past in {**other.history, **primary.history}.items() if name not in own}
    emails = [*primary.more_emails, *other.more_emails, other.values.get("email", "")]
    former = [id_ for old in (primary, other) for id_ in (old.id, *_former_ids(old))]
    return Inheritance(
        values=values,
        history={name: past.copy() for name, past in history.items()},
        more_emails=sorted({email.lower() for email in emails} - {"", values.get("email", "").lower()}),
        former_ids=list(dict.fromkeys(former)),
        linked=primary.linked | other.linked,
    )


def _former_ids(old: Record) -> list[str]:
    return [id_ for id_ in old.values.get("hs_merged_object_ids", "").split(";") if id_]
