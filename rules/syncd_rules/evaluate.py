"""The fold: from what happened, in order, to what it amounts to.

`evaluate` holds nothing between calls and asks nobody for anything: the same programs, events and `as_of` give the
same result, whatever the order in which the events arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd_rules import limits, milestones, qualification
from syncd_rules.attribution import Refused, Register
from syncd_rules.books import Books
from syncd_rules.events import Event, canonical
from syncd_rules.model import Milestone, Program, ReferralReward, Versions
from syncd_rules.qualification import Case, Ignored
from syncd_rules.result import Reached, ReferralState, Rejected, Result, Suppressed


def evaluate(programs: Sequence[Program], events: Iterable[Event], as_of: datetime) -> Result:
    """Say what the events up to and including `as_of` amount to under the versions of one campaign.

    Raises `InvalidProgram` where the programs are not versions of one campaign. Events of other campaigns are left
    out, and so are later ones.
    """
    versions = Versions(programs)
    if not versions.known:
        return Result()
    timeline, conflicts = canonical(events, versions.known[0].campaign, as_of)
    fold = _Fold(versions)
    for event in timeline:
        fold.let_time_pass(event.at)
        fold.hear(event)
    fold.let_time_pass(as_of)
    return fold.result(conflicts)


@dataclass(kw_only=True, slots=True)
class _Referral:
    """A referral on its way; all that concerns it follows the version under which it was captured."""

    friend: str
    advocate: str
    terms: Program
    case: Case
    review: str | None
    qualified_at: datetime | None = None
    via: str | None = None
    weighed: bool = False  # whether it counts has been decided
    uncounted: str | None = None  # the limit that keeps it from counting


@dataclass(frozen=True, kw_only=True, slots=True)
class _Standing:
    """An occurrence of a milestone that stands, under the version that granted it."""

    milestone: Milestone
    number: int
    reached_at: datetime


class _Fold:
    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self.campaign = versions.known[0].campaign
        self.register = Register()
        self.referrals: dict[str, _Referral] = {}
        self.counted: dict[str, dict[str, datetime]] = {}  # advocate -> friend -> since when
        self.standing: dict[str, dict[tuple[str, int], _Standing]] = {}  # advocate -> (milestone, number)
        self.books = Books(self.campaign)
        self.rejected: list[Rejected] = []
        self.suppressed: dict[tuple[str, str, str], str] = {}  # (to, rule, subject) -> why, as it is now
        self.activations = [(p.effective_from, p.version) for p in versions.known if p.effective_from]

    # --- time ---------------------------------------------------------------------------------------------------------

    def let_time_pass(self, until: datetime) -> None:
        """Do what falls due up to `until`: holds end, and versions come into force."""
        while self.activations and self.activations[0][0] <= until:
            at, version = self.activations.pop(0)
            self.books.release(at)
            for advocate in sorted(self.counted):
                self.climb(advocate, at, f"timer:version:{version}")
        self.books.release(until)

    # --- events -------------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take in one event. Types that no supported rule asks for change nothing."""
        match event.type:
            case "code.created":
                self.register.add_code(event)
            case "participant.joined":
                who = event.data["participant"]
                self.register.join(who)
                self.books.tell("trigger.participation", event.at, who, participant=who)
            case "customer.existing":
                self.register.add_customer(event)
            case "link.shared":
                self.books.tell("trigger.referral_link_shared", event.at, event.id, advocate=event.data["advocate"])
            case "referral.captured":
                self.register.capture(event)
            case "friend.signed_up":
                self.sign_up(event)
            case "deal.stage_changed" | "referral.qualified" | "referral.disqualified":
                self.go_on(event)
            case "reward.fulfilled":
                self.fulfil(event)

    def sign_up(self, event: Event) -> None:
        """Make a referral of a sign-up, or say why it is none."""
        friend, program = event.data["friend"], self.versions.at(event.at)
        if program is None:
            self.rejected.append(Rejected(friend=friend, reason="campaign_not_running"))
            return
        verdict = self.register.sign_up(event, program)
        if isinstance(verdict, Refused):
            self.rejected.append(Rejected(friend=friend, reason=verdict.reason))
            return
        referral = _Referral(
            friend=friend,
            advocate=verdict.advocate,
            terms=program,
            case=qualification.opened(program),
            review=verdict.review,
        )
        self.referrals[friend] = referral
        self.tell("trigger.new_referral_count", referral, event.at)
        if verdict.review:
            self.tell("alert.review_required", referral, event.at, reason=verdict.review)
        self.settle(referral, event)

    def go_on(self, event: Event) -> None:
        """Follow a referral's deal, or a decision on it; what was before the sign-up does not count."""
        referral = self.referrals.get(event.data["friend"])
        if referral is None:
            return
        try:
            referral.case = qualification.heard(referral.case, event, referral.terms)
        except Ignored as ignored:
            self.suppress(referral.advocate, "qualification", referral.friend, str(ignored))
        else:
            self.settle(referral, event)

    def fulfil(self, event: Event) -> None:
        """Note that a reward was handed out."""
        to, rule, subject = event.data["to"], event.data["rule"], event.data["subject"]
        if not self.books.fulfil(to, rule, subject, event.data.get("reward"), event.at, event.id):
            self.suppress(to, rule, subject, "nothing_to_fulfil")

    # --- what follows -------------------------------------------------------------------------------------------------

    def settle(self, referral: _Referral, event: Event) -> None:
        """Draw the consequences of what was heard of a referral."""
        before = len(self.counted.setdefault(referral.advocate, {}))
        self.qualify(referral, event.at)
        self.count(referral, event.at)
        self.reward(referral, event)
        if len(self.counted[referral.advocate]) != before:
            self.climb(referral.advocate, event.at, event.id)

    def qualify(self, referral: _Referral, at: datetime) -> None:
        """Decide whether it is qualified, and since when without a break."""
        via = qualification.ground(referral.case, referral.terms)
        if via is None:
            referral.qualified_at = referral.via = None
        elif referral.qualified_at is None:
            referral.qualified_at, referral.via = at, via
            self.tell("trigger.referral_converted", referral, at, via=via)

    def count(self, referral: _Referral, at: datetime) -> None:
        """Decide whether it counts for its advocate: at sign-up or at qualification, if the limits hold then."""
        counted = self.counted[referral.advocate]
        complete = referral.terms.counting == "referrals" or referral.qualified_at is not None
        if not complete or qualification.disqualified(referral.case):
            counted.pop(referral.friend, None)
            referral.weighed, referral.uncounted = False, None
        elif not referral.weighed:
            referral.weighed = True
            referral.uncounted = limits.refusal(counted.values(), at, self.in_force(referral, at))
            if referral.uncounted is None:
                counted[referral.friend] = at
            self.tell("email.referral_success", referral, at)

    def reward(self, referral: _Referral, event: Event) -> None:
        """Grant or revoke the rewards of one referral."""
        stages = qualification.reached(referral.case, referral.terms.stages)
        out = qualification.disqualified(referral.case)
        for rule in referral.terms.rewards:
            to = referral.advocate if rule.to == "advocate" else referral.friend
            what = (rule.id, rule.prize, to, referral.friend)
            self.suppressed.pop((to, rule.id, referral.friend), None)
            earned = rule.stage in stages if rule.trigger == "stage.reached" else referral.qualified_at is not None
            if out or not earned:
                self.books.revoke(*what, event.at, event.id)
            elif self.books.stands(*what):
                continue
            elif limit := self.kept_back(rule, referral, event.at):
                self.suppress(to, rule.id, referral.friend, limit)
            else:
                self.books.grant(referral.terms, *what, event.at, event.id)

    def kept_back(self, rule: ReferralReward, referral: _Referral, at: datetime) -> str | None:
        """Name the limit that keeps this reward back."""
        if rule.to == "friend" and self.in_force(referral, at).limits.friend_reward_when_capped:
            return None
        return referral.uncounted

    def climb(self, advocate: str, at: datetime, cause: str) -> None:
        """Reverse the milestones that no longer stand, and grant those that are reached."""
        value = len(self.counted.get(advocate, ()))
        standing = self.standing.setdefault(advocate, {})
        for place, old in list(standing.items()):
            if old.milestone.reversible and not milestones.stands(old.milestone, old.number, value):
                del standing[place]
                for prize in old.milestone.prizes:
                    self.books.revoke(old.milestone.id, prize, advocate, str(old.number), at, cause)
        program = self.versions.at(at)
        if program is None:
            return
        for milestone in program.milestones:
            for number in milestones.occurrences(milestone, value):
                if (milestone.id, number) not in standing:
                    standing[milestone.id, number] = _Standing(milestone=milestone, number=number, reached_at=at)
                    self.celebrate(milestone, number, advocate, at)
                    for prize in milestone.prizes:
                        self.books.grant(program, milestone.id, prize, advocate, str(number), at, cause)

    def celebrate(self, milestone: Milestone, number: int, advocate: str, at: datetime) -> None:
        """Send the messages of an occurrence; the key lets a second reaching of it pass in silence."""
        for message in ("milestone", *milestone.messages):
            name, data = f"email.{message}", {"participant": advocate, "milestone": milestone.id, "number": number}
            self.books.tell(name, at, milestone.id, advocate, str(number), **data)

    def in_force(self, referral: _Referral, at: datetime) -> Program:
        """Give the version that is in force now; there is one, since there was one at the sign-up."""
        return self.versions.at(at) or referral.terms

    def suppress(self, to: str, rule: str, subject: str, reason: str) -> None:
        """Note what was kept back, or heard in vain, and why."""
        self.suppressed[to, rule, subject] = reason

    def tell(self, name: str, referral: _Referral, at: datetime, **more: Any) -> None:
        """Emit an effect about a referral, once in its life."""
        self.books.tell(name, at, referral.friend, friend=referral.friend, advocate=referral.advocate, **more)

    # --- the result ---------------------------------------------------------------------------------------------------

    def result(self, conflicts: tuple[str, ...]) -> Result:
        """Put down what stands now."""
        timers = [at for at, _ in self.activations[:1]]
        if (release := self.books.next_release()) is not None:
            timers.append(release)
        return Result(
            referrals={friend: self.state_of(referral) for friend, referral in self.referrals.items()},
            milestones=tuple(
                Reached(participant=advocate, milestone=s.milestone.id, number=s.number, reached_at=s.reached_at)
                for advocate in sorted(self.standing)
                for s in self.standing[advocate].values()
            ),
            rewards=tuple(self.books.rewards.values()),
            ledger=tuple(self.books.ledger),
            effects=tuple(self.books.effects.values()),
            rejected=tuple(self.rejected),
            suppressed=tuple(
                Suppressed(to=to, rule=rule, subject=subject, reason=reason)
                for (to, rule, subject), reason in self.suppressed.items()
            ),
            conflicts=conflicts,
            next_due=min(timers, default=None),
        )

    def state_of(self, referral: _Referral) -> ReferralState:
        out = qualification.disqualified(referral.case)
        return ReferralState(
            status="disqualified" if out else "signed_up" if referral.qualified_at is None else "qualified",
            referred_by=referral.advocate,
            stage=qualification.present_stage(referral.case, referral.terms.stages),
            counted=referral.friend in self.counted.get(referral.advocate, {}),
            qualified_at=referral.qualified_at,
            via=referral.via,
            review=referral.review,
        )
