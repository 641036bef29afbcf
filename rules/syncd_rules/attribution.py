"""Whose friend is it? Codes, sign-ups, and the reasons for which a sign-up is no referral."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd_rules.events import Event
from syncd_rules.model import Program, Verdict
from syncd_rules.time import add


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A referral code, and who invites with it."""

    advocate: str
    created_at: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    redemption_limit: int | None  # None = as the program says; 0 = unlimited


@dataclass(frozen=True, kw_only=True, slots=True)
class Attributed:
    """The sign-up is a referral of this advocate; `review` is a reason to have a look."""

    advocate: str
    review: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The sign-up is no referral."""

    reason: str


@dataclass(kw_only=True, slots=True)
class Register:
    """What is known of a campaign's codes and people so far."""

    codes: dict[str, Code] = field(default_factory=dict)  # as written
    folded: dict[str, str] = field(default_factory=dict)  # casefolded -> as written
    redeemed: Counter[str] = field(default_factory=Counter)
    participants: set[str] = field(default_factory=set)
    identities: dict[str, set[str]] = field(default_factory=dict)  # advocate -> hashes of their addresses
    companies: dict[str, set[str]] = field(default_factory=dict)
    customers: dict[str, datetime] = field(default_factory=dict)  # friend -> since when
    touches: dict[str, str] = field(default_factory=dict)  # friend -> the code that brought them first
    friends: set[str] = field(default_factory=set)

    def add_code(self, event: Event) -> None:
        """Take a new code into the register; the first owner of a code keeps it."""
        data, advocate = event.data, event.data["advocate"]
        self.join(advocate)
        for known, name in ((self.identities, "identity"), (self.companies, "company")):
            if name in data:
                known.setdefault(advocate, set()).add(data[name])
        self.folded.setdefault(data["code"].casefold(), data["code"])
        code = Code(
            advocate=advocate,
            created_at=event.at,
            valid_from=_instant(data.get("valid_from")),
            valid_until=_instant(data.get("valid_until")),
            redemption_limit=data.get("redemption_limit"),
        )
        self.codes.setdefault(data["code"], code)

    def join(self, participant: str) -> None:
        """Note that somebody takes part."""
        self.participants.add(participant)

    def add_customer(self, event: Event) -> None:
        """Note that somebody was a customer before; the earliest that is known holds."""
        since = _instant(event.data.get("since")) or event.at
        friend = event.data["friend"]
        self.customers[friend] = min(since, self.customers.get(friend, since))

    def capture(self, event: Event) -> None:
        """Note by which code a friend came; the first touch stays."""
        if event.data["code"].casefold() in self.folded:
            self.touches.setdefault(event.data["friend"], event.data["code"])

    def sign_up(self, event: Event, program: Program) -> Attributed | Refused:
        """Say whose friend has signed up, and note it."""
        if event.at not in program.runs:
            return Refused(reason="campaign_not_running")
        friend = event.data["friend"]
        name = self._written(self.touches.get(friend), program) or self._written(event.data["code"], program)
        if name is None:
            return Refused(reason="code_not_found")
        code = self.codes[name]
        reason = self._closed(name, code, event.at, program) or next(self._doubts(event, code, program, "reject"), None)
        if reason is not None:
            return Refused(reason=reason)
        self.friends.add(friend)
        self.redeemed[name] += 1
        return Attributed(advocate=code.advocate, review=next(self._doubts(event, code, program, "review"), None))

    def _written(self, code: str | None, program: Program) -> str | None:
        """Find a code as it was created, or nothing."""
        if code is None or program.codes.case_sensitive:
            return code if code in self.codes else None
        return self.folded.get(code.casefold())

    def _closed(self, name: str, code: Code, now: datetime, program: Program) -> str | None:
        until = code.valid_until
        if until is None and program.codes.default_valid_for:
            until = add(code.created_at, program.codes.default_valid_for, program.timezone)
        limit = program.codes.default_redemption_limit if code.redemption_limit is None else code.redemption_limit
        if code.valid_from is not None and now < code.valid_from:
            return "code_not_started"
        if until is not None and now >= until:
            return "code_expired"
        if limit and self.redeemed[name] >= limit:
            return "redemption_limit_reached"
        return None

    def _doubts(self, event: Event, code: Code, program: Program, verdict: Verdict) -> Iterator[str]:
        """Give the reasons for which the program answers this sign-up with `verdict`, the gravest first."""
        friend, rules = event.data["friend"], program.eligibility
        identity, company = event.data.get("identity"), event.data.get("company")
        same_person = friend == code.advocate or identity in self.identities.get(code.advocate, ())
        since = self.customers.get(friend)
        if rules.self_referral == verdict and same_person:
            yield "self_referral"
        if verdict == "reject" and friend in self.friends:
            yield "already_referred"
        if rules.existing_customer == verdict and since is not None and since <= event.at:
            yield "existing_customer"
        if rules.existing_participant == verdict and friend in self.participants:
            yield "existing_participant"
        if rules.same_company_domain == verdict and company in self.companies.get(code.advocate, ()):
            yield "same_company_domain"


def _instant(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).astimezone(UTC)
