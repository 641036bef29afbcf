"""The story that a sandbox tells: lines of the daemon's history, with the names that only the simulator knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from syncd.sandbox.crm.hubspot.schema import Schema
from syncd.sandbox.people import Advocate, Friend, masked

History = Mapping[str, Any]
"""A line of /api/v1/history: id, at, what, referral, participant, connector, cause, detail."""


def way(cause: str) -> str:
    """Tell by which way a change came: `poll`, `sweep`, `webhook shop`, or the cause's own word."""
    kind, _, who = cause.partition(":")
    return f"{kind} {who}" if kind == "webhook" else kind


def money(minor: int, currency: str | None) -> str:
    """Write an amount of minor units, hundredths, as people do: EUR 1,249.00."""
    return f"{currency or 'EUR'} {minor // 100:,}.{minor % 100:02d}"


@dataclass(kw_only=True)
class Story:
    """Turns history into sentences. Someone whom the simulator did not send has a number and no name."""

    labels: Mapping[str, str]  # deal stage -> what the CRM calls it
    milestones: Mapping[str, str]  # id -> name
    friends: dict[str, Friend] = field(default_factory=dict, repr=False)  # by referral
    names: dict[str, str] = field(default_factory=dict, repr=False)  # by participant
    _numbers: dict[str, int] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)  # referral -> its latest stage, in words

    @classmethod
    def of(cls, schema: Schema, milestones: Mapping[str, str]) -> Self:
        """Begin a story about a CRM with these definitions."""
        stages = [stage for pipeline in schema.pipelines.values() for stage in pipeline.stages]
        return cls(
            labels={stage.id: stage.label for stage in stages},
            milestones=milestones,
        )

    def meet(self, participant: str, advocate: Advocate) -> None:
        """Learn an advocate's name."""
        self.names[participant] = advocate.name

    def expect(self, referral: str, participant: str | None, friend: Friend) -> None:
        """Learn who a referral's friend is."""
        self.friends[referral] = friend
        if participant:
            self.names[participant] = masked(friend.email)

    def number(self, referral: str) -> int:
        """Count the referrals in the order in which they are spoken of."""
        return self._numbers.setdefault(referral, len(self._numbers) + 1)

    def tell(self, line: History) -> str | None:
        """Give the line of the story for a line of the history, or None where it says nothing that people ask for."""
        what, detail = line["what"], line.get("detail") or {}
        teller = getattr(self, f"_{what}", None)
        words = teller(line, detail) if teller else None
        if words is None:
            return None
        verb, rest = words
        at = datetime.fromisoformat(line["at"]).strftime("%H:%M:%S")
        whose = f"REF-{self.number(line['referral']):04d}  " if line.get("referral") else ""
        return f"{at} {verb:<10} {whose}{rest}"

    # One method for each word of the history; what has none is not told.

    def _joined(self, line: History, _: History) -> tuple[str, str]:
        return "joined", self._name(line.get("participant"))

    def _captured(self, line: History, detail: History) -> tuple[str, str]:
        friend = self.friends.get(line["referral"])
        if friend is None:
            return "captured", f"somebody by {self._name(line.get('participant'))}"
        advocate = friend.advocate
        channel = detail.get("channel", "no channel")
        return "captured", f"{masked(friend.email)}  by {advocate.name} (code {advocate.code}, {channel})"

    def _pushed(self, line: History, detail: History) -> tuple[str, str]:
        names = (("contact", "person"), ("deal", "deal"))
        places = [f"{kind} {detail[part]}" for kind, part in names if part in detail]
        return "pushed", f"{line['connector']} {', '.join(places)}"

    def _push_failed(self, line: History, _: History) -> tuple[str, str]:
        return "NOT PUSHED", f"{line['connector']} refuses this lead"

    def _stage(self, line: History, detail: History) -> tuple[str, str] | None:
        before, after = (self._label(detail.get(key)) for key in ("before", "after"))
        amount = f", {money(detail['amount'], detail.get('currency'))}" if detail.get("amount") else ""
        first = line["referral"] not in self._last
        self._last[line["referral"]] = f"{after}{amount}"
        if before is None:
            # A deal's first stage is where our own push put it; only a further deal is news.
            return None if first else ("new deal", f"{after}  ({way(line['cause'])})")
        return "stage", f"{before} -> {after}  ({way(line['cause'])})"

    def _qualified(self, line: History, _: History) -> tuple[str, str]:
        by = way(line["cause"])
        if by in {"poll", "sweep"}:
            return "QUALIFIED", f"{self._last.get(line['referral'], 'won')}  ({by})"
        return "QUALIFIED", f"{'bought in the shop' if by.startswith('webhook') else 'by decision'}  ({by})"

    def _unqualified(self, line: History, _: History) -> tuple[str, str]:
        return "reopened", f"no longer qualified  ({way(line['cause'])})"

    def _lost(self, line: History, _: History) -> tuple[str, str]:
        return "lost", f"({way(line['cause'])})"

    def _rejected(self, _: History, detail: History) -> tuple[str, str]:
        return "rejected", str(detail.get("reason", ""))

    def _reward(self, line: History, detail: History) -> tuple[str, str] | None:
        before, status = detail.get("before"), detail.get("status")
        if before and status not in {"void", "reversed"}:
            return None
        rule = detail.get("rule", "")
        name = f'milestone "{self.milestones[rule]}"' if rule in self.milestones else f'"{rule}"'
        end = " taken back" if status in {"void", "reversed"} else ""
        return "reward", f"{self._name(line.get('participant'))} {name} -> {prize(detail)}{end}"

    def _name(self, participant: str | None) -> str:
        return self.names.get(participant or "", "somebody")

    def _label(self, stage: str | None) -> str | None:
        return self.labels.get(stage, stage) if stage else None


def prize(detail: History) -> str:
    """Say in a few words what is given."""
    kind, amount, currency = detail.get("kind", ""), detail.get("amount", ""), detail.get("currency")
    match kind:
        case "points":
            return f"{amount} points"
        case "discount_percentage":
            return f"{amount}% off"
        case _:
            return f"{currency} {amount}" if currency else kind.replace("_", " ")
