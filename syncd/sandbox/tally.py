"""What has happened in a sandbox so far, in numbers, and the goal at which it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from syncd.sandbox.story import way

Counted = Literal["captured", "qualified", "rewards"]
BOTH_WAYS_FROM = 4  # qualified referrals; with fewer, chance alone may leave one of the ways out


@dataclass(kw_only=True)
class Tally:
    """Counts of a history that is read once, in order."""

    captured: set[str] = field(default_factory=set)
    pushed: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    qualified: dict[str, str] = field(default_factory=dict)  # referral -> the way: poll, sweep, webhook ...
    milestones: set[tuple[str, str, int]] = field(default_factory=set)  # that stand
    twice: list[str] = field(default_factory=list)  # what happened a second time and must not

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a line of history."""
        referral, detail = line.get("referral") or "", line.get("detail") or {}
        match line["what"]:
            case "captured" | "pushed" as what:
                seen = self.captured if what == "captured" else self.pushed
                if referral in seen:
                    self.twice.append(f"{referral} was {what} twice")
                seen.add(referral)
            case "rejected":
                self.rejected.add(referral)
            case "qualified":
                self.qualified[referral] = way(line["cause"]).partition(" ")[0]
            case "unqualified":
                self.qualified.pop(referral, None)
            case "milestone" | "milestone_lost" as what:
                key = (line.get("participant") or "", str(detail["milestone"]), int(detail["number"]))
                if what == "milestone" and key in self.milestones:
                    self.twice.append(f"milestone {key[1]} number {key[2]} was reached twice")
                (self.milestones.add if what == "milestone" else self.milestones.discard)(key)

    def by(self, name: str) -> int:
        """Tell how many of the qualified referrals became so by this way."""
        return sum(1 for each in self.qualified.values() if each == name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """How much of what is to be seen."""

    what: Counted
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `qualified=10`. Raises ValueError with a sentence."""
        name, _, number = text.partition("=")
        for what in get_args(Counted):
            if what == name and number.isdecimal() and 0 < int(number) <= 100_000:
                return cls(what=what, count=int(number))
        raise ValueError(f"write the goal as {', '.join(f'{n}=N' for n in get_args(Counted))}, not {text!r}")

    def missing(self, tally: Tally) -> str:
        """Say what is missing; nothing once the goal is met."""
        seen = {"captured": tally.captured, "qualified": tally.qualified, "rewards": tally.milestones}[self.what]
        if len(seen) < self.count:
            return f"{len(seen)} of {self.count} {self.what}"
        if self.what == "qualified" and self.count >= BOTH_WAYS_FROM:
            absent = [name for name in ("poll", "webhook") if not tally.by(name)]
            if absent:
                return f"nobody qualified by {' or '.join(absent)}"
        return ""
