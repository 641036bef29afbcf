"""Whose friend is it? Codes, touches, sign-ups, and the reasons for which a sign-up is no referral.

Each sign-up is decided from what lies before it in canonical order. What arrives late may change decisions that follow
it; `Register.learn` says which.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from syncd_rules.events import Event
from syncd_rules.model import Program, Verdict
from syncd_rules.time import add
from syncd_rules.versions import Versions

Order = tuple[datetime, int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A referral code, and who invites with it."""

    text: str
    advocate: str
    created_at: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    redemption_limit: int | None  # None = as the program says; 0 = unlimited

    def limit(self, program: Program) -> int:
        """Tell how many friends may use it; 0 = any number."""
        return program.codes.default_redemption_limit if self.redemption_limit is None else self.redemption_limit

    def refusal(self, now: datetime, redeemed: int, program: Program) -> str | None:
        """Say why it cannot be used now, or None."""
        until = self.valid_until
        if until is None and program.codes.default_valid_for:
            until = add(self.valid_from or self.created_at, program.codes.default_valid_for, program.timezone)
        if self.valid_from is not None and now < self.valid_from:
            return "code_not_started"
        if until is not None and now >= until:
            return "code_expired"
        limit = self.limit(program)
        return "redemption_limit_reached" if limit and redeemed >= limit else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attributed:
    """The sign-up is a referral of this advocate; `review` is a reason to have a look."""

    advocate: str
    code: Code
    captured_at: datetime
    channel: str | None
    review: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The sign-up is no referral."""

    reason: str


class Register:
    """Codes and people of a campaign, and what was decided on each sign-up."""

    def __init__(self, versions: Versions) -> None:
        self.decided: dict[str, Attributed | Refused] = {}  # by the sign-up's event id
        self.accepted: dict[str, Event] = {}  # friend -> the sign-up that made a referral
        self._versions = versions
        # What is known of people, each list in canonical order. Most have few of these, so that each is kept apart.
        self._touches: dict[str, list[tuple[Order, Event]]] = {}
        self._sign_ups: dict[str, list[tuple[Order, Event]]] = {}
        self._customers: dict[str, list[tuple[Order, datetime]]] = {}
        self._joined: dict[str, list[Order]] = {}
        self._erased: dict[str, list[Order]] = {}
        self._marks: dict[str, list[tuple[Order, str, str]]] = {}  # "identity" or "company", and its key
        self._codes_of: dict[str, set[str]] = {}  # advocate -> casefolded codes
        self._codes: dict[str, list[tuple[Order, Code]]] = {}  # casefolded -> those spelled so
        self._mentions: dict[str, set[str]] = {}  # casefolded code -> who came by it
        self._redeemed: dict[str, list[Order]] = {}  # by the code's text
        self._newest: Order | None = None  # of the sign-ups
        self._limited = any(program.codes.default_redemption_limit for program in versions.known)

    def advocate_of(self, friend: str) -> str | None:
        """Name the advocate whose referral somebody is."""
        sign_up = self.accepted.get(friend)
        decided = self.decided[sign_up.id] if sign_up else None
        return decided.advocate if isinstance(decided, Attributed) else None

    def may_be_of(self, sign_up: Event, advocate: str) -> bool:
        """Tell whether a sign-up came by a code of somebody's, or its friend has touched one."""
        codes = self._codes_of.get(advocate, ())
        touches = self._touches.get(sign_up.data["friend"], ())
        return any(event.data["code"].casefold() in codes for event in (sign_up, *(it for _, it in touches)))

    def sign_ups_of(self, friend: str) -> list[Event]:
        """Give the sign-ups of somebody, in order."""
        return [event for _, event in self._sign_ups.get(friend, ())]

    def learn(self, event: Event) -> list[tuple[Event, Attributed | Refused | None]]:
        """Take in a fact or a sign-up; give the sign-ups that are decided anew, each with what was decided before."""
        affected = self._note(event)
        waiting = {}
        if self._newest is not None and event.order < self._newest:
            waiting = {sign_up.order: sign_up for sign_up in self._later(affected, event.order)}
        if event.type == "friend.signed_up":
            waiting[event.order] = event
            self._newest = max(self._newest or event.order, event.order)
        return self._decide(waiting) if waiting else []

    def _decide(self, waiting: dict[Order, Event]) -> list[tuple[Event, Attributed | Refused | None]]:
        """Decide sign-ups in their order; each may open the question of later ones."""
        changed: list[tuple[Event, Attributed | Refused | None]] = []
        heap = list(waiting)
        heapq.heapify(heap)
        while heap:
            event = waiting.pop(heapq.heappop(heap))
            before, now = self.decided.get(event.id), self._verdict(event)
            self.decided[event.id] = now
            if before == now:
                continue
            changed.append((event, before))
            people = {event.data["friend"]}
            for verdict, step in ((before, self._forget), (now, self._redeem)):
                if isinstance(verdict, Attributed):
                    step(event, verdict.code)
                    people |= self._rivals(verdict.code, event)
            if event.order == self._newest:
                continue
            for later in self._later(people, event.order):
                if later.order not in waiting:
                    waiting[later.order] = later
                    heapq.heappush(heap, later.order)
        return changed

    def _rivals(self, code: Code, event: Event) -> set[str]:
        """Name those for whom a redemption more or less can matter."""
        limited = self._limited or code.redemption_limit
        return self._mentions[code.text.casefold()] if limited and event.order != self._newest else set()

    def _redeem(self, event: Event, code: Code) -> None:
        insort(self._redeemed.setdefault(code.text, []), event.order)
        self.accepted[event.data["friend"]] = event

    def _forget(self, event: Event, code: Code) -> None:
        self._redeemed[code.text].remove(event.order)
        if self.accepted.get(event.data["friend"]) is event:
            del self.accepted[event.data["friend"]]

    # --- what is known ------------------------------------------------------------------------------------------------

    def _note(self, event: Event) -> Iterable[str]:
        """Write a fact down; name the people on whose later sign-ups it may bear."""
        data, order = event.data, event.order
        match event.type:
            case "code.created":
                return self._add_code(event)
            case "participant.joined":
                who = data["participant"]
                insort(self._joined.setdefault(who, []), order)
                self._mark(who, event)
                return chain([who], self._invited(who))
            case "participant.erased":
                insort(self._erased.setdefault(data["participant"], []), order)
                return self._invited(data["participant"])
            case "customer.existing":
                since = _instant(data.get("since")) or event.at
                insort(self._customers.setdefault(data["friend"], []), (order, since))
            case "referral.captured":
                self._mention(data["code"], data["friend"])
                insort(self._touches.setdefault(data["friend"], []), (order, event), key=_first)
            case "friend.signed_up":
                self._mention(data["code"], data["friend"])
                insort(self._sign_ups.setdefault(data["friend"], []), (order, event), key=_first)
        return (data["friend"],)

    def _add_code(self, event: Event) -> Iterable[str]:
        data, advocate = event.data, event.data["advocate"]
        folded = data["code"].casefold()
        insort(self._joined.setdefault(advocate, []), event.order)
        self._codes_of.setdefault(advocate, set()).add(folded)
        self._mark(advocate, event)
        code = Code(
            text=data["code"],
            advocate=advocate,
            created_at=event.at,
            valid_from=_instant(data.get("valid_from")),
            valid_until=_instant(data.get("valid_until")),
            redemption_limit=data.get("redemption_limit"),
        )
        insort(self._codes.setdefault(folded, []), (event.order, code), key=_first)
        self._mentions.setdefault(folded, set())
        return chain([advocate], self._invited(advocate))

    def _mark(self, who: str, event: Event) -> None:
        for name in ("identity", "company"):
            if event.data.get(name) is not None:
                insort(self._marks.setdefault(who, []), (event.order, name, event.data[name]))

    def _mention(self, code: str, friend: str) -> None:
        self._mentions.setdefault(code.casefold(), set()).add(friend)

    def _invited(self, advocate: str) -> Iterator[str]:
        """Name those who came by a code of somebody's, one by one: there may be many, and nobody may ask."""
        return chain.from_iterable(self._mentions[code] for code in self._codes_of.get(advocate, ()))

    def _later(self, people: Iterable[str], order: Order) -> Iterator[Event]:
        for name in people:
            for at, event in self._sign_ups.get(name, ()):
                if at > order:
                    yield event

    # --- the decision -------------------------------------------------------------------------------------------------

    def _verdict(self, event: Event) -> Attributed | Refused:
        accepted = self.accepted.get(event.data["friend"])
        if accepted is not None and accepted.order < event.order:
            return Refused(reason="already_referred")  # whatever else there is to say of the code
        program = self._versions.at(event.at)
        if program is None or event.at not in program.runs:
            return Refused(reason="campaign_not_running")
        touches = self._touches_before(event, program)
        if not touches:
            return Refused(reason="code_not_found")
        window = program.attribution.click_window
        live = [t for t in touches if window is None or event.at < add(t[0].at, window, program.timezone)]
        if not live:
            return Refused(reason="click_window_passed")
        touch, code = live[0] if program.attribution.model == "first_touch" else live[-1]
        reason = None
        if program.codes.checked_at == "signup":
            redeemed = bisect_left(self._redeemed.get(code.text, []), event.order)
            reason = code.refusal(event.at, redeemed, program)
        reason = reason or next(self._doubts(event, code, program, "reject"), None)
        if reason is not None:
            return Refused(reason=reason)
        return Attributed(
            advocate=code.advocate,
            code=code,
            captured_at=touch.at,
            channel=touch.data.get("channel") or event.data.get("channel"),
            review=next(self._doubts(event, code, program, "review"), None),
        )

    def _touches_before(self, sign_up: Event, program: Program) -> list[tuple[Event, Code]]:
        """Give what brought the friend, in order; the sign-up itself is a touch where no capture had its code."""
        found = []
        for order, touch in self._touches.get(sign_up.data["friend"], ()):
            code = self._code(touch.data["code"], order, program, sign_up.order)
            if order < sign_up.order and code is not None:
                found.append((touch, code))
        own = self._code(sign_up.data["code"], sign_up.order, program, sign_up.order)
        if own is not None and all(code != own for _, code in found):
            found.append((sign_up, own))
        return found

    def _code(self, text: str, touched: Order, program: Program, now: Order) -> Code | None:
        """Find a code that existed when it was touched; the first owner keeps it, and it goes when they are erased."""
        for order, code in self._codes.get(text.casefold(), ()):
            if order < touched and (code.text == text or not program.codes.case_sensitive):
                gone = self._erased.get(code.advocate)
                return None if gone and gone[0] < now else code
        return None

    def _doubts(self, event: Event, code: Code, program: Program, verdict: Verdict) -> Iterator[str]:
        """Give the reasons for which the program answers this sign-up with `verdict`, the gravest first."""
        friend, rules, order = event.data["friend"], program.eligibility, event.order
        joined = self._joined.get(friend)
        marks = {(name, key) for at, name, key in self._marks.get(code.advocate, ()) if at < order}
        if rules.self_referral == verdict and (
            friend == code.advocate or ("identity", event.data.get("identity")) in marks
        ):
            yield "self_referral"
        since = min((since for at, since in self._customers.get(friend, ()) if at < order), default=None)
        if rules.existing_customer == verdict and since is not None and since <= event.at:
            yield "existing_customer"
        if rules.existing_participant == verdict and joined and joined[0] < order:
            yield "existing_participant"
        if rules.disposable_email == verdict and event.data.get("disposable") is True:
            yield "disposable_email"
        if rules.same_company_domain == verdict and ("company", event.data.get("company")) in marks:
            yield "same_company_domain"


def _first(pair: tuple[Order, Any]) -> Order:
    return pair[0]


def _instant(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).astimezone(UTC)
