"""Trouble on demand: which call goes wrong, and how. Scripted, or by a seeded chance; the same every time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from random import Random
from typing import Any, Literal, get_args

Action = Literal[
    "drop_before",  # the connection closes, nothing was done
    "drop_after",  # the connection closes, the work was done; a client cannot tell the two apart
    "status",  # `code` with `retry_after`, before the work or, with `applied`, after it
    "slow_headers",  # the answer starts after `seconds`
    "drip",  # the answer comes at `rate` bytes a second
    "hang",  # no answer for `seconds`, then the connection closes
    "truncate",  # Content-Length promises all, `keep` bytes come
    "garbage",  # 200 and bytes that are no JSON
    "html_200",  # 200 and a web page
    "html",  # `code` and a web page, as when the vendor is down for maintenance
    "gzip_bomb",  # 200 and `size` bytes of blanks, gzipped
    "empty",  # 200 without a body
    "token_expire",  # the token that the call carries is expired from now on
    "token_revoke",  # every credential of the account is dead from now on
    "scope_missing",  # this call answers that `scope` is missing
    "row_locked",  # row `row` of a batch is locked by somebody else; where a vendor has no such answer, nothing happens
]

_REAL_ANSWER = {"drop_after", "slow_headers", "drip", "truncate", "token_expire", "token_revoke", "row_locked"}
_MOST = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule: of the calls that match, these fail, and so. Everything but the action is optional."""

    action: Action
    account: str = ""  # a name; all accounts if empty
    method: str = ""  # all methods if empty
    path: str = ""  # a regular expression, searched for in the path after the account's prefix
    nth: int | None = None  # only the nth matching call, from 1
    times: int | None = None  # this often and no more
    probability: float = 1.0
    start: datetime | None = None  # the CRM's time from which the rule holds
    end: datetime | None = None  # and the time from which it no longer does
    applied: bool | None = None  # whether the work is done all the same; None: as the action says
    code: int = 500
    retry_after: str | None = None  # seconds or an HTTP date, sent as it stands
    policy: str = ""  # which limit a `status` says to be spent, by the vendor's name; the dialect knows a usual one
    seconds: float = 5.0
    rate: float = 20.0
    keep: int = 10
    size: int = 200_000_000
    scope: str = "crm.objects.contacts.write"
    row: int = 1  # counted from 1

    @property
    def does_the_work(self) -> bool:
        """Whether the call takes effect in spite of what the client sees."""
        return self.action in _REAL_ANSWER if self.applied is None else self.applied or self.action in _REAL_ANSWER


@dataclass(kw_only=True)
class _Live:
    fault: Fault
    pattern: re.Pattern[str]
    rng: Random
    seen: int = 0
    fired: int = 0


@dataclass(kw_only=True)
class Faults:
    """The rules in force. Safe to change while calls come in."""

    seed: str
    now: Callable[[], datetime]
    _live: dict[int, _Live] = field(default_factory=dict)
    _next: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> int:
        """Put a rule in force and give its number. Raises ValueError for a wrong one."""
        _check(fault)
        with self._lock:
            if len(self._live) >= _MOST:
                raise ValueError(f"there are {_MOST} faults in force already; clear some")
            number, self._next = self._next, self._next + 1
            rng = Random(f"{self.seed}:fault:{number}")
            self._live[number] = _Live(fault=fault, pattern=re.compile(fault.path), rng=rng)
            return number

    def clear(self, number: int | None = None) -> None:
        """Lift one rule, or all."""
        with self._lock:
            if number is None:
                self._live.clear()
            else:
                self._live.pop(number, None)

    def pick(self, account: str, method: str, path: str) -> Fault | None:
        """Count a call and give the fault that hits it: the first rule, in order of age, that does."""
        with self._lock:
            chosen = None
            for live in self._live.values():
                if self._matches(live.fault, live.pattern, account, method, path):
                    live.seen += 1
                    if chosen is None and _hits(live):
                        live.fired += 1
                        chosen = live.fault
            return chosen

    def listed(self) -> list[dict[str, Any]]:
        """Tell the rules in force and how often each was matched and fired."""
        with self._lock:
            return [
                {"number": n, "action": it.fault.action, "path": it.fault.path, "seen": it.seen, "fired": it.fired}
                for n, it in self._live.items()
            ]

    def _matches(self, fault: Fault, pattern: re.Pattern[str], account: str, method: str, path: str) -> bool:
        now = self.now()
        return (
            fault.account in {"", account}
            and fault.method.upper() in {"", method}
            and (fault.start is None or now >= fault.start)
            and (fault.end is None or now < fault.end)
            and pattern.search(path) is not None
        )


def _hits(live: _Live) -> bool:
    fault = live.fault
    if fault.nth is not None and live.seen != fault.nth:
        return False
    if fault.times is not None and live.fired >= fault.times:
        return False
    return fault.probability >= 1 or live.rng.random() < fault.probability


def read_fault(body: Any) -> Fault:
    """Read a rule given as JSON, with the names of `Fault`. Raises ValueError saying what is wrong."""
    if not isinstance(body, Mapping):
        raise ValueError("a fault is an object, such as {action: status, code: 503}")
    known = {it.name for it in fields(Fault)}
    if unknown := sorted(body.keys() - known):
        raise ValueError(f"a fault has no {unknown[0]}; it has {', '.join(sorted(known))}")
    values = dict(body)
    for name in ("start", "end"):
        if isinstance(values.get(name), str):
            values[name] = datetime.fromisoformat(values[name])
    try:
        fault = Fault(**values)
        _check(fault)
    except TypeError as error:
        raise ValueError("a field is missing or of the wrong type") from error
    return fault


def _check(fault: Fault) -> None:
    if fault.action not in get_args(Action):
        raise ValueError(f"there is no action {fault.action}; there are {', '.join(get_args(Action))}")
    if not 200 <= fault.code <= 599:
        raise ValueError("code is an HTTP status from 200 to 599")
    if any(at is not None and at.tzinfo is None for at in (fault.start, fault.end)):
        raise ValueError("start and end need a time zone")
    if not 0 <= fault.seconds <= 600 or not 0 < fault.rate <= 1_000_000 or not 0 <= fault.size <= 1_000_000_000:
        raise ValueError("seconds are at most 600, rate 1,000,000 and size 1,000,000,000")
    try:
        re.compile(fault.path)
    except re.error as error:
        raise ValueError("path is no regular expression") from error
