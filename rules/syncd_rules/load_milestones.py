"""Reading milestones: numbers to be reached, silences, and journeys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from syncd_rules import scalars
from syncd_rules.load_rewards import Setting, milestone_rewards
from syncd_rules.milestone import ACTIVITIES, DEFAULT_ACTIVITY, Goal, Metric, Milestone, Silence, Step, Window
from syncd_rules.prize import Prize
from syncd_rules.time import Duration
from syncd_rules.tree import Noted, Place, Section, Wrong, listing, placed

_METRICS: tuple[Metric, ...] = get_args(Metric)
_Sort = Metric | Literal["inactivity", "mixed"]
_SORTS: tuple[_Sort, ...] = (*_METRICS, "inactivity", "mixed")
_GOAL = ("target", "comparison", "mode", "count_program_points")
_KEYS = (
    *_GOAL,
    "reversible",
    "repeat",
    "rewards",
    "after",
    "activity",
    "progress",
    "steps",
)  # of one metric or another
_PROGRESS = scalars.choice("from_step_start", "lifetime")
_COMPARISON = scalars.choice("gte", "gt")
_MODE = scalars.choice("total", "consecutive")
_ACTIVITY = listing(scalars.choice(*ACTIVITIES))

PlacedGoal = tuple[Place, Goal]  # and the section that it is in


def milestone(place: Place, setting: Setting) -> Milestone:
    """Read an entry of `milestones`."""
    before = len(place.problems)
    with Section(place) as section:
        name = section.need("id", scalars.identifier, "")
        message = "all milestones follow the campaign's `counting`; none has one of its own"
        section.refuse("counting", message, "remove it, and set `counting` at the top")
        metric = section.choose("metric", scalars.choice(*_SORTS), _METRICS[0])
        goal = silence = None
        steps: tuple[tuple[Place, Step], ...] = ()
        prizes: tuple[Prize, ...] = ()
        lifetime, reversible = False, True
        limit: int | None = 1
        if metric == "mixed":
            lifetime = section.take("progress", _PROGRESS, "from_step_start") == "lifetime"
            steps = section.need("steps", lambda at: _steps(at, setting), ())
        else:
            prizes = milestone_rewards(section, "this milestone", setting)
            limit = section.take("repeat", _repeat, 1)
        if metric is None:
            _read_any(section, setting)
        elif metric == "inactivity":
            silence = _silence(section)
        elif metric != "mixed":
            goal = _goal(section, metric)
            reversible = section.take("reversible", scalars.flag, True)
        title = section.take("name", scalars.text, "")
        during = section.take("duration", lambda at: window(at, setting.zone), Window())
        messages = section.take("messages", listing(scalars.identifier), ())
        section.refuse_others(_KEYS, f"metric {metric}")
    goals = [(place, goal)] if goal else [(at, step.goal) for at, step in steps]
    _points_go_round(goals, (*prizes, *(prize for _, step in steps for prize in step.prizes)))
    if len(place.problems) > before:
        raise Noted
    return Milestone(
        id=name,
        name=title,
        goal=goal,
        silence=silence,
        steps=tuple(step for _, step in steps),
        lifetime=lifetime,
        window=during,
        limit=limit,
        reversible=reversible,
        messages=messages,
        prizes=prizes,
    )


def window(place: Place, zone: ZoneInfo) -> Window:
    """Read {from, until}: half-open with times; a bare date of `until` runs through the end of that local day."""
    with Section(place) as section:
        read = Window(
            start=section.take("from", scalars.instant(zone), None),
            end=section.take("until", scalars.instant(zone, end_of_day=True), None),
        )
    if read.start and read.end and read.start >= read.end:
        place.report("this ends before it begins", "set `until` later than `from`", "until")
        raise Noted
    return read


def _points_go_round(goals: Sequence[PlacedGoal], prizes: Sequence[Prize]) -> None:
    """Refuse a milestone that counts the program's own points and gives points: each grant could cause the next."""
    if any(prize.kind == "points" for prize in prizes):
        for place, goal in goals:
            if goal.program_points:
                message = "this counts the points that the program gives, and the milestone gives points itself"
                place.report(message, "set it to false, or give something else than points", "count_program_points")


def _goal(section: Section, metric: Metric) -> Goal:
    """Read what a metric needs."""
    money = metric == "amount_spent"
    return Goal(
        metric=metric,
        target=0 if money else section.need("target", scalars.whole(1), 1),
        targets=section.need("target", scalars.money, {}) if money else {},
        strict=section.take("comparison", _COMPARISON, "gte") == "gt",
        consecutive=metric == "subscription_cycles" and section.take("mode", _MODE, "total") == "consecutive",
        program_points=metric == "points_earned" and section.take("count_program_points", scalars.flag, False),
    )


def _read_any(section: Section, setting: Setting) -> None:
    """Read what goes with one metric or another, so that what is wrong with it is told now."""
    _read_any_goal(section)
    section.take("reversible", scalars.flag, None)
    section.take("after", scalars.positive_duration, None)
    section.take("activity", _ACTIVITY, None)
    section.take("progress", _PROGRESS, None)
    section.take("steps", lambda at: _steps(at, setting), None)


def _read_any_goal(section: Section) -> None:
    section.take("target", scalars.either, None)
    section.take("comparison", _COMPARISON, None)
    section.take("mode", _MODE, None)
    section.take("count_program_points", scalars.flag, None)


def _silence(section: Section) -> Silence:
    activity = section.take("activity", _ACTIVITY, DEFAULT_ACTIVITY)
    return Silence(after=section.need("after", scalars.positive_duration, Duration()), activity=frozenset(activity))


def _steps(place: Place, setting: Setting) -> tuple[tuple[Place, Step], ...]:
    if place.value in ([], ()):
        raise Wrong("a journey needs a step", "write at least one")
    return placed(lambda step: _step(step, setting))(place)


def _step(place: Place, setting: Setting) -> Step:
    with Section(place) as section:
        metric = section.need("metric", scalars.choice(*_METRICS), None)
        goal = None
        if metric is None:
            _read_any_goal(section)
        else:
            goal = _goal(section, metric)
        description = section.take("description", scalars.text, "")
        prizes = milestone_rewards(section, "this step", setting)
        section.refuse_others(_GOAL, f"metric {metric}")
    if goal is None:
        raise Noted
    return Step(goal=goal, description=description, prizes=prizes)


def _repeat(place: Place) -> int | None:
    with Section(place) as section:
        return section.take("max", scalars.whole(1), None)
