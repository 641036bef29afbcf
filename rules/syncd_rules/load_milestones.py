"""Reading milestones: numbers to be reached, silences, and journeys."""

from __future__ import annotations

from typing import Literal, get_args
from zoneinfo import ZoneInfo

from syncd_rules import tree
from syncd_rules.load_rewards import Setting, prize, two_of_one
from syncd_rules.milestone import ACTIVITIES, DEFAULT_ACTIVITY, Goal, Metric, Milestone, Silence, Step, Window
from syncd_rules.prize import Prize
from syncd_rules.tree import Place, Section, Wrong

_METRICS: tuple[Metric, ...] = get_args(Metric)
_SORTS: tuple[Metric | Literal["inactivity", "mixed"], ...] = (*_METRICS, "inactivity", "mixed")


def milestone(place: Place, setting: Setting) -> Milestone:
    """Read an entry of `milestones`."""
    with Section(place) as section:
        name = section.need("id", tree.identifier, "")
        message = f"milestone {name} has a `counting` of its own; all milestones follow the campaign's"
        section.refuse("counting", message, "remove it, and set `counting` at the top")
        metric = section.take("metric", tree.choice(*_SORTS), _METRICS[0])
        goal = silence = None
        steps: tuple[Step, ...] = ()
        prizes: tuple[Prize, ...] = ()
        lifetime, reversible = False, True
        limit: int | None = 1
        if metric == "mixed":
            progress = tree.choice("from_step_start", "lifetime")
            lifetime = section.take("progress", progress, "from_step_start") == "lifetime"
            steps = section.need("steps", lambda steps: _steps(steps, name, setting), ())
        else:
            prizes = _prizes(section, f"milestone {name}", setting)
            limit = section.take("repeat", _repeat, 1)
        if metric == "inactivity":
            silence = _silence(section)
        elif metric != "mixed":
            goal = _goal(section, metric)
            reversible = section.take("reversible", tree.flag, True)
        return Milestone(
            id=name,
            name=section.take("name", tree.text, ""),
            goal=goal,
            silence=silence,
            steps=steps,
            lifetime=lifetime,
            window=section.take("duration", lambda at: window(at, setting.zone), Window()),
            limit=limit,
            reversible=reversible,
            messages=section.take("messages", tree.listing(tree.identifier), ()),
            prizes=prizes,
        )


def window(place: Place, zone: ZoneInfo) -> Window:
    """Read {from, until}: half-open with times; a bare date of `until` runs through the end of that local day."""
    with Section(place) as section:
        read = Window(
            start=section.take("from", tree.instant(zone), None),
            end=section.take("until", tree.instant(zone, end_of_day=True), None),
        )
    if read.start and read.end and read.start >= read.end:
        raise Wrong("this ends before it begins")
    return read


def _goal(section: Section, metric: Metric) -> Goal:
    """Read what a metric needs."""
    money = metric == "amount_spent"
    return Goal(
        metric=metric,
        target=0 if money else section.need("target", tree.whole(1), 1),
        targets=section.need("target", tree.money, {}) if money else {},
        strict=section.take("comparison", tree.choice("gte", "gt"), "gte") == "gt",
        consecutive=metric == "subscription_cycles"
        and section.take("mode", tree.choice("total", "consecutive"), "total") == "consecutive",
        program_points=metric == "points_earned" and section.take("count_program_points", tree.flag, False),
    )


def _silence(section: Section) -> Silence:
    activity = section.take("activity", tree.listing(tree.choice(*ACTIVITIES)), DEFAULT_ACTIVITY)
    return Silence(after=section.decide("after", tree.positive_duration), activity=frozenset(activity))


def _steps(place: Place, owner: str, setting: Setting) -> tuple[Step, ...]:
    steps = tree.listing(lambda step: _step(step, owner, setting))(place)
    if not steps:
        raise Wrong("a journey needs a step", "write at least one")
    return steps


def _step(place: Place, owner: str, setting: Setting) -> Step:
    with Section(place) as section:
        metric = section.decide("metric", tree.choice(*_METRICS))
        return Step(
            goal=_goal(section, metric),
            description=section.take("description", tree.text, ""),
            prizes=_prizes(section, f"a step of milestone {owner}", setting),
        )


def _prizes(section: Section, owner: str, setting: Setting) -> tuple[Prize, ...]:
    prizes = section.take("rewards", tree.listing(lambda given: _prize(given, setting)), ())
    two_of_one(section.place, prizes, owner)
    return prizes


def _prize(place: Place, setting: Setting) -> Prize:
    with Section(place) as section:
        return prize(section, setting, section.take("id", tree.identifier, ""))


def _repeat(place: Place) -> int | None:
    with Section(place) as section:
        return section.take("max", tree.whole(1), None)
