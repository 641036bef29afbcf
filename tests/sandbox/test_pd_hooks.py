"""The queue through which the sandbox's CRMs tell their subscribers, whatever the vendor's manners."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random

import pytest

from syncd.sandbox.crm.hooks import MOST_WAITING, Hooks, Manners, Mischief
from tests.sandbox.crm_client import BEGINNING, Clock

URL = "http://127.0.0.1:9/hook"


class Receiver:
    """Takes what is sent, and answers with what it was told to, the last answer again and again."""

    def __init__(self, *codes: int | None) -> None:
        self.codes = list(codes) or [200]
        self.got: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int | None:
        self.got.append(body.decode())
        self.headers.append(headers)
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]


def hooks(clock: Clock, receiver: Receiver, manners: Manners | None = None) -> Hooks:
    made = Hooks(manners or Manners(waits=(3, 30)), now=clock.now, rng=Random(1), post=receiver)
    made.subscribe("a", URL, {"Authorization": "Basic x"})
    return made


def offer(to: Hooks, *names: str) -> None:
    for name in names:
        to.offer("a", lambda attempt, name=name: f"{name}{attempt}".encode())  # type: ignore[misc]


def test_a_message_is_sent_once_with_the_headers_of_its_subscription(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)

    offer(queue, "m")

    assert (queue.tick(), queue.tick(), queue.waiting) == (1, 0, 0)
    assert (receiver.got, receiver.headers) == (["m1"], [{"Authorization": "Basic x"}])


def test_a_failure_is_repeated_after_each_wait_and_then_given_up(clock: Clock) -> None:
    receiver = Receiver(500, None, 302)
    queue = hooks(clock, receiver)
    offer(queue, "m")

    attempts = [queue.tick()]
    for seconds in (2, 1, 29, 1, 1_000):
        clock.move(seconds)
        attempts.append(queue.tick())

    assert attempts == [1, 0, 1, 0, 1, 0]
    assert (receiver.got, queue.waiting) == (["m1", "m2", "m3"], 0)


def test_an_answer_may_be_final(clock: Clock) -> None:
    receiver = Receiver(404)
    queue = hooks(clock, receiver, Manners(waits=(3, 30), final=frozenset({404})))
    offer(queue, "m")

    queue.tick()

    assert queue.waiting == 0


def test_messages_are_sent_in_order_and_a_retry_lets_later_ones_pass(clock: Clock) -> None:
    receiver = Receiver(500, 200)
    queue = hooks(clock, receiver)
    offer(queue, "a", "b", "c")

    queue.tick()
    clock.move(3)
    queue.tick()

    assert receiver.got == ["a1", "b1", "c1", "a2"]


def test_first_failures_ban_a_subscriber_whose_messages_are_then_lost(clock: Clock) -> None:
    receiver = Receiver(500, 500, 200)
    queue = hooks(clock, receiver, Manners(waits=(3,), ban_after=2, ban_seconds=60))
    offer(queue, "a", "b", "c")

    queue.tick()
    clock.move(3)
    queue.tick()
    offer(queue, "d")
    clock.move(57)
    offer(queue, "e")
    queue.tick()

    assert receiver.got == ["a1", "b1", "e1"]


def test_retries_do_not_count_for_a_ban(clock: Clock) -> None:
    receiver = Receiver(500)
    queue = hooks(clock, receiver, Manners(waits=(3, 3, 3), ban_after=2, ban_seconds=60))
    offer(queue, "a")

    for _ in range(4):
        queue.tick()
        clock.move(3)

    assert receiver.got == ["a1", "a2", "a3", "a4"]


def test_a_subscription_ends_after_days_without_a_success(clock: Clock) -> None:
    receiver = Receiver(200, 500)
    queue = hooks(clock, receiver, Manners(ends_after=100))
    clock.move(90)
    offer(queue, "a")
    queue.tick()
    clock.move(90)
    offer(queue, "b")
    queue.tick()
    alive = queue.subscription("a")
    clock.move(10)
    offer(queue, "c")
    queue.tick()

    assert alive is not None
    assert (alive.last_code, alive.succeeded) == (500, BEGINNING + timedelta(seconds=90))
    assert queue.subscription("a") is None


def test_doubles_losses_and_disorder_come_on_demand(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)
    queue.mischief = Mischief(doubles=1)
    offer(queue, "a")
    queue.mischief = Mischief(losses=1)
    offer(queue, "b")
    queue.mischief = Mischief(disorder=1, seconds=20)
    offer(queue, "c")
    queue.mischief = Mischief()
    offer(queue, "d")

    queue.tick()
    clock.move(20)
    queue.tick()

    assert receiver.got == ["a1", "a1", "d1", "c1"]


def test_the_oldest_message_of_a_full_queue_is_lost(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)
    offer(queue, *(f"{number}-" for number in range(MOST_WAITING + 1)))

    queue.tick()

    assert (len(receiver.got), receiver.got[0]) == (MOST_WAITING, "1-1")


def test_what_waits_for_an_unsubscribed_one_is_lost(clock: Clock) -> None:
    receiver = Receiver()
    queue = hooks(clock, receiver)
    offer(queue, "a")
    queue.unsubscribe("a")
    offer(queue, "b")

    assert (queue.tick(), queue.waiting) == (0, 0)


def test_nobody_outside_this_machine_is_told(clock: Clock) -> None:
    queue = Hooks(Manners(), now=clock.now, rng=Random(1))

    with pytest.raises(ValueError, match="localhost only"):
        queue.subscribe("a", "https://example.com/hook", {})


def test_nobody_who_does_not_answer_counts_as_told(clock: Clock) -> None:
    queue = Hooks(Manners(timeout=0.5), now=clock.now, rng=Random(1))
    queue.subscribe("a", URL, {})  # nothing listens on the discard port
    offer(queue, "m")

    queue.tick()

    fate = queue.subscription("a")
    assert fate is not None
    assert (fate.last_at, fate.last_code) == (BEGINNING, None)
