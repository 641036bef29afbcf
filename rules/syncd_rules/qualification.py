"""Has the friend done the qualifying thing? One referral's deals and decisions, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from syncd_rules.events import Event
from syncd_rules.model import Program, Stages
from syncd_rules.orders import Order, Orders

_NONE: frozenset[str] = frozenset()


@cache
def _union(stages: frozenset[str], more: tuple[str, ...]) -> frozenset[str]:
    """Join stages. There are few sets of them and many referrals, which share what is cached here."""
    return stages.union(more)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What has been heard of one referral since its sign-up, but for its orders."""

    deals: Mapping[str, str] = field(default_factory=dict)  # deal -> its present stage
    passed: Mapping[str, frozenset[str]] = field(default_factory=dict)  # deal -> the stages that it went through
    visited: frozenset[str] = _NONE  # stages before the goal that were reached, for good
    manual: bool | None = None  # the last human decision
    explicit: str | None = None  # via which an event says "qualified"
    withdrawn: bool = False  # an event said "disqualified", and nothing has qualified since


class Ignored(Exception):
    """The event says nothing that counts; the text is the reason."""


def opened(program: Program) -> Case:
    """Begin the case of a friend who has just signed up."""
    return Case(visited=_union(_NONE, program.stages.order[:1]))


def heard(case: Case, event: Event, program: Program) -> Case:
    """Give the case as it is after a deal.stage_changed, referral.qualified or referral.disqualified; or `Ignored`."""
    if event.type == "deal.stage_changed":
        return _moved(case, event.data["deal"], event.data["stage"], program)
    return _decided(case, event.type == "referral.qualified", event.data["via"], program)


def bought(case: Case, order: Order, orders: Orders) -> Case:
    """Give the case as it is after an order: one that is enough overrules an earlier disqualification."""
    if case.withdrawn and any(orders.completes(order, number) for number in range(len(orders.purchases))):
        return replace(case, withdrawn=False)
    return case


def _moved(case: Case, deal: str, stage: str, program: Program) -> Case:
    stages = program.stages
    if stage not in stages.lost and stage not in stages.order:
        raise Ignored("unknown_stage")
    if stages.multiple_deals == "first" and case.deals and deal not in case.deals:
        raise Ignored("not_the_first_deal")
    if case.deals.get(deal) == stage:
        return case
    passed = case.passed.get(deal, _NONE)
    if stage in stages.order:
        way = stages.order[: stages.order.index(stage) + 1] if stages.skipped == "grant" else (stage,)
        passed = _union(passed, way)
    all_passed = {**case.passed, deal: passed}
    new = passed
    if stages.multiple_deals == "all":
        new = frozenset.intersection(*all_passed.values())
    moved = Case(
        deals={**case.deals, deal: stage},
        passed=all_passed,
        visited=_union(case.visited, tuple(name for name in stages.order[:-1] if name in new)),
        manual=case.manual,
        explicit=case.explicit,
        withdrawn=case.withdrawn,
    )
    goals = _far_enough(program)
    if case.withdrawn and stage in goals and not goals.isdisjoint(reached(moved, stages)):
        return replace(moved, withdrawn=False)
    return moved


def _decided(case: Case, qualified: bool, via: str, program: Program) -> Case:
    if via == "manual":
        return replace(case, manual=qualified)
    if via not in program.qualification.via:
        raise Ignored("via_not_listed")
    return replace(case, explicit=via if qualified else None, withdrawn=not qualified)


def reached(case: Case, stages: Stages) -> frozenset[str]:
    """Give the stages that stand as reached: those before the goal for good, the goal while a deal is in it."""
    if stages.on_lost == "reverse_all" and present_stage(case, stages) in stages.lost:
        return _NONE
    now = case.deals.values()
    won = all(stage == stages.final for stage in now) if stages.multiple_deals == "all" else stages.final in now
    return _union(case.visited, stages.order[-1:]) if won and now else case.visited


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


def ground(case: Case, stages: Collection[str], orders: Orders, program: Program) -> str | None:
    """Say via what the referral is qualified now that these stages are reached, or None.

    A manual decision outranks all else.
    """
    if case.manual is not None:
        return "manual" if case.manual else None
    if case.withdrawn:
        return None
    if case.explicit is not None:
        return case.explicit
    if not _far_enough(program).isdisjoint(stages):
        return "crm"
    if _purchased(orders, program):
        return "purchase"
    return "signup" if program.qualification.signup else None


def _far_enough(program: Program) -> frozenset[str]:
    """Give the stages that are as far as a qualifying one, or further."""
    return _from(program.stages.order, program.qualification.stages)


@cache
def _from(order: tuple[str, ...], goals: frozenset[str]) -> frozenset[str]:
    return frozenset(order[min(map(order.index, goals)) :] if goals else ())


def _purchased(orders: Orders, program: Program) -> bool:
    return bool(orders.by_id) and any(map(orders.fulfil, range(len(program.qualification.purchases))))
