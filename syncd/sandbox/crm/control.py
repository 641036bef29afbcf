"""The sandbox's own API under /_ctl/: faults, what was called, which records a referral has. Loopback, no token."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from syncd.sandbox.crm import times
from syncd.sandbox.crm.dialect import Dialect
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Faults, read_fault
from syncd.sandbox.crm.routes import Kind

PREFIX = "/_ctl/"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedCall:
    """One call as the request log keeps it: no body, no query, no address."""

    seq: int
    at: datetime
    account: str
    method: str
    path: str
    route: str
    kind: Kind | Literal["unknown"]
    code: int | None  # None where no answer was sent
    applied: bool  # whether the call took effect, or was a read that was worked out
    fault: str | None


@dataclass(kw_only=True)
class CallLog:
    """The latest 10,000 calls, and how many there were of each route since the start."""

    calls: deque[LoggedCall] = field(default_factory=lambda: deque(maxlen=10_000))
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (account, kind, route)
    _seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **values: Any) -> None:
        """Note a call; `values` are the fields of `LoggedCall` but for `seq`."""
        with self._lock:
            self._seq += 1
            entry = LoggedCall(seq=self._seq, **values)
            self.calls.append(entry)
            self.counts[entry.account, entry.kind, entry.route] += 1

    def listed(self, after: int = 0) -> list[LoggedCall]:
        """Give the calls after number `after`, oldest first."""
        with self._lock:
            return [call for call in self.calls if call.seq > after]

    def counted(self) -> list[tuple[str, str, str, int]]:
        """Give (account, kind, route, number), most called first."""
        with self._lock:
            return [(*key, number) for key, number in self.counts.most_common()]

    def clear(self) -> None:
        """Forget all calls; numbers go on."""
        with self._lock:
            self.calls.clear()
            self.counts.clear()


@dataclass(kw_only=True)
class Control:
    """Answers the calls under /_ctl/."""

    faults: Faults
    log: CallLog
    accounts: Mapping[str, Dialect]

    def answer(self, request: Request) -> Reply:
        """Do what a control call asks; 404 lists what there is."""
        known: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", "faults"): lambda _: Reply(code=200, body={"faults": self.faults.listed()}),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "history"): self._history,
            ("GET", "counts"): self._counts,
            ("GET", "records"): self._records,
        }
        answer = known.get((request.method, request.path.removeprefix(PREFIX)))
        if answer is None:
            return Reply(code=404, body={"known": [f"{method} {PREFIX}{name}" for method, name in known]})
        try:
            return answer(request)
        except (ValueError, RecursionError) as error:
            return Reply(code=400, body={"message": str(error)})

    def _add_fault(self, request: Request) -> Reply:
        # A web page may post text to loopback, but not JSON: asking for it keeps strangers' pages out.
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise ValueError("send the fault as application/json")
        return Reply(code=201, body={"number": self.faults.add(read_fault(json.loads(request.body)))})

    def _clear_faults(self, request: Request) -> Reply:
        number = _first(request, "number")
        self.faults.clear(int(number) if number else None)
        return Reply(code=204)

    def _history(self, request: Request) -> Reply:
        calls = self.log.listed(int(_first(request, "after") or 0))
        return Reply(code=200, body={"calls": [{**asdict(call), "at": times.iso(call.at)} for call in calls]})

    def _counts(self, _: Request) -> Reply:
        names = ("account", "kind", "route", "calls")
        return Reply(code=200, body={"counts": [dict(zip(names, row, strict=True)) for row in self.log.counted()]})

    def _records(self, request: Request) -> Reply:
        referral = _first(request, "referral")
        if not referral:
            raise ValueError("name the referral: /_ctl/records?referral=ID")
        found = [
            {"account": name, **asdict(record)}
            for name, account in self.accounts.items()
            for record in account.humans.of_referral(referral)
        ]
        return Reply(code=200, body={"records": found})


def _first(request: Request, name: str) -> str:
    return next(iter(request.query.get(name, [])), "")
