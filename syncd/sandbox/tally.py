"""What has happened in a sandbox so far, in numbers, and the goal at which it ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from syncd.sandbox.place import SENDER

Counted = Literal["captured", "qualified", "rewards"]
BOTH_WAYS_FROM = 4  # qualified referrals; with fewer, chance alone may leave one of the ways out
HEARD_FROM = 5  # qualified referrals for each CRM, from which on each must have been told of one by the CRM itself
WEBSITE = "api:sandbox"  # the cause of what the simulated website asks for

_DECISIONS = frozenset({"captured", "qualified", "unqualified", "rejected"})


@dataclass(kw_only=True)
class Tally:
    """Counts of a history that is read once, in order."""

    captured: set[str] = field(default_factory=set)
    pushed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # connector -> referrals
    rejected: set[str] = field(default_factory=set)
    qualified: dict[str, str] = field(default_factory=dict)  # referral -> the cause: poll:hubspot, webhook:shop ...
    wins: set[tuple[str, str]] = field(default_factory=set)  # (referral, cause), also of what was taken back since
    milestones: set[tuple[str, str, int]] = field(default_factory=set)  # that stand
    rewards: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (recipient, rule, subject) -> its state
    delays: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )  # connector -> seconds, see `took`
    guests: bool = False  # whether somebody else took part, by the API or the command line
    twice: list[str] = field(default_factory=list)  # what happened a second time and must not

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a line of history."""
        referral, detail = line.get("referral") or "", line.get("detail") or {}
        kind = line["cause"].partition(":")[0]
        self.guests |= line["what"] in _DECISIONS and kind in {"api", "cli"} and line["cause"] != WEBSITE
        match line["what"]:
            case "captured":
                self._once(self.captured, referral, "captured")
            case "pushed":
                self._once(self.pushed[line["connector"]], referral, f"pushed to {line['connector']}")
            case "rejected":
                self.rejected.add(referral)
            case "qualified":
                self.qualified[referral] = line["cause"]
                self.wins.add((referral, line["cause"]))
            case "unqualified":
                self.qualified.pop(referral, None)
            case "reward":
                self.rewards[line.get("participant") or "", detail["rule"], str(detail["subject"])] = detail["status"]
            case "milestone" | "milestone_lost" as what:
                key = (line.get("participant") or "", str(detail["milestone"]), int(detail["number"]))
                if what == "milestone" and key in self.milestones:
                    self.twice.append(f"milestone {key[1]} number {key[2]} was reached twice")
                (self.milestones.add if what == "milestone" else self.milestones.discard)(key)

    def took(self, connector: str, seconds: float) -> None:
        """Note how long after the CRM's own message about it a win stood in the history."""
        self.delays[connector].append(seconds)

    def by(self, kind: str, party: str | None = None) -> int:
        """Tell how many of the qualified referrals became so by this way, from this party if one is named."""
        return _count(self.qualified.values(), kind, party)

    def won(self, kind: str, party: str) -> int:
        """Tell how many wins came by this way from this party, whatever became of them."""
        return _count((cause for _, cause in self.wins), kind, party)

    def unpushed(self, connector: str) -> set[str]:
        """Name the referrals that are to reach a CRM and are not known to be there."""
        return self.captured - self.rejected - self.pushed[connector]

    def _once(self, seen: set[str], referral: str, what: str) -> None:
        if referral in seen:
            self.twice.append(f"{referral} was {what} twice")
        seen.add(referral)


def _count(causes: Iterable[str], kind: str, party: str | None) -> int:
    parts = (cause.partition(":") for cause in causes)
    return sum(1 for told, _, who in parts if told == kind and party in {None, who})


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

    def missing(self, tally: Tally, connectors: Collection[str], telling: Collection[str] = ()) -> str:
        """Say what is missing; nothing once the goal is met. `telling` are the CRMs that tell of wins by themselves."""
        seen = {"captured": tally.captured, "qualified": tally.qualified, "rewards": tally.milestones}[self.what]
        if len(seen) < self.count:
            return f"{len(seen)} of {self.count} {self.what}"
        if self.what == "qualified" and self.count >= BOTH_WAYS_FROM:
            absent = [] if tally.by("webhook", SENDER) else ["webhook"]
            absent += [f"poll of {name}" for name in connectors if not tally.won("poll", name)]
            if self.count >= HEARD_FROM * len(connectors):
                absent += [f"webhook of {name}" for name in telling if not tally.won("webhook", name)]
            if absent:
                return f"nobody qualified by {' or '.join(absent)}"
        return ""
