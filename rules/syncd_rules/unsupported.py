"""The parts of the language that evaluation does not honour yet. Lifting one is deleting its line here.

They are refused when a program is loaded, since a rule that is silently ignored is worse than one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd_rules.tree import DROPPED, Path, Place

EVERY_VALUE = frozenset({"*"})

# path without list positions -> the values that are not supported
NOT_YET: Mapping[str, frozenset[str]] = {
    "on_activation": frozenset({"since_version"}),
    "codes.checked_at": frozenset({"qualification"}),
    "attribution.model": frozenset({"last_touch"}),
    "attribution.click_window": EVERY_VALUE,
    "attribution.conversion_window": EVERY_VALUE,
    "attribution.terms_at": frozenset({"qualification"}),
    "eligibility.disposable_email": frozenset({"reject", "review"}),
    "qualification.any_of.type": frozenset({"purchase"}),
    "stages.multiple_deals": frozenset({"all"}),
    "limits.campaign": EVERY_VALUE,
    "settlement.clawback": frozenset({"within_balance", "negative"}),
    "settlement.partial_refund": EVERY_VALUE,
    "settlement.approval": EVERY_VALUE,
    "settlement.expiry": EVERY_VALUE,
    "settlement.rounding": EVERY_VALUE,
    "tax": EVERY_VALUE,
    "rewards.trigger": frozenset({"order.paid"}),
    "rewards.kind": frozenset({"revenue_share"}),
    "rewards.where": EVERY_VALUE,
    "rewards.max": EVERY_VALUE,
    "rewards.valid_for": EVERY_VALUE,
    "milestones.metric": frozenset(
        {"orders", "amount_spent", "points_earned", "reviews", "inactivity", "subscription_cycles", "mixed"}
    ),
    "milestones.duration": EVERY_VALUE,
    "milestones.rewards.kind": frozenset({"revenue_share"}),
    "milestones.rewards.max": EVERY_VALUE,
    "milestones.rewards.valid_for": EVERY_VALUE,
}


def without_unsupported(place: Place) -> object:
    """Give the tree without what is not supported, having noted each as a problem.

    A list entry of an unsupported sort goes as a whole: its other keys could only be misread.
    """
    if isinstance(place.value, Mapping):
        kept = {key: _part(place, key, value) for key, value in place.value.items()}
        return {key: value for key, value in kept.items() if value is not _GONE}
    if isinstance(place.value, list | tuple):
        entries = [place.below(number, value) for number, value in enumerate(place.value)]
        return [DROPPED if _unsupported_sort(entry) else without_unsupported(entry) for entry in entries]
    return place.value


_GONE = object()


def _part(place: Place, key: object, value: object) -> object:
    part = place.below(str(key), value)
    if _refused(part):
        return _GONE
    return without_unsupported(part)


def _unsupported_sort(entry: Place) -> bool:
    if not isinstance(entry.value, Mapping):
        return False
    return any(_refused(entry.below(key, entry.value[key])) for key in _SORTS if key in entry.value)


_SORTS = ("type", "metric", "trigger", "kind")


def _refused(place: Place) -> bool:
    name = _name(place.path)
    values = NOT_YET.get(name, frozenset())
    if values is EVERY_VALUE:
        place.report(f"not supported yet: {name}", "leave it out")
        return True
    if isinstance(place.value, str) and place.value in values:
        place.report(f"not supported yet: {name} {place.value}", "leave it out, or choose another")
        return True
    return False


def _name(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))
