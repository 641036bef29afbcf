"""The story that a sandbox tells: lines of the daemon's history, with the names that only the simulator knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.sandbox.people import Advocate, Friend, masked
from syncd.sandbox.place import SENDER

History = Mapping[str, Any]
"""A line of /api/v1/history: id, at, what, referral, participant, connector, cause, detail."""


def way(cause: str, *, full: bool = False) -> str:
    """Tell by which way a change came: `poll`, `sweep`, `webhook shop`, or the cause's own word; `full`: of whom."""
    kind, _, who = cause.partition(":")
    return f"{kind} {who}" if kind == "webhook" or (full and kind in {"poll", "sweep"}) else kind


def money(minor: int, currency: str | None) -> str:
    """Write an amount of minor units, hundredths, as people do: EUR 1,249.00."""
    return f"{currency or 'EUR'} {minor // 100:,}.{minor % 100:02d}"


@dataclass(kw_only=True)
class Story:
    """Turns history into sentences. Someone whom the simulator did not send has a number and no name."""

    label: Callable[[str, str], str]  # connector and deal stage -> what that CRM calls it
    milestones: Mapping[str, str]  # id -> name
    several: bool = False  # whether there is more than one CRM, so that each line must say which
    friends: dict[str, Friend] = field(default_factory=dict, repr=False)  # by referral
    advocates: dict[str, Advocate] = field(default_factory=dict, repr=False)  # by participant
    _names: dict[str, str] = field(default_factory=dict, repr=False)  # by participant
    _numbers: dict[str, int] = field(default_factory=dict)
    _last: dict[tuple[str, str | None], str] = field(default_factory=dict)  # the latest stage in a CRM, in words

    def meet(self, participant: str, advocate: Advocate) -> None:
        """Learn an advocate's name."""
        self.advocates[participant] = advocate
        self._names[participant] = advocate.name

    def expect(self, referral: str, participant: str | None, friend: Friend) -> None:
        """Learn who a referral's friend is."""
        self.friends[referral] = friend
        if participant:
            self._names[participant] = masked(friend.email)

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
        person, deal = detail.get("person"), detail.get("deal")
        places = [f"lead {deal}"] if person == deal else [f"contact {person}"] + ([f"deal {deal}"] if deal else [])
        return "pushed", f"{line['connector']} {', '.join(places)}"

    def _push_failed(self, line: History, _: History) -> tuple[str, str]:
        return "NOT PUSHED", f"{line['connector']} refuses this lead"

    def _stage(self, line: History, detail: History) -> tuple[str, str] | None:
        before, after = (self._label(line, detail.get(key)) for key in ("before", "after"))
        amount = f", {money(detail['amount'], detail.get('currency'))}" if detail.get("amount") else ""
        place = (line["referral"], line.get("connector"))
        first = place not in self._last
        self._last[place] = f"{after}{amount}"
        if before is None:
            # A deal's first stage is where our own push put it; only a further deal is news.
            return None if first else ("new deal", f"{after}  ({self._way(line)})")
        return "stage", f"{before} -> {after}  ({self._way(line)})"

    def _qualified(self, line: History, _: History) -> tuple[str, str]:
        kind, _, who = line["cause"].partition(":")
        if kind in {"poll", "sweep", "webhook"} and who != SENDER:
            return "QUALIFIED", f"{self._last.get((line['referral'], who), 'won')}  ({self._way(line)})"
        return "QUALIFIED", f"{'bought in the shop' if kind == 'webhook' else 'by decision'}  ({self._way(line)})"

    def _unqualified(self, line: History, _: History) -> tuple[str, str]:
        return "reopened", f"no longer qualified  ({self._way(line)})"

    def _retried(self, line: History, _: History) -> tuple[str, str]:
        return "retried", f"{line['connector']} is sent this lead again"

    def _lost(self, line: History, _: History) -> tuple[str, str]:
        return "lost", f"({self._way(line)})"

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
        return self._names.get(participant or "", "somebody")

    def _label(self, line: History, stage: str | None) -> str | None:
        return self.label(line["connector"] or "", stage) if stage else None

    def _way(self, line: History) -> str:
        return way(line["cause"], full=self.several)


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
