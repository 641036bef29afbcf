"""The versions of one campaign, and what can be worked out about them before anything happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from syncd_rules.milestone import Goal, Milestone, Window
from syncd_rules.model import InvalidProgram, Path, Problem, Program
from syncd_rules.prize import Prize, ReferralReward
from syncd_rules.time import Period

STREAK = "streak"  # the metric of consecutive subscription cycles


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A milestone as one version has it."""

    index: int
    program: Program
    milestone: Milestone
    window: Window  # when what happens counts
    gauges: tuple[int, ...]  # of its goal, or of each step of a journey that counts a lifetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """One number that is kept up for each participant."""

    index: int
    rule: int
    goal: Goal
    window: Window


class Versions:
    """The versions of one campaign, drafts left out: which one is in force when, and what each asks for."""

    def __init__(self, programs: Sequence[Program]) -> None:
        """Take the versions in any order; InvalidProgram where they are not versions of one campaign."""
        if found := misfits(programs):
            raise InvalidProgram([problem for _, problem in found])
        self.known = _in_order(programs)
        self._newest_first = self.known[::-1]
        self._only = self.known[0] if len(self.known) == 1 and self.known[0].effective_from is None else None
        self.activations = [(p.effective_from, p) for p in self.known if p.effective_from]
        self.rules: list[Rule] = []
        self.gauges: dict[str, list[Gauge]] = {}  # metric -> what is kept of it
        for program in self.known:
            for milestone in program.milestones:
                self._compile(program, milestone)
        self.silences = [rule for rule in self.rules if rule.milestone.silence]
        self.journeys = [rule for rule in self.rules if rule.milestone.steps]
        self.by_milestone = _grouped(self.rules)
        self.referral_rules: dict[str, ReferralReward] = {r.id: r for p in self.known for r in p.rewards}
        self.prizes = _prizes(self.known)
        self.periods: set[tuple[ZoneInfo, Period]] = {
            (p.timezone, period) for p in self.known for period in p.limits.per_period
        }
        self.watches_activity = any(rule.milestone.silence or rule.milestone.steps for rule in self.rules) or bool(
            self.gauges.keys() - {"referrals"}
        )
        self.watches_orders = any(
            rule.trigger == "order.paid" for program in self.known for rule in program.rewards
        ) or any(program.qualification.purchases for program in self.known)

    @property
    def campaign(self) -> str:
        """The id of the campaign."""
        return self.known[0].campaign

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the newest version, for reports."""
        return self.known[-1].timezone

    def at(self, instant: datetime) -> Program | None:
        """Give the newest version that is in force at an instant."""
        if self._only is not None:
            return self._only
        for program in self._newest_first:
            if program.effective_from is None or program.effective_from <= instant:
                return program
        return None

    def rules_at(self, instant: datetime) -> list[Rule]:
        """Give the milestones of the version in force."""
        program = self.at(instant)
        return [rule for rule in self.rules if rule.program is program]

    def _compile(self, program: Program, milestone: Milestone) -> None:
        window = _window(program, milestone)
        goals = [milestone.goal] if milestone.goal else [s.goal for s in milestone.steps if milestone.lifetime]
        first = sum(map(len, self.gauges.values()))
        index = len(self.rules)
        gauges = tuple(range(first, first + len(goals)))
        self.rules.append(Rule(index=index, program=program, milestone=milestone, window=window, gauges=gauges))
        for number, goal in zip(gauges, goals, strict=True):
            gauge = Gauge(index=number, rule=index, goal=goal, window=window)
            self.gauges.setdefault(metric_of(goal), []).append(gauge)


def metric_of(goal: Goal) -> str:
    """Name what feeds a goal."""
    return STREAK if goal.consecutive else goal.metric


def _window(program: Program, milestone: Milestone) -> Window:
    """Join the bounds of a milestone: its duration, the campaign's, and the version's where it starts from zero."""
    starts = [milestone.window.start, program.effective_from if program.on_activation == "since_version" else None]
    ends = [milestone.window.end]
    if milestone.goal is None or milestone.goal.metric != "referrals":
        starts.append(program.runs.start)
        ends.append(program.runs.end)
    known_starts, known_ends = [s for s in starts if s], [e for e in ends if e]
    return Window(start=max(known_starts, default=None), end=min(known_ends, default=None))


def _grouped(rules: Sequence[Rule]) -> Mapping[str, list[Rule]]:
    groups: dict[str, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.milestone.id, []).append(rule)
    return groups


def _prizes(programs: Sequence[Program]) -> Mapping[str, tuple[str, ...]]:
    """Give the ids of the prizes of each rule, over all versions."""
    found: dict[str, dict[str, None]] = {}
    for program in programs:
        for reward in program.rewards:
            found.setdefault(reward.id, {})[reward.prize.id] = None
        for milestone in program.milestones:
            for prize in prizes_of(milestone):
                found.setdefault(milestone.id, {})[prize.id] = None
    return {rule: tuple(ids) for rule, ids in found.items()}


def prizes_of(milestone: Milestone) -> tuple[Prize, ...]:
    """Give every prize of a milestone, those of its steps too."""
    return (*milestone.prizes, *(prize for step in milestone.steps for prize in step.prizes))


# --- do they go together? ---------------------------------------------------------------------------------------------

Misfit = tuple[Program, Problem]


def misfits(programs: Sequence[Program]) -> list[Misfit]:
    """Give what keeps programs from being the versions of one campaign, each problem with the program it is in."""
    ordered = _in_order(programs)
    found = [
        (program, Problem(path=("campaign",), message="these are programs of several campaigns"))
        for program in ordered
        if program.campaign != ordered[0].campaign
    ]
    for before, after in pairwise(ordered):
        found += _begins_too_early(before, after)
    return found + _change_of_kind(ordered)


def _in_order(programs: Sequence[Program]) -> list[Program]:
    return sorted((program for program in programs if not program.draft), key=lambda program: program.version)


def _begins_too_early(before: Program, after: Program) -> list[Misfit]:
    """Refuse a version that would change what another one already governs."""
    name = f"version {after.version} of {after.campaign}"
    if before.version == after.version:
        hint = "give each its own number"
        return [(after, Problem(path=("version",), message=f"there are two of {name}", hint=hint))]
    start = after.effective_from
    if start is None or (before.effective_from is not None and start <= before.effective_from):
        hint = f"set effective_from later than that of version {before.version}"
        message = f"{name} begins no later than the one before"
        return [(after, Problem(path=("effective_from",), message=message, hint=hint))]
    return []


def _change_of_kind(programs: Sequence[Program]) -> list[Misfit]:
    """Refuse a reward that is of another kind in a later version: its ledger key would count two things."""
    found: list[Misfit] = []
    kinds: dict[tuple[str, str], str] = {}
    for program in programs:
        for path, rule, prize in _placed_prizes(program):
            before = kinds.setdefault((rule, prize.id), prize.kind)
            if before != prize.kind:
                message = f"version {program.version} gives {prize.kind} for {rule}, and an earlier one {before}"
                hint = "give the new reward an id of its own"
                found.append((program, Problem(path=(*path, "kind"), message=message, hint=hint)))
    return found


def _placed_prizes(program: Program) -> Iterator[tuple[Path, str, Prize]]:
    """Give every prize of a program with its place, and the id of the rule that it is given by."""
    for n, rule in enumerate(program.rewards):
        yield ("rewards", n), rule.id, rule.prize
    for n, milestone in enumerate(program.milestones):
        steps = ((("steps", number), step.prizes) for number, step in enumerate(milestone.steps))
        for inner, prizes in [((), milestone.prizes), *steps]:
            for number, prize in enumerate(prizes):
                yield ("milestones", n, *inner, "rewards", number), milestone.id, prize
