"""Faults in ordering webhooks."""

from __future__ import annotations

from dataclasses import replace

from syncd.contract import JsonObject, Subscription, Transient
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference


@caught_by("a_second_subscription_changes_nothing", "a_subscription_that_another_process_made_is_found")
class OrdersAgain(Reference):
    """Orders webhooks without a look at what there is."""

    def subscriptions(self) -> tuple[int, list[JsonObject]]:
        return super().subscriptions()[0], []


@caught_by("a_second_subscription_changes_nothing")
class RenewsWhatIsWell(Reference):
    """Renews with every look, however much time there is."""

    def is_due(self, left: int) -> bool:
        return True


class Remembering(Reference):
    """Remembers what it ordered, and does not look again."""

    ordered: Subscription | None = None

    def subscribe(self, url: str) -> Subscription:
        if self.ordered is None:
            self.ordered = super().subscribe(url)
            return self.ordered
        return replace(self.ordered, done="")


@caught_by("what_was_removed_by_hand_is_ordered_again")
class TrustsItsMemory(Remembering):
    """Believes that what was ordered once is there."""


@caught_by("a_subscription_that_another_process_made_is_found")
class FindsItsOwnOnly(Reference):
    """Knows its subscriptions by what it remembers of them."""

    own: frozenset[str] = frozenset()

    def subscribe(self, url: str) -> Subscription:
        before = {it["id"] for it in self.subscriptions()[1]}
        told = super().subscribe(url)
        self.own |= {it["id"] for it in self.subscriptions()[1]} - before
        return told

    def is_ours(self, subscription: JsonObject, url: str) -> bool:
        return subscription["id"] in self.own


@caught_by("what_others_have_ordered_stays")
class ClearsUp(Reference):
    """Takes every subscription of the account for one of ours."""

    def is_ours(self, subscription: JsonObject, url: str) -> bool:
        return True


@caught_by("what_others_have_ordered_stays")
class KnowsItsPath(Reference):
    """Takes a subscription for ours whose address ends as ours does."""

    def is_ours(self, subscription: JsonObject, url: str) -> bool:
        return bool(subscription["url"].endswith(url.rsplit("/", 1)[1]))


@caught_by("what_was_ended_is_told_no_more")
class NeverEnds(Reference):
    """Leaves a subscription to end by itself."""

    def unsubscribe(self, url: str) -> None:
        pass


@caught_by("what_was_ended_is_told_no_more")
class EndsOnce(Reference):
    """Fails where there is nothing left to end."""

    def unsubscribe(self, url: str) -> None:
        if not any(self.is_ours(it, url) for it in self.subscriptions()[1]):
            raise Transient("there is no such subscription")
        super().unsubscribe(url)


@caught_by("a_subscription_is_renewed_before_it_ends")
class ForgetsToRenew(Reference):
    """Renews a subscription once it has ended."""

    def is_due(self, left: int) -> bool:
        return left <= 0


@caught_by("a_subscription_is_renewed_before_it_ends", "a_subscription_that_has_ended_is_ordered_again")
class HidesTheEnd(Reference):
    """Does not say when a subscription ends."""

    def subscribe(self, url: str) -> Subscription:
        return replace(super().subscribe(url), until=None)


@caught_by("a_subscription_that_has_ended_is_ordered_again")
class RenewsWhatIsOver(Remembering):
    """Goes on with a subscription that has ended."""


@caught_by("what_was_removed_by_hand_is_ordered_again", "a_subscription_that_has_ended_is_ordered_again")
class NeverReplaces(Reference):
    """Says that it has ordered what it has not."""

    def subscribe(self, url: str) -> Subscription:
        told = super().subscribe(url)
        self.cancel([it for it in self.subscriptions()[1] if told.done and self.is_ours(it, url)])
        return told
