"""The names of the effects: what else follows from the books than the books themselves."""

from __future__ import annotations

from collections.abc import Iterable

from syncd_rules.model import Program

EFFECTS = (
    "email.referral_success",
    "email.milestone",
    "trigger.participation",
    "trigger.create_code",
    "trigger.referral_link_shared",
    "trigger.new_referral_count",
    "trigger.referral_converted",
    "trigger.reward_granted",
    "trigger.reward_released",
    "trigger.reward_reversed",
    "alert.review_required",
    "alert.budget_exhausted",
    "alert.tax_threshold_reached",
)
"""Those that every program may have."""


def effect_names(programs: Iterable[Program]) -> frozenset[str]:
    """Name all effects that these programs may have: `EFFECTS`, and the messages of their milestones."""
    milestones = (milestone for program in programs for milestone in program.milestones)
    return frozenset(EFFECTS) | {f"email.{message}" for milestone in milestones for message in milestone.messages}
