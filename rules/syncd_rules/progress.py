"""How far a participant has come: numbers that go up and down, and the milestones that stand by them.

Nothing here is ever counted from the beginning again. Each number knows its sum; each milestone knows its highest
occurrence, and the gaps below it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from syncd_rules.books import Books
from syncd_rules.milestone import MOST_OCCURRENCES, Goal, Milestone
from syncd_rules.model import Program
from syncd_rules.prize import Prize
from syncd_rules.result import Reached
from syncd_rules.time import add
from syncd_rules.timers import SILENCE, Timers
from syncd_rules.versions import STREAK, Rule, Versions, metric_of


@dataclass(frozen=True, slots=True)
class _Standing:
    rule: Rule
    reached_at: datetime
    prizes: tuple[Prize, ...]


@dataclass(kw_only=True, slots=True)
class _Climb:
    """The occurrences of one milestone that stand."""

    standing: dict[int, _Standing] = field(default_factory=dict)
    top: int = 0  # the highest that ever stood
    gaps: list[int] = field(default_factory=list)  # a heap of those below it that do not stand
    falling: dict[int, list[int]] = field(default_factory=dict)  # rule -> a heap of -number of those it granted


@dataclass(kw_only=True, slots=True)
class _Journey:
    """The step at which somebody is: what counts is what comes after the place at which it opened."""

    done: int = 0
    opened: int = 0
    value: dict[str, int] = field(default_factory=dict)


class Progress:
    """The milestones of one participant."""

    def __init__(self, participant: str, versions: Versions, books: Books, timers: Timers) -> None:
        self.participant = participant
        self.program: Program | None = None  # the version in force, as time passes
        self.stopped = False  # the participant was erased
        self._versions, self._books, self._timers = versions, books, timers
        self._values: dict[int, dict[str, int]] = {}  # gauge -> currency, or "", -> how much
        self._climbs: dict[str, _Climb] = {}
        self._journeys: dict[str, _Journey] = {}
        self._quiet: dict[int, datetime] = {}  # rule -> since when nothing was heard
        self._touched: dict[int, None] = {}  # rules to look at
        self.moved: list[tuple[str, int]] = []  # occurrences and steps that may not stand as they were told

    # --- what counts --------------------------------------------------------------------------------------------------

    def feed(self, metric: str, at: datetime, number: int, amount: int, unit: str = "", *, own: bool = False) -> None:
        """Add to, or take from, what counts of a metric: something that happened at `at`, at place `number`.

        `own` marks points that the program itself gave.
        """
        for gauge in self._versions.gauges.get(metric, ()):
            if at in gauge.window and (not own or gauge.goal.program_points):
                value = self._values.setdefault(gauge.index, {})
                value[unit] = value.get(unit, 0) + amount
                self._touched[gauge.rule] = None
        for rule in self._versions.journeys:
            goal = self._open_goal(rule) if rule.program is self.program and not rule.milestone.lifetime else None
            if goal is None or metric_of(goal) != metric or at not in rule.window:
                continue
            journey = self._journeys.setdefault(rule.milestone.id, _Journey())
            if number > journey.opened and (not own or goal.program_points):
                journey.value[unit] = journey.value.get(unit, 0) + amount
                self._touched[rule.index] = None

    def break_streak(self) -> None:
        """Begin to count consecutive cycles anew."""
        for gauge in self._versions.gauges.get(STREAK, ()):
            self._values.pop(gauge.index, None)
        for rule in self._versions.journeys:
            goal = self._open_goal(rule)
            if goal is not None and goal.consecutive and rule.milestone.id in self._journeys:
                self._journeys[rule.milestone.id].value.clear()

    def hear(self, sort: str, at: datetime) -> None:
        """End the silences that this type of event ends, and begin new ones."""
        for rule in self._versions.silences:
            silence = rule.milestone.silence
            assert silence is not None
            if sort == "participant" and rule.index in self._quiet:
                continue
            if sort == "participant" or sort in silence.activity:
                self._set_silence(rule, at)

    # --- what follows -------------------------------------------------------------------------------------------------

    def climb(self, at: datetime, number: int, cause: str) -> None:
        """Reverse the milestones that no longer stand, and grant those that are reached."""
        while self._touched:
            touched, self._touched = list(self._touched), {}
            program = self.program
            for index in touched:
                rule = self._versions.rules[index]
                if rule.milestone.goal and not rule.milestone.goal.consecutive:
                    self._fall(rule, at, cause)
            if program is None or self.stopped:
                continue
            for milestone in dict.fromkeys(self._versions.rules[index].milestone.id for index in touched):
                for rule in self._versions.by_milestone[milestone]:
                    if rule.program is program and at in rule.window:
                        self._rise(rule, at, number, cause)

    def activate(self, program: Program, at: datetime, number: int, cause: str) -> None:
        """Look at every milestone of a version that comes into force."""
        before, self.program = self.program, program
        for rule in self._versions.rules:
            if rule.program is program:
                self._touched[rule.index] = None
                if rule.milestone.steps:
                    self._reopen(rule, before, number)
        self.climb(at, number, cause)

    def silent(self, index: int, at: datetime, cause: str) -> None:
        """Grant what a silence earns; it begins to be counted anew."""
        rule = self._versions.rules[index]
        climb = self._climbs.setdefault(rule.milestone.id, _Climb())
        self._grant(rule, climb, climb.top + 1, rule.milestone.prizes, at, cause)
        self._bound(rule.milestone, climb.top + 1)
        for each in self._versions.by_milestone[rule.milestone.id]:
            if each.milestone.silence:  # of the versions to come too: the silence may go on into them
                self._set_silence(each, at)

    def is_idle(self, index: int, due: datetime) -> bool:
        """Tell whether a silence's timer has nothing to do any more."""
        return self._silence_ends(self._versions.rules[index]) != due

    def standing(self) -> Iterator[tuple[str, int]]:
        """Name the occurrences and steps that stand."""
        for milestone, climb in self._climbs.items():
            for number in climb.standing:
                yield milestone, number

    def reached(self, milestone: str, number: int) -> Reached | None:
        """Give an occurrence or step, if it stands."""
        climb = self._climbs.get(milestone)
        it = climb.standing.get(number) if climb else None
        if it is None:
            return None
        return Reached(participant=self.participant, milestone=milestone, number=number, reached_at=it.reached_at)

    def value(self, rule: Rule) -> dict[str, int]:
        """Give how much there is of what a milestone asks for now."""
        if rule.milestone.steps and not rule.milestone.lifetime:
            journey = self._journeys.get(rule.milestone.id)
            return dict(journey.value) if journey else {}
        done = self._journeys[rule.milestone.id].done if rule.milestone.id in self._journeys else 0
        gauges = rule.gauges[done:] or rule.gauges[-1:]
        return dict(self._values.get(gauges[0], {})) if gauges else {}

    def done(self, milestone: str) -> int:
        """Tell how many steps of a journey are done."""
        journey = self._journeys.get(milestone)
        return journey.done if journey else 0

    # --- occurrences --------------------------------------------------------------------------------------------------

    def _fall(self, rule: Rule, at: datetime, cause: str) -> None:
        climb = self._climbs.get(rule.milestone.id)
        heap = climb.falling.get(rule.index) if climb else None
        if not climb or not heap:
            return
        assert rule.milestone.goal is not None
        times = rule.milestone.goal.times(self._values.get(rule.gauges[0], {}))
        while heap and -heap[0] > times:
            number = -heapq.heappop(heap)
            standing = climb.standing.get(number)
            if standing is None:
                continue
            if bearer := self._bearer(standing, number):
                heapq.heappush(climb.falling.setdefault(bearer.index, []), -number)
                continue
            del climb.standing[number]
            self.moved.append((rule.milestone.id, number))
            heapq.heappush(climb.gaps, number)
            for prize in standing.prizes:
                it = self._books.find(standing.rule.program, rule.milestone.id, prize, self.participant, str(number))
                self._books.lose(it, at, cause)

    def _bearer(self, standing: _Standing, number: int) -> Rule | None:
        """Give the rule by which an occurrence stands on: that which granted it, or that in force."""
        for rule in self._versions.by_milestone[standing.rule.milestone.id]:
            if rule is standing.rule or rule.program is self.program:
                goal, limit = rule.milestone.goal, rule.milestone.limit
                if goal is None or goal.consecutive or (limit is not None and number > limit):
                    continue
                if goal.times(self._values.get(rule.gauges[0], {})) >= number:
                    return rule
        return None

    def _rise(self, rule: Rule, at: datetime, number: int, cause: str) -> None:
        milestone = rule.milestone
        if milestone.steps:
            self._walk(rule, at, number, cause)
        elif milestone.goal is not None:
            climb = self._climbs.setdefault(milestone.id, _Climb())
            value = self._values.get(rule.gauges[0], {})
            times = milestone.goal.times(value)
            self._bound(milestone, climb.top + bool(times) if milestone.goal.consecutive else times)
            if milestone.goal.consecutive:
                if times and climb.top < milestone.most:
                    self._grant(rule, climb, climb.top + 1, milestone.prizes, at, cause)
                    for other in self._versions.by_milestone[milestone.id]:
                        self._values.pop(other.gauges[0], None) if other.gauges else None
                return
            times = min(times, milestone.most)
            currency = milestone.goal.currency(value)
            while climb.gaps and climb.gaps[0] <= times:
                self._grant(rule, climb, heapq.heappop(climb.gaps), milestone.prizes, at, cause, currency)
            while climb.top < times:
                self._grant(rule, climb, climb.top + 1, milestone.prizes, at, cause, currency)

    def _bound(self, milestone: Milestone, times: int) -> None:
        """Say that there are more occurrences than are granted, as long as that is so."""
        place = (self.participant, milestone.id, str(MOST_OCCURRENCES + 1))
        if min(times, milestone.limit or times) > MOST_OCCURRENCES:
            self._books.suppress(*place, "too_many_occurrences")
        else:
            self._books.suppressed.pop(place, None)

    def _grant(
        self,
        rule: Rule,
        climb: _Climb,
        number: int,
        prizes: tuple[Prize, ...],
        at: datetime,
        cause: str,
        currency: str | None = None,
    ) -> None:
        """Let an occurrence stand: send its messages, once in its life, and give its prizes."""
        milestone = rule.milestone
        climb.standing[number] = _Standing(rule, at, prizes)
        self.moved.append((milestone.id, number))
        climb.top = max(climb.top, number)
        if milestone.reversible and milestone.goal and not milestone.goal.consecutive:
            heapq.heappush(climb.falling.setdefault(rule.index, []), -number)
        for message in ("milestone", *milestone.messages):
            data = {"participant": self.participant, "milestone": milestone.id, "number": number}
            self._books.tell(f"email.{message}", at, milestone.id, self.participant, str(number), **data)
        for prize in prizes:
            it = self._books.find(rule.program, milestone.id, prize, self.participant, str(number))
            self._books.earn(it, rule.program, prize, prize.worth(currency), at, cause)

    # --- journeys -----------------------------------------------------------------------------------------------------

    def _walk(self, rule: Rule, at: datetime, number: int, cause: str) -> None:
        """Finish the open step, and with lifetime progress those after it that are reached already."""
        milestone = rule.milestone
        journey = self._journeys.setdefault(milestone.id, _Journey())
        climb = self._climbs.setdefault(milestone.id, _Climb())
        while journey.done < len(milestone.steps):
            step = milestone.steps[journey.done]
            value = self._values.get(rule.gauges[journey.done], {}) if milestone.lifetime else journey.value
            if not step.goal.times(value):
                return
            currency = step.goal.currency(value)
            journey.done += 1
            journey.opened, journey.value = number, {}
            self._grant(rule, climb, journey.done, step.prizes, at, cause, currency)

    def _reopen(self, rule: Rule, before: Program | None, number: int) -> None:
        """Begin the open step anew where the version before asked for something else, or for nothing."""
        journey = self._journeys.setdefault(rule.milestone.id, _Journey())
        old = next((r for r in self._versions.by_milestone[rule.milestone.id] if r.program is before), None)
        was, now = self._open_goal(old) if old else None, self._open_goal(rule)
        if was is None or now is None or metric_of(was) != metric_of(now):
            journey.opened, journey.value = number, {}

    def _open_goal(self, rule: Rule) -> Goal | None:
        done = self.done(rule.milestone.id)
        return rule.milestone.steps[done].goal if done < len(rule.milestone.steps) else None

    # --- silences -----------------------------------------------------------------------------------------------------

    def _set_silence(self, rule: Rule, since: datetime) -> None:
        self._quiet[rule.index] = since
        ends = self._silence_ends(rule)
        if ends is not None:
            self._timers.add(ends, SILENCE, "", rule.index)

    def _silence_ends(self, rule: Rule) -> datetime | None:
        """Say when a silence will have been long enough; None where that is of no interest."""
        since, silence = self._quiet.get(rule.index), rule.milestone.silence
        climb = self._climbs.get(rule.milestone.id)
        program = rule.program
        if since is None or silence is None or self.stopped or (climb and climb.top >= rule.milestone.most):
            return None
        start = max(since, rule.window.start) if rule.window.start else since
        ends = add(start, silence.after, program.timezone)
        if program.effective_from and ends < program.effective_from:
            ends = program.effective_from
        return ends if ends in rule.window and self._versions.at(ends) is program else None
