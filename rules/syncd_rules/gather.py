"""From the books of many participants to one result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from syncd_rules.attribution import Refused, Register
from syncd_rules.cluster import Cluster
from syncd_rules.events import Event
from syncd_rules.journal import Place
from syncd_rules.orders import ORDER_SHARED
from syncd_rules.result import ReferralState, Rejected, Result, Suppressed
from syncd_rules.rewards import Entitlement
from syncd_rules.versions import Versions

T = TypeVar("T")


class Part(NamedTuple):
    """What is to be told of the books of one participant."""

    cluster: Cluster
    friends: Iterable[str]
    milestones: Iterable[tuple[str, int]]
    entitlements: Iterable[Entitlement]
    since: int = 0  # of the log


def everything(cluster: Cluster) -> Part:
    """Tell all that is in somebody's books."""
    friends: Iterable[str] = cluster.friends.all if cluster.invited else ()
    return Part(cluster, friends, cluster.progress.standing(), cluster.books.entitlements.values())


def drained(cluster: Cluster) -> Part:
    """Tell what may not be as it was told, once."""
    books, progress = cluster.books, cluster.progress
    friends = dict.fromkeys(cluster.friends.touched if cluster.invited else ())
    rewards = {it.name: it for it in books.touched}.values()
    part = Part(cluster, friends, dict.fromkeys(progress.moved), rewards, books.told)
    books.told, books.touched, progress.moved = books.length, [], []
    if friends:
        cluster.friends.touched = []
    return part


def gathered(
    parts: Sequence[Part],
    sign_ups: Iterable[Event],
    register: Register,
    versions: Versions,
    as_of: datetime,
    next_due: datetime | None,
) -> Result:
    """Put together what these parts, in the order of their names, and these sign-ups say at `as_of`."""
    referrals: list[tuple[datetime, str, ReferralState]] = []
    barred: list[tuple[datetime, str, str]] = []
    for part in parts:
        for friend in part.friends:
            friends = part.cluster.friends
            referral, (at, reason) = friends.all[friend], friends.barred.get(friend, (as_of, None))
            referrals.append((referral.signed_up_at, friend, referral.state(friend in friends.counted, reason, as_of)))
            if reason is not None:
                barred.append((at, friend, reason))
    referrals.sort(key=lambda entry: entry[0])
    newest = versions.known[-1]
    return Result(
        as_of=as_of,
        timezone=newest.timezone,
        base_currency=newest.base_currency,
        referrals={friend: state for _, friend, state in referrals},
        milestones=tuple(
            reached for part in parts for it in part.milestones if (reached := part.cluster.progress.reached(*it))
        ),
        rewards=tuple(
            it.snapshot(part.cluster.name) for part in parts for it in part.entitlements if it.status is not None
        ),
        ledger=_merged((part.cluster.name, part.cluster.books.ledger(part.since)) for part in parts),
        effects=_merged((part.cluster.name, part.cluster.books.effects(part.since)) for part in parts),
        rejected=_rejected(sign_ups, register, barred),
        next_due=next_due,
    )


def suppressed(clusters: Sequence[Cluster]) -> tuple[Suppressed, ...]:
    """Give what was kept back in these books, and what is doubtful about them all."""
    kept = [
        Suppressed(to=to, rule=rule, subject=subject, reason=reason)
        for cluster in clusters
        for (to, rule, subject), reason in cluster.books.suppressed.items()
    ]
    return tuple(dict.fromkeys([*kept, *_shared_numbers(clusters)]))


def _shared_numbers(clusters: Iterable[Cluster]) -> Iterator[Suppressed]:
    """Give the orders under a number that somebody else's order had before, in books that know nothing of it."""
    buyers: dict[str, dict[str, datetime]] = {}
    for cluster in clusters:
        for buyer, orders in cluster.orders():
            for order in orders.by_id.values():
                buyers.setdefault(order.id, {}).setdefault(buyer, order.at)
    for number, times in buyers.items():
        for _, buyer in sorted((at, buyer) for buyer, at in times.items())[1:]:
            yield Suppressed(to=buyer, rule="order", subject=number, reason=ORDER_SHARED)


def _rejected(
    sign_ups: Iterable[Event], register: Register, barred: Iterable[tuple[datetime, str, str]]
) -> tuple[Rejected, ...]:
    """Give the sign-ups that are no referrals, and the referrals whose code kept them from qualifying, by time."""
    found = list(barred)
    for event in sign_ups:
        verdict = register.decided[event.id]
        if isinstance(verdict, Refused):
            found.append((event.at, event.data["friend"], verdict.reason))
    return tuple(Rejected(friend=friend, reason=reason) for _, friend, reason in sorted(found))


def _merged(books: Iterable[tuple[str, Iterable[tuple[Place, T]]]]) -> tuple[T, ...]:
    """Merge what was written in several books, in the order of the places at which it was written."""
    entries = [(place, name, entry) for name, written in books for place, entry in written]
    entries.sort(key=lambda e: e[:2])  # what is of one place in one book stays as it came about
    return tuple(entry for _, _, entry in entries)
