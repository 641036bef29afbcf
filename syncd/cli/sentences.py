"""The history of a referral in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.store.referrals import Change
from syncd_rules.money import decimal_text

Labels = Mapping[tuple[str, str], str]  # (connector, stage id) -> what the CRM calls it

_WORDS = {
    "in_pipeline": "is worked on by sales",
    "qualified": "qualified",
    "unqualified": "is not qualified any more",
    "lost": "lost",
    "persons_merged": "{old} turned out to be the same person",
    "erased": "was forgotten",
    "reward_approved": "reward {rule}: somebody agreed",
    "reward_rejected": "reward {rule}: somebody refused",
    "reward_fulfilled": "reward {rule} was handed out",
    "reward_failed": "reward {rule} could not be handed out",
    "books_differ": "books differ from the facts",
    "consented": "an admin let syncd into {connector}",
    "reattributed": "turned out to be the friend of {advocate}",
    "joined": "joined as an advocate",
    "pushed_advocate": "pushed to {connector} as an advocate",
    "push_failed": "could not be pushed to {connector}: {error}",
    "tell_failed": "{connector} could not be told of it: {error}",
    "merged": "record {old} was merged into {new} in {connector}",
    "deleted": "deal {deal} was deleted in {connector}",
    "invisible": "deal {deal} cannot be seen any more in {connector}",
    "milestone": "milestone {milestone} reached, number {number}",
    "milestone_lost": "milestone {milestone}, number {number}, stands no longer",
    "retried": "{letter} is tried again",
    "discarded": "{letter} was given up: {reason}",
    "paused": "calls to {connector} are paused",
    "resumed": "calls to {connector} are resumed",
    "conflict": "event {event} came again with other content; the first one stands",
}


def sentence(change: Change, labels: Labels) -> str:
    """Say in a few words what happened; a kind of change that is not known here is shown as it is stored."""
    values = {"connector": change.connector, **change.detail}
    match change.what:
        case "captured" if "channel" in values:
            return f"captured through {values['channel']}"
        case "pushed" if change.connector:
            return _pushed(values)
        case "stage":
            return _stage(change.connector or "", values, labels)
        case "qualified" if "via" in values:
            return f"qualified through {values['via']}"
        case "rejected" if "reason" in values:
            return f"rejected: {values['reason']}"
        case "decided":
            reason = f": {values['reason']}" if values.get("reason") else ""
            return f"decided to be {values.get('verdict')}, through {values.get('via')}{reason}"
        case "reward":
            amount = " ".join(str(values[part]) for part in ("amount", "currency") if values.get(part))
            return f"reward {values.get('rule')}: {amount} {values.get('kind')}, {values.get('status')}"
        case what if what in _WORDS:
            return _WORDS[what].format_map(_Blanks(values))
        case what:
            detail = ", ".join(f"{name} {value}" for name, value in change.detail.items())
            return what.replace("_", " ") + (f" ({detail})" if detail else "")


class _Blanks(dict[str, Any]):
    """Leaves a blank where an older line of the history lacks a detail."""

    def __missing__(self, key: str) -> str:
        return "?"


def _pushed(values: Mapping[str, Any]) -> str:
    where = [f"{part} {values[part]}" for part in ("person", "deal") if values.get(part)]
    verb = "created" if values.get("created") else "updated"
    return f"pushed to {values['connector']}: {verb} {', '.join(where) or 'its records'}"


def _stage(connector: str, values: Mapping[str, Any], labels: Labels) -> str:
    before, after = (
        labels.get((connector, values[part]), values[part]) if values.get(part) else None
        for part in ("before", "after")
    )
    text = f"deal moved from {before} to {after}" if before else f"deal is in {after}"
    if values.get("amount") is not None and values.get("currency"):
        text += f", {values['currency']} {decimal_text(values['amount'], values['currency'])}"
    return f"{text}, says {connector}"
