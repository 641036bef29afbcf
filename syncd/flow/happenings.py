"""Happenings: what a shop, a billing system or a script tells of a person, and what the rules may make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import Connection as Transaction

from syncd.contract import Person
from syncd.flow.app import App
from syncd.flow.book import Entry, book_all, lock
from syncd.flow.refusal import Refusal
from syncd.store import people, referrals
from syncd.store.engine import retrying
from syncd_rules import Event

ABOUT = {  # type -> the field of the event that names the person
    "order.paid": "participant",
    "order.refunded": "participant",
    "review.posted": "participant",
    "points.earned": "participant",
    "subscription.cycle_paid": "participant",
    "subscription.cycle_failed": "participant",
    "subscription.cancelled": "participant",
    "link.shared": "advocate",
    "referral.captured": "friend",
    "customer.existing": "friend",
}
"""What may be told. Codes, sign-ups, decisions, rewards, merges and erasures have doors of their own."""

OWN = frozenset(type for type, name in ABOUT.items() if name == "participant")
"""What a person did themselves, which counts for them wherever they take part."""

FIELDS = {  # type -> what may be told beside the person; what is not named here might be a name or an address
    "order.paid": "order amount currency product country",
    "order.refunded": "refund order amount currency",
    "review.posted": "review",
    "points.earned": "points",
    "subscription.cycle_paid": "contract cycle",
    "subscription.cycle_failed": "contract cycle",
    "subscription.cancelled": "contract",
    "link.shared": "channel",
    "referral.captured": "code channel",
    "customer.existing": "since",
}
_LONGEST = 120  # characters of an id

_NAMES = frozenset({"order", "refund", "review", "contract"})
"""What names a thing, and stays in the ledger. Some shops put their customer's address into it; then it is hashed."""

_OF_STRANGERS = frozenset({"referral.captured", "customer.existing"})  # worth keeping before they take part


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """What happened to one person, named in one way: by our id, by e-mail address, or as the friend of a referral."""

    id: str  # the teller's own; told again under it, it counts once
    type: str
    at: datetime | None = None  # None: now
    campaign: str | None = None  # None: every campaign in which the person takes part
    participant: str | None = None
    email: str | None = field(default=None, repr=False)
    referral: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def tell(app: App, happening: Happening, *, teller: str, cause: str) -> list[str]:
    """Book what happened; give the campaigns that it went into.

    None of a person who takes part in none, or is forgotten; then nothing is kept.

    Raises `Refusal`: unknown types and people, campaigns that are not configured, data that the rules cannot read.
    """
    if happening.type not in ABOUT:
        raise Refusal("unknown_type", f"what may be told is {', '.join(sorted(ABOUT))}")
    now = app.clock()
    return retrying(app.database, lambda tx: _tell(tx, app, happening, teller=teller, cause=cause, now=now))


def _tell(tx: Transaction, app: App, happening: Happening, *, teller: str, cause: str, now: datetime) -> list[str]:
    places = places_of(tx, app, happening, now)
    lock(tx, app, places)
    book_all(tx, app, entries(app, happening, places, teller=teller, cause=cause, now=now), now)
    return sorted({place.campaign for place in places})


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Books that a happening goes into; `advocate` is "" where it waits until somebody refers the person."""

    campaign: str
    advocate: str
    who: str


def places_of(tx: Transaction, app: App, happening: Happening, now: datetime) -> list[Place]:
    """Find whose books a happening goes into, and hold the person until the transaction ends. Raises `Refusal`."""
    who = person(tx, app, happening, now)
    if who is None:
        return []
    who = people.lock_person(tx, who)  # or somebody might refer them at this moment, and neither would see the other
    if people.participants(tx, [who])[who].erased:
        return []  # of one who is forgotten nothing is written down
    if happening.campaign is not None and app.campaign(happening.campaign) is None:
        raise Refusal("campaign_not_found", "there is no campaign of this name")
    found: list[Place] = []
    for campaign in [happening.campaign] if happening.campaign is not None else sorted(app.config.campaigns):
        advocates = people.advocates_of(tx, campaign, who)
        if happening.type in OWN and advocates and who not in advocates:
            people.join(tx, campaign, who, now)  # a friend's own doings count for themselves, too
            advocates.append(who)
        if not advocates and (happening.type in _OF_STRANGERS or happening.campaign is not None):
            advocates = [""]
        found += [Place(campaign=campaign, advocate=advocate, who=who) for advocate in advocates]
    return found


def entries(
    app: App, happening: Happening, places: Sequence[Place], *, teller: str, cause: str, now: datetime
) -> Iterator[Entry]:
    """Say what a happening puts into books. Raises `Refusal` for data that the rules cannot read."""
    told: set[str] = set()
    for place in places:
        new = [] if place.campaign in told else [_event(app, happening, place, teller, now)]
        told.add(place.campaign)  # the second books find it where the first have put it
        yield Entry(campaign=place.campaign, advocate=place.advocate, cause=cause, events=new)


def read(data: Mapping[str, Any]) -> Happening:
    """Turn stored JSON back into a happening."""
    at = data.get("at")
    return Happening(**{**data, "at": datetime.fromisoformat(at) if at else None})


def dump(happening: Happening) -> dict[str, Any]:
    """Turn a happening into JSON."""
    return {**asdict(happening), "at": happening.at and happening.at.isoformat()}


def person(tx: Transaction, app: App, happening: Happening, now: datetime) -> str | None:
    """Find whom a happening is about; None for a stranger of whom it is not worth knowing. Raises `Refusal`."""
    if len([it for it in (happening.participant, happening.email, happening.referral) if it is not None]) != 1:
        raise Refusal("ambiguous", "name the person in one way: participant, email or referral")
    if happening.referral is not None:
        referral = referrals.get(tx, happening.referral)
        if referral is None:
            raise Refusal("not_found", "there is no such referral")
        return people.name_now(tx, referral.friend)
    if happening.participant is not None:
        if not people.participants(tx, [happening.participant]):
            raise Refusal("not_found", "there is no such participant")
        return people.name_now(tx, happening.participant)
    identity = app.identity(happening.email or "")
    if identity is None:
        raise Refusal("email_invalid", "this is no e-mail address")
    if (known := people.participant_by_identity(tx, identity)) is not None:
        return known.id
    # Of a stranger the hash of the address is kept, and not the address.
    return people.remember(tx, Person(), identity, now).id if happening.type in _OF_STRANGERS else None


def _is_address(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and "@" in value


def _event(app: App, happening: Happening, place: Place, teller: str, now: datetime) -> Event:
    for name, value in happening.data.items():
        if name not in FIELDS[happening.type].split():
            raise Refusal("malformed", f"the fields of {happening.type} are {FIELDS[happening.type]}, and no others")
        if not isinstance(value, str | int | None) or len(str(value)) > _LONGEST:
            raise Refusal("malformed", f"{name} is no number, and no text of up to {_LONGEST} characters")
    named = {name: app.opaque(value) for name, value in happening.data.items() if name in _NAMES and _is_address(value)}
    data = {**happening.data, **named, ABOUT[happening.type]: place.who}
    id = f"told:{teller}:{app.opaque(happening.id)}"
    try:
        return Event(id=id, type=happening.type, at=happening.at or now, campaign=place.campaign, data=data)
    except ValueError as error:
        raise Refusal("malformed", str(error).removeprefix(f"event {id}: ")) from error
