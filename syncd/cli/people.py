"""Names of people, as the terminal of an admin shows them."""

from __future__ import annotations

from syncd.cli.errors import DATA, Failure
from syncd.contract import Person
from syncd.flow.capture import Invitation
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


def checked(invitation: Invitation) -> Invitation:
    """Hold an invitation against what the API takes; give it in its one form. Raises `Failure`, naming the field."""
    from syncd.web.incoming import understand
    from syncd.web.models import ReferralTaken
    from syncd.web.problems import Problem

    given = {name: getattr(invitation, name) for name in ("code", "campaign", "channel")}
    persons = {"friend": invitation.friend, "advocate": invitation.advocate}
    given |= {role: {name: getattr(who, name) for name in _PERSON} for role, who in persons.items() if who}
    try:
        return understand(ReferralTaken, given).invitation()
    except Problem as problem:
        raise Failure(f"error: {problem.detail}", DATA) from None


_PERSON = ("email", "first_name", "last_name", "phone", "company")
