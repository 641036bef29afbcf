"""What people and payment systems say of rewards: approved, rejected, handed out, not handed out after all."""

from __future__ import annotations

from datetime import datetime

from syncd_rules.books import Books
from syncd_rules.events import Event
from syncd_rules.friends import Friends
from syncd_rules.model import Program
from syncd_rules.prize import Prize, Recipient
from syncd_rules.purchases import worth
from syncd_rules.rewards import Entitlement
from syncd_rules.versions import Versions

_VERBS = {
    "reward.fulfilled": "fulfil",
    "reward.failed": "fail",
    "reward.approved": "approve",
    "reward.rejected": "reject",
}


class Decisions:
    """The events about rewards, in the books of one participant."""

    def __init__(self, name: str, versions: Versions, books: Books, friends: Friends) -> None:
        self._name, self._versions, self._books, self._friends = name, versions, books, friends

    def hear(self, event: Event) -> None:
        """Follow an event about a reward. One that names no reward, or two, changes nothing."""
        found = [it for it in self._named(event) if it.status is not None]
        if not found and event.type == "reward.fulfilled":
            found = self._unfounded(event)
        if len(found) != 1 or not self._done(found[0], event):
            data = event.data
            reason = f"nothing_to_{_VERBS[event.type]}"
            self._books.suppress(data["to"], data["rule"], data["subject"], reason)

    def _done(self, it: Entitlement, event: Event) -> bool:
        match event.type:
            case "reward.fulfilled":
                return self._books.fulfil(it, event.at, event.id)
            case "reward.failed":
                return self._books.fail(it, event.at, event.id)
            case "reward.approved":
                return self._books.approve(it, event.data.get("by") or "", event.at, event.id)
        return self._books.reject(it, event.at, event.id)

    def _named(self, event: Event) -> list[Entitlement]:
        data = event.data
        prizes = self._versions.prizes.get(data["rule"], ())
        if data.get("reward") is not None:
            prizes = tuple(prize for prize in prizes if prize == data["reward"])
        return list(self._books.of(data["rule"], prizes, data["to"], data["subject"]))

    # --- what was handed out though there was never ground for it -----------------------------------------------------

    def _unfounded(self, event: Event) -> list[Entitlement]:
        """Open what somebody says was handed out, though it is known by now that there was no ground for it.

        Nobody hands out what was never in the books; so history has changed since, by something that arrived late. The
        money has left all the same, and the books have to say so.
        """
        data, found = event.data, []
        for program, prize, amount, role in self._meant(event):
            if data.get("reward") in {None, prize.id} and amount[0]:
                it = self._books.find(program, data["rule"], prize, data["to"], data["subject"], role)
                it.amount, it.currency = amount
                kept = self._books.suppressed.get((data["to"], data["rule"], data["subject"]), "")
                it.deserved = kept.startswith("budget")
                found.append(it)
        return found

    def _meant(self, event: Event) -> list[tuple[Program, Prize, tuple[int, str | None], Recipient]]:
        data = event.data
        order = self._friends.by_order.get(data["subject"])
        referral = order or self._friends.all.get(data["subject"])
        program = referral.terms if referral else self._versions.at(event.at)
        if program is None:
            return []
        for rule in program.rewards:
            if rule.id != data["rule"] or (rule.trigger == "order.paid") != (order is not None):
                continue
            if data["to"] != (self._name if rule.to == "advocate" else referral and referral.friend):
                return []
            amount = rule.prize.worth()
            if order is not None:
                amount = worth(order.orders.by_id[data["subject"]], rule, program)
            return [(program, rule.prize, amount, rule.to)]
        return self._milestone(data["rule"], data["subject"], event.at) if data["to"] == self._name else []

    def _milestone(
        self, name: str, subject: str, at: datetime
    ) -> list[tuple[Program, Prize, tuple[int, str | None], Recipient]]:
        program = self._versions.at(at)
        for milestone in program.milestones if program else ():
            if program and milestone.id == name and subject.isascii() and subject.isdigit() and int(subject) > 0:
                prizes = milestone.prizes
                if milestone.steps:
                    prizes = milestone.steps[int(subject) - 1].prizes if int(subject) <= len(milestone.steps) else ()
                elif milestone.limit is not None and int(subject) > milestone.limit:
                    prizes = ()
                return [(program, prize, prize.worth(), "advocate") for prize in prizes]
        return []
