"""Behaviours: a connector orders its webhooks itself, once, keeps them alive, and leaves those of others alone."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.conformance.world import World
from syncd.contract import RemoteId, Subscription

OTHERS = "https://other.example.org/webhooks/crm"


class Subscribing:
    """Where the connector is `ManagesWebhooks`."""

    def test_a_second_subscription_changes_nothing(self, world: World) -> None:
        """The daemon asks again and again; only the first time there is something to do, and something to say."""
        first = world.subscribe_first()
        ordered, writes = _ours(world), world.crm.calls().writes

        again = world.subscribe()

        assert first.done
        assert again.done == ""
        assert ordered
        assert _ours(world) == ordered
        assert world.crm.calls().writes == writes

    def test_a_subscription_that_another_process_made_is_found(self, world: World) -> None:
        """After a restart nothing is remembered but what the CRM says."""
        world.subscribe_first()
        ordered = _ours(world)
        world.connector = world.open()

        world.subscribe()

        assert _ours(world) == ordered

    def test_what_was_removed_by_hand_is_ordered_again(self, world: World) -> None:
        """An admin has cleared up, or the CRM itself has given up on us after too many failures."""
        world.subscribe_first()
        world.taking_orders().cancel(world.webhook_url)

        again = world.subscribe()

        assert again.done
        assert _ours(world)
        assert _is_told(world, world.deal())

    def test_what_others_have_ordered_stays(self, world: World) -> None:
        """Another program, or this one on another server, listens to the same account."""
        crm = world.taking_orders()
        world.subscribe_first()
        world.unsubscribe()
        crm.order(OTHERS)
        theirs = crm.subscriptions().count(OTHERS)

        world.subscribe()
        world.subscribe()
        world.unsubscribe()

        assert theirs
        assert crm.subscriptions().count(OTHERS) == theirs

    def test_what_was_ended_is_told_no_more(self, world: World) -> None:
        """Nothing of it is left; to end it twice is no error."""
        world.subscribe_first()
        deal = world.deal()

        world.unsubscribe()
        world.unsubscribe()

        assert _ours(world) == 0
        assert not _is_told(world, deal)

    def test_a_subscription_is_renewed_before_it_ends(self, world: World) -> None:
        """One that ends by itself says when, and is told on beyond that if it is asked for in time."""
        until = _ends(world.subscribe_first(), world)
        life = until - world.clock()
        world.clock.forward(seconds=life.total_seconds() * 0.6)

        renewed = _ends(world.subscribe(), world)
        assert renewed - world.clock() > life / 2
        world.clock.forward(seconds=(until - world.clock() + timedelta(minutes=1)).total_seconds())

        assert _is_told(world, world.deal())

    def test_a_subscription_that_has_ended_is_ordered_again(self, world: World) -> None:
        """The daemon was off for longer than it lasts."""
        until = _ends(world.subscribe_first(), world)
        world.clock.forward(seconds=(until - world.clock() + timedelta(hours=1)).total_seconds())

        _ends(world.subscribe(), world)

        assert _is_told(world, world.deal())


def _ours(world: World) -> int:
    return world.taking_orders().subscriptions().count(world.webhook_url)


def _ends(subscription: Subscription, world: World) -> datetime:
    """Give the moment at which a subscription ends by itself, which must be ahead."""
    assert subscription.until is not None, "it says of no end; if the CRM knows none, exempt this behaviour and say so"
    assert subscription.until > world.clock()
    return subscription.until


def _is_told(world: World, deal: RemoteId) -> bool:
    """Tell whether a move of the deal is told from now on."""
    crm = world.telling()
    crm.messages()
    world.clock.forward(seconds=1)
    world.crm.move(deal, world.crm.won)
    return bool(world.hear(*(it for it in crm.messages() if it.url.startswith(world.webhook_url))))
