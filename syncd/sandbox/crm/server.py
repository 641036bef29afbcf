"""Simulated accounts of one or several vendors behind one port."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Self, TypeVar, overload

from syncd.sandbox.crm.control import PREFIX, CallLog, Control
from syncd.sandbox.crm.dialect import Dialect, Setup, Surroundings
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault, Faults
from syncd.sandbox.crm.hooks import Hooks, Mischief
from syncd.sandbox.crm.hubspot import CrmModel, HubSpot, HubSpotSetup
from syncd.sandbox.crm.humans import Humans
from syncd.sandbox.crm.listener import Listener
from syncd.sandbox.crm.pipedrive import Pipedrive
from syncd.sandbox.crm.routes import Match, find, shown
from syncd.sandbox.crm.salesforce import Salesforce
from syncd.sandbox.crm.zoho import Zoho

Model = TypeVar("Model")


class Sandbox:
    """Simulated CRM accounts behind one port of 127.0.0.1.

    `now` is the CRM's time; `clock` counts the seconds of the rate limits. Same seed, same calls in the same order:
    same answers. Use it as a context manager, or `start` and `stop` it.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        seed: int = 42,
        port: int = 0,
        host: str = "127.0.0.1",
        accounts: Iterable[Setup] = (HubSpotSetup(),),
    ) -> None:
        if host != "127.0.0.1":
            raise ValueError(f"the sandbox listens on 127.0.0.1 only, not on {host}: it has no real protection")
        self._now = now
        self.accounts: dict[str, Dialect] = {}
        for number, setup in enumerate(accounts):
            around = Surroundings(number=number, seed=f"{seed}:{setup.name}", now=now, clock=clock)
            self.accounts[setup.name] = setup.open(around)
        self.faults = Faults(seed=str(seed), now=now)
        self.log = CallLog()
        self.control = Control(faults=self.faults, log=self.log, accounts=self.accounts)
        self.stopping = threading.Event()
        self._told: set[str] = set()
        self._listener = Listener((host, port), self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.05,), name="sandbox-crm", daemon=True
        )

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, hanging ones too, and free the port."""
        self.stopping.set()
        for account in self.accounts.values():
            account.close()
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Tell the port."""
        return int(self._listener.server_address[1])

    def url(self, account: str = "hubspot") -> str:
        """Give the base URL of an account, or of the control API for "_ctl"."""
        return f"http://127.0.0.1:{self.port}/{account}"

    def token(self, account: str = "hubspot") -> str:
        """Give the token of an account that works from the start."""
        return self.accounts[account].token

    def humans(self, account: str) -> Humans:
        """Give the records of an account of any vendor, for those who work in the CRM by hand."""
        return self.accounts[account].humans

    @overload
    def model(self, account: str = "hubspot") -> CrmModel: ...

    @overload
    def model(self, account: str, kind: type[Model]) -> Model: ...

    def model(self, account: str = "hubspot", kind: type[object] = CrmModel) -> object:
        """Give the records of an account with all that its vendor's model can do; `kind` is that model's class."""
        model = self.humans(account)
        if not isinstance(model, kind):
            raise TypeError(f"the records of {account} are no {kind.__name__}")
        return model

    def tell(self, account: str, url: str) -> None:
        """Have an account's changes told to this URL, as an admin sets it up; does nothing where the API orders it."""
        match self.accounts[account]:
            case HubSpot(webhooks=it) | Salesforce(outbound=it):
                it.subscribe(url)

    def mischief(self, account: str) -> Mischief:
        """Give what goes wrong on the way of an account's webhooks, to be changed in place."""
        return _hooks(self.accounts[account]).mischief

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Work out the answer to a request with its full path, log it, and say which fault spoils it on the wire."""
        if request.path.startswith(PREFIX):
            return self.control.answer(request), None
        name, _, rest = request.path.removeprefix("/").partition("/")
        request = replace(request, path=f"/{rest}", uri_bytes=request.uri_bytes - len(name) - 1)
        account = self.accounts.get(name)
        if account is None:
            self._note(name, request, None, 501, fault=None, applied=False)
            return Reply(code=501, body={"message": "There is no such account", "accounts": list(self.accounts)}), None
        match = find(account.routes, request)
        if match is None:
            self._note(name, request, None, 501, fault=None, applied=False)
            self._tell(name, request)
            return account.unsimulated(), None
        fault = self.faults.pick(name, request.method, request.path)
        reply, applied = _spoiled(account, match, request, fault)
        silent = fault is not None and fault.action in {"drop_before", "drop_after", "hang"}
        self._note(name, request, match, None if silent else reply.code, fault=fault, applied=applied)
        return replace(reply, headers=self._dated(reply.headers)), fault

    def _dated(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {"Date": format_datetime(self._now().astimezone(UTC), usegmt=True), **headers}

    def _tell(self, name: str, request: Request) -> None:
        """Print what is not simulated, the first time: a sandbox that guessed would teach a client wrong things."""
        if len(self._told) < 100 and (line := f"{request.method} /{name}{shown(request.path)}") not in self._told:
            self._told.add(line)
            print(f"sandbox CRM: {line} is not simulated; see docs/sandbox-fidelity.md", file=sys.stderr)

    def _note(
        self,
        account: str,
        request: Request,
        match: Match | None,
        code: int | None,
        *,
        fault: Fault | None,
        applied: bool,
    ) -> None:
        path = shown(request.path)
        self.log.add(
            at=self._now(),
            account=account,
            method=request.method,
            path=path,
            route=match.route.template if match else path,
            kind=match.route.kind if match else "unknown",
            code=code,
            applied=applied,
            fault=fault.action if fault else None,
        )


def _hooks(account: Dialect) -> Hooks:
    match account:
        case HubSpot(webhooks=it) | Salesforce(outbound=it) | Pipedrive(webhooks=it) | Zoho(channels=it):
            hooks: Hooks = it.hooks
            return hooks
    raise LookupError("this account sends no webhooks")


def _spoiled(account: Dialect, match: Match, request: Request, fault: Fault | None) -> tuple[Reply, bool]:
    """Give the answer that the account makes or a fault puts in its place, and whether the call took effect."""
    with account.humans.lock:
        if fault and fault.action == "token_expire":
            account.expire(request.headers.get("authorization", ""))
        if fault and fault.action == "token_revoke":
            account.revoke()
        reply, applied = Reply(code=200), False
        if fault is None or fault.does_the_work:
            reply = account.answer(match, request, fault)
            applied = reply.code < 400
        if fault and fault.action in {"status", "scope_missing"}:
            reply = account.fail(match, fault)
        return reply, applied
