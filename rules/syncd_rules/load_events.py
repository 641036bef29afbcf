"""From JSON to events, or to everything that is wrong with them. README.md and `schemas.py` describe the form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from syncd_rules import scalars
from syncd_rules.events import MOST, OPTIONAL, TYPES, VIA, Event
from syncd_rules.identity import company_of, normalise_email
from syncd_rules.model import InvalidData, Problem, Program
from syncd_rules.money import CURRENCIES
from syncd_rules.tree import Kind, Noted, Place, Section, T, Wrong, placed
from syncd_rules.words import quoted


def events_from_json(items: object, program: Program) -> list[Event]:
    """Read an array of events about a program's campaign.

    An `email` becomes the hash of its normal spelling, as `identity`, and of its company's domain, as `company`; the
    events that come out hold no address. Raises `InvalidData` with everything that is wrong, each with its path.
    """
    problems: list[Problem] = []
    events = Place(value=items, path=(), problems=problems).read(lambda place: read_events(place, program), [])
    if problems:
        raise InvalidData(problems)
    return events


def read_events(place: Place, program: Program) -> list[Event]:
    """Read a list of events where it stands."""
    if not isinstance(place.value, list):
        raise Wrong("events are a JSON array of objects")
    own: list[Problem] = []
    events = placed(lambda entry: _event(entry, program))(replace(place, problems=own))
    place.problems.extend(_naming_its_event(problem, place) for problem in own)
    return [event for _, event in events]


def _naming_its_event(problem: Problem, place: Place) -> Problem:
    """Say which event a problem is in, by its id: a position alone means little in a report."""
    events: Any = place.value
    number, *field = problem.path[len(place.path) :]
    event = events[number]
    name = event.get("id") if isinstance(event, Mapping) and field != ["id"] else None
    if not isinstance(name, str) or not name:
        return problem
    return replace(problem, message=f"event {quoted(name)}: {problem.message}")


def _event(place: Place, program: Program) -> Event:
    if not isinstance(place.value, Mapping):
        raise Wrong("an event is an object")
    before = len(place.problems)
    with Section(place) as section:
        name = section.need("id", scalars.text, "")
        sort = section.need("type", scalars.choice(*TYPES), None)
        at = section.need("at", scalars.moment, None)
        campaign = section.take("campaign", scalars.identifier, program.campaign)  # the evaluation leaves others out
        needed, others = (TYPES[sort][1], OPTIONAL.get(sort, ())) if sort else ((), _ANY)
        kinds = {**_KINDS, "amount": scalars.amount(_currency(place.value))}
        data = {field: section.need(field, kinds.get(field, scalars.text), None) for field in sorted(needed)}
        data |= {field: section.take(field, kinds.get(field, scalars.text), None) for field in others}
        if "identity" in others:
            data |= section.take("email", lambda at: _hashed(at, program), {})
    if len(place.problems) > before or sort is None or at is None:
        raise Noted
    there = {field: value for field, value in data.items() if value is not None}
    return Event(id=name, type=sort, at=at, campaign=campaign, data=there)


def _currency(item: Mapping[str, Any]) -> str | None:
    code = item.get("currency")
    return code if isinstance(code, str) and code in CURRENCIES else None


def _hashed(place: Place, program: Program) -> dict[str, str]:
    email, rules = scalars.text(place), program.eligibility
    normal = normalise_email(email, strip_plus_tag=rules.strip_plus_tag, gmail_dots=rules.gmail_dots)
    if not normal:
        raise Wrong("this is no e-mail address")
    company = company_of(email)
    return {"identity": _hash(normal)} | ({"company": _hash(company)} if company else {})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- fields -----------------------------------------------------------------------------------------------------------


def _count(place: Place) -> int:
    number = place.value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MOST:
        raise Wrong(f"expected a whole number from 0 to {MOST}")
    return number


def _flag(place: Place) -> bool:
    if not isinstance(place.value, bool):
        raise Wrong("expected true or false")
    return place.value


def _cycle(place: Place) -> int | str:
    if not isinstance(place.value, str | int):
        raise Wrong("expected a text, or a whole number")
    return scalars.text(place) if isinstance(place.value, str) else _count(place)


def _time(place: Place) -> str:
    return scalars.moment(place).isoformat()


def _nullable(kind: Kind[T]) -> Kind[T | None]:
    return lambda place: None if place.value is None else kind(place)


_KINDS: Mapping[str, Kind[Any]] = {  # all others are texts
    "valid_from": _nullable(_time),
    "valid_until": _nullable(_time),
    "since": _nullable(_time),
    "redemption_limit": _nullable(_count),
    "points": _count,
    "cycle": _cycle,
    "disposable": _flag,
    "via": scalars.choice(*VIA),
    "currency": scalars.currency,
}
_ANY = tuple(sorted(frozenset[str]().union(*(needed for _, needed in TYPES.values()), *OPTIONAL.values())))
