"""The governor: calls to a CRM go out as often as our share of its limits allows, those of all processes together.

Two kinds of quota, told apart by their window. Of a short one every call reserves a slot and waits for it; of a long
one the units of the last 24 hours are counted, as long as it is, and when our share of them is spent the connector is
parked until enough of them are older.
"""

from syncd.governor.governor import Governor
from syncd.governor.windows import (
    PATIENCE,
    Pace,
    adopted,
    heard,
    held,
    is_short,
    left_of,
    ours,
    pace,
    quota_text,
    slot,
    spend,
    turned,
)

__all__ = [
    "PATIENCE",
    "Governor",
    "Pace",
    "adopted",
    "heard",
    "held",
    "is_short",
    "left_of",
    "ours",
    "pace",
    "quota_text",
    "slot",
    "spend",
    "turned",
]
