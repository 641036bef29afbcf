"""What the rules are told: what is about the people in books, and what decides whose friends they are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection as Transaction

from syncd.flow.written import Scope
from syncd.store import books, people
from syncd.store.books import Told
from syncd_rules import Event

WHOSE = frozenset(
    {
        "code.created",
        "customer.existing",
        "friend.signed_up",
        "identity.merged",
        "participant.erased",
        "participant.joined",
        "referral.captured",
    }
)
"""The events that can decide whose friend somebody is."""

_CAME_BY = frozenset({"friend.signed_up", "referral.captured"})


def read_told(tx: Transaction, scope: Scope, *, after: int = 0) -> tuple[list[Told], list[Told]]:
    """Read what came after `after` into books; and beside it, what decides whose friends people in them are.

    They may have come by the codes of others, too, of whom these books know nothing else.
    """
    told = books.events(tx, scope.campaign, scope.advocate, after=after)
    if scope.advocate is None:
        return told, []  # these are all the books there are
    new = [it.event.data["friend"] for it in told if it.event.type == "friend.signed_up"]
    if new and after:
        # What was known of a friend before they were referred is older than what was read last.
        told = list({it.seq: it for it in (*books.events_about(tx, scope.campaign, new), *told)}.values())
    return told, of_codes(tx, scope.campaign, (it.event for it in told), but=scope.advocate)


def of_codes(tx: Transaction, campaign: str, events: Iterable[Event], *, but: str | None = None) -> list[Told]:
    """Read what is known of those by whose codes somebody came."""
    codes = {people.fold(event.data["code"]) for event in events if event.type in _CAME_BY}
    owners = people.owners_of(tx, campaign, codes) - {but}
    return books.events_about(tx, campaign, owners, WHOSE) if owners else []
