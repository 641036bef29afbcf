"""Names of people, as the terminal of an admin shows them."""

from __future__ import annotations

from syncd.contract import Person
from syncd.store.people import Participant


def full_name(who: Participant | None) -> str | None:
    """Give a participant's name, else their address; None where they are unknown or erased."""
    if who is None:
        return None
    names = " ".join(filter(None, (who.person.first_name, who.person.last_name)))
    return names or who.person.email


def named(email: str, name: str | None) -> Person:
    """Make a person of an address and of a whole name, of which the first word is the first name."""
    first, _, last = (name or "").strip().partition(" ")
    return Person(email=email, first_name=first or None, last_name=last.strip() or None)
