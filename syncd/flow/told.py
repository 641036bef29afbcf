"""What the rules are told: what is about the people in books, and what decides whose friends they are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.written import Scope
from syncd.store import books, people
from syncd.store.books import Told
from syncd_rules import Event

_OF_CODES = frozenset({"code.created", "identity.merged", "participant.erased", "participant.joined"})

WHOSE = _OF_CODES | {"customer.existing", "friend.signed_up", "referral.captured"}
"""The events that can decide whose friend somebody is."""


def read_told(tx: Transaction, app: App, scope: Scope, *, after: int = 0) -> tuple[list[Told], list[Told]]:
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
    return told, of_codes(tx, app, scope.campaign, (it.event for it in told), but=scope.advocate)


def of_codes(
    tx: Transaction, app: App, campaign: str, events: Iterable[Event], *, but: str | None = None
) -> list[Told]:
    """Read what is known of those by whose codes somebody came; and, where a code may be used up, who else came by it,
    by which other codes, and so on.
    """
    found: dict[int, Told] = {}
    known, codes = {but}, _codes_in(events)
    while owners := people.owners_of(tx, campaign, codes) - known:
        known |= owners
        theirs = books.events_about(tx, campaign, owners, _OF_CODES)
        limited = {it.event.data["advocate"] for it in theirs if _may_be_used_up(app, it.event)}
        others = [
            it
            for owner in sorted({people.name_now(tx, name) for name in limited})
            for it in books.events(tx, campaign, owner)
            if it.event.type in WHOSE
        ]
        found |= {it.seq: it for it in (*theirs, *others)}
        codes = _codes_in(it.event for it in others)
    return list(found.values())


def _codes_in(events: Iterable[Event]) -> set[str]:
    came = (event for event in events if event.type in {"friend.signed_up", "referral.captured"})
    return {people.fold(event.data["code"]) for event in came}


def _may_be_used_up(app: App, event: Event) -> bool:
    """Tell whether this is a code that so many friends may use."""
    if event.type != "code.created":
        return False
    limit, configured = event.data.get("redemption_limit"), app.campaign(event.campaign)
    programs = configured.programs if configured else ()
    return bool(any(it.codes.default_redemption_limit for it in programs) if limit is None else limit)
