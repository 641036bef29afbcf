"""What a vendor adds to the server: its routes, its credentials, and its way to say no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.humans import Humans
from syncd.sandbox.crm.routes import Match, Route


class Dialect(Protocol):
    """One account, answering as its vendor does. Its records carry the lock under which the server calls it."""

    @property
    def token(self) -> str:
        """Give the credential that works from the start."""
        ...

    @property
    def routes(self) -> Sequence[Route[Any]]:
        """List all that is simulated."""
        ...

    @property
    def humans(self) -> Humans:
        """Give the records, for those who work with them by hand."""
        ...

    def answer(self, match: Match, request: Request, fault: Fault | None) -> Reply:
        """Take a call through credentials and limits to its route; refusals become the vendor's answers."""
        ...

    def fail(self, match: Match, fault: Fault) -> Reply:
        """Say to a call what a fault asks for, `status` or `scope_missing`, in the vendor's form."""
        ...

    def expire(self, authorization: str) -> None:
        """Let the credential of this header expire now."""
        ...

    def revoke(self) -> None:
        """End every credential of the account, as an uninstalled app loses them."""
        ...

    def close(self) -> None:
        """End what the account does by itself, such as sending webhooks."""
        ...

    def unsimulated(self) -> Reply:
        """Say 501, in the vendor's form and with the list of routes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an account gets from its server. `now` is the CRM's time, `clock` counts the seconds of rate limits."""

    number: int  # from 0; no two accounts of a server have the same
    seed: str
    now: Callable[[], datetime]
    clock: Callable[[], float]


class Setup(Protocol):
    """What an account is to be like. The name is its URL prefix."""

    @property
    def name(self) -> str: ...

    def open(self, around: Surroundings) -> Dialect:
        """Make the account, empty."""
        ...
