"""Sends what a CRM tells its subscribers: each vendor's own retries, bans and ends, by the CRM's clock.

A dialect makes the messages and says how its vendor goes on after a failure (`Manners`). Whoever owns the clock drives
the queue: a test calls `tick`, a running sandbox lets `start` do so. Messages go to loopback only.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

_THANKS = 10_000  # bytes of an answer that are read
MOST_WAITING = 10_000
"""Messages that may wait at a time; the oldest of a fuller queue is lost."""

Body = Callable[[int], bytes]
"""Makes the body of an attempt, counted from 1."""

Join = Callable[[Sequence[bytes]], bytes]
"""Makes the body of a request out of those of the messages that it carries."""

Headers = Mapping[str, str] | Callable[[bytes], Mapping[str, str]]
"""The headers of a request, or what makes them of its body, for a vendor who signs."""

Post = Callable[[str, Mapping[str, str], bytes, float], int | None]
"""Sends a body with headers to a URL within seconds; gives the status, None if there was no answer in time."""

Exchange = Callable[[str, Mapping[str, str], bytes, float], tuple[int, bytes] | None]
"""The same, for a vendor who reads the answer: gives the status and the body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manners:
    """How a vendor sends and what it does when that fails. None is never."""

    waits: tuple[float, ...] = ()  # seconds before the second attempt, the third ...
    timeout: float = 10.0
    final: frozenset[int] = frozenset()  # answers after which a message is given up at once
    ban_after: int | None = None  # messages whose first attempt failed
    ban_seconds: float = 0.0  # for which all of a banned subscription's messages are lost
    ends_after: float | None = None  # seconds without a success after which a subscription is removed
    most: int = 1  # messages of one subscriber in a request
    gathers: float = 0.0  # seconds that a message waits for company
    join: Join = b"".join  # of several messages, or of one


@dataclass(kw_only=True, slots=True)
class Mischief:
    """What goes wrong on the way, by seeded chance from 0 to 1."""

    doubles: float = 0.0  # the same message twice
    losses: float = 0.0  # never sent
    disorder: float = 0.0  # held back for `seconds`, so that later ones overtake it
    seconds: float = 20.0


@dataclass(kw_only=True, slots=True)
class Subscription:
    """Where a subscriber is, and how he fares."""

    url: str
    headers: Headers = field(repr=False)
    succeeded: datetime  # the latest success; at first the time of the subscription
    strikes: int = 0
    banned_until: datetime | None = None
    last_at: datetime | None = None
    last_code: int | None = None


@dataclass(order=True, kw_only=True, slots=True)
class _Waiting:
    due: datetime
    seq: int
    key: str = field(compare=False)
    body: Body = field(compare=False, repr=False)
    attempt: int = field(compare=False, default=1)


class Hooks:
    """The outgoing messages of one account. Safe to call from any thread; nothing is locked while one is sent."""

    def __init__(self, manners: Manners, *, now: Callable[[], datetime], rng: Random, post: Post | None = None) -> None:
        self.manners = manners
        self.mischief = Mischief()
        self._now = now
        self._rng = rng
        self._post = post or send
        self._lock = threading.Lock()
        self._subscriptions: dict[str, Subscription] = {}
        self._queue: list[_Waiting] = []
        self._seq = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # --- who is told ---

    def subscribe(self, key: str, url: str, headers: Headers) -> None:
        """Send to this URL from now on. Raises ValueError for one that is not on this machine."""
        if urlsplit(url).hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("the sandbox sends to 127.0.0.1 and localhost only")
        with self._lock:
            self._subscriptions[key] = Subscription(url=url, headers=headers, succeeded=self._now())

    def unsubscribe(self, key: str) -> None:
        """Send no more; what waits is lost."""
        with self._lock:
            self._subscriptions.pop(key, None)

    def subscription(self, key: str) -> Subscription | None:
        """Give a subscription that has not ended."""
        with self._lock:
            return self._subscriptions.get(key)

    # --- what is told ---

    def offer(self, key: str, body: Body, *, after: float = 0.0) -> None:
        """Queue a message for a subscriber, to be sent in so many seconds, unless he is banned or it gets lost."""
        with self._lock:
            now, it = self._now(), self._subscriptions.get(key)
            if it is None or _banned(it, now) or self._rng.random() < self.mischief.losses:
                return
            held = self._rng.random() < self.mischief.disorder
            seconds = after + self.manners.gathers + (self.mischief.seconds if held else 0)
            due = now + timedelta(seconds=seconds)
            for _ in range(2 if self._rng.random() < self.mischief.doubles else 1):
                self._wait(due, key, body, attempt=1)

    def tick(self) -> int:
        """Send what is due, oldest first, and say how many requests that were."""
        sent = 0
        while (waiting := self._next()) is not None:
            messages, it = waiting
            body = self.manners.join([message.body(message.attempt) for message in messages])
            headers = it.headers(body) if callable(it.headers) else it.headers
            code = self._post(it.url, headers, body, self.manners.timeout)
            sent += 1
            with self._lock:
                for message in messages:
                    self._settle(message, it, code)
        return sent

    @property
    def waiting(self) -> int:
        """Tell how many messages are not delivered and not given up."""
        with self._lock:
            return len(self._queue)

    # --- who drives ---

    def start(self) -> None:
        """Tick in the background until `stop`; a second time changes nothing."""
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="sandbox-hooks", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the background ticking."""
        self._stopping.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # --- inside ---

    def _run(self) -> None:
        while not self._stopping.wait(0.05):
            self.tick()

    def _wait(self, due: datetime, key: str, body: Body, *, attempt: int) -> None:
        self._seq += 1
        if len(self._queue) >= MOST_WAITING:
            heapq.heappop(self._queue)
        heapq.heappush(self._queue, _Waiting(due=due, seq=self._seq, key=key, body=body, attempt=attempt))

    def _next(self) -> tuple[list[_Waiting], Subscription] | None:
        """Take the next due message whose subscriber can be sent to, and what goes with it."""
        with self._lock:
            now = self._now()
            while self._queue and self._queue[0].due <= now:
                message = heapq.heappop(self._queue)
                it = self._subscriptions.get(message.key)
                if it is not None and not _banned(it, now):
                    return [message, *self._company(message.key, now)], it
            return None

    def _company(self, key: str, now: datetime) -> list[_Waiting]:
        """Take as many more of a subscriber's due messages as one request carries."""
        if self.manners.most == 1:
            return []
        taken = sorted(it for it in self._queue if it.key == key and it.due <= now)[: self.manners.most - 1]
        rest = {it.seq for it in taken}
        self._queue = [it for it in self._queue if it.seq not in rest]
        heapq.heapify(self._queue)
        return taken

    def _settle(self, message: _Waiting, it: Subscription, code: int | None) -> None:
        now, manners = self._now(), self.manners
        it.last_at, it.last_code = now, code
        if code is not None and 200 <= code < 300:
            it.succeeded = now
            return
        if message.attempt == 1:
            it.strikes += 1
        if manners.ban_after is not None and it.strikes >= manners.ban_after:
            it.strikes, it.banned_until = 0, now + timedelta(seconds=manners.ban_seconds)
        elif message.attempt <= len(manners.waits) and code not in manners.final:
            due = now + timedelta(seconds=manners.waits[message.attempt - 1])
            self._wait(due, message.key, message.body, attempt=message.attempt + 1)
        if manners.ends_after is not None and (now - it.succeeded).total_seconds() >= manners.ends_after:
            self._subscriptions.pop(message.key, None)


def _banned(it: Subscription, now: datetime) -> bool:
    return it.banned_until is not None and now < it.banned_until


def send(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int | None:
    """Post JSON, or what the headers say it is, and look at the status alone."""
    answer = exchange(url, headers, body, timeout)
    return answer[0] if answer else None


def thanked(thanks: Callable[[bytes], bool], post: Exchange) -> Post:
    """Make a sender for a vendor to whom a 2xx with any other body than his thanks is no answer."""

    def sent(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int | None:
        answer = post(url, headers, body, timeout)
        if answer is None or (200 <= answer[0] < 300 and not thanks(answer[1])):
            return None
        return answer[0]

    return sent


def exchange(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> tuple[int, bytes] | None:
    """Post, follow no redirect, use no proxy; give the status and as much of the body as thanks may have."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json", **headers},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
            return answer.status_code, answer.raw.read(_THANKS, decode_content=True)
        except (requests.RequestException, HTTPError):
            return None
