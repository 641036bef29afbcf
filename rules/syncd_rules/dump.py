"""From a `Program` back to a tree of texts that loads as the same program."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from syncd_rules.milestone import Goal, Milestone, Window
from syncd_rules.model import POINTS, Limits, Program, Qualification, Settlement, Stages
from syncd_rules.money import decimal_text
from syncd_rules.prize import Prize, ReferralReward
from syncd_rules.time import Duration
from syncd_rules.where import Clause

Tree = dict[str, Any]


def dump(program: Program) -> Tree:
    """Give a tree of mappings, lists and texts with every key in it: `load(dump(program)) == program`."""
    tree: Tree = _without_gaps(
        {
            "campaign": program.campaign,
            "name": program.name or None,
            "version": str(program.version),
            "effective_from": _time(program.effective_from),
            "on_activation": program.on_activation,
            "state": "draft" if program.draft else "active",
            "timezone": program.timezone.key,
            "base_currency": program.base_currency,
            "runs": _window(program.runs),
            "counting": program.counting,
            "codes": _plain(program.codes),
            "attribution": _plain(program.attribution),
            "eligibility": _eligibility(program),
            "qualification": _qualification(program.qualification),
            "stages": _stages(program.stages),
            "limits": _limits(program.limits),
            "settlement": _settlement(program.settlement),
            "tax": program.tax
            and {
                "country": program.tax.country or None,
                "reportable_kinds": sorted(program.tax.kinds),
                "reportable_to": sorted(program.tax.to),
                "yearly_threshold": _amounts(program.tax.threshold),
            },
            "rewards": [_referral_reward(rule) for rule in program.rewards],
            "milestones": [_milestone(milestone) for milestone in program.milestones],
        }
    )
    return tree


def _without_gaps(value: Any) -> Any:
    """Leave out what is not there."""
    if isinstance(value, dict):
        return {key: _without_gaps(entry) for key, entry in value.items() if entry is not None}
    return [_without_gaps(entry) for entry in value] if isinstance(value, list) else value


def _plain(values: Any) -> Tree:
    """Write a dataclass whose fields are named like the keys."""
    return {name: _scalar(getattr(values, name)) for name in values.__slots__}


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Duration):
        return value.text()
    return None if value is None or value == "" else str(value)


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _window(window: Window) -> Tree:
    return {"from": _time(window.start), "until": _time(window.end)}


def _amounts(amounts: Mapping[str, int]) -> Tree | None:
    written = {c: decimal_text(amount, c) for c, amount in amounts.items() if c != POINTS}
    if POINTS in amounts:
        written["points"] = str(amounts[POINTS])
    return written or None


def _eligibility(program: Program) -> Tree:
    keys = _plain(program.eligibility)
    return keys | {
        "identity": {name: keys.pop(name) for name in ("strip_plus_tag", "gmail_dots")},
    }


def _qualification(rules: Qualification) -> Tree:
    any_of: list[Tree] = [{"type": "stage", "stage": stage} for stage in sorted(rules.stages)]
    any_of += [{"type": "purchase", "basis": p.basis, "min": _amounts(p.least)} for p in rules.purchases]
    if rules.via:
        any_of.append({"type": "explicit", "via": sorted(rules.via)})
    if rules.signup:
        any_of.append({"type": "signup"})
    return {"any_of": any_of}


def _stages(stages: Stages) -> Tree:
    return {
        "order": list(stages.order),
        "lost": sorted(stages.lost),
        "skipped": stages.skipped,
        "on_lost": stages.on_lost,
        "multiple_deals": stages.multiple_deals,
    }


def _limits(limits: Limits) -> Tree:
    return {
        "per_advocate": {
            "max_referrals": _scalar(limits.max_referrals),
            "per_period": {period: str(most) for period, most in limits.per_period.items()},
            "cooldown": _scalar(limits.cooldown),
            "friend_reward_when_capped": _scalar(limits.friend_reward_when_capped),
        },
        "campaign": {"budget": _amounts(limits.budget), "when_exhausted": limits.when_exhausted},
    }


def _settlement(rules: Settlement) -> Tree:
    return {
        "hold": rules.hold.text(),
        "clawback": rules.clawback,
        "partial_refund": rules.partial_refund,
        "rounding": rules.rounding,
        "approval": rules.approval
        and {
            "required_above": _amounts(rules.approval.above),
            "for": sorted(rules.approval.kinds),
            "persons": str(rules.approval.persons),
        },
        "expiry": {kind: length.text() for kind, length in rules.expiry.items()},
    }


def _prize(prize: Prize) -> Tree:
    tree: Tree = {"id": prize.id, "kind": prize.kind, "hold": prize.hold.text(), "valid_for": _scalar(prize.valid_for)}
    match prize.form.needs:
        case "points":
            tree["amount"] = str(prize.points)
        case "money":
            tree["amount"] = _amounts(prize.amounts)
        case "percent":
            tree |= {"percent": prize.percent, "max": _amounts(prize.ceiling)}
        case "product":
            tree["product"] = prize.product
        case "share":
            tree["tiers"] = [{"from": str(tier.start), "rate": f"{tier.rate:f}"} for tier in prize.tiers]
    return tree


def _referral_reward(rule: ReferralReward) -> Tree:
    return _prize(rule.prize) | {
        "id": rule.id,
        "trigger": rule.trigger,
        "stage": rule.stage,
        "to": rule.to,
        "where": [_clause(clause) for clause in rule.where.clauses],
        "duration": _scalar(rule.duration),
        "cap_per_referral": _amounts(rule.cap),
    }


def _clause(clause: Clause) -> Tree:
    operand = clause.operand
    if isinstance(operand, frozenset):
        return {"field": clause.field, clause.operator: sorted(_operand(one) for one in operand)}
    return {"field": clause.field, clause.operator: _operand(operand)}


def _operand(operand: str | bool | Decimal) -> str | None:
    return f"{operand:f}" if isinstance(operand, Decimal) else _scalar(operand)


def _milestone(milestone: Milestone) -> Tree:
    tree: Tree = {
        "id": milestone.id,
        "name": milestone.name or None,
        "duration": _window(milestone.window),
        "messages": list(milestone.messages),
    }
    if milestone.steps:
        steps = [
            _goal(step.goal)
            | {"description": step.description or None, "rewards": [_prize(prize) for prize in step.prizes]}
            for step in milestone.steps
        ]
        progress = "lifetime" if milestone.lifetime else "from_step_start"
        return tree | {"metric": "mixed", "progress": progress, "steps": steps}
    tree |= {
        "repeat": {"max": str(milestone.limit)} if milestone.limit is not None else {},
        "rewards": [_prize(prize) for prize in milestone.prizes],
    }
    if milestone.silence:
        silence = milestone.silence
        return tree | {"metric": "inactivity", "after": silence.after.text(), "activity": sorted(silence.activity)}
    assert milestone.goal is not None
    return tree | _goal(milestone.goal) | {"reversible": _scalar(milestone.reversible)}


def _goal(goal: Goal) -> Tree:
    tree: Tree = {"metric": goal.metric, "comparison": "gt" if goal.strict else "gte"}
    tree["target"] = _amounts(goal.targets) or str(goal.target)
    if goal.metric == "subscription_cycles":
        tree["mode"] = "consecutive" if goal.consecutive else "total"
    if goal.metric == "points_earned":
        tree["count_program_points"] = _scalar(goal.program_points)
    return tree
