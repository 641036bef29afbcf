"""Has the friend done the qualifying thing? One referral's deals and decisions, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncd_rules.events import Event
from syncd_rules.model import Program, Stages


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What has been heard of one referral since its sign-up."""

    deals: Mapping[str, str] = field(default_factory=dict)  # deal -> its present stage
    visited: frozenset[str] = frozenset()  # stages before the goal that were reached, for good
    manual: bool | None = None  # the last human decision
    explicit: str | None = None  # via which an event says "qualified"
    withdrawn: bool = False  # an event said "disqualified", and nothing has qualified since


class Ignored(Exception):
    """The event says nothing that counts; the text is the reason."""


def opened(program: Program) -> Case:
    """Begin the case of a friend who has just signed up."""
    return Case(visited=frozenset({program.stages.order[0]}))


def heard(case: Case, event: Event, program: Program) -> Case:
    """Give the case as it is after a deal.stage_changed, referral.qualified or referral.disqualified; or `Ignored`."""
    if event.type == "deal.stage_changed":
        return _moved(case, event.data["deal"], event.data["stage"], program)
    return _decided(case, event.type == "referral.qualified", event.data["via"], program)


def _moved(case: Case, deal: str, stage: str, program: Program) -> Case:
    stages = program.stages
    if stage not in stages.lost and stage not in stages.order:
        raise Ignored("unknown_stage")
    if stages.multiple_deals == "first" and case.deals and deal not in case.deals:
        raise Ignored("not_the_first_deal")
    if case.deals.get(deal) == stage:
        return case
    visited = case.visited
    if stage in stages.order:
        passed = stages.order[: stages.order.index(stage) + 1] if stages.skipped == "grant" else (stage,)
        visited = visited.union(passed) - {stages.final}
    withdrawn = case.withdrawn and not _qualifies(stage, program)
    return replace(case, deals={**case.deals, deal: stage}, visited=visited, withdrawn=withdrawn)


def _decided(case: Case, qualified: bool, via: str, program: Program) -> Case:
    if via == "manual":
        return replace(case, manual=qualified)
    if via not in program.qualification.via:
        raise Ignored("via_not_listed")
    return replace(case, explicit=via if qualified else None, withdrawn=not qualified)


def reached(case: Case, stages: Stages) -> frozenset[str]:
    """Give the stages that stand as reached: those before the goal for good, the goal while a deal is in it."""
    if stages.on_lost == "reverse_all" and present_stage(case, stages) in stages.lost:
        return frozenset()
    return case.visited | ({stages.final} & set(case.deals.values()))


def present_stage(case: Case, stages: Stages) -> str:
    """Give the furthest stage in which one of the deals is now; a lost one only where all are lost."""
    now = set(case.deals.values())
    for stage in reversed(stages.order):
        if stage in now:
            return stage
    return min(now, default=stages.order[0])


def disqualified(case: Case) -> bool:
    """Tell whether somebody took the referral out of the campaign, for now."""
    return not case.manual if case.manual is not None else case.withdrawn


def ground(case: Case, program: Program) -> str | None:
    """Say via what the referral is qualified now, or None; a manual decision outranks all else."""
    if case.manual is not None:
        return "manual" if case.manual else None
    if case.withdrawn:
        return None
    if case.explicit is not None:
        return case.explicit
    if any(_qualifies(stage, program) for stage in reached(case, program.stages)):
        return "crm"
    return "signup" if program.qualification.signup else None


def _qualifies(stage: str, program: Program) -> bool:
    """Tell whether a stage is as far as a qualifying one, or further."""
    order = program.stages.order
    return stage in order and any(order.index(stage) >= order.index(goal) for goal in program.qualification.stages)
