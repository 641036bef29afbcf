"""From the books of many participants to one result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from syncd_rules.attribution import Refused, Register
from syncd_rules.books import Place
from syncd_rules.cluster import Cluster
from syncd_rules.events import Event
from syncd_rules.result import ReferralState, Rejected, Result, Suppressed
from syncd_rules.versions import Versions

T = TypeVar("T")


def gathered(
    clusters: Sequence[Cluster],
    sign_ups: Sequence[Event],
    register: Register,
    versions: Versions,
    conflicts: Sequence[str],
    as_of: datetime,
) -> Result:
    """Put together what the books of these participants, in the order of their names, say at `as_of`."""
    referrals: list[tuple[datetime, str, str, ReferralState]] = []
    for cluster in filter(_invited, clusters):
        for friend, referral in cluster.friends.all.items():
            state = referral.state(friend in cluster.friends.counted, as_of)
            referrals.append((referral.signed_up_at, cluster.name, friend, state))
    referrals.sort(key=lambda entry: entry[0])
    dues = [due for cluster in clusters if (due := cluster.next_due()) is not None]
    newest = versions.known[-1]
    return Result(
        as_of=as_of,
        timezone=newest.timezone,
        base_currency=newest.base_currency,
        referrals={friend: state for _, _, friend, state in referrals},
        milestones=tuple(reached for cluster in clusters for reached in cluster.progress.reached()),
        rewards=tuple(
            it.snapshot(cluster.name)
            for cluster in clusters
            for it in cluster.books.entitlements.values()
            if it.status is not None
        ),
        ledger=_merged((cluster.name, cluster.books.ledger()) for cluster in clusters),
        effects=_merged((cluster.name, cluster.books.effects()) for cluster in clusters),
        rejected=_rejected(clusters, sign_ups, register),
        suppressed=tuple(
            Suppressed(to=to, rule=rule, subject=subject, reason=reason)
            for cluster in clusters
            for (to, rule, subject), reason in cluster.books.suppressed.items()
        ),
        conflicts=tuple(conflicts),
        next_due=min(dues, default=None),
    )


def _invited(cluster: Cluster) -> bool:
    return cluster.invited


def _rejected(clusters: Sequence[Cluster], sign_ups: Sequence[Event], register: Register) -> tuple[Rejected, ...]:
    """Give the sign-ups that are no referrals, and the referrals whose code kept them from qualifying, by time."""
    found: list[tuple[datetime, str, str]] = []
    for event in sign_ups:
        verdict = register.decided[event.id]
        if isinstance(verdict, Refused):
            found.append((event.at, event.data["friend"], verdict.reason))
    for cluster in filter(_invited, clusters):
        found += [(at, friend, reason) for friend, (at, reason) in cluster.friends.barred.items()]
    return tuple(Rejected(friend=friend, reason=reason) for _, friend, reason in sorted(found))


def _merged(books: Iterable[tuple[str, Iterable[tuple[Place, T]]]]) -> tuple[T, ...]:
    """Merge what was written in several books, in the order of the places at which it was written."""
    entries = [(place, name, entry) for name, written in books for place, entry in written]
    entries.sort(key=lambda e: e[:2])  # what is of one place in one book stays as it came about
    return tuple(entry for _, _, entry in entries)
